import dataclasses
import json

import pytest

from cliplite_core.evaluation.gender import (
    definitional_pairs,
    find_people,
    gender_follows,
    gender_from_captions,
    gender_words,
    neutral_queries,
    photo_wording,
    scene_wording,
)
from cliplite_core.scenes.grammar import PLACES, POSITIONS
from cliplite_core.scenes.vocabulary import activities
from cliplite_core.storage.places import DEFINITIONS


@pytest.mark.parametrize(
    ("captions", "expected"),
    [
        (["A man rides a bike.", "Someone on a bike"], "man"),
        (["Someone on a bike", "A WOMAN, smiling!"], "woman"),
        (["A man and a woman."], None),
        (["A man on a bench.", "a woman on a bench"], None),
        (["A dog in the snow."], None),
        ([], None),
    ],
)
def test_the_rule_of_zhao(captions, expected):
    assert gender_from_captions(captions) == expected


def test_woman_does_not_count_as_man():
    assert gender_from_captions(["a woman"]) == "woman"


@pytest.mark.parametrize(
    "caption", ["a man's hat", "a man’s hat", '"man"', "man/dog", "the man.", "a middle-aged man", "man -"]
)
def test_punctuation_beside_a_word_is_no_obstacle(caption):
    assert gender_from_captions([caption]) == "man"


@pytest.mark.parametrize(
    "caption", ["a snowman", "a manhole cover", "a man-made lake", "mankind", "a mannequin", "Manhattan"]
)
def test_words_that_merely_contain_man_do_not_count(caption):
    assert gender_from_captions([caption]) is None


def test_the_extended_list_knows_more_words():
    extended = gender_words("extended")
    for caption, gender in {"two boys": "man", "her dog": "woman", "a bride and a groom": None}.items():
        assert gender_from_captions([caption]) is None
        assert gender_from_captions([caption], extended) == gender


def test_word_lists_are_lower_case_disjoint_and_nested():
    short, extended = gender_words("zhao2017"), gender_words("extended")
    assert short == {"man": {"man"}, "woman": {"woman"}}
    for gender in ("man", "woman"):
        assert short[gender] <= extended[gender]
        assert all(word == word.lower() and word.isalpha() for word in extended[gender])
    assert not extended["man"] & extended["woman"]


def test_unknown_and_missing_lists_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"\['extended', 'zhao2017'\], expected 'short'"):
        gender_words("short")
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        gender_words("zhao2017", tmp_path / "none.json")


def test_a_list_of_ones_own(tmp_path):
    path = tmp_path / "words.json"
    path.write_text(json.dumps({"de": {"man": ["mann"], "woman": ["frau"]}}))
    assert gender_from_captions(["Eine Frau"], gender_words("de", path)) == "woman"


def test_definitional_pairs_differ_in_the_gendered_word_alone():
    pairs = definitional_pairs()
    assert len(pairs) >= 10 and len(set(pairs)) == len(pairs)
    for man, woman in pairs:
        assert man.replace("a man", "a woman", 1) == woman != man
        assert (gender_from_captions([man]), gender_from_captions([woman])) == ("man", "woman")


def test_queries_name_no_gender_and_share_no_context_with_the_pairs():
    queries = neutral_queries()
    assert len(queries) >= 30 and len(set(queries)) == len(queries)
    words = gender_words("extended")
    assert not [query for query in queries if set(query.split()) & (words["man"] | words["woman"])]
    assert not set(queries) & {man.replace("a man", "a person", 1) for man, _ in definitional_pairs()}


def test_contexts_of_ones_own_take_the_place_of_the_file():
    assert definitional_pairs(["", "singing"]) == [("a man", "a woman"), ("a man singing", "a woman singing")]
    assert neutral_queries(["singing"]) == ["a person singing"]


def test_the_files_say_what_they_are():
    for name in ("gender_words.json", "neutral_queries.json"):
        assert len(json.loads((DEFINITIONS / name).read_text(encoding="utf-8"))["description"]) > 50


@pytest.fixture
def with_people(tiny, tmp_path):
    """A profile whose measured people are two painters, one dancer, and someone without a gendered word."""
    truth = [("woman", "painting"), ("man", "painting"), ("man", "dancing"), ("man", "dancing")]
    nouns = ["woman", "man", "man", "person"]
    names = list(activities())[:2]
    images = [
        {"id": i, "file_name": f"{i}.png", "gender": gender, "activity": names[activity == "dancing"]}
        for i, (gender, activity) in enumerate(truth)
    ]
    captions = [{"image_id": i, "caption": f"a {noun} in the snow"} for i, noun in enumerate(nouns)]
    path = tmp_path / "captions_people.json"
    path.write_text(json.dumps({"images": images, "annotations": captions}))
    return tiny.override(people=str(path), people_images=str(tmp_path))


def test_people_are_the_images_whose_captions_name_one_gender(with_people):
    people = find_people(with_people)
    assert list(people) == ["measured", "training"]
    assert [image.image_id for image in people["measured"].images] == [0, 1, 2]
    assert people["measured"].gender.tolist() == ["woman", "man", "man"]
    for group in people.values():
        assert [gender_from_captions(image.captions) for image in group.images] == group.gender.tolist()
        assert group.source.is_file()


def test_how_often_gender_follows_the_activity(with_people):
    measured, (first, second) = find_people(with_people)["measured"], list(activities().values())[:2]
    leans = [first.leans == "woman", first.leans == "man", second.leans == "man"]
    assert gender_follows(measured, activities()) == pytest.approx(sum(leans) / 3)


def test_captions_that_contradict_the_truth_are_counted(with_people):
    measured = find_people(with_people)["measured"]
    swapped = dataclasses.replace(measured, gender=measured.gender[::-1])
    with pytest.raises(ValueError, match="contradict the truth in 2 images, first 0"):
        gender_follows(swapped, activities())


def test_photos_have_no_truth_and_that_is_said(with_people, tmp_path):
    measured = find_people(with_people)["measured"]
    (tmp_path / "photos.json").write_text(json.dumps({"images": [{"id": i} for i in range(3)]}))
    with pytest.raises(ValueError, match=r"photos\.json: no truth of composed scenes, 'gender' is missing"):
        gender_follows(dataclasses.replace(measured, source=tmp_path / "photos.json"), activities())


def test_scenes_ask_for_every_activity_alone_and_in_every_place():
    wording = scene_wording(activities(), POSITIONS, PLACES)
    assert len(wording.queries) == len(wording.lean) == len(activities()) * (1 + len(PLACES))
    assert wording.pairs[0] == ("a man", "a woman")
    words = {word for pair in wording.pairs for word in pair[0].split()[2:]} - {"in", "on", "at", "the", "near"}
    assert not words & {word for query in wording.queries for word in query.split()}
    for activity in activities().values():
        leans = [lean for query, lean in zip(wording.queries, wording.lean, strict=True) if activity.phrase in query]
        assert set(leans) == {1 if activity.leans == "man" else -1}


def test_nobody_planted_a_lean_in_photos():
    wording = photo_wording()
    assert (wording.pairs, wording.queries, wording.lean) == (definitional_pairs(), neutral_queries(), None)
