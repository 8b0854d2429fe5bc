"""regions.py - what is mapped in a target, as LLDB shows it."""

import lldb
import refheap_door as door


def regions_of(listed):
    for i in range(listed.GetSize()):
        region = lldb.SBMemoryRegionInfo()
        if listed.GetMemoryRegionAtIndex(i, region) and region.IsMapped():
            yield region


def listed_regions(target, process):
    """The regions as LLDB shows them; offsets in files from the modules' sections, and the files too where it
    names none, as in a core. What a section has no bytes of in its file (.bss) may be one region with what
    the program mapped behind it."""
    listed, rows, sections = process.GetMemoryRegions(), [], []
    is_named = any(region.GetName() for region in regions_of(listed))
    for module in target.module_iter():
        for section in module.section_iter():
            start = section.GetLoadAddress(target)
            if start != lldb.LLDB_INVALID_ADDRESS:
                sections.append((start, start + section.GetFileByteSize(), section.GetFileOffset(), module.file.fullpath))
    for region in regions_of(listed):
        start, end = region.GetRegionBase(), region.GetRegionEnd()
        flags = ((door.READ if region.IsReadable() else 0) | (door.WRITE if region.IsWritable() else 0)
                 | (door.EXECUTE if region.IsExecutable() else 0))
        file = next((each for each in sections if each[0] < end and start < each[1]), None)
        path = region.GetName() or (file[3] if file and not is_named else "")
        rows.append((start, end, flags, max(file[2] + start - file[0], 0) if file and path else 0, path))
    return rows
