"""check_sample.py PYTHON SAMPLE [WORD...] - runs a Python sample and checks what checkpoint.py promises of it.

Alone it ends with 0, and says the same in each run but for addresses; it aborts at the checkpoint that REFHEAP_STOP_AT
names, and waits at that of REFHEAP_WAIT_AT. Invariant: exit status 0 if and only if every check held.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys

TIMEOUT_SECONDS = 120
ADDRESS = re.compile(r"0x[0-9a-f]+\Z")
ID = re.compile(r"\w+@0x[0-9a-f]+\Z")


def check(condition, text):
    if not condition:
        sys.exit("check_sample.py: " + text)


def run(command, **environment):
    # A core of every aborted run is not wanted here.
    return subprocess.run(["prlimit", "--core=0", *command], env={**os.environ, **environment}, text=True, capture_output=True,
                          timeout=TIMEOUT_SECONDS, check=False)


def check_object(item, where):
    check(ADDRESS.match(item["address"]), f"{where}: address {item}")
    if item["status"] == "freed":
        check(item["was"], f"{where}: who was it? {item}")
        return
    check(ID.match(item["id"]) and item["id"] == f"{item['type']}@{item['address']}", f"{where}: id {item}")
    check(item["refcount"] == len(item["globals"]) + len(item["referrers"]), f"{where}: count {item}")
    for name in [*item["referents"].values(), *(each.split(".")[0].split("[")[0] for each in item["referrers"])]:
        check(ID.match(name), f"{where}: id {name}")


def check_lines(text):
    lines = [json.loads(line) for line in text.splitlines()]
    check(lines, "no truth line")
    for number, line in enumerate(lines, 1):
        where = f"checkpoint {number}"
        check(line["checkpoint"] == number and line["name"], f"{where}: {line}")
        for item in line.get("objects", []):
            check_object(item, where)
    return lines


def shape_of(text):
    return re.sub(r"\b1[0-9]{14}\b|0x[0-9a-f]+|\[\d\]", "ADDRESS", text)


def main():
    command = sys.argv[1:]
    alone = run(command)
    check(alone.returncode == 0 and alone.stderr == "", f"status {alone.returncode}: {alone.stderr}")
    lines = check_lines(alone.stdout)
    check(shape_of(run(command).stdout) == shape_of(alone.stdout), "each run says something else")
    last = lines[-1]
    for wanted in (str(last["checkpoint"]), last["name"]):
        stopped = run(command, REFHEAP_STOP_AT=wanted)
        check(stopped.returncode == -signal.SIGABRT, f"STOP_AT={wanted}: status {stopped.returncode} {stopped.stderr}")
        check(len(stopped.stdout.splitlines()) == len(lines), f"STOP_AT={wanted}: {stopped.stdout}")
    for variable in ("REFHEAP_STOP_AT", "REFHEAP_WAIT_AT"):
        missed = run(command, **{variable: "no such"})
        check(missed.returncode == 0 and missed.stderr == f"{variable}=no such: the program ended without such a checkpoint\n",
              f"{variable}=no such: status {missed.returncode} {missed.stderr}")
    with subprocess.Popen(command, env={**os.environ, "REFHEAP_WAIT_AT": "1"}, stdout=subprocess.PIPE) as waiting:
        check(json.loads(waiting.stdout.readline())["checkpoint"] == 1, "WAIT_AT=1: another checkpoint")
        more, _, _ = select.select([waiting.stdout], [], [], 0.2)  # it must not go on
        check(not more, "WAIT_AT=1: the program went on")
        waiting.kill()


main()
