"""English for what a scene shows: nouns drawn at random, articles, plurals and lists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cliplite_core.scenes.compose import Item
from cliplite_core.scenes.contents import Person
from cliplite_core.scenes.vocabulary import PERSON, activities, concepts

SYNONYM = 0.4  # probability of a synonym where a concept has any
NEUTRAL = 0.2  # probability of speaking of a person without the gender


def mention(item: Item, person: Person | None, rng: np.random.Generator) -> str:
    """Name one object with its article; a person with or without the activity: "a woman who is singing"."""
    if item.noun != PERSON:
        return with_article(concept_noun(item.noun, rng))
    noun = person_noun(person, rng)
    phrase = activities()[person.activity].phrase
    if noun == activities()[person.activity].role:
        return with_article(noun)
    patterns = ["a {noun} {phrase}", "a {noun} {phrase}", "a {noun} who is {phrase}", "a {noun}"]
    return pick(patterns, rng).format(noun=noun, phrase=phrase)


def concept_noun(name: str, rng: np.random.Generator) -> str:
    """A noun for a concept: its name or, with probability `SYNONYM`, one of its synonyms."""
    synonyms = concepts()[name].synonyms
    return pick(synonyms, rng) if synonyms and rng.random() < SYNONYM else name


def person_noun(person: Person, rng: np.random.Generator) -> str:
    """A noun for the person: the gender or, with probability `NEUTRAL`, "person" or the role."""
    if rng.random() < NEUTRAL:
        return pick([PERSON, activities()[person.activity].role], rng)
    return person.gender


def join(phrases: Sequence[str]) -> str:
    """Join phrases in English: "a", "a and b", "a, b and c"."""
    *head, last = phrases
    return f"{', '.join(head)} and {last}" if head else last


def with_article(noun: str) -> str:
    """Put "a" or "an" before a noun of the vocabulary."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def plural(noun: str) -> str:
    """Plural of a noun of the vocabulary.

    Example:
        >>> [plural(noun) for noun in ("dog", "bunny", "bus")]
        ['dogs', 'bunnies', 'buses']
    """
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def pick(options: Sequence[str], rng: np.random.Generator) -> str:
    """Draw one of the options, all equally likely."""
    return options[rng.integers(len(options))]
