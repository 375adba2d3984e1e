"""Five captions of a scene by five grammars: order, subset, relation, count and place. All are true."""

from __future__ import annotations

from collections import Counter

import numpy as np

from cliplite_core.scenes.compose import Item, Scene
from cliplite_core.scenes.english import concept_noun, join, mention, person_noun, pick, plural
from cliplite_core.scenes.vocabulary import PERSON

NUMBERS = ("no", "one", "two", "three", "four")
PLACES = {
    "grass": ("on the grass", "in a green field", "on a lawn"),
    "sand": ("on the sand", "on a sandy beach", "in the desert"),
    "sea": ("by the sea", "at sea", "by the blue ocean"),
    "snow": ("in the snow", "on a snowy day", "in a white winter"),
    "night": ("at night", "in the dark", "under the night sky"),
    "sunset": ("at sunset", "in the evening", "under a red evening sky"),
}
BIGGER = 2.0  # ratio of box areas from which one object is called bigger than another


def captions(scene: Scene, rng: np.random.Generator) -> dict[str, str]:
    """Describe a scene five times.

    Args:
        scene: The truth.
        rng: Generator of this scene's captions; nouns and sentence patterns are drawn from it.

    Returns:
        Caption by grammar: order, subset, relation, count, place; lower case, without a full stop.

    Example:
        >>> dog = Item("dog", (60, 40, 30, 30))
        >>> captions(Scene(96, "snow", (dog,)), np.random.default_rng(0))["count"]
        'one dog'
    """
    return {name: grammar(scene, rng) for name, grammar in GRAMMARS.items()}


def order(scene: Scene, rng: np.random.Generator) -> str:
    """Name every object from left to right: "a dog, a cat and a pizza"."""
    items = sorted(scene.items, key=lambda item: item.centre[0])
    patterns = ["{}"]
    if len(items) < 4:
        patterns += ["a picture of {}", "a photo of {}"]
    if len(items) == 2:
        patterns += ["from left to right {}"]
    return pick(patterns, rng).format(join(mention(item, scene.person, rng) for item in items))


def subset(scene: Scene, rng: np.random.Generator) -> str:
    """Name one or two of the objects and keep silent about the others: "there is a cat"."""
    count = min(len(scene.items), int(rng.integers(1, 3)))
    items = [scene.items[i] for i in rng.permutation(len(scene.items))[:count]]
    if len(items) == 2 and items[0].noun == items[1].noun:
        items = items[:1]  # "a dog and a dog" is what the count grammar says better
    patterns = ["{}", "there is {}", "a picture with {} in it", "this picture shows {}"]
    return pick(patterns, rng).format(join(mention(item, scene.person, rng) for item in items))


def relation(scene: Scene, rng: np.random.Generator) -> str:
    """Relate two objects, or one to the picture: "a dog to the left of a cat", "a dog on the right"."""
    items = [scene.items[i] for i in rng.permutation(len(scene.items))]
    first, *others = items
    second = next((item for item in others if item.noun != first.noun), None)
    if second is None:
        return f"{mention(first, scene.person, rng)} {pick(POSITIONS[position(first, scene.canvas)], rng)}"
    phrases = list(RELATIONS[direction(first, second)])
    if first.area >= BIGGER * second.area:
        phrases.append("bigger than")
    if second.area >= BIGGER * first.area:
        phrases.append("smaller than")
    pattern = pick(["{} {} {}", "{} {} {}", "there is {} {} {}"], rng)
    subject, object_ = (mention(item, scene.person, rng) for item in (first, second))
    return pattern.format(subject, pick(phrases, rng), object_)


def count(scene: Scene, rng: np.random.Generator) -> str:
    """Count every kind of object: "two dogs and one apple"."""
    kinds = Counter(item.noun for item in scene.items)
    names = list(kinds)
    phrases = []
    for name in (names[i] for i in rng.permutation(len(names))):
        noun = person_noun(scene.person, rng) if name == PERSON else concept_noun(name, rng)
        phrases.append(f"{NUMBERS[kinds[name]]} {noun if kinds[name] == 1 else plural(noun)}")
    return pick(["{}", "{}", "a picture with {}"], rng).format(join(phrases))


def place(scene: Scene, rng: np.random.Generator) -> str:
    """Say where: "a dog on the grass"; the person is named first where there is one."""
    people = [item for item in scene.items if item.noun == PERSON]
    item = people[0] if people else scene.items[rng.integers(len(scene.items))]
    pattern = pick(["{} {}", "{} {}", "a picture of {} {}"], rng)
    return pattern.format(mention(item, scene.person, rng), pick(PLACES[scene.background], rng))


GRAMMARS = {"order": order, "subset": subset, "relation": relation, "count": count, "place": place}

RELATIONS = {
    "left": ("to the left of", "on the left of"),
    "right": ("to the right of", "on the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
POSITIONS = {
    "left": ("on the left", "on the left side"),
    "right": ("on the right", "on the right side"),
    "top": ("at the top", "near the top"),
    "bottom": ("at the bottom", "near the bottom"),
    "middle": ("in the middle", "in the centre"),
}


def direction(first: Item, second: Item) -> str:
    """Where the first object lies from the second: left, right, above or below, whichever is most so."""
    across, down = (a - b for a, b in zip(first.centre, second.centre, strict=True))
    if abs(across) >= abs(down):
        return "left" if across < 0 else "right"
    return "above" if down < 0 else "below"


def position(item: Item, canvas: int) -> str:
    """Where an object lies in the picture: left, right (outer 40 % each), else top, bottom, else middle."""
    x, y = (coordinate / canvas for coordinate in item.centre)
    if abs(x - 0.5) > 0.1:
        return "left" if x < 0.5 else "right"
    if abs(y - 0.5) > 0.1:
        return "top" if y < 0.5 else "bottom"
    return "middle"
