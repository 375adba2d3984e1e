import json

import pytest

from cliplite_core.evaluation.gender import definitional_pairs, gender_from_captions, gender_words, neutral_queries
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
