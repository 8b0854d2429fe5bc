"""files.py - what the kernel says of core files and processes."""

import os
import re


def size_of(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def mapped_end(path):
    """Up to which of its bytes a file is mapped here; 0: nowhere."""
    end = 0
    if path:
        try:
            inode = os.stat(path).st_ino
            with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
                rows = [line.split(maxsplit=5) for line in maps if line.rstrip().endswith(os.path.basename(path))]
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
