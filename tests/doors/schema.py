"""schema.py - holds JSON answers against the schemas of their commands, with a library's validator.

Every answer that a door gives comes through here (launch.Answer). Python's validators are slow, and answers are many and alike.
So what is validated of an answer is its rows without those that are like one before: of the same members, kinds of values and
known words. Of a list with more than MANY rows a sample is looked at: its ends, and rows at equal distances between.

That the schemas are valid themselves is seen once, by check_schemas.py: it takes longer than most tests' answers.

Invariant: an answer of a command that has no schema fails, unless it is an error.
"""

import functools
import json
import os
import re

MANY, ENDS, SAMPLED = 2000, 500, 1000


def folder():
    """Where the schemas are: REFHEAP_SCHEMAS, else beside the engine. None: of what is asked there are none."""
    named = os.environ.get("REFHEAP_SCHEMAS")
    return None if named == "none" else named or os.path.join(os.path.dirname(os.environ["REFHEAP_INSPECT"]), "schemas")


class Schema:
    """A schema, and which answers it was found to hold for."""

    def __init__(self, path):
        import jsonschema  # here: not every test has JSON answers, and it takes long to import

        with open(path, encoding="utf-8") as file:
            schema = json.load(file)
        self.validator = jsonschema.Draft202012Validator(schema)
        self.best_match = jsonschema.exceptions.best_match
        self.words = frozenset(words_of(schema))
        self.known = set()

    def errors(self, document):
        """What is wrong with a document, in words; None: nothing."""
        less, kind = reduced(document, self.words)
        if kind in self.known:
            return None
        error = self.best_match(self.validator.iter_errors(less))
        if error is None:
            self.known.add(kind)
            return None
        reasons = [inner.message[:300] for inner in error.context or []] or [error.message[:2000]]
        return "%s at %s, by %s" % ("; or ".join(reasons), error.json_path, list(error.absolute_schema_path))


def words_of(schema):
    """All words that a schema knows."""
    if isinstance(schema, dict):
        for key, inner in schema.items():
            if key == "enum":
                yield from (word for word in inner if isinstance(word, str))
            elif key == "const":
                yield inner
            else:
                yield from words_of(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from words_of(inner)


def sampled(rows):
    return rows if len(rows) <= MANY else rows[:ENDS] + rows[ENDS:-ENDS:len(rows) // SAMPLED] + rows[-ENDS:]


def reduced(value, words):
    """(the value without rows that are like others, its kind): a schema that holds for one value holds for all of its kind, if these
    are the schema's words, and its patterns and bounds those of addresses and counts."""
    if isinstance(value, dict):
        less, kinds = {}, []
        for key, inner in value.items():
            less[key], kind = reduced(inner, words)
            kinds.append((key, kind))
        return less, tuple(kinds)
    if isinstance(value, list):
        by_kind = {}
        for inner in sampled(value):
            less, kind = reduced(inner, words)
            by_kind.setdefault(kind, less)
        return list(by_kind.values()), frozenset(by_kind)
    if isinstance(value, str):
        return value, value if value in words else "address" if re.fullmatch("0x[0-9a-f]+", value) else "text"
    if isinstance(value, bool) or value is None:
        return value, value
    return value, (type(value), value < 0)


@functools.lru_cache(maxsize=None)
def schema_of(command):
    path = os.path.join(folder(), command + ".schema.json")
    return Schema(path) if os.path.exists(path) else None


def errors_of(document):
    """What is wrong with an answer or an error, in words; None: nothing."""
    command = document.get("command") if isinstance(document, dict) else None
    if not isinstance(command, str):
        return "no command that answers"
    schema = schema_of(command) if re.fullmatch(r"\w+", command) else None
    if schema is None and "error" not in document:
        return "%s has no schema in %s" % (command, folder())
    return (schema or schema_of("answer")).errors(document)


def errors_in(text, is_json=False):
    """The same of what a door printed, is_json: when it was asked for JSON. Nothing is wrong with what is no JSON and need not be."""
    if folder() is None or not text.strip():
        return None
    if not text.startswith(("{", "[")):
        return "it begins with no document" if is_json else None
    try:
        document = json.loads(text)
    except ValueError:
        return None  # cut off, or several, or no JSON: who asked that knows
    return errors_of(document)
