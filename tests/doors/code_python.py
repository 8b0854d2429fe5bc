"""code_python.py - a Python program whose code fills, reads and hands on variables in many ways; tells which, by dis and ast.

Its arguments are modules to import, whose variables are told of, too. Writes {"variables": [{"address", "name": "json.scanner.x",
"named": [[line, function, "load" | "sets" | "unsets"]], "done": [[line, "fills" | "empties" | "uses"]]}], "attributes": [...]}.
Told to go on, it hides what two functions have, and makes one that names a variable CROWD times: {"hidden": 2, "times": CROWD, "crowd": ADDRESS}.
Invariant: `named` is what dis says of the code of all functions with the module's globals, `done` what ast says of its source.
"""

import ast
import collections
import dis
import gc
import importlib
import json
import sys
import types

CONTAINERS = (list, dict, set, collections.deque)
FILLS = ("append", "add", "setdefault", "update", "insert", "extend", "appendleft", "extendleft", "put", "put_nowait", "push", "write",
         "writelines", "symmetric_difference_update")
CROWD = 1000
EMPTIES = ("pop", "popitem", "popleft", "clear", "remove", "discard", "get_nowait", "difference_update", "intersection_update")
WHAT = {"LOAD": "load", "STORE": "sets", "DELETE": "unsets"}
ATTRIBUTES = {"LOAD_ATTR": "load", "LOAD_METHOD": "load", "STORE_ATTR": "sets", "DELETE_ATTR": "unsets"}

# ---- code ------------------------------------------------------------------------------------------

cache = {}
items = []
seen = set()
queue = collections.deque()
deep = {}
totals = {}
rebound = []
passed = []
deleted = {}
shadowed = {}
wide = {}
matrix = [[0]]


def fill(number):
    cache[number] = number
    items.append(number); items.insert(0, number)
    items.extend([x for x in (1, 2) if x])
    items[0:1] = [1]
    seen.add(number)
    queue.append(number if number else -number)
    deep.setdefault(number, []).append(
        deep.get(number))
    deep[number][0:0] = [1]
    deep.get(number).extend(a for a in range(2))
    totals[number % 3] = totals.get(number % 3, 0)
    totals[number % 3] += 1
    matrix[0][0] = number
    matrix[-1].append(max(number, len(matrix), key=lambda each: each))
    cache.update({key: key for key in range(2)}, **{"a%d" % number: 1})
    cache.setdefault("k", *[number or 3 if number else 4])
    wide[number], wide["b"] = number, number
    for wide["c"] in (1, 2):
        pass


def empty(number):
    cache.pop(number, None)
    if number in cache:
        del cache[number]
    if len(items) > 10:
        del items[10:]
        items.clear()
    seen.discard(number)
    while queue:
        queue.popleft()
    deep.pop(number, None)


def augment():
    global rebound, seen
    rebound += [1]
    seen |= {1}
    seen -= {2}
    rebound = rebound[-3:]
    del matrix[-1][1:]


def read(number):
    def inner(key=number):
        return cache.get(key), [each for each in items if each in seen]
    found = cache.get(number)
    alias = passed
    alias.append(number)
    print_to = sorted(passed, key=passed.count)
    return found, inner(), print_to, {"p": passed}, lambda: (passed, totals[0]), (yield_from(), items[number % 2])


def yield_from():
    yield passed
    yield from passed
    return passed


def local(shadowed, deleted=deleted):  # pylint: disable=redefined-outer-name
    shadowed["x"] = 1
    deleted["y"] = shadowed
    try:
        return shadowed
    finally:
        cache["z"] = 1
        with open("/dev/null", encoding="utf-8"):
            cache["z"] += 2


def forget():
    global temporary
    temporary = {}
    temporary["x"] = [temporary]
    del temporary


class Body:
    table = {"first": len(cache)}
    items = items
    totals["body"] = 1

    def method(self):
        cache[self] = 1 if self.table else None
        return [(a, b) for a in items for b in passed if cache.get(a) is b]


async def waiting():
    async def nothing():
        return 1
    cache.setdefault("awaited", await nothing())
    cache["later"] = [await nothing() for _ in range(1)]


class Store:
    """Its attributes are filled by its methods, and by others."""

    shared = {}

    def __init__(self):
        self.sessions = {}
        self.names = []

    def put(self, key, value):
        self.sessions[key] = value
        self.shared[key] = value
        self.names.append(key)

    @staticmethod
    def move(thing, key):
        thing.names.insert(0, key)

    def take(self, key):
        self.names.remove(key)
        return self.sessions.pop(key)


store = Store()


def twin(is_first):
    if is_first:
        class Twin:
            table = {}

            def put(self, key):
                self.table[key] = 1
    else:
        class Twin:
            table = {}

            def put(self, key):
                self.table[key] = 2
    return Twin


twins = twin(True), twin(False)


def outside(key):
    store.sessions[key] = 1
    Store.shared[key] = 2
    return store.names.copy()


def stranger(thing):
    thing.sessions["x"] = 1
    return thing.sessions


def at_work():
    coroutine = waiting()
    try:
        coroutine.send(None)
    except StopIteration:
        pass
    for number in range(300):  # code is made for the types that it meets
        fill(number)
        augment()
        read(number)
        store.put(number, number)
        outside(number)
        empty(number)
        Body().method()
    local({})
    forget()
    stranger(Store())


# ---- the truth -------------------------------------------------------------------------------------


def codes_of(code, name, in_module):
    """A code object and those in its constants; each with its full name as far as that is known, and whether it is a module's own."""
    yield code, getattr(code, "co_qualname", name), in_module
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes_of(constant, constant.co_name, False)


def functions_by_globals():
    found = collections.defaultdict(list)
    for each in gc.get_objects():
        if isinstance(each, types.FunctionType) and each.__name__ != "<module>":
            found[id(each.__globals__)].append(each)
    return found


def all_codes(globals_of, functions):
    """Of functions with those globals: of what a function runs its name is known, of what it defines the code's."""
    found = {}
    for function in functions:
        code, name = function.__code__, function.__qualname__
        is_own = name.rpartition(".")[2] == code.co_name
        found[code] = (name if is_own and not hasattr(code, "co_qualname") else getattr(code, "co_qualname", code.co_name), False)
    roots = [(function.__code__, False) for function in functions]
    if globals_of is globals():
        frame = sys._getframe()
        while frame.f_back:
            frame = frame.f_back
        roots.append((frame.f_code, True))
    for code, in_module in roots:
        for each, name, is_own in codes_of(code, code.co_name, in_module):
            found.setdefault(each, (name, is_own))
    return found


def named_by_dis(codes, globals_of):
    """{name: {(file, line, function, what)}} of the names that the codes look up in their globals; {(module, name): …} of the
    attributes of modules that they reach by such names."""
    found, elsewhere = collections.defaultdict(set), collections.defaultdict(set)
    for code, (function, in_module) in codes.items():
        line, is_class, own, led = None, not in_module and not code.co_flags & 1, set(), None
        instructions = list(dis.get_instructions(code))
        if is_class:
            own = {each.argval for each in instructions if each.opname == "STORE_NAME"}
        for each in instructions:
            if sys.version_info >= (3, 13):
                line = each.line_number
            elif each.starts_line:
                line = each.starts_line
            if each.opname in ("EXTENDED_ARG", "CACHE"):
                continue
            what = ATTRIBUTES.get(each.opname) or WHAT.get(each.opname.partition("_")[0])
            place = (code.co_filename, line, function + ("" if function.endswith(">") else "()"), what)
            is_global = each.opname.endswith("_GLOBAL") or (each.opname.endswith("_NAME") and (in_module or (
                each.opname == "LOAD_NAME" and is_class and each.argval not in own)))
            if is_global and what:
                found[each.argval].add(place)
            elif each.opname in ATTRIBUTES and isinstance(led, types.ModuleType):
                elsewhere[led.__name__, each.argval].add(place)
            if is_global and what == "load":
                led = globals_of.get(each.argval)
            else:
                led = vars(led).get(each.argval) if each.opname == "LOAD_ATTR" and isinstance(led, types.ModuleType) else None
    return found, elsewhere


class Doings(ast.NodeVisitor):
    """{name: {(line, what is done)}} of all names that are loaded, whatever they are."""

    def __init__(self, tree):
        self.found, self.parents = collections.defaultdict(set), {}
        for parent in ast.walk(tree):
            for child in ast.iter_child_nodes(parent):
                self.parents[child] = parent
        self.visit(tree)

    def visit_Name(self, node):
        parent = self.parents[node]
        if isinstance(parent, ast.AugAssign) and node is parent.target:
            does = {ast.Add: "fills", ast.BitOr: "fills", ast.Sub: "empties", ast.BitAnd: "empties"}.get(type(parent.op), "uses")
            self.found[node.id].add((node.lineno, does))
        elif isinstance(node.ctx, ast.Load):
            self.found[node.id].add((node.lineno, self.doing(node, True)))

    def doing(self, node, is_value):
        """What is done with the value of an expression: the variable's, or that of an item of it."""
        parent = self.parents[node]
        if not isinstance(parent, (ast.Subscript, ast.Attribute)) or node is not parent.value:
            return "uses"
        if isinstance(parent.ctx, ast.Store):
            return "fills"
        if isinstance(parent.ctx, ast.Del):
            return "empties"
        if isinstance(parent, ast.Subscript):
            return self.doing(parent, False) if is_value else "uses"
        call = self.parents[parent]
        if not isinstance(call, ast.Call) or call.func is not parent:
            return "uses"
        does = "fills" if parent.attr in FILLS else "empties" if parent.attr in EMPTIES else "uses"
        if is_value and parent.attr in ("get", "setdefault"):
            return min(does, self.doing(call, False), key=("fills", "empties", "uses").index)
        return does


def variables_of(module, named, elsewhere):
    """Those that hold containers; what is done with them is told where the source of the module's own code can be read."""
    doings = collections.defaultdict(set)
    try:
        with open(module.__file__, encoding="utf-8") as file:
            doings = Doings(ast.parse(file.read())).found
    except (AttributeError, OSError, SyntaxError, ValueError):
        pass
    for name, value in list(vars(module).items()):
        if type(value) in CONTAINERS and not name.startswith("__") and name.isidentifier():
            loads = {line for file, line, _, what in named[name] if what == "load" and file == getattr(module, "__file__", None)}
            yield {"address": hex(id(value)), "name": "%s.%s" % (module.__name__, name), "file": getattr(module, "__file__", None),
                   "named": sorted(named[name] | elsewhere[module.__name__, name]),
                   "done": sorted((line, does) for line, does in doings[name] if line in loads)}


def all_variables(modules):
    functions, named, elsewhere = functions_by_globals(), {}, collections.defaultdict(set)
    for globals_of in {id(each.__globals__): each.__globals__ for each in gc.get_objects() if isinstance(each, types.FunctionType)}.values():
        named[id(globals_of)], outside = named_by_dis(all_codes(globals_of, functions[id(globals_of)]), globals_of)
        for key, places in outside.items():
            elsewhere[key] |= places
    nothing = collections.defaultdict(set)
    return [each for module in modules for each in variables_of(module, named.get(id(vars(module)), nothing), elsewhere)]


def line_of(text):
    with open(__file__, encoding="utf-8") as file:
        return [number + 1 for number, line in enumerate(file) if line.strip() == text][0]


def attributes():
    put, take = "Store.put()", "Store.take()"
    return [{"address": hex(id(store.sessions)), "name": "Store.sessions", "code": [
        ["fills", put, line_of("self.sessions[key] = value"), "self.sessions[…] = …", False],
        ["fills", "outside()", line_of("store.sessions[key] = 1"), "store.sessions[…] = …", False],
        ["sets", "Store.__init__()", line_of("self.sessions = {}"), "self.sessions = …", False],
        ["empties", take, line_of("return self.sessions.pop(key)"), "self.sessions.pop(…)", False],
        ["fills", "stranger()", line_of('thing.sessions["x"] = 1'), "….sessions[…] = …", True]]},
            {"address": hex(id(Store.shared)), "name": "Store.shared", "code": [
                ["fills", put, line_of("self.shared[key] = value"), "self.shared[…] = …", False],
                ["fills", "outside()", line_of("Store.shared[key] = 2"), "Store.shared[…] = …", False]]},
            {"address": hex(id(store.names)), "name": "Store.names", "code": [
                ["fills", put, line_of("self.names.append(key)"), "self.names.append(…)", False],
                ["sets", "Store.__init__()", line_of("self.names = []"), "self.names = …", False],
                ["empties", take, line_of("self.names.remove(key)"), "self.names.remove(…)", False],
                ["fills", "Store.move()", line_of("thing.names.insert(0, key)"), "….names.insert(…)", True],
                ["reads", "outside()", line_of("return store.names.copy()"), "store.names.copy()", False]]},
            *[{"address": hex(id(each.table)), "name": "Twin.table", "code": [
                ["fills", "twin.<locals>.Twin.put()", line_of("self.table[key] = %d" % (number + 1)),
                 "self.table[…] = …" if each is of else "….table[…] = …", each is not of] for number, of in enumerate(twins)]} for each in twins]]


crowd = {}


def hide():
    """One function has no names any more, another one no constants; a third names a variable more often than is told of."""
    exec("def many():\n" + "    crowd[0] = 1\n" * CROWD, globals())  # noqa: S102 (the constant above)
    names, constants = (32, 24) if sys.version_info >= (3, 11) else (64, 56)
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        for place in (id(fill.__code__) + names, id(empty.__code__) + constants):
            memory.seek(place)
            memory.write(id(None).to_bytes(8, "little"))
    return {"hidden": 2, "times": CROWD, "crowd": hex(id(crowd))}


def main():
    at_work()
    modules = [importlib.import_module(name) for name in sys.argv[1:]]
    told = all_variables([sys.modules["__main__"], *modules])
    print(json.dumps({"variables": told, "attributes": attributes()}), flush=True)
    input()
    print(json.dumps(hide()), flush=True)
    input()


main()
