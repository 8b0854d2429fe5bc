"""frames_python.py - threads, generators and coroutines in the middle of their work, and where each is.

    {"threads": {NATIVE ID: [[FUNCTION, FILE, LINE]…], innermost first},
     "suspended": {ADDRESS: [FUNCTION, FILE, LINE]}, generators and coroutines,
     "markers": {ADDRESS: [LOCAL, FUNCTION, NATIVE ID]}}

The truth is sys._current_frames of the process, and gi_frame of a copy of it, as traceback prints them. To look at a
frame makes an object of it; so each worker has a twin that nobody looked at, which stands where it stands.
Invariant: each Marker has one owner, the local variable that it was told, or the stack of values of its frame; markers of frames that are gone are not told.
"""

import asyncio
import functools
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "python"))

from checkpoint import checkpoint  # noqa: E402 (of the folder above)


class Marker:
    told = {}

    def __init__(self, name):
        self.name = name
        Marker.told[id(self)] = [name, sys._getframe(1).f_code.co_name, threading.get_native_id()]


class Worker:
    def __init__(self, depth):
        self.depth = depth

    def work(self, depth, ready, stop):
        marker = Marker("marker")
        if depth:
            return [self.work(depth - 1, ready, stop)
                    for _ in (1,)] + [marker]
        return sorted([3], key=functools.partial(self.within, ready, stop)), marker

    def within(self, ready, stop, *_):
        inner = Marker("inner")
        try:
            with stop_soon() as held:
                ready.release()
                str((Marker("on the stack"), stop.acquire(), held.name))
        finally:
            inner = None


class stop_soon:
    def __enter__(self):
        held = Marker("held")
        Marker.told[id(held)][1] = "within"
        return held

    def __exit__(self, *_):
        return False


def generated(count):
    """A generator in a for loop."""
    marker = Marker("marker")
    for number in range(count):
        yield (number,
               marker)


def delegating(count):
    kept = Marker("kept")
    yield from generated(count)
    del kept


async def waiting(event, name):
    mark = Marker("mark")
    await event.wait()
    return mark


async def outer(event, name):
    token = Marker("token")
    await waiting(event, name)
    return token


async def asynchronous(count):
    mark = Marker("mark")
    for number in range(count):
        yield number
    del mark


def place_of(frame):
    return [frame.f_code.co_name, os.path.basename(frame.f_code.co_filename), frame.f_lineno]


def stack_of(frame):
    stack = []
    while frame:
        stack.append(place_of(frame))
        frame = frame.f_back
    return stack


def truth(threads, suspended, native):
    found = {"threads": threads, "suspended": {}, "markers": Marker.told}
    for each in suspended:
        frame = getattr(each, "gi_frame", None) or getattr(each, "cr_frame", None) or getattr(each, "ag_frame", None)
        found["suspended"][id(each)] = found["suspended"][id(frame)] = place_of(frame)  # before 3.11 its frame holds them
    found["threads"][native] = stack_of(sys._getframe())
    return found


def stacks_of(workers, twins):
    """By the kernel's numbers of the threads: a twin stands where its worker stands."""
    frames, found = sys._current_frames(), {}
    for worker, twin in zip(workers, twins):
        found[worker.native_id] = found[twin.native_id] = stack_of(frames[worker.ident])
    return found


def until_idle(thread):
    """Waits until a thread waits: what it says before it waits is not yet that."""
    while True:
        with open("/proc/self/task/%d/stat" % thread.native_id, encoding="utf-8") as file:
            if file.read().rsplit(")", 1)[1].split()[0] == "S":
                return


async def main():
    ready, stop = threading.Semaphore(0), threading.Lock()
    stop.acquire()
    threads = [threading.Thread(target=Worker(depth).work, args=(depth, ready, stop), daemon=True) for depth in (0, 3, 30) * 2]
    for each in threads:
        each.start()
    for _ in threads:
        ready.acquire()
    for each in threads:
        until_idle(each)
    suspended = [generated(5), delegating(5), generated(3)]
    for each in suspended[:2]:
        next(each)
    suspended.append(suspended[1].gi_yieldfrom)
    agen = asynchronous(3)
    await agen.__anext__()
    event = asyncio.Event()
    tasks = [asyncio.create_task(outer(event, "task %d" % number)) for number in range(3)]
    await asyncio.sleep(0)
    coroutines = [task.get_coro() for task in tasks]
    coroutines += [each.cr_await for each in coroutines]
    here = Marker("here")
    stacks, native = stacks_of(threads[:3], threads[3:]), threading.get_native_id()
    checkpoint("stopped", lambda: truth(stacks, [*suspended, agen, *coroutines], native))
    os._exit(here is None)


asyncio.run(main())
