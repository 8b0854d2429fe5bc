"""known.py - what is known to break a rule, word for word as the rule says it, by the rule's name.

Invariant: each line must still be true, so that this list only becomes shorter.
"""

KNOWN = {
    "functions_are_short": [
        "inspect/src/readers/refheap/reader.c: a function of 63 lines behind `uint32_t heap_count)`",
    ],
    "includes_lead_down": [
        "words/orphans.c includes questions/leaks.h",
        "words/referrers.c includes questions/selection.h",
        "words/word_map.c includes render/output.h",
    ],
    "symbols_lead_down": [
        "words/referrers takes rhi__each_edge from questions/selection",
        "words/referrers takes rhi__edge_holder from questions/selection",
        "words/word_map takes rhi__json_address from render/output",
        "words/word_map takes rhi__json_text from render/output",
    ],
    "no_circle_of_symbols": [
        "readers/refheap/reader takes symbols from readers/refheap/verify, which leads back",
        "readers/refheap/verify takes symbols from readers/refheap/reader, which leads back",
    ],
    "no_circle_of_includes": [
        "questions/leaks includes words/orphans, which leads back",
        "words/orphans includes questions/leaks, which leads back",
        "words/word_map includes words/words, which leads back",
        "words/words includes words/word_map, which leads back",
    ],
    "format_stays_in_its_reader": [
        "inspect/src/commands/command.c speaks of slabs",
        "inspect/src/commands/gcstat.c speaks of slabs",
        "inspect/src/commands/gcverify.c speaks of slabs",
        "inspect/src/heap/format.h speaks of slabs",
    ],
}
