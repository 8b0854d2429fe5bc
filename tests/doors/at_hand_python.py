"""at_hand_python.py - a program that runs in C code with the GIL held and the dict of a module at hand.

`exec` has it on the stack as long as its code runs, which calls what never returns. The line is as
samples/python/checkpoint.py has it.
"""

import itertools
import json
import os
import sys

sys.stdout.write(json.dumps({"checkpoint": 1, "name": "at hand"}) + "\n")
sys.stdout.flush()
exec("all(repeat(True))", vars(os), {"repeat": itertools.repeat})
