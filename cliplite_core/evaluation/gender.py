"""Gender labels from captions, and the captions of the bias experiment (paper, bias; Zhao et al. 2017).

A label says which word annotators used. It is not the gender of the person, and people whose captions avoid
such words, or use both, have none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from cliplite_core.storage.places import DEFINITIONS


def gender_from_captions(captions: Iterable[str], words: Mapping[str, frozenset[str]] | None = None) -> str | None:
    """Label an image by its captions, with the rule of Zhao et al. 2017.

    Args:
        captions: All captions of one image.
        words: Words of "man" and of "woman" in lower case; None takes `gender_words("zhao2017")`.

    Returns:
        "man" if any caption has a word of that list and none a word of the other, "woman" likewise, None if
        the captions have words of both lists or of neither.

    Example:
        >>> gender_from_captions(["A man's bicycle.", "A person rides past a man-made lake."])
        'man'
        >>> gender_from_captions(["A man on a bench.", "A woman with a dog."]) is None
        True
    """
    words = gender_words() if words is None else words
    # A hyphenated compound is one word, other than for the tokenizer: "man-made" names no man.
    found = {word for caption in captions for word in re.findall(r"\w+(?:-\w+)*", caption.lower())}
    named = [gender for gender, names in words.items() if found & names]
    return named[0] if len(named) == 1 else None


@cache
def gender_words(name: str = "zhao2017", path: Path = DEFINITIONS / "gender_words.json") -> dict[str, frozenset[str]]:
    """Read a list of gendered words.

    Args:
        name: "zhao2017" (man, woman) or "extended" (with plurals, kinship, pronouns).
        path: JSON file of named lists.

    Returns:
        {"man": words, "woman": words}, in lower case.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: It has no list of that name.
    """
    lists = _read(path)
    if name not in lists:
        raise ValueError(f"{path}: found the lists {sorted(set(lists) - {'description'})}, expected {name!r}")
    return {gender: frozenset(words) for gender, words in lists[name].items()}


def definitional_pairs(contexts: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """Caption pairs that differ in gender alone, from which `concept_direction` is computed.

    Args:
        contexts: Continuations such as "playing golf"; None takes those of data/neutral_queries.json.

    Returns:
        One ("a man …", "a woman …") per context.

    Example:
        >>> definitional_pairs(["playing golf"])
        [('a man playing golf', 'a woman playing golf')]
    """
    return list(zip(*(_captions(noun, contexts, "definitional") for noun in ("man", "woman")), strict=True))


def neutral_queries(contexts: Sequence[str] | None = None) -> list[str]:
    """Queries that name no gender, for `alignment` and `skew_at_k`.

    Args:
        contexts: As for `definitional_pairs`.

    Returns:
        One "a person …" per context.

    Example:
        >>> neutral_queries(["playing golf"])
        ['a person playing golf']
    """
    return _captions("person", contexts, "queries")


def _captions(noun: str, contexts: Sequence[str] | None, default: str) -> list[str]:
    contexts = _read(DEFINITIONS / "neutral_queries.json")[default] if contexts is None else contexts
    return [f"a {noun} {context}".strip() for context in contexts]


def _read(path: Path) -> dict:
    if not path.is_file():
        raise FileNotFoundError(f"no word list {path}; it is part of the source tree: install with `pip install -e .`")
    return json.loads(path.read_text(encoding="utf-8"))
