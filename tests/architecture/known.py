"""known.py - what is known to break a rule, word for word as the rule says it, by the rule's name.

Invariant: each line must still be true, so that this list only becomes shorter.
"""

KNOWN = {
    "functions_are_short": [
        "inspect/src/readers/refheap/reader.c: a function of 63 lines behind `uint32_t heap_count)`",
    ],
    "includes_lead_down": [
    ],
    "symbols_lead_down": [
    ],
    "no_circle_of_symbols": [
        "readers/refheap/reader takes symbols from readers/refheap/verify, which leads back",
        "readers/refheap/verify takes symbols from readers/refheap/reader, which leads back",
    ],
    "no_circle_of_includes": [
    ],
    "format_stays_in_its_reader": [
        "inspect/src/commands/command.c speaks of slabs",
        "inspect/src/commands/gcstat.c speaks of slabs",
        "inspect/src/commands/gcverify.c speaks of slabs",
        "inspect/src/heap/format.h speaks of slabs",
    ],
}
