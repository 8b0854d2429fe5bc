"""check_lldb_conventions.py - refheap among LLDB's own: the list of its commands, their help, completion of their names, its
category of types that is listed and switched off, and what it shows where there is nothing to read.

Invariant: no answer has a traceback in it.
"""

import argparse
import ast
import re
import sys
import tempfile

import launch
from check_gdb_conventions import COMMANDS
from launch import require

COMPLETE = """
words = lldb.SBStringList()
_ = lldb.debugger.GetCommandInterpreter().HandleCompletion(%r, %d, 0, 100, words)
print(sorted(words.GetStringAtIndex(i) for i in range(1, words.GetSize())))
"""


def say(target, *lines):
    """What LLDB says to these lines, one text each."""
    argv = launch.Lldb().start(target) + ["-o", "command script import " + launch.SCRIPTS["lldb"]]
    for line in lines:  # by a script: LLDB would stop at the first line that fails
        argv += ["-o", "script _ = lldb.debugger.GetOutputFile().Write(b'@@\\n'); lldb.debugger.HandleCommand(%r)" % line]
    out, error, _status = launch.run_tool([*argv, "-o", "script _ = lldb.debugger.GetOutputFile().Write(b'@@\\n')"])
    launch.without_traceback(out + error)
    answers = re.sub(r"^\(lldb\) script .*\n", "", out, flags=re.M).split("@@\n")[1:-1]
    require(len(answers) == len(lines), "%d answers to %d lines:\n%s%s", len(answers), len(lines), out, error)
    return [answer.strip() for answer in answers], error


def check_help():
    line = "refheap gc"
    (listed, names, *helps), error = say(launch.Target(), "help refheap", "script exec(%r)" % (COMPLETE % (line, len(line))),
                                         *("help " + name for name in COMMANDS), "refheap zork")
    require("refheap zork" in error, "a command that there is not: %s", error)
    require(names == str(sorted(name for name in COMMANDS if name.startswith("gc"))), "completion of `%s`: %s", line, names)
    for name, text in zip(COMMANDS, helps):
        require(re.search(r"^ +%s +-- [a-z]" % name, listed, re.M), "`help refheap` lacks %s:\n%s", name, listed)
        require(text.splitlines()[-1].strip().startswith("example: " + name), "`help %s` ends without an example:\n%s", name, text)


def check_types(target):
    (category, shown, _off, plain, _on, again, raw, null, same, copied, whole), _error = say(
        target, "type summary list -w refheap", "target variable keeper", "type category disable refheap", "target variable keeper",
        "type category enable refheap", "target variable keeper", "target variable -R keeper", "target variable no_one",
        "refheap objat keeper", "expression *keeper", "target variable *keeper")
    require("(show children)" in category, "type summary list: %s", category)
    require(shown.endswith("person#2 rc=2") and again == shown, "with summaries: %s, then %s", shown, again)
    require(re.fullmatch(r"\(person \*\) keeper = 0x[0-9a-f]+", plain) and plain == raw, "without: %s, %s", plain, raw)
    require(re.fullmatch(r"\(person \*\) no_one = (NULL|0x0+)", null), "NULL: %s", null)
    require("person#2: live" in same, "refheap objat: %s", same)
    # Of a core LLDB does not tell where the value of an expression was.
    copy = "a copy, v shows the object {" if target.core else "person#2 rc=2 {"
    require(copied.splitlines()[0] == "(person) $0 = " + copy, "expression *keeper: %s", copied)
    require("person#2 rc=2 {" in whole.splitlines()[0] and "a copy" not in whole, "target variable *keeper: %s", whole)


# What is shown of an address at each instruction of the function that makes the second object there.
WATCH_BIRTH = """
import re
def second():
    process = lldb.target.LaunchSimple(None, None, ".")
    process.Continue()
    thread = process.GetSelectedThread()
    return process, thread, next(frame for frame in thread if frame.GetFunctionName() == "main" and not frame.IsInlined())
lldb.debugger.SetAsync(False)
lldb.target.BreakpointCreateByName("rh_new_at")
process, thread, caller = second()
thread.StepOutOfFrame(thread.GetFrameAtIndex(caller.GetFrameID() - 1))
address = thread.GetStopReturnValue().GetValueAsUnsigned()
process.Kill()
process, thread, caller = second()
seen, end = [], caller.GetPC()
while thread.GetFrameAtIndex(0).GetPC() != end:
    for line in ("expression -- (person *) 0x%x", "expression -- *(person *) 0x%x"):
        result = lldb.SBCommandReturnObject()
        lldb.debugger.GetCommandInterpreter().HandleCommand(line % address, result)
        said = (result.GetOutput() or "") + (result.GetError() or "")
        said = re.sub("[$][0-9]+ = ", "", said).splitlines()[0].replace("0x%016x" % address, "ADDRESS")
        seen += [said] if said not in seen else []
    thread.StepInstruction(False)
process.Kill()
print(seen)
"""


def check_half_built(program):
    """While an object is made, it is shown as LLDB does, and from one instruction on as what it is."""
    (seen,), _error = say(launch.Target(exe=program), "script exec(%r)" % WATCH_BIRTH)
    require(seen.splitlines()[-1] == "['(person *) ADDRESS', '(person) {', '(person *) ADDRESS person#2 rc=1', '(person) person#2 rc=1 {']",
            "while it is made: %s", seen[-500:])


def check_condition(program):
    """A breakpoint's command that asks at each of a thousand stops, of which it stays at one; and what that returns where one steps
    out of it."""
    (_break, _command, stop, returned), _error = say(
        launch.Target(exe=program), "breakpoint set --name visit",
        """breakpoint command add -s python -o 'return refheap_lldb.refcount(frame.FindVariable("object")) > 2'""", "run", "thread step-out")
    require("visit(object=person#2 rc=3, round=700)" in stop, "the stop: %s", stop)
    require(re.search(r"^Return value: \(person \*\) \$\d+ = 0x[0-9a-f]+ person#2 rc=3$", returned, re.M), "step-out: %s", returned)


ASK_BADLY = """
try:
    refheap_lldb.refcount(%s)
except (ValueError, LookupError) as error:
    print(error)
"""
FUNCTIONS = {"refcount(v['first'])": 2, "refcount(v['first'].Dereference())": 2, "objid(v['first'])": "person#1", "objtype(v['hand'])": "worker",
             "is_stale(v['gone'])": 1, "is_stale(v['first'])": 0, "objid(v['gone'])": "person#3", "refcount(v['gone'])": 0,
             "refcount(v['null'])": 0, "objid(v['garbage'])": "", "is_stale(v['unreadable'])": 0, "objid(v['inside'])": "",
             "refcount(v['shared'])": 9223372036854775807, "objtype(v['page'])": "", "refcount(v['untyped'])": 2}


def check_functions(target):
    main = "script frame = next(f for f in lldb.thread if f.name == 'main'); v = {each.name: each for each in frame.variables}"
    (_main, said, wrong), _error = say(target, main, "script print([%s])" % ", ".join("refheap_lldb." + each for each in FUNCTIONS),
                                       "script exec(%r)" % (ASK_BADLY % "frame.FindVariable('zork')"))
    for (expression, value), each in zip(FUNCTIONS.items(), ast.literal_eval(said), strict=True):
        require(each == value, "%s is %r", expression, each)
    require(wrong.startswith("refcount: "), "of no variable: %s", wrong)


def check_nothing(program, folder):
    """Nothing started yet; a core without the heap's memory."""
    (plain,), _error = say(launch.Target(exe=program), "target variable keeper")
    require(re.fullmatch(r"\(person \*\) keeper = (NULL|0x0+)", plain), "before the start: %s", plain)
    with launch.Subject(program, 1, folder) as subject:
        core = subject.core(dump_filter=0)
    pointer = "(person *)" + subject.truth["first"]
    (address, count), _error = say(core, "expression " + pointer,
                                   "script exec(%r)" % (ASK_BADLY % "lldb.target.EvaluateExpression(%r)" % pointer))
    require(count.startswith("refcount: not known: "), "of a count without the heap's memory: %s", count)
    require(re.fullmatch(r"\(person \*\) \$0 = 0x0*%s" % subject.truth["first"][2:], address), "without the heap's memory: %s", address)


def run(program):
    check_help()
    check_half_built(program)
    check_condition(program)
    with tempfile.TemporaryDirectory() as folder:
        check_nothing(program, folder)
    with tempfile.TemporaryDirectory() as folder, launch.Subject(program, 1, folder) as subject:
        for make in (subject.live, subject.core):
            target = make()
            check_types(target)
            check_functions(target)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    arguments = parser.parse_args()
    return launch.report(lambda: run(arguments.program))


if __name__ == "__main__":
    sys.exit(main())
