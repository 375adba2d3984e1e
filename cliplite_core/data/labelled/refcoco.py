"""RefCOCO, RefCOCO+ and RefCOCOg as distributed: pickled lists of references (Kazemzadeh 2014, Yu 2016, Mao 2016).

    refcoco+/instances.json           the boxes, in COCO's format
    refcoco+/refs(unc).p              [{ref_id, ann_id, image_id, split, sentences: [{sent, …}, …], …}, …]

RefCOCO and RefCOCO+ have the splits train, val, testA (people) and testB (other things); RefCOCOg's `refs(umd).p` has
train, val and test, `refs(google).p` train and val. Source: https://github.com/lichengunc/refer
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any


class _PlainUnpickler(pickle.Unpickler):
    """Build lists, tuples, dictionaries, strings and numbers, and look up no name: without one, no code can run."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, expected plain lists, texts and numbers")


def read_plain_pickle(path: str | Path) -> Any:
    """Read a pickle that holds nothing but lists, tuples, dictionaries, strings, numbers, booleans and None.

    Reading a pickle runs the functions it names. Here every name is refused, so a file from anywhere can be opened.

    Args:
        path: a file written by Python 2 or 3; byte strings of Python 2 are read as Latin-1.

    Returns:
        What was pickled.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is no pickle, is cut short, or holds more than plain values; the message says what.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file, expected RefCOCO's pickle")
    with Path(path).open("rb") as file:
        try:
            return _PlainUnpickler(file, encoding="latin-1").load()
        except Exception as error:  # the opcodes of a damaged file can raise almost anything
            raise ValueError(f"{path}: not read: {error}; expected RefCOCO's pickle as distributed") from error
