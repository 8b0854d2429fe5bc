"""inspect_session.py - runs inside GDB and LLDB: asks refheap's questions there and times each.

Reads the plan named by $REFHEAP_BENCH_PLAN, {"commands": [...], "results": FILE}, and writes there one row per
command: its output, when it began and ended on the clock that all processes share (CLOCK_MONOTONIC), and the
debugger's own anonymous memory before and after.

Invariant: the file of results is complete or absent; the debugger's start-up is in no figure.
"""

import json
import os
import sys
import time


def anonymous_bytes():
    with open("/proc/self/status", encoding="ascii") as status:
        return next((int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:")), 0)


def ask_gdb(gdb, command):
    try:
        return gdb.execute(command, to_string=True), ""
    except gdb.error as error:
        return "", str(error)


def ask_lldb(lldb, debugger, command):
    answer = lldb.SBCommandReturnObject()
    debugger.GetCommandInterpreter().HandleCommand(command, answer)
    return answer.GetOutput() or "", "" if answer.Succeeded() else (answer.GetError() or "failed")


def run_plan(ask):
    with open(os.environ["REFHEAP_BENCH_PLAN"], encoding="utf-8") as file:
        plan = json.load(file)
    rows = []
    for command in plan["commands"]:
        before = anonymous_bytes()
        begin = time.perf_counter()
        output, error = ask(command)
        end = time.perf_counter()
        rows.append({"command": command, "begin": begin, "end": end, "before": before, "after": anonymous_bytes(),
                     "output": output, "error": error})
    part = plan["results"] + ".part"
    with open(part, "w", encoding="utf-8") as file:
        json.dump(rows, file)
    os.rename(part, plan["results"])


def __lldb_init_module(debugger, _names):
    """LLDB calls this when it has imported the file."""
    run_plan(lambda command: ask_lldb(sys.modules["lldb"], debugger, command))


if "gdb" in sys.modules:
    run_plan(lambda command: ask_gdb(sys.modules["gdb"], command))
