"""check_schemas.py - the schemas of answers in JSON: one for each command, valid, with a description of each member; and what they refuse.
Other tests hold their answers against them (schema.py). Here answers of a sample are spoiled, one by one: each is refused then.

Invariant: an answer is spoiled in one place only, so that what refuses it is the schema's word about that place.
"""

import argparse
import copy
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
    count = 0
    for what, whole in spoiled(document):
        require(schema.errors_of(whole), "%s: nothing is wrong with %s", document["command"], what)
        count += 1
    return count


def check_missing(document):
    """Members that are always there."""
    for key in ("command", "complete"):
        less = {name: value for name, value in document.items() if name != key}
        require(key == "command" or schema.errors_of(less), "%s: nothing is wrong without %s", document["command"], key)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shell", required=True)
    parser.add_argument("program")
    options = parser.parse_args()

    def body():
        with tempfile.TemporaryDirectory() as folder, Subject(options.program, 1, folder) as subject:
            commands = check_schemas(options.shell, folder)
            core, asked, count = subject.core().core, set(), 0
            for question in QUESTIONS:
                line = "refheap --core core %s --json" % question.format(folder=folder)
                out, error, _status = run("sh", "-c", line.replace("refheap", options.shell, 1).replace("core core", "core " + core))
                document = document_in(out)
                require(not error, "%s: %s", question, error)
                asked.add(document["command"])
                check_missing(document)
                count += check_spoiled(document)
            require(asked == set(commands), "nothing was asked of %s", set(commands) - asked)
            require(count > 300, "only %d answers were spoiled", count)
            print("%d spoiled answers of %d commands are refused" % (count, len(asked)))

    return report(body)


if __name__ == "__main__":
    sys.exit(main())
