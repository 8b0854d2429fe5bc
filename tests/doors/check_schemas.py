"""check_schemas.py - the schemas of answers in JSON: one for each command, valid, with a description of each member; and what they refuse.
Other tests hold their answers against them (schema.py). Here answers of a sample are spoiled, one by one: each is refused then.

Invariant: an answer is spoiled in one place only, so that what refuses it is the schema's word about that place.
"""

import argparse
import collections
import copy
import functools
import json
import os
import re
import subprocess
import sys
import tempfile

import jsonschema
import schema
from launch import Subject, document_in, report, require, tool_environment

QUESTIONS = ("objat A#1 --ledger --history", "refs A#1 --path --weak --depth=3", "gcgraph", "gcgraph A#1", "gcfind", "gcfind --unreachable", "gcleaks",
             "gcstale", "gcstat --sites", "gcverify", "gcdiff --save={folder}/moment", "gcdiff {folder}/moment", "gcquery 'select * from objects'",
             "gcquery --tables", "gcquery --list", "gcexport {folder}/heap.sqlite", "refwatch", "objat --help", "objat nothing")
LATER = ("gcleaks", "gcgraph --cycles", "gcstale", "objat A#1", "refs A#1")  # where names are dropped, and where the collector came
ADDRESS = re.compile("0x[0-9a-f]+")
# Members whose texts are words of a list, and whose integers may be below 0 (a count that was written over; of a reference into the
# middle of an object). And members that are not in each object: by their own name, or by that of the one that has them, too.
WORDS = {"cause", "evidence", "kind", "reason", "state", "status", "strength", "target_status", "verdict"}
SIGNED = {"refcount", "stored", "unexplained", "offset", "fragmentation_percent"}
OPTIONAL = {"not_read", "expression", "path", "provisional", "undecided", "born_total", "died_total", "nodes.leaked", "heaps.sites", "heaps.slab_bytes",
            "heaps.slabs", "heaps.without_site", "path.thread", "referrers.thread", "holder.thread", "leaks.value", "leaks.site", "leaks.allocated", "groups.value", "groups.site",
            "groups.allocated", "referrers.from_value"}
ANY_NAME = {"rows"}  # of gcquery: what they have is what was asked for
LEAST = {"members": 500, "missing": 400, "no address": 20, "no known word": 25, "below 0": 100}


def run(*words):
    done = subprocess.run(words, env=tool_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          encoding="utf-8")
    return done.stdout, done.stderr, done.returncode


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def parts_of(value, path=()):
    """(path, part) of all dicts and lists in it, itself included."""
    yield path, value
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, (dict, list)):
            yield from parts_of(inner, (*path, key))


def check_described(name, document):
    """No object has a member without a description, and none may have more."""
    for path, part in parts_of(document):
        if not isinstance(part, dict) or part.get("type") not in ("object", ["object", "null"]) or path[-1:] == ("properties",):
            continue
        rest = part.get("additionalProperties")
        require(rest is False or (isinstance(rest, dict) and rest.get("description")), "%s: %s may have any member", name, path)
        for key, member in part["properties"].items():
            require(member.get("description"), "%s: %s has no description of %s", name, path, key)
    for part, definition in document["$defs"].items():
        require(definition.get("description"), "%s: no description of %s", name, part)


def check_schemas(shell, folder):
    """They are written, printed and installed in the same words, one for each command of the table. Returns the commands."""
    written = os.path.join(folder, "schemas")
    require(run(shell, "--schemas", written) == ("", "", 0), "--schemas fails")
    commands = re.findall(r"^## (\w+)$", run(shell, "--manual")[0], re.M)
    require(sorted(os.listdir(written)) == sorted(name + ".schema.json" for name in [*commands, "answer"]), "schemas of other commands: %s", os.listdir(written))
    for name in [*commands, "answer"]:
        text = read(os.path.join(written, name + ".schema.json"))
        require(run(shell, "--schema", name) == (text, "", 0), "--schema %s prints another one", name)
        require(read(os.path.join(schema.folder(), name + ".schema.json")) == text, "another schema of %s is built", name)
        document = json.loads(text)
        require(document["$schema"] == "https://json-schema.org/draft/2020-12/schema", "%s: %s", name, document["$schema"])
        jsonschema.Draft202012Validator.check_schema(document)
        answers = {one["$ref"].rpartition("/")[2] for one in document["anyOf"]}
        require(answers - {"error", "help"}, "%s has no schema of its answer", name)
        check_described(name, document)
    for wrong in (["--schema", "nonsense"], ["--schema"], ["--schemas", "/dev/null/schemas"], ["--schema", "objat", "refs"]):
        out, error, status = run(shell, *wrong)
        require(status == 2 and not out and len(error.splitlines()) == 1, "%s: %s%s", wrong, out, error)
    return commands


def spoiled(document):
    """Copies of an answer with one more member, one less or one of another kind, in each object of it; and what was done."""
    for path, part in parts_of(document):
        if not isinstance(part, dict):
            continue
        for key in (None, *(key for key in part if key != "command")):  # which says by what schema it is judged
            whole = copy.deepcopy(document)
            place = whole
            for step in path:
                place = place[step]
            place[key or "undocumented"] = {"of": ["no such kind"]}
            yield "%s of %s" % (key or "one more member", list(path)), whole


def check_spoiled(document):
    """The longest lists of rows are cut to one: the others are like it."""
    for _path, part in parts_of(document):
        if isinstance(part, list):
            del part[1:]
    require(schema.errors_of(document) is None, "a cut answer: %s", schema.errors_of(document))
    count = collections.Counter()
    for what, whole in spoiled(document):
        require(schema.errors_of(whole), "%s: nothing is wrong with %s", document["command"], what)
        count["members"] += 1
    for rule, path, whole in broken(document):
        require(not validator_of(document["command"]).is_valid(whole), "%s: nothing is wrong where %s is %s", document["command"], list(path), rule)
        count[rule] += 1
    return count


@functools.lru_cache(maxsize=None)
def validator_of(command):
    return schema.schema_of(command).validator


def replaced(document, path, value):
    """A copy with another value at a place."""
    whole = copy.deepcopy(document)
    if not path:
        return value
    place = whole
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return whole


def broken(document):
    """(rule, path, copy of an answer) where one value breaks a rule that its kind has, whatever the schema says: a member that is
    always there is missing, a word is another one, an address is none, a count is below 0."""
    for path, part in parts_of(document):
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            inner = (*path, key)
            names = [step for step in inner if isinstance(step, str)]
            name = names[-1]
            if names[0] in ANY_NAME and len(names) > 1:
                continue
            if isinstance(part, dict) and not {name, ".".join(names[-2:])} & OPTIONAL:
                yield "missing", inner, replaced(document, path, {each: rest for each, rest in part.items() if each != key})
            if isinstance(value, str) and ADDRESS.fullmatch(value) and name != "value":  # which may be any text
                yield "no address", inner, replaced(document, inner, "x" + value)
            elif isinstance(value, str) and (name in WORDS or inner == ("command",)):
                yield "no known word", inner, replaced(document, inner, value + "y")
            elif isinstance(value, int) and not isinstance(value, bool) and name not in SIGNED:
                yield "below 0", inner, replaced(document, inner, -1)


def check_hook():
    """What holds all tests' answers against schemas knows an answer by its being JSON, however it begins."""
    good = '{"command":"gcquery","complete":true,"tables":[]}'
    require(schema.errors_in(good) is None, "the hook says of %s: %s", good, schema.errors_in(good))
    for text in ('{"complete":true}', '{"complete":true,"command":"gcquery","zork":1}', '{ "command":"objat"}', '[]', '{"command":"zork"}', '{"command":1}'):
        require(schema.errors_in(text), "the hook lets through: %s", text)
    require(schema.errors_in("no heap", True) and schema.errors_in("no heap") is None, "what is no JSON is an answer where JSON was asked for")


def words_in(document):
    return {key for _path, part in parts_of(document) if isinstance(part, dict) for key, value in part.items() if key in WORDS and isinstance(value, str)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shell", required=True)
    parser.add_argument("program")
    options = parser.parse_args()

    def body():
        with tempfile.TemporaryDirectory() as folder:
            commands = check_schemas(options.shell, folder)
            check_hook()
            asked, words, count = set(), set(), collections.Counter()
            for checkpoint, questions in ((1, QUESTIONS), (3, LATER), (4, LATER)):
                inner = os.path.join(folder, str(checkpoint))
                os.mkdir(inner)
                with Subject(options.program, checkpoint, inner) as subject:
                    core = subject.core().core
                for question in questions:
                    line = "refheap --core core %s --json" % question.format(folder=folder)
                    out, error, _status = run("sh", "-c", line.replace("refheap", options.shell, 1).replace("core core", "core " + core))
                    document = document_in(out)
                    require(not error, "%s: %s", question, error)
                    asked.add(document["command"])
                    words |= words_in(document)
                    count.update(check_spoiled(document))
            require(asked == set(commands), "nothing was asked of %s", set(commands) - asked)
            require(words == WORDS, "no answer has a word for %s", WORDS - words)
            require(all(count[rule] >= least for rule, least in LEAST.items()), "too few answers were spoiled: %s", count)
            print("spoiled answers of %d commands are refused: %s" % (len(asked), dict(count)))

    return report(body)


if __name__ == "__main__":
    sys.exit(main())
