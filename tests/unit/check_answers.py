"""check_answers.py - runs a unit test, and holds the answers in JSON that it looked at against their schemas (tests/doors/schema.py).

With --blocks WORD the answers may be about a format that only this test knows, and that calls its blocks so: gcstat names them by
that word.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "doors"))
import schema  # noqa: E402


def documents(path):
    """They stand in the file one behind the other."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    decoder, at = json.JSONDecoder(strict=False), 0
    while at < len(text):
        document, end = decoder.raw_decode(text, at)
        at = re.compile(r"\s*").match(text, end).end()
        yield document


def know_blocks(word):
    """What a heap has in its slabs, it may have in such blocks."""
    members = schema.schema_of("gcstat").validator.schema["$defs"]["heap"]["properties"]
    members[word + "s"], members[word + "_bytes"] = members["slabs"], members["slab_bytes"]


def main():
    parser = argparse.ArgumentParser(description="Holds the answers of a unit test against their schemas.")
    parser.add_argument("--blocks", help="what a format of the test's own calls its blocks")
    parser.add_argument("--none", action="store_true", help="the test looks at no answer in JSON")
    parser.add_argument("program")
    arguments = parser.parse_args()
    if arguments.blocks:
        know_blocks(arguments.blocks)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "answers")
        with open(path, "wb"):
            pass
        status = subprocess.run([arguments.program], env={**os.environ, "REFHEAP_ANSWERS": path}, check=False).returncode
        if status != 0:
            return status
        if os.path.getsize(path) == 0 and not arguments.none:
            print("%s looked at no answer in JSON: say --none, if that shall be so" % arguments.program)
            return 1
        for document in documents(path):
            wrong = schema.errors_of(document)
            if wrong:
                print("no answer by its schema: %s\n%s" % (wrong, json.dumps(document)[:3000]))
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
