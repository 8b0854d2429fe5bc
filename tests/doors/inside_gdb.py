"""inside_gdb.py - run by GDB's own interpreter (where gdb is there without an import) before the
questions: marks on both streams, and the selection of a frame by its function's name."""


def say_mark(text):
    gdb.write(text + "\n", gdb.STDOUT)  # noqa: F821
    gdb.flush(gdb.STDOUT)  # noqa: F821
    gdb.write(text + "\n", gdb.STDERR)  # noqa: F821
    gdb.flush(gdb.STDERR)  # noqa: F821


def select_frame(function, thread):
    """Threads are called worker-1, worker-2 in the order of their birth, which is that of their LWPs;
    a core does not know their names."""
    threads = sorted(gdb.selected_inferior().threads(), key=lambda each: each.ptid[1])  # noqa: F821
    threads[int(thread.split("-")[1]) if thread else 0].switch()
    frame = gdb.newest_frame()  # noqa: F821
    while frame is not None and frame.name() != function:
        frame = frame.older()
    if frame is None:
        raise RuntimeError("no frame of " + function)
    frame.select()
