"""machine.py - what the benchmarks share: building the programs, what this machine is and whether something
disturbs it, a line of progress.

Invariant: nothing here changes the machine; what cannot be found out is empty or "unknown".
"""

import os
import pathlib
import platform
import resource
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
BUSY_SHARE = 0.05
STEAL_SHARE = 0.01


class Failure(Exception):
    """One line for the user; the exit status is 2."""


# ---- build ------------------------------------------------------------------------------------------


def build(folder, source=HERE, targets=(), settings=()):
    """Everything, or these targets, of a CMake project."""
    steps = (
        ["cmake", "-S", str(source), "-B", str(folder), "-G", "Ninja", *settings],
        ["cmake", "--build", str(folder), "--parallel", "2", *(["--target", *targets] if targets else [])],
    )
    for step in steps:
        try:
            done = subprocess.run(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        except OSError as error:
            raise Failure(f"cannot run cmake: {error.strerror}") from None
        if done.returncode:
            sys.stderr.write(done.stdout)
            raise Failure(f"{' '.join(step)}: exit status {done.returncode}")


# ---- the machine ------------------------------------------------------------------------------------


def first_line(path, prefix=""):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return next((line.strip() for line in file if line.startswith(prefix)), "")
    except OSError:
        return ""


def transparent_huge_pages():
    text = first_line("/sys/kernel/mm/transparent_hugepage/enabled")
    return text.partition("[")[2].partition("]")[0] or "unknown"


def cpu_times(cpu):
    """All, idle and stolen time of a core (None: of all cores) so far, in ticks."""
    ticks = [int(word) for word in first_line("/proc/stat", f"cpu{'' if cpu is None else cpu} ").split()[1:9]]
    if len(ticks) < 8:
        return 0, 0, 0
    return sum(ticks), ticks[3] + ticks[4], ticks[7]


def name_of(cpu):
    return "this machine" if cpu is None else f"core {cpu}"


def busy_share(cpu):
    all_before, idle_before, _ = cpu_times(cpu)
    time.sleep(0.5)
    all_after, idle_after, _ = cpu_times(cpu)
    passed = all_after - all_before
    return 1 - (idle_after - idle_before) / passed if passed else 0.0


def machine_line(machine):
    virtual = ", virtual" if machine["hypervisor"] else ""
    return (f"machine: {machine['cpu']}{virtual}, {machine['cores']} cores, {machine['memory_gib']:g} GiB; "
            f"{machine['system']}, Linux {machine['kernel']}; transparent huge pages: {machine['transparent_huge_pages']}")


def version_of(package):
    try:
        command = ["dpkg-query", "-W", "-f", "${Version}", package]
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def describe_machine(cpu=None):
    memory_kib = int((first_line("/proc/meminfo", "MemTotal:").split() or ["", "0"])[1])
    return {
        "cpu": first_line("/proc/cpuinfo", "model name").partition(":")[2].strip() or platform.machine(),
        "hypervisor": "hypervisor" in first_line("/proc/cpuinfo", "flags"),
        "cores": os.cpu_count(),
        "pinned_to": cpu,
        "memory_gib": round(memory_kib / 1024 / 1024, 1),
        "kernel": platform.release(),
        "system": first_line("/etc/os-release", "PRETTY_NAME=").partition("=")[2].strip('"'),
        "transparent_huge_pages": transparent_huge_pages(),
    }


def own_ticks():
    """What this process and its children have used so far, in ticks."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used) * os.sysconf("SC_CLK_TCK")


def warnings_before(cpu, machine):
    share = busy_share(cpu)
    if share > BUSY_SHARE:
        yield f"{name_of(cpu)} is {share:.0%} busy with something else"
    if machine["transparent_huge_pages"] == "never":
        yield "transparent huge pages are off: cold figures are worse than they need be"


def warnings_after(cpu, times, ticks):
    """`times` and `ticks` are cpu_times and own_ticks as they were at the beginning."""
    passed, idle, stolen = (after - before for after, before in zip(cpu_times(cpu), times))
    passed = max(1, passed)
    others = (passed - idle - stolen - (own_ticks() - ticks)) / passed
    if others > BUSY_SHARE:
        yield f"something else took {others:.0%} of {name_of(cpu)} meanwhile"
    if stolen / passed > STEAL_SHARE:
        yield f"the hypervisor took {stolen / passed:.1%} of {name_of(cpu)} meanwhile"


def touch_memory(size):
    """Has been written to once, and is free again. A virtual machine gets its memory from its host when it first
    writes there, which takes twenty times as long as later, and would be counted as the time of whoever is first."""
    code = ("import mmap, sys\n"
            "memory = mmap.mmap(-1, int(sys.argv[1]), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
            "memory.madvise(mmap.MADV_HUGEPAGE)\n"
            "for at in range(0, len(memory), mmap.PAGESIZE): memory[at] = 1\n")
    subprocess.run([sys.executable, "-c", code, str(size)], check=False)


# ---- progress ---------------------------------------------------------------------------------------


class Progress:
    """One line on stderr that overwrites itself, if that is a terminal."""

    def __init__(self):
        self.shown = sys.stderr.isatty()

    def show(self, text):
        if self.shown:
            sys.stderr.write(f"\r\033[K{text}")
            sys.stderr.flush()
