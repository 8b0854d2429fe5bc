"""settings.py - `set refheap …` and `show refheap …`, and the prefix `refheap` of all commands."""

import gdb

NAMES = ("color", "limit", "progress")
LIMIT = 20  # `show refheap limit` until it is set


class RefheapPrefix(gdb.Command):
    """Questions about heaps of objects with reference counts: refheap's, and Python's.

Each is a command of its own, too, where no other script has one of its name."""

    def __init__(self):
        super().__init__("refheap", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)

    def invoke(self, line, _from_tty):
        if line:
            raise gdb.GdbError('Undefined refheap command: "%s".  Try "help refheap".' % line.split()[0])
        gdb.execute("help refheap")


def set_before(name, otherwise):
    """What a setting was in a script that was loaded before."""
    try:
        return gdb.parameter("refheap " + name)
    except RuntimeError:
        return otherwise


def register_settings(session):
    """set/show refheap limit|color|progress"""
    color, progress, limit = set_before("color", "auto"), set_before("progress", "auto"), set_before("limit", LIMIT)
    RefheapPrefix()
    for verb, text in (("set", "Settings of refheap's commands."), ("show", "What refheap's commands are set to.")):
        body = {"__doc__": text, "invoke": lambda _command, line, _from_tty, verb=verb: settings(verb, line)}
        type("RefheapSettings", (gdb.Command,), body)(verb + " refheap", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)
    add_setting("color", color, "refheap's answers are coloured (auto: on a terminal)", "set refheap color off", gdb.PARAM_ENUM, ["auto", "on", "off"])
    add_setting("progress", progress, "refheap shows how far long work is (auto: on a terminal)", "set refheap progress off", gdb.PARAM_ENUM, ["auto", "on", "off"])

    def hand_over(setting):
        session.set_limit(setting.value or 0)
        return ""
    setting = add_setting("limit", limit, "rows of each list of refheap's answers, where --limit says nothing (0 or unlimited: all)",
                          "set refheap limit 100", gdb.PARAM_UINTEGER, get_set_string=hand_over)
    hand_over(setting)


def settings(verb, line):
    """`show refheap`, as GDB answers `show print`; `set refheap` lists what can be set."""
    if line:
        raise gdb.GdbError('Undefined %s refheap command: "%s".  Try "help %s refheap".' % (verb, line.split()[0], verb))
    if verb == "set":
        gdb.execute("help set refheap")
    for name in NAMES if verb == "show" else ():
        gdb.write("%s:  " % name)
        gdb.execute("show refheap " + name)


def add_setting(name, value, text, example, *kind, get_set_string=lambda _setting: ""):
    body = {"__doc__": "\nexample: " + example, "get_set_string": get_set_string,
            "get_show_string": lambda _setting, shown: "%s: %s" % (text, shown)}
    body["set_doc"] = body["show_doc"] = text[0].upper() + text[1:] + "."
    setting = type("RefheapSetting", (gdb.Parameter,), body)("refheap " + name, gdb.COMMAND_DATA, *kind)
    setting.value = value
    return setting
