"""Pickles as Python 2 wrote them, for the readers of sets from its time."""

from __future__ import annotations

import itertools
import pickle
from typing import Any


def dumps_text(value: Any) -> bytes:
    """Protocol 0, a line an operation: `bytes` become strings, `str` unicode strings, as they were then."""
    numbers = itertools.count()

    def put(code: bytes) -> bytes:
        return code + b"p%d\n" % next(numbers)

    def write(item: Any) -> bytes:
        if isinstance(item, dict):
            return put(b"(d") + b"".join(write(key) + write(entry) + b"s" for key, entry in item.items())
        if isinstance(item, list):
            return put(b"(l") + b"".join(write(entry) + b"a" for entry in item)
        if isinstance(item, bytes):
            return put(b"S" + repr(item)[1:].encode() + b"\n")
        if isinstance(item, str):
            return put(b"V" + item.encode("raw-unicode-escape") + b"\n")
        return {bool: b"I0%d\n", int: b"I%d\n", float: b"F%r\n"}[type(item)] % item

    return write(value) + b"."


def dumps_arrays(value: Any) -> bytes:
    """Protocol 2 with numpy arrays, whose dtypes had integers for flags and whose module had its old name."""
    flags, integers = b"\x89\x88\x87", b"K\x00K\x01\x87"
    return pickle.dumps(value, 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray").replace(flags, integers)
