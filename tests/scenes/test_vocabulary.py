from __future__ import annotations

from collections import Counter
from pathlib import Path

import emoji
import pytest
from em.cli import parse_emojis

from cliplite_core.scenes.vocabulary import BACKGROUNDS, GENDERS, SKIN_TONES, activities, concepts


def test_there_are_six_concepts_in_each_of_four_categories():
    assert Counter(concept.category for concept in concepts().values()) == dict.fromkeys(
        ("animal", "food", "vehicle", "thing"), 6
    )


def test_concept_names_are_words_of_the_emoji_names():
    for concept in concepts().values():
        entry = emoji.EMOJI_DATA[concept.emoji]
        names = [entry["en"], *entry.get("alias", [])]
        words = {word for name in names for word in name.strip(":").split("_")}
        assert concept.name in words


def test_synonyms_are_keywords_of_the_emoji():
    keywords = parse_emojis()
    for concept in concepts().values():
        assert set(concept.synonyms) <= set(keywords[concept.emoji]), concept.name


def test_no_noun_stands_for_two_concepts():
    nouns = [noun for concept in concepts().values() for noun in concept.nouns]
    assert len(nouns) == len(set(nouns))


def test_activities_are_emoji_with_the_right_gender_and_skin_tone():
    assert len(activities()) == 12
    for activity in activities().values():
        for gender in GENDERS:
            for tone in SKIN_TONES:
                name = emoji.EMOJI_DATA[activity.emoji(gender, tone)]["en"]
                assert f"_{tone}_skin_tone" in name
                assert name.startswith(f":{gender}_")


def test_each_gender_is_favoured_by_half_of_the_activities_and_backgrounds():
    assert Counter(activity.leans for activity in activities().values()) == {"woman": 6, "man": 6}
    assert Counter(place.leans for place in BACKGROUNDS.values()) == {"woman": 3, "man": 3}


@pytest.mark.parametrize("read", [concepts, activities])
def test_a_missing_table_is_named(read, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"absent\.csv"):
        read(tmp_path / "absent.csv")
