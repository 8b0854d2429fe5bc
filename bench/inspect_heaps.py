"""inspect_heaps.py - the heaps that the benchmark of the engine asks about: their cores, written by the kernel where
it can, and the living processes; what disk and memory they need.

A core NAME.core lies beside NAME.runs (where its objects lie) and NAME.json: what its program says it built, and
the fingerprint of that program. It is used again only if that fingerprint is still the same.

Invariant: no process outlives this one (they die with their parent), and no part of a core is left behind.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass

import machine
from machine import HERE, Failure

BUILD_SECONDS = 120
# Bytes per object, rounded up: of a core; of a process while it builds; of glibc's blocks; of the engine, with
# dominators; of the hungriest peer where one is measured.
CORE_BYTES, PROCESS_BYTES, BLOCK_BYTES, ENGINE_BYTES, PEER_BYTES = 58, 76, 50, 100, 160
PYTHON_BYTES = 160  # of a process of Python, and of its core
PYTHON = os.environ.get("PYTHON", "/usr/bin/python3.11")
SPARE_BYTES = 256 << 20


@dataclass(frozen=True)
class Heap:
    program: str  # inspect_heap, inspect_malloc or python_heap.py
    shape: str
    size: int

    @property
    def title(self):
        return f"{size_text(self.size)} {self.shape}"

    @property
    def is_python(self):
        return self.program == "python_heap.py"

    @property
    def core_bytes(self):
        return self.size * (PYTHON_BYTES if self.is_python else
                            CORE_BYTES if self.program == "inspect_heap" else BLOCK_BYTES)

    @property
    def process_bytes(self):
        return self.size * (PYTHON_BYTES if self.is_python else PROCESS_BYTES)

    def exe(self, build):
        return os.path.realpath(shutil.which(PYTHON) or PYTHON) if self.is_python else str(build / self.program)

    def command(self, build, mode, runs):
        if self.is_python:
            return [self.exe(build), str(HERE / self.program), mode, str(self.size)]
        return [self.exe(build), mode, self.shape, str(self.size), str(runs)]

    def file(self, folder, ending):
        return folder / f"refheap-bench-{self.program}-{self.shape}-{size_text(self.size)}.{ending}"


@dataclass(frozen=True)
class Core:
    heap: Heap
    path: pathlib.Path
    runs: pathlib.Path
    truth: dict
    writer: str


def size_text(size):
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if size % unit == 0:
            return f"{size // unit}{letter}"
    return str(size)


def parse_size(text):
    factor = {"M": 1_000_000, "k": 1_000}.get(text[-1:], 1)
    number = text[:-1] if factor > 1 else text
    if not number.isdigit() or not 1_000 <= int(number) * factor <= 100_000_000:
        raise ValueError(f"'{text}' is no size from 1k to 100M")
    return int(number) * factor


# ---- cores --------------------------------------------------------------------------------------------------------


def fingerprint(build, heap):
    """Of the program and of the library it is linked with, or of the Python that runs it."""
    digest = hashlib.sha256()
    others = [HERE / heap.program] if heap.is_python else sorted((build / "runtime").glob("librefheap.so.*.*.*"))
    for path in [pathlib.Path(heap.exe(build)), *others]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def kept_core(heap, build, folder):
    try:
        record = json.loads(heap.file(folder, "json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    core, runs = heap.file(folder, "core"), heap.file(folder, "runs")
    if record.get("fingerprint") != fingerprint(build, heap) or not core.exists():
        return None
    if not heap.is_python and not runs.exists():
        return None
    if core.stat().st_size != record["bytes"]:
        return None
    return Core(heap, core, runs, record["truth"], record["writer"])


def core_by_kernel(command, place):
    """What the program said, and its core; None for the core if the kernel put none here."""
    done = subprocess.run(command, cwd=place, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=BUILD_SECONDS)
    if done.returncode != -signal.SIGABRT:
        raise Failure(f"{command[0]}: exit status {done.returncode}: {done.stderr.strip()}")
    cores = [path for path in place.iterdir() if path.name.startswith("core") and path.stat().st_size]
    return done.stdout, cores[0] if cores else None


def core_by_gdb(command, place):
    said, core = place / "said", place / "gcore"
    words = " ".join(command[1:])
    subprocess.run([os.environ.get("GDB", "gdb"), "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off",
                    "-ex", f"run {words} >'{said}'", "-ex", f"generate-core-file {core}", command[0]],
                   cwd=place, stdin=subprocess.DEVNULL, capture_output=True, timeout=BUILD_SECONDS)
    if not core.exists():
        return "", None
    return said.read_text(encoding="utf-8"), core


def whole_core(path):
    """A core is cut off in silence where the disk is full: it must reach to the end of its last segment."""
    with path.open("rb") as file:
        data = file.read(64)
        offset, count = int.from_bytes(data[32:40], "little"), int.from_bytes(data[56:58], "little")
        file.seek(offset)
        heads = file.read(56 * count)
    ends = [int.from_bytes(heads[i + 8:i + 16], "little") + int.from_bytes(heads[i + 32:i + 40], "little")
            for i in range(0, len(heads), 56)]
    return data[:4] == b"\x7fELF" and len(heads) == 56 * count and max(ends, default=0) <= path.stat().st_size


def make_core(heap, build, folder, only_gdb=False):
    """A new core; the kernel's if it writes one into the program's folder, else one of gdb's."""
    with tempfile.TemporaryDirectory(prefix="refheap-bench-", dir=folder) as name:
        place = pathlib.Path(name)
        runs = heap.file(folder, "runs")
        command = heap.command(build, "core", runs)
        said, core, writer = "", None, "the kernel"
        try:
            if not only_gdb:
                said, core = core_by_kernel(command, place)
            if core is None:
                pattern = machine.first_line("/proc/sys/kernel/core_pattern")
                writer = "gdb" if only_gdb else f"gdb (the kernel wrote none here; core_pattern is '{pattern}')"
                said, core = core_by_gdb(command, place)
        except (subprocess.TimeoutExpired, OSError) as error:
            raise Failure(f"{heap.title}: no core: {error}") from None
        if core is None or not whole_core(core):
            raise Failure(f"{folder}: no whole core of {heap.title} could be written there")
        truth = json.loads(said)
        size = core.stat().st_size
        record = {"truth": truth, "writer": writer, "bytes": size, "fingerprint": fingerprint(build, heap)}
        core.replace(heap.file(folder, "core"))
        heap.file(folder, "json").write_text(json.dumps(record) + "\n", encoding="utf-8")
    return Core(heap, heap.file(folder, "core"), runs, truth, writer)


def into_page_cache(path):
    with path.open("rb", buffering=0) as file:
        piece = bytearray(1 << 20)
        while file.readinto(piece):
            pass


# ---- processes ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def living(heap, build, folder):
    """(pid, truth) of a process that has built its heap and waits."""
    command = heap.command(build, "wait", folder / "living.runs")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline()
            if not said:
                raise Failure(f"{heap.program} {heap.title}: ended with status {process.wait()} and built nothing")
            yield process.pid, json.loads(said)
        finally:
            process.kill()


# ---- what they need -----------------------------------------------------------------------------------------------


def memory_for_engine(heap):
    return SPARE_BYTES + heap.size * ENGINE_BYTES


def check_room(heaps, kept, folder, with_peers):
    """Fails with what to do if this machine cannot hold them."""
    new = sum(heap.core_bytes for heap in heaps if heap not in kept)
    memory = SPARE_BYTES + max(heap.core_bytes + max(heap.process_bytes + heap.size * ENGINE_BYTES,
                                                     heap.size * PEER_BYTES if with_peers else 0) for heap in heaps)
    disk_free = shutil.disk_usage(folder).free
    words = machine.first_line("/proc/meminfo", "MemAvailable:").split()
    memory_free = int(words[1]) * 1024 if len(words) > 1 else memory
    needs = (f"needed: {new / 1e9:.1f} GB of disk in {folder} ({disk_free / 1e9:.1f} GB are free) and "
             f"{memory / 1e9:.1f} GB of memory ({memory_free / 1e9:.1f} GB are free)")
    if new + (SPARE_BYTES if new else 0) > disk_free:
        raise Failure(f"{needs}; give another folder with --cores, or fewer objects with --sizes=1M")
    if memory > memory_free:
        raise Failure(f"{needs}; ask for fewer objects with --sizes=1M")
    return needs
