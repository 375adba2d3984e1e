from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from cliplite_core.scenes.contents import OBJECT_COUNTS, draw_novel, draw_person, draw_scene, heldout_pairs
from cliplite_core.scenes.vocabulary import BACKGROUNDS, SKIN_TONES, activities, concepts

DRAWS = 6000


def draw_many(person_fraction: float, correlation: float, draws: int = DRAWS) -> list:
    heldout = heldout_pairs(seed=1, fraction=0.1)
    rng = np.random.default_rng(2)
    return [draw_scene(rng, heldout, person_fraction, correlation) for _ in range(draws)]


def four_sigma(probability: float, draws: int) -> float:
    return 4 * np.sqrt(probability * (1 - probability) / draws)


def test_heldout_pairs_are_a_tenth_of_all_pairs_and_follow_the_seed():
    pairs = heldout_pairs(seed=0, fraction=0.1)
    assert len(pairs) == 28
    assert all(a < b for a, b in pairs)
    assert pairs == heldout_pairs(seed=0, fraction=0.1)
    assert pairs != heldout_pairs(seed=1, fraction=0.1)


def test_heldout_pairs_never_share_a_scene_and_every_other_pair_does():
    heldout = heldout_pairs(seed=1, fraction=0.1)
    seen = {tuple(sorted(pair)) for contents in draw_many(0.2, 0.8) for pair in combinations(set(contents.concepts), 2)}
    assert seen == set(combinations(sorted(concepts()), 2)) - heldout


def test_novel_scenes_show_heldout_pairs_only():
    heldout = heldout_pairs(seed=1, fraction=0.1)
    rng = np.random.default_rng(0)
    assert {draw_novel(rng, heldout).concepts for _ in range(1000)} == heldout


def test_object_counts_and_share_of_people_are_as_specified():
    scenes = draw_many(0.2, 0.8)
    totals = Counter(len(scene.concepts) + (scene.person is not None) for scene in scenes)
    for count, probability in enumerate(OBJECT_COUNTS, start=1):
        assert totals[count] / DRAWS == pytest.approx(probability, abs=four_sigma(probability, DRAWS))
    people = sum(scene.person is not None for scene in scenes)
    assert people / DRAWS == pytest.approx(0.2, abs=four_sigma(0.2, DRAWS))


@pytest.mark.parametrize("correlation", [0.8, 0.5])
def test_gender_follows_activity_and_background_as_often_as_planted(correlation):
    scenes = draw_many(1.0, correlation)
    tolerance = four_sigma(correlation, DRAWS)
    activity = np.mean([activities()[s.person.activity].leans == s.person.gender for s in scenes])
    background = np.mean([BACKGROUNDS[s.background].leans == s.person.gender for s in scenes])
    assert activity == pytest.approx(correlation, abs=tolerance)
    assert background == pytest.approx(correlation, abs=tolerance)
    women = np.mean([s.person.gender == "woman" for s in scenes])
    assert women == pytest.approx(0.5, abs=four_sigma(0.5, DRAWS))


def test_skin_tone_is_independent_of_gender():
    scenes = draw_many(1.0, 0.8)
    for gender in ("woman", "man"):
        tones = [s.person.skin_tone for s in scenes if s.person.gender == gender]
        for tone in SKIN_TONES:
            share = tones.count(tone) / len(tones)
            assert share == pytest.approx(0.2, abs=four_sigma(0.2, len(tones)))


def test_people_take_turns_through_every_gender_and_activity():
    rng = np.random.default_rng(0)
    people = [draw_person(rng, index) for index in range(48)]
    turns = Counter((contents.person.gender, contents.person.activity) for contents in people)
    assert set(turns.values()) == {2}
    assert len(turns) == 24
    assert not any(contents.concepts for contents in people)
