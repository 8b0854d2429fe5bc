"""checkpoint.py - how a Python sample stops for a debugger, and says what is true at that moment.

checkpoint(name, describe) writes one line of JSON to stdout and goes on, or stops there for good:

    REFHEAP_STOP_AT=2          abort at the second checkpoint (the kernel writes a core)
    REFHEAP_STOP_AT=collected  the same, by name
    REFHEAP_WAIT_AT=2          write the line, then wait to be inspected (refheap --pid, gdb -p)

The line is {"checkpoint": 2, "name": "…", …}; what else is in it, the sample says: describe() gives it as a dict. It
comes from Python itself: sys.getrefcount, gc.get_referents, the names that the sample's own code uses.

Invariant: telling the truth disturbs nothing. describe() runs in a forked copy, in which every object has the same
address; the process itself only forks and waits.
"""

import atexit
import json
import os
import sys
import time

_count = 0


@atexit.register
def tell_what_never_came():
    """A program that stops nowhere, though it was asked to, was asked for a name that it has not."""
    for variable in ("REFHEAP_STOP_AT", "REFHEAP_WAIT_AT"):
        if os.environ.get(variable):
            print("%s=%s: the program ended without such a checkpoint" % (variable, os.environ[variable]), file=sys.stderr)


def in_a_copy(work):
    """Runs work() in a copy of this process; what it returned, as bytes of JSON."""
    reader, writer = os.pipe()
    copy = os.fork()
    if copy == 0:
        status = 1
        try:
            os.write(writer, json.dumps(work()).encode())
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(writer)
    parts = []
    while True:
        part = os.read(reader, 1 << 16)
        if not part:
            break
        parts.append(part)
    os.close(reader)
    _, status = os.waitpid(copy, 0)
    if status != 0:
        raise SystemExit("checkpoint.py: the copy failed")
    return b"".join(parts)


def checkpoint(name, describe=dict, last=int):
    """Writes the line; stops if the environment asks for it. last() is called before the line is out, when all is ready: hardly
    anything is made after it."""
    global _count
    _count += 1
    text = in_a_copy(lambda: {"checkpoint": _count, "name": name, **describe()}) + b"\n"
    here, write, abort, sleep = (str(_count), name), os.write, os.abort, time.sleep
    aborts, waits = os.environ.get("REFHEAP_STOP_AT") in here, os.environ.get("REFHEAP_WAIT_AT") in here
    last()
    write(1, text)  # a pipe takes all of it
    text = None
    if aborts:
        abort()
    while waits:
        sleep(1000)


def expect(fact):
    """Ends the program when a fact that a sample is about does not hold."""
    if not fact:
        raise SystemExit("a fact does not hold")
