"""Probes: how well gender can still be read from embeddings, or from the colours of an image alone.

A probe at chance says that this probe, with these images, finds nothing; another one may.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from cliplite_core.evaluation.erasure import Label, group_masks

PROBES = ("linear, training labels", "linear, own labels", "MLP, own labels")


def read_by_probes(
    training: np.ndarray, training_gender: np.ndarray, images: np.ndarray, gender: np.ndarray, mlp: bool = True
) -> dict[str, float]:
    """Let probes read gender from images.

    Args:
        training: (M, D) people of the training split, treated as those that are measured.
        training_gender: (M,), "man" or "woman".
        images: (N, D) people that are measured.
        gender: (N,).
        mlp: whether a small network tries, too; it is slow.

    Returns:
        Balanced accuracy of each of `PROBES` in percent, chance 50: a linear probe that learned from the training
        people, and two that learned from other measured people, see `leakage`.
    """
    learned = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced"))
    read = learned.fit(training, training_gender).predict(images)
    kinds = ["linear", "mlp"] if mlp else ["linear"]
    own = [100 * leakage(images, gender, kind).mean() for kind in kinds]
    return dict(zip(PROBES, [100 * balanced_accuracy_score(gender, read), *own], strict=False))


def leakage(
    features: np.ndarray, labels: Iterable[Label], kind: Literal["linear", "mlp"] = "linear", seed: int = 0
) -> np.ndarray:
    """Cross-validated balanced accuracy of a probe that reads the concept from features; chance is 0.5.

    Fit an eraser on *other* items than are measured here: had all folds taken part in its fit, the group
    means of a held-out fold would mirror those of the remaining ones, and probes would fall below chance.

    Args:
        features: (N, D) features.
        labels: N labels of two groups; items labelled None are left out.
        kind: "linear" for logistic regression, "mlp" for one hidden layer of 64 units.
        seed: Decides the folds and the MLP's initial weights.

    Returns:
        (5,) balanced accuracies in [0, 1], one per fold.

    Raises:
        ValueError: `kind` is unknown, or there are not two groups.
    """
    probes = {
        "linear": LogisticRegression(max_iter=2000),
        # Strong weight decay and L-BFGS: Adam's defaults overfit features of few images, which hides what is there.
        "mlp": MLPClassifier((64,), solver="lbfgs", alpha=10, tol=1e-3, max_iter=100, random_state=seed),
    }
    if kind not in probes:
        raise ValueError(f"kind: found {kind!r}, expected one of {list(probes)}")
    masks = group_masks(labels)
    if len(masks) != 2:
        raise ValueError(f"labels: found the groups {list(masks)}, expected two")
    first, second = masks.values()
    x, y = features[first | second].astype(np.float64), second[first | second]
    scores = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y):
        scaler = StandardScaler().fit(x[train])
        weights = compute_sample_weight("balanced", y[train])  # else a probe in doubt names the larger group
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):  # its accuracy settles long before
            probe = probes[kind].fit(scaler.transform(x[train]), y[train], sample_weight=weights)
        scores.append(balanced_accuracy_score(y[test], probe.predict(scaler.transform(x[test]))))
    return np.array(scores)


def colour_counts(path: Path, bins: int = 4) -> np.ndarray:
    """Return what is left of an image without shapes and places: the share of its pixels in each cell of colour.

    Args:
        path: the image file.
        bins: cells of red, of green and of blue, each of the same width.

    Returns:
        (bins³,) shares that sum to 1.
    """
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    return np.histogramdd(pixels, bins, [(0, 256)] * 3)[0].ravel() / len(pixels)


def read_by_colour(paths: Iterable[Path], gender: np.ndarray) -> float:
    """Return how often a linear probe reads gender from `colour_counts` alone, in percent; chance is 50."""
    return 100 * leakage(np.array([colour_counts(path) for path in paths]), gender).mean()
