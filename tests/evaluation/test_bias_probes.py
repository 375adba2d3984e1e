import warnings

import numpy as np
import pytest
from PIL import Image
from small_people import people

from cliplite_core.evaluation.bias_probes import PROBES, colour_counts, leakage, read_by_colour, read_by_probes
from cliplite_core.evaluation.erasure import LeaceEraser


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


def test_a_network_that_stops_early_does_not_fill_a_notebook_with_warnings():
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        leakage(rng.normal(size=(300, 30)), np.array(["man", "woman"] * 150), "mlp")


def test_three_probes_read_a_planted_concept_and_the_mlp_can_be_left_out():
    _, images, labels = people(n=500)
    images, labels = (part[[label is not None for label in labels]] for part in (images, labels))
    labels = labels.astype(str)
    read = read_by_probes(images[:200], labels[:200], images[200:], labels[200:])
    assert list(read) == list(PROBES) and min(read.values()) > 90
    assert list(read_by_probes(images[:200], labels[:200], images[200:], labels[200:], mlp=False)) == list(PROBES[:2])


def test_a_probe_with_training_labels_knows_only_those():
    _, images, labels = people(n=500)
    images, labels = (part[[label is not None for label in labels]] for part in (images, labels))
    labels = labels.astype(str)
    swapped = np.where(labels[:200] == "man", "woman", "man")
    read = read_by_probes(images[:200], swapped, images[200:], labels[200:], mlp=False)
    assert read[PROBES[0]] < 10 and read[PROBES[1]] > 90


def write_flat(path, colour, shape=(6, 4)):
    Image.new("RGB", shape, colour).save(path)
    return path


def test_colours_are_counted_and_places_are_not(tmp_path):
    half = Image.new("RGB", (4, 4), (255, 0, 0))
    half.paste((0, 0, 255), (0, 0, 2, 4))
    half.save(tmp_path / "half.png")
    half.rotate(90).save(tmp_path / "turned.png")
    counts = colour_counts(tmp_path / "half.png")
    assert counts.shape == (64,) and counts.sum() == 1
    assert sorted(counts)[-2:] == [0.5, 0.5]
    np.testing.assert_array_equal(counts, colour_counts(tmp_path / "turned.png"))
    assert colour_counts(write_flat(tmp_path / "flat.png", (9, 9, 9)), bins=2).tolist() == [1, *[0] * 7]


def test_people_in_red_and_blue_are_told_apart_by_colour(tmp_path):
    colours = [(250, 10, 10), (10, 10, 250)] * 10
    paths = [write_flat(tmp_path / f"{i}.png", colour) for i, colour in enumerate(colours)]
    assert read_by_colour(paths, np.array(["woman", "man"] * 10)) == 100
