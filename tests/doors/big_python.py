"""big_python.py [FILL] - a large program: most of the standard library, used a little, with threads, and FILL more objects.

Nothing of it is leaked on purpose. One line of JSON when all is there:
    {"objects": how many Python can name, "tracked": those that gc knows, "garbage": [ADDRESS…], what gc.collect() calls
     collectable, "holders": {ADDRESS: [ADDRESS…]}, of a few random objects those that gc.get_referrers gives,
     "modules": how many are imported}
and another one, {"objects": …}, once Python has forgotten its cache of types' attributes.

Invariant: the threads wait for what never comes; the collector is off, so that garbage of imports is still there.
"""

import gc
import importlib
import os
import random
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from random_python import checkpoint, collected, everything, in_a_copy

MODULES = """argparse array ast asyncio base64 bisect calendar cmath cmd code codecs collections.abc colorsys compileall concurrent.futures
    configparser contextlib contextvars copy csv ctypes ctypes.util curses datetime dbm decimal difflib dis doctest email.mime.text email.policy
    enum filecmp fileinput fractions ftplib functools getpass gettext glob graphlib gzip hashlib heapq hmac html.entities html.parser http.client
    http.cookies http.server imaplib inspect io ipaddress itertools json linecache locale logging.config logging.handlers lzma mailbox mimetypes
    mmap modulefinder multiprocessing.pool multiprocessing.shared_memory netrc numbers operator optparse pathlib pdb pickle pickletools platform
    plistlib poplib pprint profile pstats pyclbr pydoc queue quopri random re readline reprlib resource sched secrets select selectors shelve shlex
    shutil signal smtplib socket socketserver sqlite3 ssl stat statistics string struct subprocess symtable sysconfig tarfile tempfile textwrap
    timeit token tokenize trace traceback tracemalloc turtle types typing unicodedata unittest.mock urllib.request uuid warnings wave weakref
    webbrowser wsgiref.simple_server xml.dom.minidom xml.etree.ElementTree xml.sax.expatreader xmlrpc.server zipapp zipfile zlib zoneinfo""".split()


def imported():
    found = {}
    for name in MODULES:
        try:
            found[name] = importlib.import_module(name)
        except ImportError:  # not every build has all
            pass
    return found


def used(modules):
    """A little of what a program would do with them."""
    database = modules["sqlite3"].connect(":memory:")
    database.execute("create table people (name text, age integer)")
    database.executemany("insert into people values (?, ?)", (("person %d" % number, number) for number in range(500)))
    rows = database.execute("select * from people").fetchall()
    tree = modules["xml.etree.ElementTree"].fromstring("<all>%s</all>" % "".join("<each n='%d'>text</each>" % number for number in range(500)))
    context = modules["ssl"].create_default_context() if "ssl" in modules else None
    structure = type("Structure", (modules["ctypes"].Structure,), {"_fields_": [("one", modules["ctypes"].c_int), ("two", modules["ctypes"].c_void_p)]})
    patterns = [modules["re"].compile("a%d|b+(c)" % number) for number in range(50)]
    matches = [each.match("bbc") for each in patterns]
    moments = [modules["datetime"].datetime(2000, 1, 1 + number % 28) for number in range(200)]
    numbers = [modules["decimal"].Decimal(number) / 7 for number in range(200)] + [modules["fractions"].Fraction(number, 7) for number in range(200)]
    document = modules["json"].loads(modules["json"].dumps([{"key %d" % number: [number, number / 3, None]} for number in range(2000)]))
    suite = modules["unittest.mock"].MagicMock()
    suite.method(1, two=3)
    cached = modules["functools"].lru_cache(maxsize=100)(lambda number: [number])
    results = [cached(number) for number in range(150)]
    groups = modules["itertools"].groupby(range(100), lambda number: number // 10)
    halves = modules["itertools"].tee(iter([[number] for number in range(100)]))
    next(groups), next(halves[0])
    paths = [modules["pathlib"].Path("/tmp") / ("file %d" % number) for number in range(100)]
    variable = modules["contextvars"].ContextVar("variable", default=[1])
    variable.set([2])
    return [value for name, value in locals().items() if name != "modules"]


def waiting(modules, event, name):
    local = threading.local()
    local.value = [name]
    iterator = (len(each) for each in [name, local.value])
    next(iterator)
    event.wait()
    return modules, iterator


class Record:
    def __init__(self, number, parent):
        self.number, self.parent, self.name = number * 1000, parent, "record %d" % number
        self.tags = {"tag": [number + 0.5]}


def fill(count):
    records, parent = [], None
    while len(records) * 7 < count:
        parent = Record(len(records), parent if len(records) % 10 else None)
        records.append(parent)
    return records


def truth(garbage):
    objects = everything()
    found = {"objects": len(objects), "tracked": len(gc.get_objects()), **eval(garbage, {})}  # noqa: S307 (two lists of numbers)
    chosen = random.Random(1).sample([each for each in objects if gc.is_tracked(each)], 20)
    known = {id(each) for each in objects}
    found["holders"] = {id(each): [id(other) for other in gc.get_referrers(each) if id(other) in known and other is not objects and other is not chosen]
                        for each in chosen}
    return found


def main():
    gc.disable()
    modules = imported()
    things = used(modules)
    event = threading.Event()
    threads = [threading.Thread(target=waiting, args=(modules, event, "thread %d" % number), daemon=True) for number in range(3)]
    for each in threads:
        each.start()
    records = fill(int(sys.argv[1]) if len(sys.argv) > 1 else 100000)
    garbage = in_a_copy(collected)
    checkpoint("filled", lambda: {"modules": len(modules), "things": len(things), "records": len(records), **truth(garbage)})
    sys._clear_type_cache()
    checkpoint("cleared", lambda: {"objects": len(everything())})
    os._exit(0)


main()
