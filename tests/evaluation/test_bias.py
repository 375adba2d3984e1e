import numpy as np
import pytest
from sklearn.decomposition import PCA
from small_people import pairs_in_order, people, unit

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.evaluation.bias import (
    PeopleSpace,
    concept_direction,
    describe_direction,
    difference_of_means,
    embed_people,
    project_off,
)
from cliplite_core.evaluation.bias_measures import alignment
from cliplite_core.evaluation.gender import People, Wording


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


def test_removing_the_direction_closes_the_planted_gap():
    queries, images, labels = people(n=4000)
    axis = np.eye(8)[0]
    before, after = alignment(queries, images, labels, 20), alignment(queries, project_off(images, axis), labels, 20)
    assert (before["man"] - before["woman"]).mean() > 0.3
    assert abs((after["man"] - after["woman"]).mean()) < 0.03


def a_space(n=300, dims=8):
    """A joint space in which the first axis is gender, and the people whose images they are."""
    groups = {}
    for seed, name in enumerate(("training", "measured")):
        _, images, labels = people(n=n, dims=dims, seed=seed)
        kept = np.array([label is not None for label in labels])
        groups[name] = images[kept], People([], labels[kept].astype(str), None)
    side = np.eye(dims)[:1] + 0.01 * np.random.default_rng(2).normal(size=(6, dims))
    images = [images for images, _ in groups.values()]
    space = PeopleSpace(*images, pairs_in_order(dims=dims), side, -side, side, np.eye(2, dims), np.eye(2, dims))
    return space, {name: group for name, (_, group) in groups.items()}


def test_a_change_reaches_every_image_and_no_sentence():
    space, _ = a_space()
    changed = space.changed(lambda images: 0 * images)
    for images in (changed.training, changed.measured, changed.split.images, changed.named):
        assert not images.any()
    for kept in (changed.men, changed.women, changed.queries, changed.classes, changed.split.captions):
        assert kept.any()
    assert PeopleSpace(*[space.training] * 2, space.split, *[space.men] * 3).changed(np.negative).named is None


def test_the_planted_direction_is_described():
    space, groups = a_space()
    found = describe_direction(space, groups)
    assert found["variance of the pairs explained"] > 99
    assert found["gender read from it alone"] > 90
    assert found["cosine to the training images' difference"] > 0.95
    assert found["cosine of that to the measured images'"] > 0.95
    assert 5 < found["variance of all images along it"] < 25  # one of eight dimensions, all alike
    assert 6 < found["dimensions the images use"] <= 8


def test_the_difference_of_means_points_to_the_men():
    _, images, labels = people(n=4000)
    difference = difference_of_means(images, labels)
    assert np.linalg.norm(difference) == pytest.approx(1)
    assert difference[0] > 0.99


@pytest.mark.parametrize("classes", [[], ["dog", "cat"]])
def test_embeddings_have_a_row_per_person_pair_query_and_class(model, tmp_path, classes):
    from small_root import write_photo

    items = []
    for number in range(4):
        write_photo(tmp_path / f"{number}.jpg", (40, 32), number)
        items.append(CaptionedImage(tmp_path / f"{number}.jpg", ("a man", "a person"), number))
    gender = np.array(["man", "woman"])
    groups = {"training": People(items[:2], gender, None), "measured": People(items[2:], gender, None)}
    labelled = ([item.path for item in items[: 3 * len(classes)]], [0, 1, 0], classes)
    wording = Wording([("a man", "a woman"), ("a man here", "a woman here")], ["a person"] * 3)
    space = embed_people(model, groups, wording, items[:3], labelled, ["a {}"])
    assert [len(part) for part in (space.training, space.measured, space.split.images)] == [2, 2, 3]
    assert [len(part) for part in (space.men, space.women, space.queries, space.split.captions)] == [2, 2, 3, 6]
    np.testing.assert_array_equal(space.split.images[:2], space.training)
    assert (space.named is None, space.classes is None) == (not classes, not classes)
    np.testing.assert_allclose(np.linalg.norm(space.measured, axis=1), 1, rtol=1e-5)
