"""check_sample.py [--small] PROGRAM - runs a sample and checks what checkpoint.h promises of it.

--small: documents of a hundred objects, for a heap that validates itself at every allocation.
Alone it ends with 0 and every line is a whole truth; it aborts at the checkpoint that
REFHEAP_STOP_AT names, and waits at that of REFHEAP_WAIT_AT. A program called json* is also fed files.
Invariant: exit status 0 if and only if every check held.
"""
import json
import os
import random
import re
import select
import signal
import subprocess
import sys
import tempfile

TIMEOUT_SECONDS = 120
sys.setrecursionlimit(20000)  # documents are nested deeper than Python expects
OBJECT_KEYS = {"expression", "frame", "thread", "address", "status", "id", "refcount", "immortal",
               "locals", "roots", "referrers", "referents", "previous", "born", "freed", "freed_in"}
ID = re.compile(r"[A-Za-z_]+#[1-9][0-9]*\Z")


def check(condition, text):
    if not condition:
        sys.exit("check_sample.py: " + text)


def run(program, *arguments, **environment):
    # A core of every aborted run is not wanted here; sanitizers shall not turn the abort into an exit.
    env = {**os.environ, "ASAN_OPTIONS": "handle_abort=0", **environment}
    return subprocess.run(["prlimit", "--core=0", program, *arguments], env=env, text=True,
                          capture_output=True, timeout=TIMEOUT_SECONDS, check=False)


def check_object(item, where):
    check(set(item) == OBJECT_KEYS, f"{where}: keys {sorted(item)}")
    check(re.fullmatch(r"0x[0-9a-f]+", item["address"]), f"{where}: address {item['address']}")
    check(ID.match(item["id"]), f"{where}: id {item['id']}")
    check(item["status"] in ("live", "freed"), f"{where}: status {item['status']}")
    if item["status"] == "live" and not item["immortal"]:
        holders = len(item["locals"]) + len(item["roots"]) + len(item["referrers"])
        check(item["refcount"] == holders, f"{where}: count {item['refcount']}, holders {holders}")
    else:
        check(item["refcount"] is None, f"{where}: count {item['refcount']}")
    for name in item["referrers"]:
        owner, field = name.split(".")
        check(ID.match(owner) and field, f"{where}: referrer {name}")
    for target in [*item["referents"].values(), *item["previous"]]:
        check(ID.match(target), f"{where}: id {target}")


def check_lines(text):
    lines = [json.loads(line) for line in text.splitlines()]
    check(lines, "no truth line")
    for number, line in enumerate(lines, 1):
        where = f"checkpoint {number}"
        check(set(line) == {"checkpoint", "name", "objects", "cycles", "types"}, f"{where}: keys {sorted(line)}")
        check(line["checkpoint"] == number, f"{where}: numbered {line['checkpoint']}")
        check(line["objects"], f"{where}: no objects")
        for item in line["objects"]:
            check_object(item, where)
        for cycle in line["cycles"]:
            check(cycle["verdict"] in ("garbage", "held"), f"{where}: verdict {cycle['verdict']}")
            check(set(cycle["objects"]) <= {item["id"] for item in line["objects"]}, f"{where}: cycle")
    return lines


def check_stops(program, arguments, lines):
    last = lines[-1]
    for wanted in (str(last["checkpoint"]), last["name"]):
        stopped = run(program, *arguments, REFHEAP_STOP_AT=wanted)
        check(stopped.returncode == -signal.SIGABRT, f"STOP_AT={wanted}: status {stopped.returncode}")
        check(len(stopped.stdout.splitlines()) == len(lines), f"STOP_AT={wanted}: {stopped.stdout}")
    first = run(program, *arguments, REFHEAP_STOP_AT="1")
    check(len(first.stdout.splitlines()) == 1, f"STOP_AT=1: {first.stdout}")
    for variable in ("REFHEAP_STOP_AT", "REFHEAP_WAIT_AT"):
        missed = run(program, *arguments, **{variable: "no such"})
        check(missed.returncode == 0 and missed.stderr == f"{variable}=no such: the program ended without such a checkpoint\n",
              f"{variable}=no such: status {missed.returncode} {missed.stderr}")
    with subprocess.Popen([program, *arguments], env={**os.environ, "REFHEAP_WAIT_AT": "1"},
                          stdout=subprocess.PIPE) as waiting:
        check(json.loads(waiting.stdout.readline())["checkpoint"] == 1, "WAIT_AT=1: another checkpoint")
        # It must not go on: nothing more is written and it does not end.
        more, _, _ = select.select([waiting.stdout], [], [], 0.2)
        check(not more, "WAIT_AT=1: the program went on")
        waiting.kill()


def count_values(document):
    """What the sample must build of the document: objects of each type in its heap."""
    counts = dict.fromkeys(("dict", "list", "string", "int", "float"), 0)
    keys, todo = set(), [document]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            counts["dict"] += 1
            keys.update(value)
            todo.extend(value.values())
        elif isinstance(value, list):
            counts["list"] += 1
            todo.extend(value)
        elif isinstance(value, str):
            counts["string"] += 1
        elif isinstance(value, float):
            counts["float"] += 1
        elif isinstance(value, int) and not isinstance(value, bool) and not -5 <= value <= 256:
            counts["int"] += 1
    counts["string"] += len(keys)
    return counts


def check_json_files(program, document, first_line, is_small):
    with open(document, encoding="utf-8") as file:
        check(first_line["types"] == count_values(json.load(file)), f"{document}: {first_line['types']}")
    generator = random.Random(3)
    deep = "[" * 2000 + "]" * 2000
    many = {f"k{i}": [i, i / 7, {"k1": [str(i)] * generator.randrange(5)}] for i in range(30 if is_small else 3000)}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "document.json")
        for text in (deep, "7", '"text"', "[]", "{}", "null", "[null, true, -6, 257, 1e300]",
                     json.dumps(many), '{"a\\u00e9": "\\u0000b"}'):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            answer = run(program, path)
            check(answer.returncode == 0, f"{text[:40]}: status {answer.returncode}, {answer.stderr}")
            (line,) = check_lines(answer.stdout)
            check(line["types"] == count_values(json.loads(text)), f"{text[:40]}: {line['types']}")
        for text in ("", "{", "[1,]", "\0", "[" * 5000 + "]" * 5000, "[99999999999999999999]", '["\xff"]'):
            with open(path, "w", encoding="latin-1") as file:
                file.write(text)
            check_refusal(run(program, path), text)
        check_refusal(run(program, os.path.join(folder, "missing")), "missing")
        check_refusal(run(program, folder), "a folder")
        check_refusal(run(program, path, path), "two files")


def check_refusal(answer, text):
    where = f"wrong file {text[:20]!r}"
    check(answer.returncode == 2, f"{where}: status {answer.returncode}")
    check(answer.stdout == "" and len(answer.stderr.splitlines()) == 1, f"{where}: {answer.stderr}")


def main():
    *options, program = sys.argv[1:]
    is_small = options == ["--small"]
    document = "/usr/share/iso-codes/json/" + ("iso_639-5.json" if is_small else "iso_639-3.json")
    is_json = os.path.basename(program).startswith("json")
    # A large document is the sample's own default.
    arguments = [document] if is_json and is_small else []
    alone = run(program, *arguments)
    check(alone.returncode == 0, f"status {alone.returncode}: {alone.stderr}")
    check(alone.stderr == "", f"stderr: {alone.stderr}")
    lines = check_lines(alone.stdout)
    check_stops(program, arguments, lines)
    if is_json:
        check_json_files(program, document, lines[0], is_small)


main()
