"""readme.py - the three lines of the README by which refheap is installed, for the tests that run each.

Invariant: there are three: packages of Debian, CMake, and a program.
"""

import os
import re


def install_lines(source):
    """Each line as the list of its commands."""
    with open(os.path.join(source, "README.md"), encoding="utf-8") as file:
        section = re.search(r"^## Install\n(.*?)^## ", file.read(), re.M | re.S).group(1)
    lines = [line.strip().split(" && ") for line in re.findall(r"^    (.*)$", section, re.M)]
    assert [len(commands) for commands in lines] == [2, 4, 1], lines
    return lines
