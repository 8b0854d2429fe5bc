"""check_holders.py - one door against holders.c: each kind of holder is found and named, live and in the
core, and the expression of a path, pasted back into the debugger, gives the object's address.

Invariant: names and types come from the program's own truth, the expressions from its source.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile

import expect
from launch import Question, Subject, door_of, report, require, without_traceback

# How a row reads: kind -> a pattern, made with the row's own names.
TEXTS = {
    "local": r"  local '{text}' \({type}\) in {function}\(\) frame \d+ thread \d+ +conservative at {address}",
    "global": r"  global {text} \({type}\) +conservative at {address}",
    "static": r"  static '{text}' \({type}\) in {function}\(\) +conservative at {address}",
    "thread_local": r"  thread-local '{text}' \({type}\) thread \d+ +conservative at {address}",
    "bare": r"  (global {text}|libholders_library\.so\+0x[0-9a-f]+) +conservative at {address}",
    "stack": r"  stack word at {address} \(sp\+0x[0-9a-f]+\) thread \d+ +conservative",
}


def expected_text(known, has_locals):
    kind = known["kind"]
    if kind == "local" and not has_locals:
        kind = "stack"
    elif kind == "global":
        kind = "static" if known["function"] else "global" if known["type"] else "bare"
    text = known["name"].split("::")[-1]
    return TEXTS[kind].format(**{**{key: re.escape(value) for key, value in known.items()}, "text": re.escape(text)})


def check_row(known, document, said, has_locals):
    rows = [row for row in document["referrers"] if row["address"] == known["address"]]
    require(len(rows) == 1, "%s: not one row: %s", known, document["referrers"])
    row, kind = rows[0], known["kind"]
    if kind == "local" and not has_locals:
        require(row["kind"] == "stack" and re.fullmatch(r"sp\+0x[0-9a-f]+", row["name"]), "%s: %s", known, row)
    else:
        name = known["name"]
        found = re.sub(r"^libholders_library\.so\+0x[0-9a-f]+$", "library", row["name"] or "")
        require((row["kind"], found) == (kind, name), "%s is called %s", known, row)
        require(row.get("type", "") == known["type"], "%s is of type %s", known, row)
        require(row.get("function", "") == known["function"], "%s is in %s", known, row)
        require(("frame" in row) == (kind == "local"), "%s: frame in %s", known, row)
    require(row["strength"] == "conservative" and ("thread" in row) == (kind in ("local", "thread_local")), "%s: %s", known, row)
    require(re.search("^%s$" % expected_text(known, has_locals), said, re.MULTILINE), "%s is not said in\n%s", known, said)


def check_rows(door, target, truth):
    asked = [Question("refs", options + known["object"]) for known in truth["rows"] for options in ("--in --json ", "--in ")]
    answers = door.ask(target, asked)
    for answer in answers:
        without_traceback(answer.error)
    for number, known in enumerate(truth["rows"]):
        document = expect.document_of(asked[2 * number], answers[2 * number])
        check_row(known, document, answers[2 * number + 1].out, door.has_expressions)


def paste(door, target, documents):
    """Each expression again, where the answer says that it is meant: for the debugger itself, then as the operand of objat."""
    asked, main_thread = [], min(document["thread"] for document in documents if "thread" in document)
    for document in documents:
        is_worker = document.get("thread", main_thread) != main_thread
        function = document["path"][0]["function"] if "frame" in document else "serve" if is_worker else "main"
        asked.append(Question("objat", "--json " + document["expression"], function, "worker-1" if is_worker else None))
    own = [Question("print/x" if door.name == "gdb" else "p/x", "(unsigned long)(%s)" % document["expression"], question.frame, question.thread)
           for document, question in zip(documents, asked, strict=True)]
    answers = door.ask(target, asked + own)
    for question, answer, document in zip(own, answers[len(asked):], documents, strict=True):
        require(re.search(r"\b0x0*%s\b" % document["object"]["address"][2:], answer.out), "%s itself: %s is %s", door.name, question.line, answer)
    return [expect.document_of(question, answer) for question, answer in zip(asked, answers[:len(asked)], strict=True)]


def check_paths(door, target, truth):
    known = truth["paths"] + [[row["object"], row["name"]] for row in truth["rows"]]
    is_local = {row["object"] for row in truth["rows"] if row["kind"] == "local"} | {truth["paths"][-1][0]}
    asked = [Question("refs", "--path --json " + address) for address, _ in known]
    documents = [expect.document_of(question, answer) for question, answer in zip(asked, door.ask(target, asked), strict=True)]
    for (address, expression), document in zip(known, documents, strict=True):
        found = document["expression"]
        require(bool(document.get("unverified")) == (not door.has_expressions and found is not None), "unverified: %s", document)
        if address in is_local and not door.has_expressions:
            require(document["path"][0]["kind"] in ("register", "stack"), "a local in the shell: %s", document)
        elif expression in ("library", "in_library+16"):
            slot = next(row["address"] for row in truth["rows"] if row["object"] == address)
            require(found == ("*(node **)" + slot if door.has_expressions else None), "%s: %s", expression, document)
        elif expression.startswith("remembered") or (expression == "of_thread" and door.name == "lldb"):
            # LLDB does not find a static from outside its function, nor thread-locals of what it attached to.
            require(found in (expression, "*(node **)" + document["path"][0]["address"]), "%s: %s", expression, document)
        else:
            require(found == (expression.split("::")[-1] if address in is_local else expression), "%s: %s, not %s", address,
                    document, expression)
            require(("frame" in document) == (address in is_local), "%s: %s", expression, document)
            require(("thread" in document) == (address in is_local or expression == "of_thread"), "%s: %s", expression, document)
    if not door.has_expressions:
        check_operands(door, target, truth, documents)
        return
    for (address, _), document, again in zip(known, documents, paste(door, target, documents), strict=True):
        require(again.get("address") == address, "%s is no expression for %s: %s", document["expression"], address, again)


def check_operands(door, target, truth, documents):
    """What the shell printed is an operand there: names of rows, expressions of paths. Other names get one line."""
    asked = {}
    rows = [Question("refs", "--in --json " + known["object"]) for known in truth["rows"]]
    for question, answer, known in zip(rows, door.ask(target, rows), truth["rows"], strict=True):
        printed = next(row["name"] for row in expect.document_of(question, answer)["referrers"] if row["address"] == known["address"])
        if known["kind"] != "local" and known["name"] != "of_thread":
            asked[printed] = known["object"]
    asked.update({row["expression"]: row["object"]["address"] for row in documents if row["expression"] not in (None, "of_thread")})
    asked.update({"&registry.slots[3]": next(row["address"] for row in truth["rows"] if row["name"] == "registry.slots[3]"),
                  "*&server->sessions.items[3]->peer": truth["paths"][0][0], "'holders.c'::file_static[1]": asked["file_static[1]"],
                  "::registry.slots[3]": asked["registry.slots[3]"]})
    require(len(asked) > 12, "hardly anything was printed: %s", asked)
    questions = [Question("objat", "--json " + operand.replace("node *", "node*").replace("struct ", "")) for operand in asked]
    for (operand, address), question, answer in zip(asked.items(), questions, door.ask(target, questions), strict=True):
        require(expect.document_of(question, answer).get("address") == address, "%s is not %s: %s", operand, address, answer)
    refused = {"of_thread": "several variables are called so: at 0x[0-9a-f]+ in thread [0-9]+", "conn": "locals need GDB or LLDB",
               "registry.none": "there is no member 'none'", "registry->count->count": "a pointer is wanted|no member",
               "((((": "ends too early", "registry.slots[": "an index is a number", "registry)": "not understood", "registry.pairs[2].right": "0x|",
               "(" * 200 + "registry": "nested too deeply", "*registry.count": "a pointer is wanted",
               "server+8": "'server' is a pointer, and nothing is added", "server.sessions": "'.' behind a pointer: write '->'"}
    questions = [Question("objat", operand) for operand in refused]
    for (operand, wanted), answer in zip(refused.items(), door.ask(target, questions), strict=True):
        require(answer.status in (0, 2) and answer.error.count("\n") <= 1 and re.search(wanted, answer.error or answer.out), "%s: %s", operand, answer)


def check(door, target, truth, where):
    check_rows(door, target, truth)
    check_paths(door, target, truth)
    print("%-6s %s: %d rows, %d paths" % (door.name, where, len(truth["rows"]), len(truth["paths"])))


def main():
    parser = argparse.ArgumentParser(description="Checks names and paths in one door.")
    parser.add_argument("--door", choices=("gdb", "lldb", "shell"), required=True)
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("program", help="holders.c, built with -O0 -g")
    arguments = parser.parse_args()
    door = door_of(arguments.door, arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "holders")
            shutil.copy2(arguments.program, copy)
            os.mkdir(os.path.join(folder, "run"))
            with Subject(copy, 1, os.path.join(folder, "run")) as subject:
                check(door, subject.live(), subject.truth, "live")
                core = subject.core()
                check(door, core, subject.truth, "core")
                if arguments.door == "shell":  # the file that the core names is the one
                    check(door, core._replace(exe=None), subject.truth, "core alone")
                    check_other_file(door, core, subject.truth, copy)
    return report(body)


def check_other_file(door, core, truth, copy):
    """A file by the right name that is another program is not believed."""
    os.unlink(copy)
    shutil.copy2(sys.executable, copy)
    known = truth["rows"][0]
    (answer,) = door.ask(core._replace(exe=None), [Question("refs", "--in --json " + known["object"])])
    rows = [row for row in json.loads(answer.out)["referrers"] if row["address"] == known["address"]]
    require(len(rows) == 1 and rows[0]["name"].startswith("holders+0x"), "named from another file: %s", rows)


if __name__ == "__main__":
    sys.exit(main())
