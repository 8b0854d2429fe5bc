"""check_gdb_conventions.py - refheap among GDB's own: help, settings, printers that are listed and switched off, functions in
conditions, its machine interface, and what it says where there is nothing to read.

Invariant: no answer has a traceback or one of GDB's "Python Exception" lines in it.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

import launch
from editors import Cppdbg
from launch import require

with open(os.path.join(launch.ROOT, "docs", "commands.md"), encoding="utf-8") as manual:  # which the engine has written
    COMMANDS = re.findall(r"^## (\w+)$", manual.read(), re.MULTILINE)


SETTINGS = ("limit", "color", "progress")


def say(target, *lines, before=()):
    """What GDB says to these lines, one text each."""
    argv = launch.Gdb().start(target)
    for line in before:
        argv += ["-ex", line]
    argv += ["-ex", "source " + launch.SCRIPTS["gdb"]]
    for line in lines:
        argv += ["-ex", "echo @@\\n", "-ex", line]
    # what goes to stderr belongs to the answer, too
    done = subprocess.run(argv, env=launch.tool_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=launch.TIMEOUT_SECONDS, check=False, encoding="utf-8", errors="replace")
    launch.without_traceback(done.stdout)
    require("Python Exception" not in done.stdout, "an exception is shown:\n%s", done.stdout)
    answers = re.sub(r"\[Inferior .* detached\]\n", "", done.stdout).split("@@\n")[1:]
    require(len(answers) == len(lines), "%d answers to %d lines:\n%s", len(answers), len(lines), done.stdout)
    return [answer.strip() for answer in answers]


def check_help():
    listed, found, undefined, shown, *helps = say(launch.Target(), "help refheap", "apropos refheap", "refheap zork", "show refheap",
                                                  *("help " + name for name in COMMANDS), *("help set refheap " + name for name in SETTINGS))
    helps, settings = helps[:len(COMMANDS)], helps[len(COMMANDS):]
    for name, text in zip(COMMANDS, helps, strict=True):
        require(len(re.findall(r"^refheap %s -- [A-Z].*\.$" % name, listed, re.M)) == 1, "`help refheap` lacks %s:\n%s", name, listed)
        require(re.search(r"^%s -- " % name, found, re.M), "`apropos refheap` lacks %s:\n%s", name, found)
        require(re.match("(?s).*^example: %s" % name, text.splitlines()[-1]), "`help %s` ends without an example:\n%s", name, text)
    require(listed.count("\nrefheap ") == len(COMMANDS), "`help refheap` lists more:\n%s", listed)
    for name, text in zip(SETTINGS, settings, strict=True):
        first, *_rest, last = text.splitlines()
        require(last.startswith("example: set refheap " + name) and text.count(first) == 1, "`help set refheap %s`:\n%s", name, text)
    require(undefined.endswith('Undefined refheap command: "zork".  Try "help refheap".'), "of a command that there is not: %s", undefined)
    require(re.match(r"color: .*\nlimit: .* 20\nprogress: ", shown), "show refheap: %s", shown)


def check_completion(target):
    lines = ("objat -", "objat --l", "objat *keep", "refheap objat keeper->child[1]->sco", "gcfind --type=pers", "refs person#",
             "refs --missing=")
    answers = [said.splitlines() for said in say(target, *("complete " + line for line in lines), before=["frame function main"])[0:len(lines)]]
    options, limits, own, member, types, ids, words = answers
    require(words == ["refs --missing=empty"], "the words of an option: %s", words)
    require(options and all(each.startswith("objat --") for each in options), "options: %s", options)
    require(limits == ["objat --ledger", "objat --limit="] and own == ["objat *keeper"], "%s, %s", limits, own)
    require(member == ["refheap objat keeper->child[1]->score"] and types == ["gcfind --type=person"], "%s, %s", member, types)
    require(ids == ["refs person#1", "refs person#11", "refs person#2", "refs person#3"], "names of objects, and of one whose slot remembers it: %s", ids)


def check_settings(target):
    again = "source " + launch.SCRIPTS["gdb"]
    first, _set, shown, cut, own, _all, whole, _again, kept, plain, _on, coloured, wrong = say(
        target, "show refheap limit", "set refheap limit 1", "show refheap limit", "gcfind --type=person", "gcfind --type=person --limit=3",
        "set refheap limit 0", "gcfind --type=person", again, "show refheap limit", "gcgraph person#1", "set refheap color on",
        "gcgraph person#1", "set refheap progress perhaps")
    require(first.endswith(": 20") and shown.endswith(": 1"), "limit is '%s', then '%s'", first, shown)
    require(cut.count("person#") < own.count("person#") and "more" in cut, "a limit of 1 gives:\n%s", cut)
    require(whole == own, "no limit gives:\n%s", whole)
    require(kept.endswith("unlimited"), "the limit is '%s' when the script was loaded again", kept)
    require("\033[" not in plain and "\033[" in coloured, "colours on give:\n%s", coloured)
    require(wrong == 'Undefined item: "perhaps".', "a wrong setting: %s", wrong)


def check_printers(target):
    where = "frame function main"
    listed, raw, _off, pointer, struct, _all, plain, _on, _whole, again = say(
        target, "info pretty-printer global refheap", "print/r first", "disable pretty-printer global refheap;pointer", "print first",
        "print *first", "disable pretty-printer global refheap", "print *first", "enable pretty-printer global refheap;pointer",
        "enable pretty-printer global refheap", "print first",
        before=[where])
    require(re.search(r"^  refheap\n    object\n    pointer", listed, re.M), "info pretty-printer: %s", listed)
    require(re.fullmatch(r"\$\d+ = \(person \*\) 0x[0-9a-f]+", raw), "print/r: %s", raw)
    require(re.fullmatch(r"\$\d+ = \(person \*\) 0x[0-9a-f]+", pointer), "without pointers: %s", pointer)
    require("person#1 rc=2 = {" in struct, "with objects: %s", struct)
    require("rh_count" in plain and "#" not in plain, "without printers: %s", plain)
    require(again.endswith("person#1 rc=2"), "with printers again: %s", again)
    (short, longer, locals_, backtrace, bare) = say(target, "with print elements 4 -- print *greeting", "with print elements 1 -- print *list",
                                                    "info locals", "backtrace", "with print address off -- print first", before=[where])
    require(bare.endswith("= (person *) person#1 rc=2"), "without addresses: %s", bare)
    require('"hell"…' in short and '"hello' not in short, "four characters: %s", short)
    require("items[0]" in longer and "items[1]" not in longer and "..." in longer, "one element: %s", longer)
    require("gone = (person *) 0x" in locals_ and "STALE: was person#3, freed by release" in locals_, "info locals: %s", locals_)
    require("main ()" in backtrace, "backtrace: %s", backtrace)


FUNCTIONS = {"$refcount(first)": "2", "$refcount(*first)": "2", "$objid(first)": '"person#1"', "$objtype(hand)": '"worker"',
             "$is_stale(gone)": "1", "$is_stale(first)": "0", "$objid(gone)": '"person#3"', "$refcount(gone)": "0",
             "$refcount(null)": "0", "$objid(garbage)": '""', "$is_stale(unaligned)": "0", "$objid(inside)": '""',
             "$refcount(shared)": "9223372036854775807", "$objtype(16)": '""'}


def check_functions(target):
    born, *said = say(target, "print $born(first)", *("print " + each for each in FUNCTIONS), before=["frame function main"])
    require(re.search(r'"variables.c:\d+ in make\(\)"$', born), "born: %s", born)
    for (expression, value), text in zip(FUNCTIONS.items(), said, strict=True):
        require(text.endswith(" = " + value), "%s is '%s', not %s", expression, text, value)
    wrongs = {"print $refcount(2.5)": "its argument is of type double", "print $refcount()": "one address is wanted",
              "print $refcount(1, 2)": "one address is wanted"}
    for (line, why), wrong in zip(wrongs.items(), say(target, *wrongs), strict=True):
        require(re.fullmatch(r"(Error occurred in Python: )?\$refcount: %s.*" % why, wrong), "%s: %s", line, wrong)


def check_untouched(program):
    """A text that is nowhere in memory: GDB would have the program allocate memory for it, and says so nowhere."""
    _break, _run, _malloc, *said, counted = say(launch.Target(exe=program), "break visit", "run", "break __libc_malloc",
                                                'print $refcount("x")', 'objat "x"', "print $refcount(object)", "info breakpoints")
    for text in said[:2]:
        require("has no address (it is not in memory)" in text, "of a text: %s", said)
    require(said[2].endswith(" = 2"), "the next question: %s", said)
    require(counted.count("already hit") == 1, "the program ran: %s", counted)


def check_condition(program):
    """A condition that is asked at each of a thousand stops, of which it holds at one."""
    _break, stop, shown, round_, returned = say(launch.Target(exe=program), "break visit if $refcount(object) > 2", "run", "print object",
                                                "print round", "finish")
    require("person#2 rc=3" in stop and "Error" not in stop, "the stop: %s", stop)
    require(shown.endswith("person#2 rc=3") and round_.endswith("= 700"), "stopped at: %s %s", shown, round_)
    require(re.search(r"^Value returned is \$\d+ = \(person \*\) 0x[0-9a-f]+ person#2 rc=3$", returned, re.M), "finish: %s", returned)


def check_machine(target, folder):
    columns = r'interpreter-exec mi "-refheap-gcquery \"select count(*), 7 as seven from objects where 2 > 1\""'
    spaces = r'interpreter-exec mi "-refheap-gcexport --force \"%s/two words.dot\""' % folder
    done, failed, counted, exported = say(target, 'interpreter-exec mi "-refheap-objat first"', 'interpreter-exec mi "-refheap-objat zork"',
                                          columns, spaces, before=["frame function main"])
    require('{name="count(*)",value="' in counted and '{name="seven",value="7"}' in counted, "columns with any name: %s", counted)
    require(exported.startswith('^done,command="gcexport"') and os.path.exists(os.path.join(folder, "two words.dot")), "a name with a space: %s", exported)
    for part in ('^done,command="objat"', 'status="live"', 'object={id="person#1"', 'fields=[{name="next"', 'complete="true"'):
        require(part in done, "'%s' is not in: %s", part, done)
    require(failed.startswith('^error,msg="objat: '), "a failure: %s", failed)


def check_front_ends(target):
    """What refheap sets for a question, GDB would tell front ends as if the user had set it."""
    with Cppdbg(target) as editor:
        editor.frame("main")
        editor.ask("-stack-select-frame " + editor.level)
        begin = len(editor.said)
        for line in ("-refheap-objat first", "-refheap-refs --path first", '-interpreter-exec console "refs --path first"', '-complete "objat keep"'):
            editor.ask(line)
        require('id="person#1"' in editor.said[begin:] and "objat keeper" in editor.said[begin:], "no answers: %s", editor.said[begin:])
        require("=cmd-param-changed" not in editor.said[begin:], "front ends are told of: %s", editor.said[begin:])


def check_assigned(target):
    """A variable object tells what a front end has assigned, and the address of what is no object wherever GDB prints."""
    with Cppdbg(target) as editor:
        editor.frame("main")
        editor.ask("-stack-select-frame " + editor.level)
        made = editor.ask('-var-create - * "null"')["name"]
        for expression, text in (("second", " person#2 rc=2"), ("gone", " STALE: was person#3, freed by release"), ("garbage", "0x123456789"), ("0", "0x0")):
            said = editor.ask('-var-assign %s "%s"' % (made, expression))["value"]
            require(said.endswith(text), "`null = %s` is told as %s", expression, said)
        begin = len(editor.said)
        editor.ask('-interpreter-exec console "print garbage"')
        require(re.search(r"= (\(person \*\) )?0x123456789\\n", editor.said[begin:]), "`print garbage`: %s", editor.said[begin:])


# What is printed of an address at each instruction of the function in which GDB stands.
WATCH_BIRTH = """python
seen, address, start = [], %r, gdb.selected_frame().older().pc()
while gdb.selected_frame().pc() != start:
    said = gdb.parse_and_eval("(person *) " + address).format_string()
    seen += [said] if said not in seen else []
    gdb.execute("stepi", to_string=True)
print(seen)
end
"""


def check_half_built(program, folder):
    """While an object is made, it is shown as GDB does, and from one instruction on as what it is."""
    second = ("break rh_new_at", "run", "continue")
    *_stops, finished = say(launch.Target(exe=program), *second, "finish")
    address = re.search(r"^Value returned is \$1 = \(void \*\) (0x[0-9a-f]+)", finished, re.M)
    require(address, "the second object is nowhere: %s", finished)
    script = os.path.join(folder, "watch.gdb")
    with open(script, "w", encoding="utf-8") as file:
        file.write(WATCH_BIRTH % address.group(1))
    *_stops, seen = say(launch.Target(exe=program), *second, "source " + script)
    require(seen.splitlines()[-1] == "['%s', '(person *) %s person#2 rc=1']" % (address.group(1), address.group(1)), "while it is made: %s", seen[-300:])


def check_nothing(program, folder):
    """Nothing started yet; a core without the heap's memory."""
    plain, count = say(launch.Target(exe=program), "print (struct person *) 16", "print $refcount(16)")
    require(plain.endswith("(struct person *) 0x10") and count.endswith(" 0"), "before the start: %s, %s", plain, count)
    with launch.Subject(program, 1, folder) as subject:
        first = subject.truth["first"]
        core = subject.core(dump_filter=0)
    pointer, count, stale = say(core, "print (struct person *) %s" % first, "print $refcount(%s)" % first, "print $is_stale(%s)" % first)
    require(pointer.endswith("(struct person *) " + first), "without the heap's memory: %s", pointer)
    for said in (count, stale):
        require("not known: its memory cannot be read" in said, "without the heap's memory: %s", said)


def run(program):
    check_help()
    check_condition(program)
    check_untouched(program)
    with tempfile.TemporaryDirectory() as folder:
        check_nothing(program, folder)
    with tempfile.TemporaryDirectory() as folder:
        check_half_built(program, folder)
    with tempfile.TemporaryDirectory() as folder, launch.Subject(program, 1, folder) as subject:
        for make in (subject.live, subject.core):
            target = make()
            if target.pid:
                check_assigned(target)
            check_settings(target)
            check_printers(target)
            check_functions(target)
            check_machine(target, folder)
            check_completion(target)
            check_front_ends(target)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    arguments = parser.parse_args()
    return launch.report(lambda: run(arguments.program))


if __name__ == "__main__":
    sys.exit(main())
