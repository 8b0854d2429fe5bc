"""at_hand_python.py - a program that waits in C code with the GIL held and the tables of three modules at hand.

Their addresses are arguments of the function: in registers, or on the top of the stack. The line is as
samples/python/checkpoint.py has it.
"""

import builtins
import collections
import ctypes
import json
import os
import sys


class Node:
    def __init__(self, number, before):
        self.number, self.before = number, before


nodes = [Node("first", None)]
for count in range(30):
    nodes.append(Node("number %d" % count, nodes[-1]))
tables = {"nodes": nodes, "by number": {node.number: node for node in nodes}, "order": collections.OrderedDict(nodes=nodes)}
sys.stdout.write(json.dumps({"checkpoint": 1, "name": "at hand"}) + "\n")
sys.stdout.flush()
at_hand = [ctypes.c_void_p(id(vars(module))) for module in (builtins, os, sys.modules["__main__"])]
while True:
    ctypes.PyDLL(None).pause(*at_hand)
