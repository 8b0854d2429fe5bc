"""regions.py - what is mapped in a target, from what GDB says of it in words."""

import re

import gdb
import refheap_door as door

from .state import with_paths


def mapping_regions():
    """`info proc mappings` of a process that is not on this machine."""
    rows = []
    try:
        text = with_paths(lambda: gdb.execute("info proc mappings", to_string=True))
    except gdb.error:
        return rows
    for line in text.splitlines():
        match = re.match(r"\s*0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+(?:([rwxps-]{4})\s*)?(.*)$", line)
        if match:
            start, end, offset = (int(match.group(i), 16) for i in (1, 2, 3))
            rows.append((start, end, door.mode_flags(match.group(4) or "rw"), offset, match.group(5).strip()))
    return rows


def core_segments():
    """(start, end, flags, is held) of a core's segments as GDB shows them."""
    for line in with_paths(lambda: gdb.execute("maintenance info sections", to_string=True)).splitlines():
        match = re.search(r"0x([0-9a-f]+)->0x([0-9a-f]+) at 0x[0-9a-f]+: load\S* (.*)$", line)
        if match:
            words = match.group(3).split()
            flags = door.READ | (0 if "READONLY" in words else door.WRITE) | (door.EXECUTE if "CODE" in words else 0)
            yield int(match.group(1), 16), int(match.group(2), 16), flags, "HAS_CONTENTS" in words


def core_regions():
    """A core's segments, with the files that its note names."""
    files = [row for row in mapping_regions() if row[4]]
    rows = []
    for start, end, flags, _is_held in core_segments():
        file = next((row for row in files if row[0] <= start < row[1]), None)
        rows.append((start, end, flags, file[3] + start - file[0] if file else 0, file[4] if file else ""))
    return rows
