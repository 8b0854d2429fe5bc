"""inside_lldb.py - run by LLDB's own interpreter (where lldb is there without an import) before the
questions: marks on both streams, the selection of a frame, and a command whose failure does not end
the batch.

Invariant: everything is written to the debugger's own files: in a script sys.stdout and sys.stderr are
one pipe, which LLDB empties when it likes."""


def say(file, text):
    file.Write((text + "\n").encode())
    file.Flush()


def say_mark(text):
    say(lldb.debugger.GetOutputFile(), text)  # noqa: F821
    say(lldb.debugger.GetErrorFile(), text)  # noqa: F821


def select_frame(function, thread):
    """Threads are called worker-1, worker-2 in the order of their birth, which is that of their LWPs;
    a core does not know their names."""
    process = lldb.debugger.GetSelectedTarget().GetProcess()  # noqa: F821
    threads = sorted(process, key=lambda each: each.GetThreadID())
    chosen = threads[int(thread.split("-")[1]) if thread else 0]
    process.SetSelectedThread(chosen)
    for index in range(chosen.GetNumFrames()):
        if chosen.GetFrameAtIndex(index).GetFunctionName() == function:
            chosen.SetSelectedFrame(index)
            return
    raise RuntimeError("no frame of " + function)


def ask(mark, command):
    say_mark(mark)
    lldb.refheap_status = -1  # noqa: F821
    lldb.debugger.HandleCommand(command)  # noqa: F821
    say(lldb.debugger.GetOutputFile(), "@@status %d@@" % lldb.refheap_status)  # noqa: F821
