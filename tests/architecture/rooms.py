"""rooms.py - the rules of the engine's house: inspect/src/ROOM/.

A room may use those that stand before it in ROOMS. Two ways lead from one to another: #include, and
the symbols that its object files take from others; both are looked at, since a declaration may stand
anywhere. Invariant: each source has an object file here and each object file a source, so that
nothing is overlooked.
"""

import collections
import os
import re

from tree import ENGINE, add_source, all_of, append

ROOMS = ("base", "target", "program", "heap", "readers", "graph", "session", "words", "questions", "render", "query", "export", "commands")
REFHEAP = ENGINE + "readers/refheap/"  # all that is known of refheap's own format
INCLUDE = re.compile(r'^\s*#\s*include\s*"([\w./]+)"', re.MULTILINE)


def rank(unit):
    room = unit.split("/")[0]
    return ROOMS.index(room) if room in ROOMS else -1


def sources(tree):
    return [path[len(ENGINE):] for path in tree.files("inspect/src", (".c", ".h"))]


def included(tree):
    """(file, file that it includes), both "room/name.h"."""
    for name in sources(tree):
        for other in INCLUDE.findall(tree.text(ENGINE + name)):
            yield name, other if "/" in other else os.path.join(os.path.dirname(name), other)


def symbols(tree):
    """What each object file of the engine defines for others, and what it wants of them."""
    unit_by_file = {path: unit for unit, path in tree.objects.items()}
    defined, wanted = {}, collections.defaultdict(set)
    for line in tree.run("nm", "--print-file-name", *unit_by_file).splitlines():
        path, _, rest = line.partition(":")
        *_address, kind, symbol = rest.split()
        if kind == "U":
            wanted[unit_by_file[path]].add(symbol)
        elif kind in "TDBRVW":
            defined[symbol] = unit_by_file[path]
    return defined, wanted


def taken(tree):
    """(unit, unit that it takes a symbol from, the symbol)."""
    defined, wanted = symbols(tree)
    for unit in sorted(wanted):
        for symbol in sorted(wanted[unit]):
            if defined.get(symbol, unit) != unit:
                yield unit, defined[symbol], symbol


def on_circles(edges):
    """The edges that lie on a circle: whose end leads back to their beginning."""
    after = collections.defaultdict(set)
    for start, end in edges:
        after[start].add(end)
    reached = {}
    for start in list(after):
        seen, left = set(), [start]
        while left:
            for end in after[left.pop()] - seen:
                seen.add(end)
                left.append(end)
        reached[start] = seen
    return sorted((start, end) for start, end in set(edges) if start in reached.get(end, ()))


def files_lie_in_rooms(tree):
    """Each file of the engine lies in a room, and was built."""
    units = {name[:-2] for name in sources(tree) if name.endswith(".c")}
    for name in sources(tree):
        if rank(name) < 0 or "/" not in name:
            yield "%s lies in no room" % name
    for unit in sorted(units ^ set(tree.objects)):
        yield "%s has no %s" % (unit, "object file" if unit in units else "source")


def includes_lead_down(tree):
    for name, other in included(tree):
        if rank(other) > rank(name):
            yield "%s includes %s" % (name, other)


def symbols_lead_down(tree):
    for unit, other, symbol in taken(tree):
        if rank(other) > rank(unit):
            yield "%s takes %s from %s" % (unit, symbol, other)


def no_circle_of_symbols(tree):
    for unit, other in on_circles([(unit, other) for unit, other, _symbol in taken(tree)]):
        yield "%s takes symbols from %s, which leads back" % (unit, other)


def no_circle_of_includes(tree):
    """NAME.c and NAME.h are one here."""
    edges = {(os.path.splitext(name)[0], os.path.splitext(other)[0]) for name, other in included(tree)}
    for unit, other in on_circles([edge for edge in edges if edge[0] != edge[1]]):
        yield "%s includes %s, which leads back" % (unit, other)


def format_stays_in_its_reader(tree):
    """<refheap/metadata.h> and slabs are refheap's own: nothing else in inspect/ knows them."""
    for path in tree.files("inspect", (".c", ".h", ".py")):
        if path.startswith(REFHEAP):
            continue
        text = tree.text(path)
        if "refheap/metadata.h" in text:
            yield "%s includes <refheap/metadata.h>" % path
        if re.search("slab", text, re.IGNORECASE):
            yield "%s speaks of slabs" % path


def library_exports_only_its_interface(tree):
    exported = [line.split()[-1] for line in tree.run("nm", "-D", "--defined-only", tree.library).splitlines()]
    if not any(name.startswith("rhi_") for name in exported):
        yield "the library exports nothing"
    for name in exported:
        if not re.match(r"rhi_[^_]|__odr_asan\.rhi_[^_]", name):
            yield "the library exports %s" % name


def each_source_has_its_header(tree):
    """What NAME.c offers stands in a header: NAME.h beside it, or one of its room that names it, or the
    one that its head gives as "(see ROOM/NAME.h)". Without a room that lies beside it, too."""
    texts = {name: tree.text(ENGINE + name) for name in sources(tree)}
    for name, text in texts.items():
        room = os.path.dirname(name)
        sent_to = [header if "/" in header else os.path.join(room, header)
                   for header in re.findall(r"\(see ([\w./]+\.h)\)", text.split("*/")[0])]
        yield from ("%s sends to %s, which is not there" % (name, header) for header in sent_to if header not in texts)
        naming = [other for other in texts if other.endswith(".h") and os.path.dirname(other) == room
                  and re.search(r"\b%s\b" % re.escape(os.path.basename(name)), texts[other])]
        if name.endswith(".c") and name[:-1] + "h" not in texts and not naming and not any("/" in header and header in texts for header in
                                                                                         sent_to):
            yield "%s has no header, and none of its room names it" % name


def files_are_in_the_guide(tree):
    """docs/contributing.md has each file of the engine in the table of its room, and no other."""
    text, named = tree.text("docs/contributing.md"), set()
    for room, table in re.findall(r"^### `([\w/]+)/`.*?\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL):
        for cell in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE):
            named |= {room + "/" + name for name in re.findall(r"`(\w+)(?:\.h)?`", cell)}
    there = {os.path.splitext(name)[0] for name in sources(tree)}
    for unit in sorted(there - named):
        yield "docs/contributing.md lacks %s" % unit
    for unit in sorted(named - there):
        yield "docs/contributing.md names %s, which is not there" % unit


def link_with(script):
    """Plants a library that is linked with another version script."""
    def spoil(tree):
        tree.append("inspect/spoiled.map", script)
        tree.library = tree.path("librefheap-inspect.so")
        tree.run("cc", "-shared", "-o", tree.library, "-Wl,--version-script=" + tree.path("inspect/spoiled.map"), *tree.objects.values())
    return spoil


def remove_object(tree):
    del tree.objects["base/map"]


INTO_THE_ENGINE = "int %s(void);\nint %s(void);\nint %s(void)\n{\n    return %s();\n}\n"


def calls(unit, name, other):
    """A source that defines `name` and calls `other`."""
    return add_source(unit, INTO_THE_ENGINE % (name, other, name, other))


SABOTAGE = {
    files_lie_in_rooms: [
        append("inspect/src/spoiled.h", "\n"),
        append("inspect/src/attic/spoiled.h", "\n"),
        append("inspect/src/base/spoiled.c", "int spoiled;\n"),
        remove_object,
    ],
    includes_lead_down: [
        append("inspect/src/base/spoiled.h", '#include "heap/objects.h"\n'),
        append("inspect/src/words/words.c", '  # include "commands/command.h"\n'),
    ],
    symbols_lead_down: [
        calls("target/spoiled", "spoiled", "rhi__json_text"),
        calls("questions/spoiled", "spoiled", "rhi__command_find"),
    ],
    no_circle_of_symbols: [
        all_of(calls("base/one", "one", "two"), calls("base/two", "two", "one")),
        all_of(calls("base/one", "one", "two"), calls("heap/two", "two", "three"), calls("words/three", "three", "one")),
    ],
    no_circle_of_includes: [
        all_of(append("inspect/src/base/one.h", '#include "two.h"\n'), append("inspect/src/base/two.h", '#include "base/one.h"\n')),
        all_of(append("inspect/src/base/one.c", '#include "heap/two.h"\n'), append("inspect/src/heap/two.c", '#include "base/one.h"\n')),
    ],
    format_stays_in_its_reader: [
        append("inspect/src/graph/spoiled.c", "#include <refheap/metadata.h>\n"),
        append("inspect/src/base/spoiled.h", "/* one slab */\n"),
        append("inspect/cli/main.c", "enum { SLABS };\n"),
        append("inspect/python/refheap_door.py", "first_slab = 0\n"),
    ],
    library_exports_only_its_interface: [
        link_with("{ global: rhi_*; local: *; };\n"),
        link_with("{ local: *; };\n"),
    ],
    each_source_has_its_header: [
        append("inspect/src/base/spoiled.c", "int spoiled;\n"),
        all_of(append("inspect/src/base/spoiled.c", "int spoiled;\n"), append("inspect/src/heap/spoiled.h", "/* spoiled.c */\n")),
        all_of(append("inspect/src/base/spoiled.c", "/* spoiled.c - a part (see words.h). */\n"), append("inspect/src/base/spoiled.h", "\n")),
    ],
    files_are_in_the_guide: [
        append("inspect/src/base/spoiled.c", "int spoiled;\n"),
        append("docs/contributing.md", "\n### `base/`\n\n| `spoiled` | does nothing |\n"),
    ],
}
