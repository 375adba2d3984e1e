"""Millions of short texts in two arrays, which processes share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class PackedTexts:
    """Many short texts in two arrays: Python objects take ten times the memory, and forked processes would copy them.

    Args:
        letters: (bytes,) uint8, all texts in UTF-8, one after the other.
        ends: (N,) int64, where each ends.

    Example:
        >>> texts = PackedTexts(*PackedTexts.packed(["a dog", "", "夜"]))
        >>> texts[0], texts[2], len(texts)
        ('a dog', '夜', 3)
    """

    def __init__(self, letters: np.ndarray, ends: np.ndarray) -> None:
        self.letters, self.ends = letters, ends

    @staticmethod
    def packed(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the two arrays of texts."""
        encoded = [text.encode("utf-8", "surrogateescape") for text in texts]
        ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
        return np.frombuffer(b"".join(encoded), dtype=np.uint8), ends

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        start = int(self.ends[index - 1]) if index else 0
        return self.letters[start : int(self.ends[index])].tobytes().decode("utf-8", "surrogateescape")
