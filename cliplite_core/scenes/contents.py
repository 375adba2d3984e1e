"""What each scene shows, before anything is placed or drawn: concepts, the person, the background."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from cliplite_core.scenes.vocabulary import BACKGROUNDS, GENDERS, SKIN_TONES, activities, concepts

OBJECT_COUNTS = (0.35, 0.35, 0.2, 0.1)  # probability of 1, 2, 3 and 4 objects in a scene
REPEAT = 0.2  # probability that a further object repeats an earlier concept ("two dogs")

Pair = tuple[str, str]


@dataclass(frozen=True)
class Person:
    """The truth about the one person of a scene."""

    gender: str
    activity: str
    skin_tone: str


@dataclass(frozen=True)
class Contents:
    """What one scene shows: a background, concept names (repeats allowed) and at most one person."""

    background: str
    concepts: tuple[str, ...]
    person: Person | None = None


def heldout_pairs(seed: int, fraction: float) -> frozenset[Pair]:
    """Choose the unordered concept pairs that never share a scene outside the split `novel`.

    Args:
        seed: Seed of the data set.
        fraction: Share of all pairs, in [0, 1], rounded to whole pairs.

    Returns:
        Pairs of concept names, each in alphabetical order.

    Example:
        >>> len(heldout_pairs(seed=0, fraction=0.1))  # of 24 * 23 / 2 = 276 pairs
        28
    """
    pairs = list(combinations(sorted(concepts()), 2))
    chosen = np.random.default_rng(seed).permutation(len(pairs))[: round(fraction * len(pairs))]
    return frozenset(pairs[index] for index in chosen)


def draw_scene(
    rng: np.random.Generator, heldout: frozenset[Pair], person_fraction: float, correlation: float
) -> Contents:
    """Draw the contents of a train, val or test scene: 1 to 4 objects, a person among them or not.

    Args:
        rng: Generator of this scene.
        heldout: Pairs that must not occur together.
        person_fraction: Probability of a person, in [0, 1].
        correlation: Probability that gender follows the lean of activity and background; 0.5 plants no bias.

    Returns:
        Contents with 1 to 4 objects, the person counted.
    """
    count = 1 + rng.choice(len(OBJECT_COUNTS), p=OBJECT_COUNTS)
    if rng.random() >= person_fraction:
        return Contents(_choose(rng, BACKGROUNDS), _draw_concepts(rng, count, heldout))
    activity = _choose(rng, activities())
    lean = activities()[activity].leans
    gender = lean if rng.random() < correlation else next(other for other in GENDERS if other != lean)
    follows = rng.random() < correlation
    places = [name for name, place in BACKGROUNDS.items() if (place.leans == gender) == follows]
    person = Person(gender, activity, _choose(rng, SKIN_TONES))
    return Contents(_choose(rng, places), _draw_concepts(rng, count - 1, heldout), person)


def draw_novel(rng: np.random.Generator, heldout: frozenset[Pair]) -> Contents:
    """Draw a scene of the split `novel`: the two objects of one held-out pair."""
    pair = sorted(heldout)[rng.integers(len(heldout))]
    return Contents(_choose(rng, BACKGROUNDS), pair)


def draw_person(rng: np.random.Generator, index: int) -> Contents:
    """Draw a scene of the split `people`: one person alone, gender and activity taking turns by index."""
    names = list(activities())
    person = Person(
        gender=GENDERS[index % 2],
        activity=names[index // 2 % len(names)],
        skin_tone=_choose(rng, SKIN_TONES),
    )
    return Contents(_choose(rng, BACKGROUNDS), (), person)


def draw_single(rng: np.random.Generator, concept: str) -> Contents:
    """Draw a scene of the single-object views: one concept on a random background."""
    return Contents(_choose(rng, BACKGROUNDS), (concept,))


def _choose(rng: np.random.Generator, options: dict | list) -> str:
    names = list(options)
    return names[rng.integers(len(names))]


def _draw_concepts(rng: np.random.Generator, count: int, heldout: frozenset[Pair]) -> tuple[str, ...]:
    chosen: list[str] = []
    while len(chosen) < count:
        name = _choose(rng, chosen if chosen and rng.random() < REPEAT else concepts())
        if all(tuple(sorted((name, other))) not in heldout for other in chosen):
            chosen.append(name)
    return tuple(chosen)
