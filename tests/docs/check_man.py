"""check_man.py - the pages for man: one of each command and each public function, clean, with what the command table and the headers say, and no
reference to a page that is not there.

Invariant: what must have a page is asked of others than who makes the pages: the command itself, and the symbols that the libraries export.
"""

import argparse
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "doors"))
from launch import ROOT, report, require  # noqa: E402

HEADERS = {"refheap": "runtime/include/refheap/refheap.h", "refheap-values": "runtime/include/refheap/values.h",
           "refheap-inspect": "inspect/include/refheap/inspect.h"}
NOT_OURS = {"core(5)", "gdb(1)", "dlclose(3)"}
# What scdoc writes and mandoc dislikes, in each page of scdoc's: paragraphs that begin behind a heading, and lists in lists.
OF_SCDOC = ("skipping paragraph macro", "empty block: RS")


def run(*words, **environment):
    done = subprocess.run(words, env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", **environment}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, encoding="utf-8")
    return done.stdout, done.stderr


def shown(page, pages):
    """What man shows of it."""
    name, _, section = page.rpartition(".")
    out, error = run("man", "-P", "cat", "--no-hyphenation", "--no-justification", section, name, MANPATH=pages)
    require(out and not error, "man %s %s: %s", section, name, error)
    return re.sub(r".\x08|\x1b\[[\d;]*m", "", out)


def flat(text):
    return " ".join(text.split())


def check_clean(path):
    complaints = [line for line in run("mandoc", "-T", "lint", "-W", "warning", path)[0].splitlines() if not any(known in line for known in OF_SCDOC)]
    require(not complaints, "mandoc: %s", "\n".join(complaints))
    out, error = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path)
    require(out and not error, "man --warnings %s: %s", path, error)


def check_wide(page, pages):
    """A terminal of 80 columns shows each line as it is."""
    wide = [line for line in shown(page, pages).split("\n") if len(line) > 80]
    require(not wide, "%s has lines of more than 80 columns:\n%s", page, "\n".join(wide))


def check_whatis(path, name, summary):
    require(run("lexgrog", path)[0] == '%s: "%s - %s"\n' % (path, name, summary), "whatis: %s", run("lexgrog", path))


def check_commands(shell, pages):
    """Each command's page says what its help says. Returns the pages."""
    manual = run(shell, "--manual")[0]
    commands = re.findall(r"^## (\w+)\n\n`.*`: (.*)\.$", manual, re.M)
    require(len(commands) > 10, "commands: %s", commands)
    for name, summary in commands:
        page = "refheap-%s.1" % name
        text = flat(shown(page, pages))
        told = re.search(r"^## %s\n(.*?)(?=^## )" % name, manual, re.M | re.S).group(1)
        example = re.search(r"^Example: `(.*)`$", told, re.M).group(1)
        require("EXAMPLES" in text and example in text, "%s: no example %s", page, example)
        has_check = "\n- `--check`:" in told
        require(("1: --check found" in text) == has_check, "%s: the exit status of a command %s --check", page, "with" if has_check else "without")
        for option, words in re.findall(r"^- `(--[^`]*)`: (.*)$", told, re.M):
            require("%s %s" % (option, flat(words)) in text, "%s: no %s: %s", page, option, words)
        for key in re.findall(r"^- `(\w+)` \(", told, re.M):
            require(" %s (" % key in text, "%s: no member %s", page, key)
        require(run(shell, "help", name) == run(shell, name, "--help") and summary in run(shell, "help", name)[0], "refheap help %s", name)
        check_whatis(os.path.join(pages, "man1", page), "refheap-" + name, summary)
        require(summary in flat(shown("refheap.1", pages)), "refheap.1: nothing of %s", name)
    require(run(shell, "help") == run(shell, "--help") and "commands:" in run(shell, "help")[0], "refheap help: %s", run(shell, "help"))
    parts = re.findall(r"^### (\w+)$", manual, re.M)
    text = shown("refheap-json.7", pages)
    require("printf '%s\\n' gcstat gcleaks" in shown("refheap.1", pages), "refheap.1: the example of several questions")
    require(len(parts) > 20 and all(re.search(r"^ +%s$" % part, text, re.M) for part in parts), "refheap-json.7 lacks one of %s", parts)
    return ["refheap.1", "refheap-json.7", *("refheap-%s.1" % name for name, _ in commands)]


def functions_of(library):
    """What a library exports for callers."""
    names = re.findall(r" T (rhi?_[a-z]\w*)$", run("nm", "-D", "--defined-only", library)[0], re.M)
    return sorted(name for name in names if "__" not in name)


def sentences_of(header):
    """Those of the comment at its head."""
    with open(header, encoding="utf-8") as file:
        lines = file.read().split("*/")[0].split("\n")
    text = flat(" ".join(line[3:] for line in lines if not line.startswith(" *     ")))
    found = re.findall(r"(?<=[.:] )[A-Z][^.:]{30,}[.]", text.replace("`", ""))
    require(found, "%s has no sentences", header)
    return found


def check_functions(libraries, pages):
    """Each function has a page, which shows its declaration. Returns the pages."""
    texts = {name: flat(shown(name + ".3", pages)) for name in HEADERS}
    found = []
    for library in libraries:
        for name in functions_of(library):
            require(os.path.exists(os.path.join(pages, "man3", name + ".3")), "%s has no page", name)
            with open(os.path.join(pages, "man3", name + ".3"), encoding="utf-8") as file:
                page = re.fullmatch(r"\.so man3/(\S+)\.3\n", file.read()).group(1)
            require(re.search(r"[\w*] ?\**%s\(" % name, texts[page]), "%s.3 does not declare %s", page, name)
            found.append(name + ".3")
        require(flat(shown(found[-1], pages)) == texts[page], "%s shows another page", found[-1])
    require(len(found) > 100, "only %d functions", len(found))
    for page, text in texts.items():
        require(not re.search(r"\brhi?__|\bRHI?__", text), "%s.3 tells of what is not for callers", page)
        for sentence in sentences_of(os.path.join(ROOT, HEADERS[page])):
            require(sentence in text, "%s.3 lacks: %s", page, sentence)
    require("struct rh_type { /* shown" in texts["refheap"], "refheap.3 does not say what a type has")
    # What stands below a comment belongs to it: "What printf would print" is of no length.
    require(not re.search(r"rh_string_length\([^)]*\); What printf", texts["refheap-values"]), "refheap-values.3: the length of a string")
    for word in ("OWNERSHIP", "THREADS", "ERRORS"):
        require(word in texts["refheap"], "refheap.3 has no section %s", word)
    return found + [name + ".3" for name in HEADERS]


def check_references(pages, names):
    """Each leads to a page."""
    for page in sorted(names):
        if page.startswith("rh"):
            continue  # it leads to another
        for name, section in re.findall(r"\b([a-z][\w-]*[a-z])\((\d)\)", re.sub(r"-\n +", "-", shown(page, pages))):
            known = "%s.%s" % (name, section) in names or "%s(%s)" % (name, section) in NOT_OURS
            require(known or page.endswith(".3") and not name.startswith("refheap"), "%s refers to %s(%s)", page, name, section)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shell", required=True)
    parser.add_argument("--pages", required=True)
    parser.add_argument("libraries", nargs="+")
    options = parser.parse_args()

    def body():
        names = set(check_commands(options.shell, options.pages)) | set(check_functions(options.libraries, options.pages))
        found = {name for folder in ("man1", "man3", "man7") for name in os.listdir(os.path.join(options.pages, folder))}
        require(names == found, "pages that are missing, or too many: %s", names ^ found)
        for name in sorted(names):
            if name.startswith("refheap"):
                check_clean(os.path.join(options.pages, "man" + name[-1], name))
                check_wide(name, options.pages)
        check_references(options.pages, names)
        print("%d pages" % len(names))

    return report(body)


if __name__ == "__main__":
    sys.exit(main())
