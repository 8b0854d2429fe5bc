"""ending_python.py - a Python that ends: what dies last says {"checkpoint": 1, "name": "ending", "held": ADDRESS of a list}, and waits."""

import os
import sys
import time


class Late:
    def __init__(self):
        self.held = [1]

    def __del__(self, write=os.write, sleep=time.sleep):
        write(1, b'{"checkpoint": 1, "name": "ending", "held": "%#x"}\n' % id(self.held))
        sleep(1000)


sys.late = Late()
