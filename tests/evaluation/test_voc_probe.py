"""The VOC07 protocol against the same protocol written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC
from small_root import write_voc

from cliplite_core.data.splits import read_split
from cliplite_core.evaluation.baselines import Backbone, untrained_encoder
from cliplite_core.evaluation.voc_probe import classify_voc, read_voc_splits, voc_linear_classification


def voc_like(seed: int, classes: int = 3, train: int = 90, test: int = 120, signal: float = 1.0) -> tuple:
    """Returns train and test features (·, 12) and labels in {-1, 0, 1}, where classes shift the features."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(classes, 12))
    split = []
    for n in (train, test):
        labels = rng.choice([-1, 0, 1], p=[0.6, 0.1, 0.3], size=(n, classes))
        split += [signal * (labels == 1) @ directions + rng.normal(size=(n, 12)), labels]
    return tuple(split)


def protocol_by_hand(train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray) -> tuple:
    """Returns average precision and cost of one class, step by step as the released code has it."""
    train_labels = np.where(train_labels == 0, -1, train_labels)  # difficult images are trained on as negatives
    train = train / np.sqrt((train**2).sum(axis=1, keepdims=True))
    test = test / np.sqrt((test**2).sum(axis=1, keepdims=True))
    test, test_labels = test[test_labels != 0], test_labels[test_labels != 0]

    def svm(cost: float) -> LinearSVC:
        return LinearSVC(
            C=cost,
            loss="squared_hinge",
            class_weight={1: 2, -1: 1},
            max_iter=2000,
            dual="auto",
            random_state=0,
        )

    def cross_validated(cost: float) -> float:
        scores = []
        for fit, held in StratifiedKFold(3).split(train, train_labels):
            decision = svm(cost).fit(train[fit], train_labels[fit]).decision_function(train[held])
            scores.append(average_precision_score(train_labels[held], decision))
        return float(np.mean(scores))

    cost = max((0.01, 0.1, 1.0, 10.0), key=cross_validated)
    decision = svm(cost).fit(train, train_labels).decision_function(test)
    return average_precision_score(test_labels, decision), cost


def average_precision_by_loop(labels: np.ndarray, scores: np.ndarray) -> float:
    """Mean over the positives of the precision at their rank."""
    order = np.argsort(-scores)
    precisions, found = [], 0
    for rank, index in enumerate(order, start=1):
        if labels[index] == 1:
            found += 1
            precisions.append(found / rank)
    return float(np.mean(precisions))


@pytest.mark.parametrize("seed", [0, 1])
def test_every_class_agrees_with_the_protocol_by_hand(seed):
    train, train_labels, test, test_labels = voc_like(seed)
    result = voc_linear_classification(train, train_labels, test, test_labels)
    expected = [protocol_by_hand(train, train_labels[:, c], test, test_labels[:, c]) for c in range(3)]
    assert result["ap"] == pytest.approx([ap for ap, _ in expected])
    assert result["costs"].tolist() == [cost for _, cost in expected]
    assert result["map"] == pytest.approx(np.mean([ap for ap, _ in expected]))
    assert result["n"] == 120
    assert result["converged"].all()


def test_average_precision_is_the_mean_precision_at_the_positives():
    rng = np.random.default_rng(0)
    labels, scores = rng.choice([-1, 1], size=60), rng.normal(size=60)
    assert average_precision_score(labels, scores) == pytest.approx(average_precision_by_loop(labels, scores))


def test_difficult_images_count_in_no_score_of_their_class():
    train, train_labels, test, test_labels = voc_like(0, classes=1)
    scored = test_labels[:, 0] != 0
    whole = voc_linear_classification(train, train_labels, test, test_labels)
    part = voc_linear_classification(train, train_labels, test[scored], test_labels[scored])
    assert whole["ap"] == pytest.approx(part["ap"]) and not scored.all()


def test_difficult_images_are_trained_on_as_negatives_as_published_or_left_out():
    train, train_labels, test, test_labels = voc_like(0, classes=1)
    known, negative = train_labels[:, 0] != 0, np.where(train_labels == 0, -1, train_labels)
    published = voc_linear_classification(train, train_labels, test, test_labels)
    assert published["ap"] == pytest.approx(voc_linear_classification(train, negative, test, test_labels)["ap"])
    left_out = voc_linear_classification(train, train_labels, test, test_labels, difficult="left out")
    without = voc_linear_classification(train[known], train_labels[known], test, test_labels)
    assert left_out["ap"] == pytest.approx(without["ap"]) != published["ap"]
    with pytest.raises(ValueError, match="difficult: found 'kept', expected 'negative' or 'left out'"):
        voc_linear_classification(train, train_labels, test, test_labels, difficult="kept")


def test_the_length_of_a_feature_vector_does_not_matter():
    train, train_labels, test, test_labels = voc_like(0)
    stretch = np.random.default_rng(0).uniform(0.1, 10, size=(len(train), 1))
    first = voc_linear_classification(train, train_labels, test, test_labels)
    second = voc_linear_classification(train * stretch, train_labels, test * 7, test_labels)
    assert first["ap"] == pytest.approx(second["ap"])


def test_informative_features_beat_the_stated_chance_and_noise_does_not():
    informed = voc_linear_classification(*voc_like(0, test=600, signal=2.0))
    noise = voc_linear_classification(*voc_like(0, test=600, signal=0.0))
    assert informed["map"] > 0.8
    assert noise["map"] == pytest.approx(noise["chance"].mean(), abs=0.06)
    assert noise["chance"] == pytest.approx(1 / 3, abs=0.06)  # 0.3 present, 0.6 absent


def test_more_features_than_images_takes_the_dual_solver_which_is_as_random_as_its_seed():
    train, train_labels, test, test_labels = voc_like(0, classes=1, train=80, test=3000)
    wide = np.random.default_rng(0).normal(size=(12, 150))
    inputs = (train @ wide, train_labels, test @ wide, test_labels)
    first, second, other = (voc_linear_classification(*inputs, costs=(100.0,), seed=seed)["ap"] for seed in (3, 3, 4))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert first == pytest.approx(other, abs=0.01)


def test_classes_that_cannot_be_fitted_or_scored_are_named():
    train, train_labels, test, test_labels = voc_like(0)
    names = ["cat", "dog", "sofa"]
    few = train_labels.copy()
    few[:, 1] = np.where(np.arange(len(few)) < 2, 1, -1)
    with pytest.raises(ValueError, match="train_labels: fewer than 3 images with the class present for dog;"):
        voc_linear_classification(train, few, test, test_labels, names)
    none = test_labels.copy()
    none[:, [0, 2]] = -1
    with pytest.raises(ValueError, match=r"test_labels: fewer than 1 .* cat, sofa;"):
        voc_linear_classification(train, train_labels, test, none, names)


def test_wrong_labels_and_shapes_are_named():
    train, train_labels, test, test_labels = voc_like(0)
    with pytest.raises(ValueError, match=r"train_labels: found shape \(90, 3\), expected \(89, 3\)"):
        voc_linear_classification(train[1:], train_labels, test, test_labels)
    with pytest.raises(ValueError, match="test_labels: found 2, expected 1"):
        voc_linear_classification(train, train_labels, test, np.where(test_labels == 1, 2, test_labels))


def test_a_network_is_classified_by_its_features_of_the_profile_s_own_splits(tiny, tmp_path):
    pictures = [item.path for item in read_split(tiny, "train")[:24]]
    write_voc(tmp_path / "voc", pictures)
    splits = read_voc_splits(tiny.override(voc=str(tmp_path / "voc")))
    assert {name: (len(paths), classes) for name, (paths, _, classes) in splits.items()} == {
        "trainval": (16, ["dog", "moon"]),
        "test": (8, ["dog", "moon"]),
    }
    backbone = Backbone(untrained_encoder(tiny, pictures, seed=0), tiny.data.image_size)
    features = backbone.features(splits)
    (_, known, _), (_, asked, _) = splits.values()
    expected = voc_linear_classification(features["trainval"], known, features["test"], asked)
    assert classify_voc(backbone, splits)["ap"] == pytest.approx(expected["ap"])


def test_a_profile_whose_voc_is_not_there_names_the_folder(tiny, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_voc_splits(tiny.override(voc=str(tmp_path / "nowhere")))
