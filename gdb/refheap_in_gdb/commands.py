"""commands.py - refheap's commands as GDB's, from the engine's table: none is named here."""

import json
import re

import gdb
import gdb.printing
import refheap_door as door

from .completion import completed_expressions
from .host import Collected, Host
from .printers import Describer, Printers, function_of
from .settings import register_settings
from .state import Epoch, showable, utf8
from .stops import Stops

MACHINE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class Refheap:
    """The loaded engine and its session. One in a process: loading again replaces it."""

    def __init__(self):
        engine = door.Engine()
        self.session = door.Session(engine)
        self.epoch = Epoch()
        self.names = []  # of the commands and $functions that were nobody else's
        register_settings(self.session)
        self.stops = Stops(self.reached)
        for row in engine.commands:
            self.register(row)
        self.describer = Describer(door.Session(engine), self.epoch)
        gdb.printing.register_pretty_printer(None, Printers(self.describer), replace=True)
        for row in engine.describes["functions"]:
            if "$" + row["name"] in own_commands() or not is_function(row["name"]):
                function_of(self.describer, row)
                self.names.append("$" + row["name"])

    def register(self, row):
        """NAME, if that is nobody else's command, and `refheap NAME`; -refheap-NAME for editors."""
        # GDB's lists of commands show the first line.
        text = "%s.\n\nAlso: refheap %s\n\n%s" % (row["summary"][0].upper() + row["summary"][1:], row["name"], row["help"])
        body = {"__doc__": showable(text), "invoke": lambda _command, line, _from_tty: self.invoke(row["name"], line),
                "complete": lambda _command, text, word: self.complete(row, text, word)}
        kind = type("RefheapCommand", (gdb.Command,), body)
        kind("refheap " + row["name"], gdb.COMMAND_DATA)
        if row["name"] in own_commands() or not is_command(row["name"]):
            kind(row["name"], gdb.COMMAND_DATA)
            # GDB may refuse to hand the operand over, and then tells nobody but the user: no answer until there is one.
            gdb.execute("define hook-%s\nset $refheap_status = %d\nend" % (row["name"], door.NO_ANSWER))
            self.names.append(row["name"])
        else:
            gdb.write("refheap: '%s' is another script's command: type 'refheap %s'\n" % (row["name"], row["name"]), gdb.STDERR)
        if hasattr(gdb, "MICommand"):
            body = {"invoke": lambda _command, words: self.invoke_for_machine(row, words)}
            type("RefheapMachineCommand", (gdb.MICommand,), body)("-refheap-" + row["name"])

    def invoke_for_machine(self, row, words):
        """The answer's JSON as values of GDB's machine interface, which knows no null. It took the quotes off the words: spaces
        in what is no expression stand between quotes again."""
        name, host = row["name"], Collected(self.epoch)
        words = [door.quoted(each) if each[:1] == "-" or row["operand"] == "file" else each for each in words]
        try:
            with utf8():
                status, message = self.session.run(host, name, " ".join(["--json", *words]))
        except (door.DoorError, gdb.error) as error:
            raise gdb.GdbError(showable("%s: %s" % (name, door.one_line(str(error))))) from None
        gdb.set_convenience_variable("refheap_status", status)
        answer = json.loads(host.text) if host.text else {"error": message}
        if "error" in answer:
            raise gdb.GdbError(showable(message))
        return machine_value(answer)

    def close(self):
        self.stops.close()
        self.describer.close()
        self.epoch.close()
        self.session.close()

    def host(self):
        return Host(self.epoch, self.stops)

    def reached(self):
        """The process stands at an instruction of `stops`. Whatever fails here is told: it stops then."""
        try:
            with utf8():
                return self.session.reached(self.host())
        except (door.DoorError, gdb.error) as error:
            gdb.write("%s\n" % showable(door.one_line(str(error))), gdb.STDERR)
            return 0

    def invoke(self, name, line):
        try:
            with utf8():
                status, message = self.session.run(self.host(), name, line)
        except (door.DoorError, gdb.error) as error:
            raise gdb.GdbError(showable("%s: %s" % (name, door.one_line(str(error))))) from None
        gdb.set_convenience_variable("refheap_status", status)
        if status != door.ANSWERED:
            raise gdb.GdbError(showable(message))

    def complete(self, row, text, word):
        """GDB asks twice, first without a word; its word is only the end of the user's last one."""
        last = re.split("[ ,]", text)[-1]
        try:
            whole, expected = self.session.complete(self.host(), row["name"], text)
            if expected == door.EXPECTS_EXPRESSION and last and "#" not in last and last[0] != "-" and word is not None:
                whole += completed_expressions(last)
        except (door.DoorError, gdb.error):
            return gdb.COMPLETE_NONE
        if word is not None and last.endswith(word):
            whole = [each[len(last) - len(word):] for each in whole]
        if whole or expected != door.EXPECTS_EXPRESSION or "#" in last:
            return whole
        return gdb.COMPLETE_EXPRESSION


def machine_value(value):
    """A value of JSON as GDB's machine interface takes it. That has few names for members; columns have any."""
    if isinstance(value, dict):
        known = {key: machine_value(each) for key, each in value.items() if each is not None}
        if all(MACHINE_NAME.fullmatch(key) for key in known):
            return known
        return [{"name": showable(key), "value": each} for key, each in known.items()]
    if isinstance(value, list):
        return [machine_value(each) for each in value]
    if isinstance(value, (bool, float)) or value is None:
        return json.dumps(value)
    return showable(value) if isinstance(value, str) else value


def own_commands():
    """The names of commands and functions of a script that was loaded before."""
    return getattr(getattr(gdb, "_refheap", None), "names", ())


def is_command(name):
    """Asked so that nothing fails: a program that is just being started would be left running."""
    return name in gdb.execute("complete " + name, to_string=True).splitlines()


def is_function(name):
    value = gdb.convenience_variable(name)
    return value is not None and value.type.code == gdb.TYPE_CODE_INTERNAL_FUNCTION


def load():
    """GDB shows a traceback for whatever a sourced script raises, so a failure is told and not raised."""
    try:
        loaded = Refheap()
    except door.DoorError as error:
        gdb.write("%s\n" % error, gdb.STDERR)
        return
    earlier = getattr(gdb, "_refheap", None)
    if earlier is not None:
        earlier.close()
    gdb._refheap = loaded
