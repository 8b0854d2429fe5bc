"""leaking.py - a Python program that leaks: garbage by the line that made it, which it tells as leaking.c does. With
`-X tracemalloc` Python knows the lines.
"""

import gc
import json
import sys


class Ring:
    pass


def circle():
    ring = Ring(); line = sys._getframe().f_lineno  # noqa: E702
    ring.me = ring
    return line


gc.collect()
gc.disable()
for _ in range(int(sys.argv[2])):
    told = circle()
print(json.dumps({"live": {"Ring": {"cause": "cycle", "file": __file__, "line": told, "born": 0, "function": ""}}}), flush=True)
sys.stdin.readline()
