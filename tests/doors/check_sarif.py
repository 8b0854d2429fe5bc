"""check_sarif.py - what one door's `gcleaks --sarif` writes of leaking.c and leaking.py, live and of cores: valid by SARIF's
published schema, and each leak at the line that the program itself tells.

Invariant: what is expected comes from the program's lines; the schema is its authors' (sarif/NOTICE), the validator a library's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.parse

import jsonschema
from check_diff import Changing
from launch import HERE, ROOT, TIMEOUT_SECONDS, Question, Target, door_of, report, require, tool_environment, without_traceback

OBJECTS = 7
LEVELS = {"cycle": "error", "lost_reference": "error", "dependent": "note"}


class Leaking(Changing):
    def __init__(self, program, folder, words=()):
        super().__init__(program, 1, OBJECTS, 1, folder, words)


def read(path):
    with open(os.path.join(HERE, "sarif", "sarif-schema-2.1.0.json"), encoding="utf-8") as file:
        schema = json.load(file)
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    jsonschema.Draft4Validator(schema).validate(document)
    run, = document["runs"]
    return run


def location_of(result):
    """(path, line, function), None for what is not said."""
    location, = result["locations"]
    logical, = location["logicalLocations"]
    physical = location.get("physicalLocation")
    path = None
    if physical:
        artifact = physical["artifactLocation"]
        uri = urllib.parse.urlsplit(artifact["uri"])
        require(uri.scheme == "file" if uri.path.startswith("/") else (not uri.scheme and artifact["uriBaseId"] == "%SRCROOT%"),
                "no reference: %s", artifact)
        require(not uri.query and not uri.fragment, "not escaped: %s", artifact)
        path = urllib.parse.unquote(uri.path)
        escaped = urllib.parse.quote(path, safe="/-._~")
        require(artifact["uri"] == ("file://" if path.startswith("/") else "") + escaped, "%s is not escaped as %s", artifact, escaped)
    return path, physical and physical["region"]["startLine"], logical["name"] if logical["kind"] == "function" else None


def check_results(run, truth, has_stacks, where):
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    found = {}
    for result in run["results"]:
        require(rules[result["ruleIndex"]] == result["ruleId"], "%s: another rule: %s", where, result)
        found.setdefault(result["properties"]["type"], []).append(result)
    for kind, told in truth.items():
        line = told["line"] or (told["born"] if has_stacks else None)
        wanted = (told["file"] if line else None, line, told["function"] or None if line else None)
        require(kind in found, "%s: no result for %s: %s", where, kind, sorted(found))
        result, = found[kind]
        require(result["ruleId"] == told["cause"] and result["level"] == LEVELS[told["cause"]], "%s: %s: %s", where, told, result)
        require(location_of(result) == wanted, "%s: %s is at %s, not %s", where, kind, location_of(result), wanted)
        require(result["properties"]["objects"] == OBJECTS, "%s: %s", where, result)
    return found


def check(door, target, subject, folder, where, has_stacks=False):
    """Twice: in both forms of the answer; the rows that these show are no limit of the file."""
    truth, paths = subject.truths[0], [os.path.join(folder, name) for name in ("first.sarif", "second.sarif")]
    with open(paths[1], "w", encoding="utf-8") as file:
        file.write("an older one")
    answers = door.ask(target, [Question("gcleaks", "--json --sarif=" + paths[0]),
                                Question("gcleaks", "--check --limit=1 --sarif=" + paths[1])])
    for answer in answers:
        without_traceback(answer.out + answer.error)
    require([answer.status for answer in answers] == [0, 1], "%s: %s", where, answers)
    document = json.loads(answers[0].out)
    require(document["sarif"] == paths[0] and paths[1] + ": written in SARIF" in answers[1].out, "%s: %s", where, answers)
    runs = [read(path) for path in paths]
    ids = [run.pop("automationDetails")["id"] for run in runs]
    require(ids == ["refheap/first/", "refheap/second/"], "%s: a host takes them for one: %s", where, ids)
    require(runs[0] == runs[1], "%s: two files of one heap differ", where)
    found = check_results(runs[0], truth, has_stacks, where)
    for group in document["groups"]:
        texts = [result["message"]["text"] for result in found[group["type"]]]
        require(any(group["largest"] in text and str(group["bytes"]) in text for text in texts), "%s: %s: %s", where, group, texts)
    notices = [notice["message"]["text"] for notice in runs[0]["invocations"][0]["toolExecutionNotifications"]]
    require(notices == document.get("incomplete_because", []), "%s: %s", where, notices)
    print("%-6s %s: %d results" % (door.name, where, len(runs[0]["results"])))
    return [result["partialFingerprints"] for kind in sorted(truth) for result in found[kind]]


def check_refused(door, target, folder):
    kept, link = os.path.join(folder, "kept"), os.path.join(folder, "link")
    with open(kept, "w", encoding="utf-8") as file:
        file.write("kept")
    os.symlink(kept, link)
    refused = {"--sarif=/dev/null": "no regular file", "--sarif=" + link: "is a link", "--sarif=/nonexistent/x": "cannot write",
               "--sarif=" + folder: "no regular file", "--sarif": "value"}
    answers = door.ask(target, [Question("gcleaks", line) for line in refused])
    for (line, reason), answer in zip(refused.items(), answers, strict=True):
        without_traceback(answer.out + answer.error)
        require(answer.status == 2 and reason in answer.error and not answer.out.strip(), "gcleaks %s: %s", line, answer)
    none = Question("gcleaks", "--heap=99 --sarif=" + kept)
    answer, = door.ask(target, [none])
    with open(kept, encoding="utf-8") as file:
        require(answer.status == 2 and file.read() == "kept", "%s: the file is another one: %s", none, answer)


def check_program(door, arguments, folder):
    if door.name == "shell":
        check_job(arguments, folder)
    with Leaking(arguments.program, folder) as subject:
        marks = check(door, subject.live(), subject, folder, "live")
        check_refused(door, subject.live(), folder)
        require(marks == check(door, Target(core=subject.core("core"), exe=arguments.program), subject, folder, "core"),
                "the marks of a leak differ")
        core = Target(core=subject.last_core(), exe=arguments.program)
        check(door, core, subject, folder, "the kernel's core")
    inner = os.path.join(folder, "stacks")  # for a core of the same name
    os.mkdir(inner)
    with Leaking("/usr/bin/env", inner, ("REFHEAP_OPTIONS=history=all,stacks=8", arguments.program)) as subject:
        check(door, Target(pid=subject.process.pid, exe=arguments.program), subject, folder, "with stacks", True)
        check(door, Target(core=subject.last_core(), exe=arguments.program), subject, folder, "with stacks, the kernel's core", True)


def check_job(arguments, folder):
    """The sample job writes a file for each program that leaves a core."""
    with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as pattern:
        if pattern.read().strip()[0] in "|/":
            return
    reports, script = os.path.join(folder, "reports"), os.path.join(folder, "test")
    with open(script, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nREFHEAP_TEST_ABORT=1 exec %s 1 %d 1\n" % (arguments.program, OBJECTS))
    os.chmod(script, 0o755)
    done = subprocess.run([os.path.join(ROOT, "samples", "ci", "check.sh"), "+" + script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", check=False, timeout=TIMEOUT_SECONDS,
                          env=tool_environment(REFHEAP=arguments.shell, REFHEAP_CHECKS="gcverify gcleaks", REFHEAP_SARIF=reports))
    require(done.returncode == 1, "the job ends with %d: %s", done.returncode, done.stdout)
    name, = os.listdir(reports)
    require(name.endswith(".sarif"), "the job writes %s", name)
    run = read(os.path.join(reports, name))
    require({result["ruleId"] for result in run["results"]} == set(LEVELS), "the job writes %s", run["results"])
    with open(os.path.join(ROOT, "samples", "ci", "github-actions.yml"), encoding="utf-8") as file:
        text = file.read()
    require("upload-sarif" in text and "REFHEAP_SARIF" in text, "the sample job uploads nothing")


def check_python(door, python, folder):
    with Leaking(python, folder, ("-X", "tracemalloc", os.path.join(HERE, "leaking.py"))) as subject:
        check(door, subject.live(), subject, folder, "Python, live")
        check(door, Target(core=subject.core("python"), exe=python), subject, folder, "Python's core")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--python", help="the Python whose heap is read")
    parser.add_argument("program", help="leaking")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder:
            check_program(door, arguments, folder)
            if arguments.python:
                check_python(door, arguments.python, folder)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
