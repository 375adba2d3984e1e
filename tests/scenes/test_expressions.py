"""Each expression is resolved by an independent reader and must lead to its own box and to no other."""

from __future__ import annotations

import re

import numpy as np

from cliplite_core.scenes.compose import Item, Scene, compose
from cliplite_core.scenes.contents import draw_scene, heldout_pairs
from cliplite_core.scenes.expressions import expressions
from cliplite_core.scenes.vocabulary import activities, concepts


def described_by(text: str, scene: Scene) -> list[int]:
    """Indices of the items that the nouns of an expression fit."""
    fitting = []
    for i, item in enumerate(scene.items):
        nouns = ["object"]
        if item.noun == "person":
            activity = activities()[scene.person.activity]
            nouns += [scene.person.gender, f"person {activity.phrase}", activity.role]
        else:
            nouns += [*concepts()[item.noun].nouns, concepts()[item.noun].category]
        if any(re.search(rf"\b{noun}\b", text) for noun in nouns):
            fitting.append(i)
    return fitting


def resolve(text: str, scene: Scene) -> int:
    """The one item that an expression means."""
    fitting = described_by(text, scene)
    if len(fitting) == 1:
        return fitting[0]
    across = {i: scene.items[i].centre[0] for i in fitting}
    areas = {i: scene.items[i].area for i in fitting}
    if re.search(r"left", text):
        return min(across, key=across.get)
    if re.search(r"right", text):
        return max(across, key=across.get)
    if re.search(r"bigger|largest", text):
        return max(areas, key=areas.get)
    assert re.search(r"smaller|smallest", text), f"{text!r} fits {len(fitting)} objects"
    return min(areas, key=areas.get)


def scenes_with_expressions(count: int = 400):
    heldout = heldout_pairs(seed=0, fraction=0.1)
    for index in range(count):
        rng = np.random.default_rng(index)
        scene, _ = compose(draw_scene(rng, heldout, 0.3, 0.8), rng)
        yield scene, expressions(scene, rng)


def test_every_expression_leads_to_its_own_object():
    words = set()
    for scene, found in scenes_with_expressions():
        assert len(found) == len(scene.items)
        for index, texts in enumerate(found):
            assert len(texts) == len(set(texts)) <= 3
            for text in texts:
                assert resolve(text, scene) == index, (text, scene)
                words |= set(text.split())
    assert {"left", "right", "leftmost", "rightmost", "bigger", "smaller", "largest", "smallest"} <= words
    assert {"animal", "vehicle", "object", "woman", "man", "golfer"} <= words


def test_comparisons_name_two_and_superlatives_name_more():
    for scene, found in scenes_with_expressions(200):
        for text in (text for texts in found for text in texts):
            fitting = len(described_by(text, scene))
            if re.search(r"bigger|smaller", text):
                assert fitting == 2
            if re.search(r"most|largest|smallest", text):
                assert fitting > 2


def test_nothing_is_said_where_nothing_tells_two_objects_apart():
    twins = (Item("dog", (30, 0, 30, 30)), Item("dog", (32, 60, 30, 30)))
    assert expressions(Scene(96, "snow", twins), np.random.default_rng(0)) == [[], []]


def test_nearly_every_object_can_be_referred_to():
    counts = [len(texts) for _, found in scenes_with_expressions() for texts in found]
    assert np.mean([count > 0 for count in counts]) > 0.95
