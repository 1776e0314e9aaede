"""What both Python clients share: reading what to do, printing answers, making values comparable."""

import hashlib
import json
import sys

LONG = 200


def say(message):
    """Prints one line of JSON at once."""
    print(json.dumps(message, default=str), flush=True)


def told():
    """Yields what to do, one dict a line, until the input ends."""
    for line in sys.stdin:
        if line.strip():
            yield json.loads(line)


def parameters(given):
    """The parameters of an operation, repetitions written out."""
    return [p["repeat"] * p["times"] if isinstance(p, dict) else p for p in given or []]


def value(something):
    """A value as text; a long one as its length and digest."""
    if something is None:
        return None
    if isinstance(something, (bytes, bytearray, memoryview)):
        something = bytes(something).hex()
    text = str(something)
    if len(text) > LONG:
        return {"length": len(text), "md5": hashlib.md5(text.encode()).hexdigest()}
    return text


def rows(records):
    """Rows as lists of comparable values."""
    return [[value(field) for field in record] for record in records]
