"""service.py - a service that grows: a cache that forgets nothing, and connections that only the collector could free.

Each request leaves a Session in `cache`: nobody ever takes one out. Each also leaves a Connection and its Handler, which
hold each other; the connection has a finalizer. The service runs with the collector off, as some do for speed. Three
requests are still waiting for their answer when it stops.

    REFHEAP_WAIT_AT=grown python3 service.py 2000 &        then: refheap --pid $! gcstat

Invariant: of `total` requests, all but WAITING are done at the checkpoint; each of these made one Session, one Connection.
"""

import asyncio
import gc
import sys

from checkpoint import checkpoint, expect

WAITING = 3
cache = {}


class Session:
    def __init__(self, user):
        self.user = user
        self.pages = ["page %d of %s" % (number, user) for number in range(3)]


class Connection:
    def __init__(self, peer):
        self.peer = peer
        self.handler = Handler(self)
        self.is_open = True

    def __del__(self):
        self.is_open = False


class Handler:
    def __init__(self, connection):
        self.connection = connection


class Request:
    def __init__(self, number):
        self.number = number
        self.path = "/user/%d" % number


async def answer(request, ready):
    connection = Connection(("127.0.0.1", 1024 + request.number))
    await ready.wait()
    cache[request.path] = Session("user %d" % request.number)
    return connection.handler


async def handle(number, ready):
    request = Request(number)
    await answer(request, ready)


async def serve(total):
    ready, never = asyncio.Event(), asyncio.Event()
    ready.set()
    tasks = [asyncio.create_task(handle(number, ready if number < total - WAITING else never), name="request %d" % number)
             for number in range(total)]
    while len(cache) < total - WAITING:
        await asyncio.sleep(0)
    waiting = [task for task in tasks if not task.done()]
    expect(len(waiting) == WAITING)
    tasks = None
    checkpoint("grown", lambda: truth(total, waiting))


def truth(total, waiting):
    """What there is; the last thing counted is what the collector finds."""
    objects = gc.get_objects()
    types = {name: len([each for each in objects if type(each).__name__ == name])
             for name in ("Session", "Connection", "Handler", "Request")}
    objects = None
    stacks = [[[frame.f_code.co_name, frame.f_lineno] for frame in task.get_stack()] for task in waiting]
    return {"types": types, "cache": hex(id(cache)), "entries": len(cache), "waiting": stacks, "found": gc.collect(),
            "garbage": {"Connection": total - WAITING, "Handler": total - WAITING}}


if __name__ == "__main__":
    gc.collect()
    gc.disable()
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
