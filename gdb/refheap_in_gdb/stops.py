"""stops.py - stopping at instructions that the engine named, and which frame is selected then."""

import contextlib

import gdb
import refheap_door as door


class Stop(gdb.Breakpoint):
    """At an instruction that the engine named. The user's lists do not show it."""

    def __init__(self, address, reached):
        super().__init__("*0x%x" % address, gdb.BP_BREAKPOINT, internal=True)
        self.silent = True  # the frame that GDB would show is not the one to be selected
        self.reached = reached

    def stop(self):
        return self.reached()


class Stops:
    """The instructions where each inferior stops; none is left when it has ended, or was let go: GDB could not
    start the program again."""

    def __init__(self, reached):
        self.reached = reached  # gives the frame to be selected, or GO_ON
        self.of = {}            # by the numbers of inferiors
        self.level = None       # of the frame to be selected once GDB has stopped
        gdb.events.exited.connect(self.forget)
        gdb.events.stop.connect(self.select)

    def close(self):
        gdb.events.exited.disconnect(self.forget)
        gdb.events.stop.disconnect(self.select)
        for number in list(self.of):
            self.set(number, [])

    def set(self, number, instructions):
        known = {each.address: each for each in self.of.pop(number, []) if each.is_valid()}
        for address in set(known) - set(instructions):
            known.pop(address).delete()
        for address in set(instructions) - set(known):
            known[address] = Stop(address, self.decide)
            known[address].address = address
        if known:
            self.of[number] = list(known.values())

    def decide(self):
        level = self.reached()
        self.level = level if level != door.GO_ON else self.level
        return level != door.GO_ON

    def forget(self, event):
        self.set(event.inferior.num, [])

    def select(self, event):
        level, self.level = self.level, None
        if level is None or not any(isinstance(each, Stop) for each in getattr(event, "breakpoints", ())):
            return
        with contextlib.suppress(gdb.error):
            frame = gdb.newest_frame()
            while level > 0 and frame.older() is not None:
                frame, level = frame.older(), level - 1
            frame.select()
            gdb.execute("frame")
