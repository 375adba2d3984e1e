"""Numbers of a classifier against a plain loop and scikit-learn; batches of the training loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, top_k_accuracy_score
from torch.utils.data import TensorDataset

from cliplite_core.evaluation.classifier import batches, classification_metrics


def test_metrics_agree_with_a_plain_loop_and_scikit_learn():
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(200, 9)), rng.integers(0, 9, size=200)
    metrics = classification_metrics(scores, labels)
    top1 = top5 = 0
    hits, images = [0] * 9, [0] * 9
    for row, label in zip(scores, labels, strict=True):
        order = sorted(range(9), key=lambda c: -row[c])
        top1 += order[0] == label
        top5 += label in order[:5]
        images[label] += 1
        hits[label] += order[0] == label
    assert metrics["top1"] == top1 / 200
    assert metrics["top5"] == top5 / 200 == top_k_accuracy_score(labels, scores, k=5)
    assert metrics["per_class_accuracy"] == pytest.approx([h / n for h, n in zip(hits, images, strict=True)])
    assert np.array_equal(metrics["predictions"], scores.argmax(axis=1))
    assert np.array_equal(metrics["confusion"], confusion_matrix(labels, scores.argmax(axis=1)))
    assert metrics["n"] == 200
    assert metrics["chance"] == {"top1": 1 / 9, "top5": 5 / 9}


def test_a_class_without_images_has_no_accuracy_rather_than_zero():
    metrics = classification_metrics(np.eye(3)[[0, 1]], [0, 1])
    assert metrics["per_class_accuracy"][:2].tolist() == [1, 1]
    assert np.isnan(metrics["per_class_accuracy"][2])
    assert metrics["confusion"].shape == (3, 3)


def test_constant_scores_do_no_better_than_chance_on_balanced_classes():
    metrics = classification_metrics(np.zeros((80, 8)), np.repeat(np.arange(8), 10))
    assert metrics["top1"] == metrics["chance"]["top1"]
    assert metrics["top5"] == metrics["chance"]["top5"]


def test_top5_of_fewer_than_five_classes_is_certain():
    metrics = classification_metrics(np.array([[1.0, 0.0, 0.0]]), [2])
    assert (metrics["top1"], metrics["top5"], metrics["chance"]["top5"]) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.zeros((2, 3)), [0], "one for each of the 2"),
        (np.zeros((2, 3)), [0, 3], "found 0 to 3, expected 0 to 2"),
        (np.zeros((2, 3)), [-1, 0], "found -1 to 0"),
        (np.array([[0.0, np.nan]]), [0], "NaN"),
    ],
)
def test_wrong_inputs_are_named(scores, labels, message):
    with pytest.raises(ValueError, match=message):
        classification_metrics(scores, labels)


def test_every_item_is_scored_once_and_in_order():
    data = TensorDataset(torch.arange(17.0)[:, None], torch.arange(17))
    labels = torch.cat([labels for _, labels in batches(data, 8)])
    assert labels.tolist() == list(range(17))


def test_a_single_left_over_item_is_not_trained_on_but_two_are():
    def sizes(n: int) -> list[int]:
        return [
            len(labels) for _, labels in batches(list(zip(torch.ones(n, 2), range(n), strict=True)), 8, shuffle=True)
        ]

    assert sizes(17) == [8, 8]
    assert sizes(18) == [8, 8, 2]
    assert sizes(1) == [1]
