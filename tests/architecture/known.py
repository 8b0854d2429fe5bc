"""known.py - what is known to break a rule, word for word as the rule says it, by the rule's name.

Invariant: each line must still be true, so that this list only becomes shorter.
"""

KNOWN = {}
