"""files.py - what the kernel says of core files and processes."""

import contextlib
import functools
import os
import re

CORE = 4  # e_type of ELF cores


def size_of(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


@functools.lru_cache(maxsize=64)
def mapped_core(_process_number):
    """The core file that is mapped here, if there is one alone: LLDB before 18 does not tell which core a process is of, but
    maps it."""
    found = set()
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            rows = [line.rstrip("\n").split(maxsplit=5) for line in maps]
    except OSError:
        return None
    for path in {row[5] for row in rows if len(row) == 6 and row[5].startswith("/") and int(row[2], 16) == 0}:
        with contextlib.suppress(OSError), open(path, "rb") as file:
            head = file.read(18)
            if head[:4] == b"\x7fELF" and int.from_bytes(head[16:18], "little") == CORE:
                found.add(path)
    return found.pop() if len(found) == 1 else None


def mapped_end(path):
    """Up to which of its bytes a file is mapped here; 0: nowhere."""
    end = 0
    if path:
        try:
            inode, name = os.stat(path).st_ino, os.path.basename(path) + "\n"
            with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
                rows = [line.split(maxsplit=5) for line in maps if line.endswith(name)]
        except OSError:
            return 0
        for addresses, _flags, offset, _device, number, *_path in rows:
            start, stop = (int(each, 16) for each in addresses.split("-"))
            if int(number) == inode:
                end = max(end, int(offset, 16) + stop - start)
    return end


def file_path(spec):
    return spec.fullpath if spec.IsValid() else None


def status_number(pid, key):
    """A number of /proc/PID/status; None if there is no such process here."""
    try:
        with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as status:
            found = re.search(r"^%s:\s*(\d+)" % key, status.read(), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) if found else None
