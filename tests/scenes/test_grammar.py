"""Captions are read back by an independent parser and compared with the boxes."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from cliplite_core.scenes.compose import Item, Scene, compose
from cliplite_core.scenes.contents import Person, draw_scene, heldout_pairs
from cliplite_core.scenes.english import join, plural, with_article
from cliplite_core.scenes.grammar import GRAMMARS, PLACES, captions, direction, position
from cliplite_core.scenes.vocabulary import activities, concepts

KIND_OF = {noun: concept.name for concept in concepts().values() for noun in concept.nouns}
KIND_OF |= dict.fromkeys(("man", "woman", "person"), "person")
KIND_OF |= dict.fromkeys((activity.role for activity in activities().values()), "person")
KIND_OF |= {plural(noun): kind for noun, kind in KIND_OF.items()}
NOUN = re.compile(r"\b(" + "|".join(sorted(KIND_OF, key=len, reverse=True)) + r")\b")


def kinds(text: str) -> list[str]:
    return [KIND_OF[noun] for noun in NOUN.findall(text)]


@pytest.fixture(scope="module")
def described() -> list[tuple[Scene, dict[str, str]]]:
    heldout = heldout_pairs(seed=0, fraction=0.1)
    scenes = []
    for index in range(500):
        rng = np.random.default_rng(index)
        scene, _ = compose(draw_scene(rng, heldout, 0.3, 0.8), rng)
        scenes.append((scene, captions(scene, rng)))
    return scenes


def test_order_names_every_object_from_left_to_right(described):
    for scene, found in described:
        left_to_right = sorted(scene.items, key=lambda item: item.centre[0])
        assert kinds(found["order"]) == [item.noun for item in left_to_right]


def test_subset_names_only_what_is_there(described):
    silent = 0
    for scene, found in described:
        named, shown = Counter(kinds(found["subset"])), Counter(item.noun for item in scene.items)
        assert 1 <= named.total() <= 2
        assert named <= shown
        silent += named < shown
    assert silent > 50


RELATION = re.compile(
    r"(.+?) (to the left of|on the left of|to the right of|on the right of|above|over|below|under|"
    r"bigger than|smaller than) (.+)"
)
HOLDS = {
    "left": lambda a, b: a.centre[0] < b.centre[0],
    "right": lambda a, b: a.centre[0] > b.centre[0],
    "above": lambda a, b: a.centre[1] < b.centre[1],
    "over": lambda a, b: a.centre[1] < b.centre[1],
    "below": lambda a, b: a.centre[1] > b.centre[1],
    "under": lambda a, b: a.centre[1] > b.centre[1],
    "bigger": lambda a, b: a.area >= 2 * b.area,
    "smaller": lambda a, b: 2 * a.area <= b.area,
}


def test_a_relation_holds_between_two_objects_of_the_scene(described):
    used = set()
    for scene, found in described:
        if len({item.noun for item in scene.items}) == 1:
            continue
        first, phrase, second = RELATION.fullmatch(found["relation"]).groups()
        word = next(word for word in phrase.split() if word in HOLDS)
        used.add(word)
        pairs = [
            (a, b) for a in scene.items for b in scene.items if [a.noun] == kinds(first) and [b.noun] == kinds(second)
        ]
        assert any(HOLDS[word](a, b) for a, b in pairs), found["relation"]
    assert used == set(HOLDS)


def test_a_lone_kind_is_placed_in_the_picture_where_it_is(described):
    for scene, found in described:
        if len({item.noun for item in scene.items}) > 1:
            continue
        where = re.search(r"(left|right|top|bottom|middle|centre)( side)?$", found["relation"]).group(1)
        where = where.replace("centre", "middle")
        assert where in {position(item, scene.canvas) for item in scene.items}, found["relation"]


def test_counts_are_right(described):
    numbers = {"one": 1, "two": 2, "three": 3, "four": 4}
    for scene, found in described:
        text = found["count"].removeprefix("a picture with ")
        parts = [part.split(" ", 1) for part in re.split(r", | and ", text)]
        counted = {KIND_OF[noun]: numbers[number] for number, noun in parts}
        assert counted == Counter(item.noun for item in scene.items), text
        assert all((number == "one") != noun.endswith("s") for number, noun in parts)


def test_the_place_is_the_background_and_a_person_is_named_first(described):
    for scene, found in described:
        assert found["place"].endswith(PLACES[scene.background])
        named = kinds(found["place"])
        assert named == ["person"] if scene.person else named[0] in {item.noun for item in scene.items}


def test_gender_and_activity_are_the_truth(described):
    said = Counter()
    for scene, found in described:
        for text in found.values():
            genders = re.findall(r"\b(woman|man)\b", text)
            doing = [a.name for a in activities().values() if re.search(rf"\b({a.phrase}|{a.role})\b", text)]
            assert set(genders) <= {scene.person and scene.person.gender}, text
            assert set(doing) <= {scene.person and scene.person.activity}, text
            if "person" in kinds(text):
                said["gendered" if genders else "neutral"] += 1
    assert 0.15 < said["neutral"] / said.total() < 0.25


def test_captions_are_short_and_articles_are_right(described):
    lengths = [len(text.split()) for _, found in described for text in found.values()]
    assert max(lengths) <= 16
    assert np.mean(lengths) < 9
    for _, found in described:
        for text in found.values():
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|  |\{", text), text


def test_synonyms_are_drawn():
    rng = np.random.default_rng(0)
    scene = Scene(96, "snow", (Item("dog", (10, 10, 30, 30)),))
    nouns = Counter(captions(scene, rng)["count"].split()[-1] for _ in range(300))
    assert set(nouns) == {"dog", "puppy"}
    assert nouns["dog"] > nouns["puppy"] > 60


def test_every_grammar_is_used_once_a_scene(described):
    assert all(list(found) == list(GRAMMARS) for _, found in described)


def test_direction_is_the_axis_along_which_the_objects_are_farther_apart():
    middle = Item("dog", (40, 40, 10, 10))
    assert direction(Item("cat", (0, 30, 10, 10)), middle) == "left"
    assert direction(Item("cat", (80, 30, 10, 10)), middle) == "right"
    assert direction(Item("cat", (45, 0, 10, 10)), middle) == "above"
    assert direction(Item("cat", (45, 80, 10, 10)), middle) == "below"


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [(0, 0, "left"), (80, 0, "right"), (43, 0, "top"), (43, 80, "bottom"), (43, 43, "middle")],
)
def test_position_in_the_picture(x, y, expected):
    assert position(Item("dog", (x, y, 10, 10)), canvas=96) == expected


def test_english():
    assert join(["a"]) == "a"
    assert join(["a", "b"]) == "a and b"
    assert join(["a", "b", "c"]) == "a, b and c"
    assert [with_article(noun) for noun in ("dog", "apple")] == ["a dog", "an apple"]
    nouns = ("puppy", "clock", "bus", "toy")
    assert [plural(noun) for noun in nouns] == ["puppies", "clocks", "buses", "toys"]


def test_a_person_can_be_spoken_of_without_the_gender():
    scene = Scene(96, "sea", (Item("person", (10, 10, 40, 40)),), Person("woman", "cooking", "dark"))
    rng = np.random.default_rng(0)
    texts = {captions(scene, rng)["place"] for _ in range(300)}
    assert {
        "a woman cooking by the sea",
        "a woman who is cooking by the sea",
        "a cook by the sea",
        "a person cooking by the sea",
    } <= texts
