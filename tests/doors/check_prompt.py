"""check_prompt.py - the shell command without a command: a prompt at a terminal, lines from a pipe.

Invariant: nothing here depends on speed. That commands share what was learned is seen in an answer: `refs`
says of a cycle that it is garbage only if an earlier question has made the graph.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from check_terminal import Terminal
from launch import TIMEOUT_SECONDS, Subject, document_in, report, require, tool_environment

PROMPT = re.escape("(refheap) ")


def run_lines(argv, text):
    done = subprocess.run(argv, input=text, env=tool_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=TIMEOUT_SECONDS, check=False, encoding="utf-8")
    return done.stdout, done.stderr, done.returncode


def check_lines(argv):
    """The status is the highest one, an error ends nothing, and each answer is what the command alone gives."""
    alone, _, _ = run_lines(argv + ["refs", "A#1"], "")
    require("garbage" not in alone, "refs alone has made a graph: %s", alone)
    out, error, status = run_lines(argv, "# a comment\n\n  refs A#1  \r\ngcgraph --json\nrefs A#1")
    start = out.find('{"command"')
    # Registers of a process that was stopped twice may differ.
    require(status == 0 and not error and (out.startswith(alone) or "--pid" in argv), "lines: %s %s%s", status, out, error)
    require("A#1 at" in out[:start] and "garbage" not in out[:start], "lines: %s", out)
    document, end = json.JSONDecoder().raw_decode(out[start:])
    require(document["cycles"], "lines: %s", document)
    last = out[start + end:]
    require("garbage: its only count" in last, "the third command does not know what the second one learned: %s", last)
    for lines, expected in (("", 2), ("# nothing\n\n", 2), ("quit\n", 2), ("gcleaks --check\nobjat A#1\n", 1), ("gcgraph\nexit\nobjat nobody#1", 0),
                            ("objat nobody#1\ngcleaks --check\nobjat A#1\n", 2), ("nonsense\nobjat A#1", 2), ("help\nhelp objat\nrefs --help", 0)):
        out, error, status = run_lines(argv, lines)
        require(status == expected, "status %d instead of %d of %r: %s%s", status, expected, lines, out, error)
        require(len(error.splitlines()) == (1 if expected == 2 else 0), "%r: stderr %s", lines, error)
        require(("A#1: live" in out) == ("objat A#1" in lines), "%r: %s", lines, out)
    out, error, status = run_lines(argv, "objat --json A#999\n")
    require(status == 2 and not error and document_in(out)["error"], "an error in JSON: %s%s", out, error)
    out, error, status = run_lines([argv[0], "--core", "/nonexistent/core"], "objat 1\nobjat 2\n")
    require(status == 2 and not out and len(error.splitlines()) == 1, "no core: %s %s%s", status, out, error)


class Prompt:
    def __init__(self, terminal):
        self.terminal = terminal
        terminal.read_until("help lists[\\s\\S]*" + PROMPT)

    def keys(self, keys, pattern):
        self.terminal.write(keys)
        return self.terminal.read_until(pattern)

    def command(self, line):
        return self.keys(line + "\n", r"\n[\s\S]*?\n" + PROMPT)

    def leave(self, keys):
        self.terminal.write(keys)
        seen, status = self.terminal.rest()
        require(status == 0, "%r leaves with %d: %s", keys, status, seen)


def check_terminal(argv):
    with Terminal(argv, TERM="xterm", NO_COLOR="1") as terminal:
        prompt = Prompt(terminal)
        require("garbage" not in prompt.command("refs A#1"), "a graph from nowhere")
        require("no such command" in prompt.command("nonsense"), "an unknown command")
        require("nobody#1" in prompt.command("objat nobody#1"), "no such object")
        require("1 cycle" in prompt.command("gcgraph --cycles"), "no answer after errors")
        require("garbage: its only count" in prompt.command("refs A#1"), "what was learned is gone")
        require(document_in(re.search(r"\{[\s\S]*\}", prompt.command("objat A#1 --json")).group())["status"] == "live", "JSON")
        prompt.keys("\x1b[A", r"objat A#1 --json")  # the history
        prompt.keys("\x1b[A", r"refs A#1")
        prompt.keys("\x03", r"\^C\r?\n" + PROMPT)  # the line is gone, the prompt is there
        require("A#1: live" in prompt.command("objat A#1"), "no answer after Ctrl-C")
        prompt.keys("gcgr\t", "aph ")  # what is added
        prompt.keys("--dep\t", "th=")
        prompt.keys("1 A\t", "#")
        require("A#1 rc=1" in prompt.command("1"), "a line that was completed")
        prompt.keys("gc\t", r"gcgraph  gcfind .*[\s\S]*" + PROMPT + "gc")
        prompt.keys("\x15help obj\t", "at ")
        require("ADDRESS" in prompt.command(""), "help of a command")
        prompt.keys("gcgraph A#1 --svg=/proc/self/cmdlin\t", r"cmdlin[^ ]*e ")
        prompt.keys("\x15gcgraph --dot /proc/self/cmdlin\t", r"cmdlin[^ ]*e ")
        prompt.keys("\x15objat A#1 --l\t", r"--ledger  --limit=[\s\S]*" + PROMPT + "objat A#1 --l")
        prompt.keys("\x03", r"\^C\r?\n" + PROMPT)
        require("A#1: live" in prompt.command("objat A#1"), "no answer after completions")
        prompt.leave("\x04")
    with Terminal(argv, TERM="dumb") as terminal:
        Prompt(terminal).leave("quit\n")


def check_interrupts(argv, pid):
    """Ctrl-C while a command is at work: it is cancelled, and the next one answers."""
    caught = False
    with Terminal(argv, TERM="xterm", NO_COLOR="1") as terminal:
        prompt = Prompt(terminal)
        for delay in (0.1, 0.05, 0.2, 0.02, 0.3):
            terminal.write("gcgraph --cycles\n")
            terminal.read_until(r"--cycles\r?\n")
            time.sleep(delay)
            terminal.write("\x03")
            # Wherever it was heard, the next line is a command.
            seen = prompt.keys("objat #2\n", r"node#2: live[\s\S]*?\n" + PROMPT)
            caught = caught or "gcgraph: cancelled" in seen
        require(caught, "the prompt was never met at work")
        prompt.leave("exit\n")
    with open("/proc/%d/status" % pid, encoding="utf-8") as status:
        require("tracing stop" not in status.read(), "the process is left stopped")


def main():
    parser = argparse.ArgumentParser(description="Checks the prompt of the shell command.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("program", help="the sample cycle")
    parser.add_argument("large", help="large.c")
    arguments = parser.parse_args()

    def body():
        with tempfile.TemporaryDirectory() as folder:
            for name, program in (("cycle", arguments.program), ("large", arguments.large)):
                os.mkdir(os.path.join(folder, name))
                with Subject(program, 3 if name == "cycle" else 1, os.path.join(folder, name)) as subject:
                    live = [arguments.shell, "--pid", str(subject.process.pid)]
                    if name == "large":
                        check_interrupts(live, subject.process.pid)
                        continue
                    check_lines(live)
                    argv = [arguments.shell, "--core", subject.core().core]
                    check_lines(argv)
                    check_terminal(argv)
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
