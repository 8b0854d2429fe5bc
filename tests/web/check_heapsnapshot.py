"""check_heapsnapshot.py - what the readers of V8's heap snapshots find in those of gcexport: memlab, and Chrome DevTools in a
browser, by clicks.

Invariant: they work out sizes, paths and leaks by themselves; that is held against what the programs say of themselves, and what
heapsnapshot.py works out. Their words are theirs: only figures, names and the order of things are compared.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

SCRIPTS = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(SCRIPTS), "doors"))

from expect import same  # noqa: E402
from expect_heapsnapshot import keys_of  # noqa: E402
from heapsnapshot import Snapshot  # noqa: E402
from launch import HERE, TIMEOUT_SECONDS, Question, Subject, door_of, report, require  # noqa: E402
from python_target import SAMPLES, Target  # noqa: E402
from twin import Truth  # noqa: E402

REQUESTS = 200
LARGEST = 10


def run_script(arguments, name, *words):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:  # memlab and browsers leave files there
        done = subprocess.run([arguments.node, os.path.join(SCRIPTS, name), arguments.packages, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=TIMEOUT_SECONDS, check=False, encoding="utf-8", env={**os.environ, "TMPDIR": scratch})
    require(done.returncode == 0, "%s: status %d, %s", name, done.returncode, done.stderr[-2000:])
    return json.loads(done.stdout)


def export(arguments, target, path):
    answer, = door_of("shell", arguments.shell).ask(target, [Question("gcexport", "--json " + path)])
    require(answer.status == 0, "%s", answer)
    return Snapshot(path)


# ---- memlab ----------------------------------------------------------------------------------------


def check_memlab(arguments, folder):
    path = os.path.join(folder, "random.heapsnapshot")
    with Subject(arguments.program, 1, folder, ["1", "300"]) as subject:
        truth = Truth(subject.truth)
        file = export(arguments, subject.core(), path)
    found = run_script(arguments, "memlab.mjs", path)["objects"]
    keys = keys_of(truth, file)
    ids = {key: str(file.nodes[number].id) for number, key in keys.items()}
    same("how many nodes", len(found), len(file.nodes))
    for key, number in ids.items():
        same("the size of %s" % key, found[number]["size"], truth.sizes[key])
    all_retained = file.all_retained()
    retained = {key: all_retained[number] for number, key in keys.items()}
    same("what each object retains", {key: found[ids[key]]["retained"] for key in keys.values()}, retained)
    largest = sorted((found[number]["retained"] for number in ids.values()), reverse=True)[:LARGEST]
    same("the largest", largest, sorted(retained.values(), reverse=True)[:LARGEST])
    check_paths(truth, file, keys, found)


def check_paths(truth, file, keys, found):
    """A shortest path to each object, of what is true: cycles that nothing holds are reached by the group of the leaked alone, and
    that group leads to nothing but what is leaked, or has a lost count."""
    steps, groups = file.distances([0]), {file.nodes[number].id: name for name, number in file.groups.items()}
    by_id = {file.nodes[number].id: key for number, key in keys.items()}
    slots = {(source, name, target) for source, name, target, _strength in truth.slots}
    causes, cycles = truth.causes(), 0
    for number, key in keys.items():
        path = found[str(file.nodes[number].id)]["path"]
        same("steps to %s" % key, len(path), steps[number])
        group, way = groups[path[0][1]], [by_id[each] for _name, each in path[1:]]
        cycles += causes.get(key) == "cycle"
        require(causes.get(key) != "cycle" or group == "(leaked)", "%s, which is garbage, is reached by %s", key, group)
        require(way[0] in causes or group != "(leaked)", "%s, which is held, is reached by %s", way[0], group)
        for source, target, (name, _id) in zip(way, way[1:], path[2:]):
            spelled = "[%d]" % name if isinstance(name, int) else name
            require((source, spelled, target) in slots, "no slot: %s", (source, spelled, target))
    require(cycles > 10, "only %d objects in cycles", cycles)


def check_texts(arguments, folder):
    path = os.path.join(folder, "texts.heapsnapshot")
    target = Target(folder, 1, os.path.join(HERE, "texts_python.py"))
    with target.start() as subject:
        truth = subject.truth
        file = export(arguments, subject.live(), path)
    repeated = dict(run_script(arguments, "memlab.mjs", path)["repeated"])
    same("how often %r" % truth["text"], repeated.get(truth["text"]), truth["equal"])
    long = [node.name for node in file.nodes if node.name.startswith(truth["beginning"][:20])]
    same("long texts, and how many are taken for the same", (len(long), len(set(long))), (truth["long"], truth["long"]))
    keeper, = (node for node in file.nodes if node.name == "Keeper" and node.type == "object")
    table, = (edge.to for edge in keeper.edges if edge.name == "by_key")
    names = [edge.name for edge in file.nodes[table].edges if file.nodes[edge.to].name == "object"]
    same("references by odd keys", (len(names), len(set(names))), (truth["keys"], truth["keys"]))
    require(any("</script>" in name for name in names), "%s", names)
    return path


# ---- DevTools ----------------------------------------------------------------------------------------


def figure(text):
    """The bytes that "5,620 kB69 %" says, and how much it may be rounded."""
    number, unit = re.match(r"([\d,.]+)\s(k?B|MB)", text).groups()
    scale = {"B": 1, "kB": 1000, "MB": 1000_000}[unit]
    digits = len(number.partition(".")[2])
    return float(number.replace(",", "")) * scale, scale * 10 ** -digits


def check_row(row, name, numbers, file, retained):
    """Row of a type: how many, the least distance, the sizes."""
    steps = file.distances([number for group, number in file.groups.items() if group != "(leaked)"])
    distances = [steps[number] + 1 for number in numbers if number in steps]
    same("the row of %s" % name, row[:2], ["%s×%s" % (name, format(len(numbers), ",")), str(min(distances)) if distances else "−"])
    exact = [sum(file.nodes[number].size for number in numbers), sum(retained[number] for number in numbers)]
    for shown, bytes_of_it in zip(row[2:4], exact):
        about, rounding = figure(shown)
        require(abs(about - bytes_of_it) <= rounding, "%s: %s is shown, and is %d", name, shown, bytes_of_it)


def check_devtools(arguments, folder):
    path = os.path.join(folder, "service.heapsnapshot")
    target = Target(folder, 1, os.path.join(SAMPLES, "service.py"), REQUESTS)
    with target.start() as subject:
        truth = subject.truth
        file = export(arguments, subject.live(), path)
    numbers = {name: [number for number, node in enumerate(file.nodes) if (node.type, node.name) == ("object", name)]
               for name in ("Session", "Connection")}
    same("objects of each type", {name: len(each) for name, each in numbers.items()}, {name: truth["types"][name] for name in numbers})
    found = run_script(arguments, "devtools.mjs", arguments.chromium, path, "Session,Connection", os.path.join(arguments.pictures, "devtools-"))
    same("errors of the page", found["errors"], [])
    require(any(re.fullmatch(r"dict×[\d,]+", row[0]) for row in found["summary"]), "%s", found["summary"])
    retained = file.all_retained()
    for name, each in numbers.items():
        check_row(found["types"][name]["objects"][0], name, each, file, retained)
    above = [row[0] for row in found["types"]["Session"]["retainers"]]
    require(re.match(r"\['/user/\d+'\]\s?in\s?dict", above[0]) and re.match(r"\['cache'\]\s?in\s?dict", above[1]) and
            any("(registered roots)" in row for row in above[2:]), "what holds a Session: %s", above[:5])
    leaked = [row for row in found["types"]["Connection"]["objects"][1:] if row[1] == "−"]
    require(leaked, "no Connection without a distance: %s", found["types"]["Connection"]["objects"][:5])
    require(any("(leaked)" in row[0] for row in found["types"]["Connection"]["retainers"]), "%s", found["types"]["Connection"]["retainers"])


def main():
    parser = argparse.ArgumentParser(description="Opens heap snapshots in memlab and in Chrome DevTools.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--node", required=True)
    parser.add_argument("--packages", required=True, help="the folder node_modules")
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--pictures", required=True, help="a folder, where DevTools are drawn")
    parser.add_argument("--only", choices=("memlab", "texts", "devtools"))
    parser.add_argument("program", help="random_heap")
    arguments = parser.parse_args()

    def body():
        for name, check in (("memlab", check_memlab), ("texts", check_texts), ("devtools", check_devtools)):
            if arguments.only in (None, name):
                with tempfile.TemporaryDirectory() as folder:
                    check(arguments, folder)
                print("%s: passed" % name, flush=True)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
