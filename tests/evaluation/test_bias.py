import math

import numpy as np
import pytest
from sklearn.decomposition import PCA

from cliplite_core.evaluation.bias import alignment, concept_direction, leakage, project_off, skew_at_k
from cliplite_core.evaluation.erasure import LeaceEraser


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def planted_pairs(pairs=30, dims=16, noise=0.05, seed=0):
    rng = np.random.default_rng(seed)
    truth = unit(rng.normal(size=dims))
    shared = rng.normal(size=(pairs, dims))  # what both captions of a pair have in common, far larger than the concept
    half = rng.uniform(0.2, 0.6, (pairs, 1)) * truth
    noise = noise * rng.normal(size=(2, pairs, dims))
    return shared + half + noise[0], shared - half + noise[1], truth


def test_the_planted_direction_is_found_with_its_sign():
    men, women, truth = planted_pairs()
    direction, explained = concept_direction(men, women)
    assert np.linalg.norm(direction) == pytest.approx(1)
    assert direction @ truth > 0.98
    assert explained[0] > 0.8 and explained.sum() == pytest.approx(1)
    np.testing.assert_allclose(concept_direction(women, men).direction, -direction)


def test_the_direction_is_the_first_component_of_a_pca_of_pair_centred_rows():
    men, women, _ = planted_pairs(noise=0.3)
    centre = (men + women) / 2
    pca = PCA().fit(np.concatenate([men - centre, women - centre]))
    direction, explained = concept_direction(men, women)
    assert abs(direction @ pca.components_[0]) == pytest.approx(1)
    np.testing.assert_allclose(explained, pca.explained_variance_ratio_[: len(explained)])


def test_one_pair_gives_its_difference():
    direction, explained = concept_direction(np.array([[1.0, 3.0]]), np.array([[4.0, -1.0]]))
    np.testing.assert_allclose(direction, [-0.6, 0.8])
    assert explained.tolist() == [1]


def test_pairs_that_cannot_define_a_direction_are_errors():
    with pytest.raises(ValueError, match=r"\(3, 4\) and \(2, 4\)"):
        concept_direction(np.ones((3, 4)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="all differences are zero"):
        concept_direction(np.ones((3, 4)), np.ones((3, 4)))


def test_projected_embeddings_have_nothing_left_along_the_directions():
    rng = np.random.default_rng(0)
    embeddings, directions = unit(rng.normal(size=(50, 12))), rng.normal(size=(3, 12)) * [[1], [20], [0.1]]
    for renormalise in (True, False):
        np.testing.assert_allclose(project_off(embeddings, directions, renormalise) @ directions.T, 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(project_off(embeddings, directions), axis=1), 1)


def test_projection_keeps_everything_else():
    embeddings = np.array([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0]])
    projected = project_off(embeddings, np.array([5.0, 0.0, 0.0]), renormalise=False)
    assert projected.tolist() == [[0, 0, 0.8], [0, 1, 0]]


def test_a_direction_listed_twice_is_removed_once():
    embeddings = unit(np.random.default_rng(0).normal(size=(20, 6)))
    direction = np.arange(6.0)
    twice = project_off(embeddings, np.stack([direction, -2 * direction]))
    np.testing.assert_allclose(twice, project_off(embeddings, direction), atol=1e-12)


def test_projection_keeps_float32():
    assert project_off(np.eye(3, dtype=np.float32), np.array([1.0, 0.0, 0.0])).dtype == np.float32


def people(n=200, queries=12, dims=8, gender=0.6, seed=0):
    """Unit embeddings whose first axis is gender; queries lean towards men. Every fifth image has no label."""
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(n) < 0.5, "man", "woman").astype(object)
    images = rng.normal(size=(n, dims))
    images[:, 0] = gender * 4 * np.where(labels == "man", 1, -1) + rng.normal(size=n)
    labels[::5] = None
    query = rng.normal(size=(queries, dims))
    query[:, 0] = 1.0
    return unit(query), unit(images), labels


def test_alignment_agrees_with_a_loop_over_sorted_similarities():
    queries, images, labels = people()
    values = alignment(queries, images, labels, k=7)
    assert list(values) == ["man", "woman"]
    for group, means in values.items():
        for query, mean in zip(queries, means, strict=True):
            similarities = sorted((float(query @ x) for x, label in zip(images, labels, strict=True) if label == group))
            assert mean == pytest.approx(sum(similarities[-7:]) / 7)


def test_removing_the_direction_closes_the_planted_gap():
    queries, images, labels = people(n=4000)
    axis = np.eye(8)[0]
    before, after = alignment(queries, images, labels, 20), alignment(queries, project_off(images, axis), labels, 20)
    assert (before["man"] - before["woman"]).mean() > 0.3
    assert abs((after["man"] - after["woman"]).mean()) < 0.03


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


def test_probes_find_a_planted_concept_and_none_in_noise():
    _, images, labels = people(n=400)
    noise = np.random.default_rng(1).normal(size=(400, 8))
    for kind in ("linear", "mlp"):
        assert leakage(images, labels, kind).shape == (5,)
        assert leakage(images, labels, kind).mean() > 0.9
        assert abs(leakage(noise, labels, kind).mean() - 0.5) < 0.08


def test_only_the_mlp_finds_a_concept_that_is_not_linear():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 2))
    labels = np.where(x[:, 0] * x[:, 1] > 0, "man", "woman")
    assert leakage(x, labels, "linear").mean() < 0.6
    assert leakage(x, labels, "mlp").mean() > 0.8


def test_a_larger_group_does_not_move_chance():
    rng = np.random.default_rng(0)
    labels = ["man"] * 540 + ["woman"] * 60
    x = rng.normal(size=(600, 4)) + np.array([[1.0, 0, 0, 0]]) * (np.array(labels) == "woman")[:, None]
    assert leakage(x, labels).mean() > 0.6  # unweighted, the probe calls nearly everyone a man: 0.5
    assert abs(leakage(rng.normal(size=(600, 4)), labels).mean() - 0.5) < 0.1


def test_leakage_of_an_eraser_fitted_elsewhere_is_at_chance():
    _, images, labels = people(n=2000)
    eraser = LeaceEraser.fit(images[:1000], labels[:1000])
    assert leakage(images[1000:], labels[1000:]).mean() > 0.9
    assert abs(leakage(eraser(images[1000:]), labels[1000:]).mean() - 0.5) < 0.05


def test_leakage_is_repeatable_and_depends_on_the_seed():
    _, images, labels = people(gender=0.05)
    assert leakage(images, labels, "mlp", seed=3).tolist() == leakage(images, labels, "mlp", seed=3).tolist()
    assert leakage(images, labels, seed=3).tolist() != leakage(images, labels, seed=4).tolist()


def test_wrong_probes_and_groups_are_named():
    _, images, labels = people()
    with pytest.raises(ValueError, match="kind: found 'svm'"):
        leakage(images, labels, "svm")
    with pytest.raises(ValueError, match=r"\['child', 'man', 'woman'\], expected two"):
        leakage(images, [*labels[:-1], "child"])
