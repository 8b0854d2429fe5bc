"""check_completion.py - bash completes each command and option of the manual, files where files are wanted, and lines that are typed
at a terminal; zsh and fish read their scripts, where they are, and fish completes as well.

Invariant: what is expected comes from `refheap --manual`; what completes is the shell itself.
"""

import argparse
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from launch import TIMEOUT_SECONDS, report, require


def run(*argv, **more):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", check=False,
                          timeout=TIMEOUT_SECONDS, **more)
    return done.returncode, done.stdout, done.stderr


def table(shell):
    """The options of each command, as the manual has them: "--limit=", "--json"."""
    status, manual, _ = run(shell, "--manual")
    require(status == 0, "no manual")
    sections = (part for part in manual.split("\n## ")[1:] if re.match(r"\w+\n", part))
    commands = {part.split("\n", 1)[0]: re.findall(r"^- `(--[\w-]+=?)", part, re.M) for part in sections}
    require(len(commands) >= 8 and all(commands.values()), "the manual has %s", commands)
    return commands


class Bash:
    def __init__(self, script, folder):
        self.script, self.folder = script, folder

    def complete(self, *words):
        """What may stand for the last word. '=' is a word, as bash divides lines."""
        lines = "source '%s'; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _refheap; printf '%%s\\n' \"${COMPREPLY[@]}\"" % self.script
        status, out, error = run("bash", "--norc", "-c", lines, "bash", "refheap", *words, cwd=self.folder)
        require(status == 0 and not error, "bash says of %s: %s", words, error)
        return sorted(out.split("\n")[:-1]) if out.strip() else []


def read_until(terminal, text):
    """What a shell says at its terminal, up to this text or its end."""
    said = b""
    until = time.monotonic() + TIMEOUT_SECONDS
    while text not in said and select.select([terminal], [], [], max(0, until - time.monotonic()))[0]:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # how the end of a terminal is told
            break
        if not piece:
            break
        said += piece
    return said.decode("utf-8", "replace")


def typed(argv, setup, line, folder):
    """The words of a command line that was typed, with tabs, at a terminal where a shell was set up. The line is typed once the shell
    asks for it: keys that come while a terminal's mode changes can be lost."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.environ.update(PS1="first>", TERM="dumb", INPUTRC="/dev/null")
        os.execvp(argv[0], argv)
    said = read_until(terminal, b"first>")
    os.write(terminal, ("%s; refheap() { printf 'word<%%s>\\n' \"$@\"; echo 'en''d>'; }; PS1='seco''nd>'\n" % setup).encode())
    said += read_until(terminal, b"second>")
    os.write(terminal, (line + "\n").encode())
    said += (answer := read_until(terminal, b"end>"))
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(terminal)
    require("end>" in answer, "of %r %s makes no command: %r", line, argv[0], said)
    return re.findall(r"word<([^%>]*)>", answer)


def check_bash(bash, commands):
    def same(words, wanted):
        found = bash.complete(*words)
        require(found == sorted(wanted), "bash completes %s by %s, not %s", words, found, wanted)
    same(["gc"], [name for name in commands if name.startswith("gc")])
    for name, options in commands.items():
        same([name, "--"], options)
        same(["--core", "kept", name, "--"], options)
        same(["--core", "=", "kept", name, "--"], options)
    same(["--co"], ["--core="])
    same(["--core", "=", "ke"], ["kept", "kept too"])
    same(["--core", "ke"], ["kept", "kept too"])
    same(["gcleaks", "--sarif", "=", "ke"], ["kept", "kept too"])
    same(["gcleaks", "--sarif", "="], ["kept", "kept too", "other"])
    same(["gcdiff", "o"], ["other"])
    same(["gcleaks", "--limit", "="], [])
    same(["gcleaks", "--missing", "="], ["empty"])
    same(["gcleaks", "--missing", "=", "full"], [])
    same(["gcleaks", ""], [])
    same(["nonsense", "--"], [])
    same(["he"], ["help"])
    same(["help", ""], commands)
    same(["help", "gcl"], ["gcleaks"])
    same(["help", "gcleaks", ""], [])
    same(["--core", "kept", "help", ""], [])
    same(["--sch"], ["--schema="])
    same(["--schema", "gcl"], ["gcleaks"])
    same(["--schema", "=", ""], [*commands, "answer"])
    same(["--schema", "=", "ans"], ["answer"])
    same(["--schema", "gcleaks", ""], [])
    require(str(os.getpid()) in bash.complete("--pid", str(os.getpid())), "a process is not completed")


def check_typed(argv, setup, folder):
    for line, wanted in (("refheap gcver\t--ch\t", ["gcverify", "--check"]), ("refheap --core=oth\tgcst\t", ["--core=other", "gcsta"]),
                         ("refheap gcleaks --sarif=oth\t", ["gcleaks", "--sarif=other"]), ("refheap gcdiff oth\t", ["gcdiff", "other"]),
                         ("refheap gcfind --missing=e\t", ["gcfind", "--missing=empty"]),
                         ("refheap he\tgcle\t", ["help", "gcleaks"]), ("refheap --sch\tans\t", ["--schema=answer"]),
                         ("refheap --schema gcle\t", ["--schema", "gcleaks"]),
                         ("refheap --core 'kept t\t gcverify", ["--core", "kept too", "gcverify"])):
        found = typed(argv, setup, line, folder)
        require(found == wanted, "of %r %s makes %s, not %s", line, argv[0], found, wanted)


FOR_INSTALLERS = {"--completion", "--man", "--manual", "--schemas"}  # --help is silent about them, and so are shells


def check_own_options(bash, folder, shell):
    """The options of refheap itself: each shell completes those that the lines of usage show, and none of the others."""
    usage = set(re.findall(r"--[a-z-]+\b(?!…)", run(shell, "--help")[1].split("\n\n")[0]))
    require(len(usage) >= 5 and not usage & FOR_INSTALLERS, "--help shows %s", usage)
    offered = {option.rstrip("=") for option in bash.complete("--")}
    require(usage <= offered and not offered & FOR_INSTALLERS, "bash completes %s, --help shows %s", offered, usage)
    for path in ("zsh/site-functions/_refheap", "fish/vendor_completions.d/refheap.fish"):
        with open(os.path.join(folder, path), encoding="utf-8") as file:
            text = file.read()
        found = set(re.findall(r"'(--[a-z-]+)=?\[", text)) | {"--" + name for name in re.findall(r" -l ([a-z-]+) ", text)}
        require(usage <= found and not found & FOR_INSTALLERS, "%s completes %s, --help shows %s", path, found, usage)


def check_others(folder, commands):
    zsh, fish = os.path.join(folder, "zsh/site-functions/_refheap"), os.path.join(folder, "fish/vendor_completions.d/refheap.fish")
    for path in (zsh, fish):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for name, options in commands.items():
            line = re.search(r"^ +%s\) _arguments(.*?);;" % name, text, re.M | re.S)
            for option in options:
                wanted = "'%s[" % option if path == zsh else "_from %s' -l %s " % (name, option.strip("-="))
                require(wanted in (line.group(1) if path == zsh else text), "%s lacks %s of %s", path, option, name)
    if shutil.which("zsh"):
        require(run("zsh", "-n", zsh)[::2] == (0, ""), "zsh: %s", run("zsh", "-n", zsh))
    if shutil.which("fish"):
        for name, options in commands.items():
            status, out, error = run("fish", "--no-config", "-c", "source '%s'; complete -C 'refheap %s --'" % (fish, name))
            found = {line.split("\t")[0] for line in out.splitlines()}  # without '='
            require(status == 0 and not error and {option.rstrip('=') for option in options} <= found, "fish completes %s by %s: %s", name, found, error)
        for line, wanted in (("he", {"help"}), ("--sch", {"--schema"}), ("help ", set(commands)), ("help gcleaks ", set()),
                             ("--schema ", {*commands, "answer"}), ("--schema=ans", {"--schema=answer"}),
                             ("--core kept gcl", {"gcleaks"}), ("--core=kept gcl", {"gcleaks"}), ("--pid 1 --no-stop gcl", {"gcleaks"}),
                             ("--core kept gcleaks gcl", set())):
            _status, out, error = run("fish", "--no-config", "-c", "source '%s'; complete -C 'refheap %s'" % (fish, line))
            found = {each.split("\t")[0] for each in out.splitlines()} - {"--schema="}  # some versions offer both
            require(not error and found == wanted, "fish completes '%s' by %s: %s", line, found, error)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("folder", help="with the scripts, as they are installed below share")
    arguments = parser.parse_args()

    def body():
        commands = table(arguments.shell)
        with tempfile.TemporaryDirectory() as folder:
            for name in ("kept", "kept too", "other"):
                with open(os.path.join(folder, name), "w", encoding="utf-8"):
                    pass
            script = os.path.join(arguments.folder, "bash-completion/completions/refheap")
            check_bash(Bash(script, folder), commands)
            check_own_options(Bash(script, folder), arguments.folder, arguments.shell)
            check_typed(["bash", "--norc", "--noprofile", "-i"], "source '%s'" % script, folder)
            if shutil.which("zsh"):
                check_typed(["zsh", "-f", "-i"], "fpath=('%s/zsh/site-functions' $fpath); autoload -Uz compinit; compinit -u -D" % arguments.folder,
                            folder)
        check_others(arguments.folder, commands)
        require("--schema" in run(arguments.shell, "--help")[1], "--help is silent about --schema")
        for name in commands:
            require(run(arguments.shell, "--schema=" + name) == run(arguments.shell, "--schema", name), "--schema=%s is another", name)
        for words in (["--completion", "sh"], ["--completion"], ["--completion="], ["--schema="], ["--schema=objat", "refs"]):
            status, out, error = run(arguments.shell, *words)
            require(status == 2 and not out and len(error.splitlines()) == 1, "refheap %s: %d %s %s", words, status, out, error)
        print("completion: %d commands" % len(commands))
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
