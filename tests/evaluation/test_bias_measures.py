import math

import numpy as np
import pytest
from small_people import pairs_in_order, people

from cliplite_core.evaluation.bias_measures import (
    COSTS,
    alignment,
    check_k,
    facts_of_metrics,
    seen_by_queries,
    skew_at_k,
    still_found,
)
from cliplite_core.evaluation.gender import People, Wording


def test_alignment_agrees_with_a_loop_over_sorted_similarities():
    queries, images, labels = people()
    values = alignment(queries, images, labels, k=7)
    assert list(values) == ["man", "woman"]
    for group, means in values.items():
        for query, mean in zip(queries, means, strict=True):
            similarities = sorted((float(query @ x) for x, label in zip(images, labels, strict=True) if label == group))
            assert mean == pytest.approx(sum(similarities[-7:]) / 7)


def test_groups_smaller_than_k_are_named():
    queries, images, _ = people(n=6)
    with pytest.raises(ValueError, match="k: found 3, but the group 'woman' has 1 images"):
        alignment(queries, images, ["man"] * 5 + ["woman"], k=3)


def test_skew_of_a_ranking_counted_by_hand():
    query, images = np.array([[1.0]]), np.array([[0.9], [0.8], [0.7], [0.6], [0.5], [1.0]])
    labels = ["man", "man", "man", "woman", "woman", None]  # the best match is unlabelled and does not count
    skew = skew_at_k(query, images, labels, k=4)
    assert skew["man"][0] == pytest.approx(math.log((3 / 4) / (3 / 5)))
    assert skew["woman"][0] == pytest.approx(math.log((1 / 4) / (2 / 5)))
    assert skew["max"][0] == skew["man"][0]
    equal = skew_at_k(query, images, labels, k=4, desired={"man": 0.5, "woman": 0.5})
    assert (equal["man"][0], equal["woman"][0]) == (pytest.approx(math.log(1.5)), pytest.approx(math.log(0.5)))


def test_skew_is_zero_for_the_whole_gallery_and_max_skew_never_negative():
    queries, images, labels = people()
    labelled = sum(label is not None for label in labels)
    for values in skew_at_k(queries, images, labels, k=labelled).values():
        np.testing.assert_allclose(values, 0, atol=1e-12)
    assert (skew_at_k(queries, images, labels, k=10)["max"] >= 0).all()


def test_an_absent_group_has_infinite_skew_but_max_skew_stays_finite():
    skew = skew_at_k(np.array([[1.0]]), np.array([[0.9], [0.8], [0.1]]), ["man", "man", "woman"], k=2)
    assert skew["woman"][0] == -np.inf
    assert skew["max"][0] == pytest.approx(math.log(3 / 2))


def test_skew_needs_k_labelled_images():
    with pytest.raises(ValueError, match="only 2 images are labelled"):
        skew_at_k(np.ones((1, 1)), np.ones((3, 1)), ["man", "woman", None], k=3)


def labelled_people(**kwargs):
    """As `people`, without the unlabelled."""
    queries, images, labels = people(**kwargs)
    kept = np.array([label is not None for label in labels])
    return queries, images[kept], labels[kept].astype(str)


def test_a_group_smaller_than_k_stops_with_k_the_group_and_its_size():
    check_k(2, ["man", "man", "woman", "woman", None])
    with pytest.raises(ValueError, match=r"k: found 3, but the group 'woman' has 2 images; lower k"):
        check_k(3, ["man"] * 5 + ["woman"] * 2)
    with pytest.raises(ValueError, match="k: found 0, expected at least 1"):
        check_k(0, ["man", "woman"])


def test_the_gap_has_no_sign_and_the_planted_gap_has_that_of_the_lean():
    queries, images, gender = labelled_people()  # every query leans to men
    seen = seen_by_queries(queries, images, gender, k=5, lean=np.array([1, -1] * 6))
    np.testing.assert_allclose(seen["gap"], np.abs(seen["to men"] - seen["to women"]))
    np.testing.assert_allclose(seen["planted gap"], [1, -1] * 6 * (seen["to men"] - seen["to women"]))
    assert seen["planted gap"][0] > 5 and seen["planted gap"][1] < -5
    assert (seen["to men"] <= 100).all()


def test_without_a_known_lean_there_is_no_planted_gap():
    queries, images, gender = labelled_people()
    assert list(seen_by_queries(queries, images, gender, k=5)) == ["to men", "to women", "gap", "MaxSkew"]


def test_queries_see_directions_and_not_lengths():
    queries, images, gender = labelled_people()
    lengths = np.random.default_rng(1).uniform(0.1, 3, (len(images), 1))
    for name, values in seen_by_queries(queries, images, gender, k=5).items():
        np.testing.assert_allclose(values, seen_by_queries(queries, lengths * images, gender, k=5)[name], atol=1e-9)


def test_removed_embeddings_may_have_any_length_and_lose_what_they_are_found_by():
    split, classes = pairs_in_order(), np.eye(8, dtype=np.float32)
    found = still_found(split)
    assert found == {COSTS[0]: 100, COSTS[1]: 100}
    with_names = still_found(split, 7 * classes[::-1], classes, list(range(8))[::-1])
    assert with_names == found | {COSTS[2]: 100}
    flat = np.ones_like(split.images)
    assert still_found(type(split)(flat, split.captions, split.caption_to_image, split.texts))[COSTS[0]] < 20


def test_facts_count_what_each_number_comes_from():
    group = People([None] * 7, np.array(["man"] * 7), None)
    facts = facts_of_metrics(
        Wording([("a man", "a woman")], ["a person"] * 3), group, [None] * 5, [None] * 8, list("ab")
    )
    counts = {name: about["n"] for name, about in facts.items()}
    assert (counts["gap"], counts["MLP, own labels"], counts["gender read from it alone"]) == (3, 7, 1)
    assert (counts["text → image R@5"], counts["dimensions the images use"]) == (5, 5)
    assert facts["zero-shot top-1"] == {"n": 8, "chance": 50}
    assert facts["MaxSkew"]["unit"] == "nats" and facts["cosine of that to the measured images'"]["unit"] == "cosine"
