"""check_damaged.py - the shell on programs whose debug info is damaged: names may be missing or wrong, but
every question is answered, with the same rows and counts as without debug info, in bounded time.

Invariant: the damage is the same in each run (a seed per copy), and outside of debug info and symbols the
copies are the program, so that their files are believed.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile

import expect
from launch import Question, Subject, door_of, report, require

SECTIONS = (".debug_info", ".debug_abbrev", ".debug_str", ".debug_line_str", ".debug_loclists", ".debug_rnglists", ".debug_addr",
            ".symtab", ".strtab")


def sections_of(program):
    """name -> (offset, size), from readelf."""
    done = subprocess.run(["readelf", "-SW", program], stdout=subprocess.PIPE, check=True, encoding="utf-8")
    found = {}
    for line in done.stdout.splitlines():
        words = line.replace("[", " ").replace("]", " ").split()
        if len(words) > 5 and words[1] in SECTIONS:
            found[words[1]] = int(words[4], 16), int(words[5], 16)
    require(".debug_info" in found and ".symtab" in found, "no debug info in %s: %s", program, found)
    return found


def damage(image, sections, seed):
    """Three kinds of damage by turns: a few bytes, many bytes, a piece moved elsewhere."""
    dice, copy = random.Random(seed), bytearray(image)
    for offset, size in sections.values():
        if size == 0 or dice.random() < 0.3:
            continue
        for _ in range((1, 40, 0)[seed % 3]):
            copy[offset + dice.randrange(size)] = dice.choice((0, 1, 2, 0x7f, 0x80, 0xff, dice.randrange(256)))
        if seed % 3 == 2:
            length = dice.randrange(1, max(2, size // 4))
            start, to = dice.randrange(size - length + 1), dice.randrange(size - length + 1)
            copy[offset + to:offset + to + length] = image[offset + start:offset + start + length]
    return copy


def bare(document):
    """Rows without what debug info tells."""
    rows = [{key: row[key] for key in ("kind", "address", "strength", "offset")} for row in document["referrers"]]
    return rows, document["ledger"], document["complete"], [step.get("object") for step in document["path"]][-1]


def main():
    parser = argparse.ArgumentParser(description="Checks damaged debug info in the shell.")
    parser.add_argument("--shell", required=True, help="the refheap command")
    parser.add_argument("--copies", type=int, default=40)
    parser.add_argument("program", help="holders.c, built with -O0 -g")
    arguments = parser.parse_args()
    door = door_of("shell", arguments.shell)

    def body():
        with tempfile.TemporaryDirectory() as folder:
            copy, stripped = (os.path.join(folder, name) for name in ("holders", "stripped"))
            shutil.copy2(arguments.program, copy)
            os.mkdir(os.path.join(folder, "run"))
            with Subject(copy, 1, os.path.join(folder, "run")) as subject:
                core, truth = subject.core(), subject.truth
            with open(copy, "rb") as file:
                image = file.read()
            sections = sections_of(copy)
            objects = [row["object"] for row in truth["rows"] if row["kind"] == "global"][3:6] + [truth["paths"][1][0]]
            asked = [Question("refs", "--path --json " + address) for address in objects]
            subprocess.run(["strip", "-o", stripped, copy], check=True)
            os.unlink(copy)
            expected = [bare(expect.document_of(*pair)) for pair in zip(asked, door.ask(core._replace(exe=stripped), asked))]
            named = 0
            for seed in range(arguments.copies):
                with open(copy, "wb") as file:
                    file.write(damage(image, sections, seed))
                answers = door.ask(core._replace(exe=copy), asked)
                for question, answer, wanted in zip(asked, answers, expected):
                    require(answer.status == 0, "copy %d, %s: %s", seed, question, answer)
                    document = expect.document_of(question, answer)
                    require(bare(document) == wanted, "copy %d, %s: %s, not %s", seed, question, bare(document), wanted)
                    named += any("type" in row for row in document["referrers"])
            require(0 < named < arguments.copies * 3, "%d rows have types: was anything damaged?", named)
            print("%d copies, %d rows with types" % (arguments.copies, named))
    return report(body)


if __name__ == "__main__":
    sys.exit(main())
