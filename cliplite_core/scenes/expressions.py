"""Referring expressions: a phrase that fits one object of a scene and no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cliplite_core.scenes.compose import Item, Scene
from cliplite_core.scenes.grammar import POSITIONS, position
from cliplite_core.scenes.vocabulary import PERSON, activities, concepts

MARGIN = 0.08  # of the canvas: how far the leftmost object must stand clear of the next
BIGGER = 1.4  # ratio of box areas from which the largest object is seen to be the largest
PER_OBJECT = 3  # expressions kept for each object, drawn at random


def expressions(scene: Scene, rng: np.random.Generator) -> list[list[str]]:
    """Write unambiguous expressions for each object of a scene.

    Args:
        scene: The truth.
        rng: Generator that draws which of the fitting expressions are kept.

    Returns:
        For each item of the scene, in its order, up to `PER_OBJECT` expressions, maybe none.

    Example:
        >>> scene = Scene(96, "snow", (Item("dog", (2, 9, 30, 30)), Item("dog", (60, 9, 30, 30))))
        >>> for found in expressions(scene, np.random.default_rng(0)):
        ...     print(sorted(found))
        ['left animal', 'the dog on the left', 'the puppy on the left']
        ['right object', 'the dog on the right', 'the object on the right']
    """
    found: list[list[str]] = [[] for _ in scene.items]
    for nouns, members in _groups(scene):
        for index, pattern in _singled_out(scene, members):
            found[index] += [pattern.format(noun) for noun in nouns]
    return [
        [options[i] for i in rng.permutation(len(options))[:PER_OBJECT]]
        for options in (list(dict.fromkeys(options)) for options in found)
    ]


def _groups(scene: Scene) -> Iterator[tuple[Sequence[str], list[int]]]:
    """Yield interchangeable nouns with the indices of all the items that they fit."""
    kinds = [item.noun for item in scene.items]
    for kind in dict.fromkeys(kinds):
        members = [i for i, other in enumerate(kinds) if other == kind]
        yield (_person_nouns(scene) if kind == PERSON else concepts()[kind].nouns), members
    categories = [kind if kind == PERSON else concepts()[kind].category for kind in kinds]
    for category in dict.fromkeys(categories):
        members = [i for i, other in enumerate(categories) if other == category]
        if category in ("animal", "vehicle"):  # "the food" and "the thing" name no countable object
            yield (category,), members
    if len(kinds) > 1:
        yield ("object",), list(range(len(kinds)))


def _person_nouns(scene: Scene) -> tuple[str, ...]:
    person = scene.person
    activity = activities()[person.activity]
    return (person.gender, f"{person.gender} {activity.phrase}", f"{PERSON} {activity.phrase}", activity.role)


def _singled_out(scene: Scene, members: list[int]) -> Iterator[tuple[int, str]]:
    """Yield (index, pattern) for the members of a group that a pattern around its noun singles out."""
    if len(members) == 1:
        index = members[0]
        yield index, "the {}"
        where = position(scene.items[index], scene.canvas)
        yield index, f"the {{}} {POSITIONS[where][0]}"
        return
    two = len(members) == 2
    by_side = sorted(members, key=lambda i: scene.items[i].centre[0])
    for side, index, neighbour in (("left", by_side[0], by_side[1]), ("right", by_side[-1], by_side[-2])):
        if _apart(scene, index, neighbour):
            patterns = (f"{side} {{}}", f"the {{}} on the {side}") if two else (f"the {side}most {{}}",)
            yield from ((index, pattern) for pattern in patterns)
    by_size = sorted(members, key=lambda i: scene.items[i].area)
    if _clearly_bigger(scene.items[by_size[-1]], scene.items[by_size[-2]]):
        yield by_size[-1], "the bigger {}" if two else "the largest {}"
    if _clearly_bigger(scene.items[by_size[1]], scene.items[by_size[0]]):
        yield by_size[0], "the smaller {}" if two else "the smallest {}"


def _apart(scene: Scene, first: int, second: int) -> bool:
    return abs(scene.items[first].centre[0] - scene.items[second].centre[0]) >= MARGIN * scene.canvas


def _clearly_bigger(first: Item, second: Item) -> bool:
    return first.area >= BIGGER * second.area
