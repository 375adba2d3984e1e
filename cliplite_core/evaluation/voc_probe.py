"""VOC07 linear classification: one linear SVM per class on frozen features (paper, VOC07 protocol).

The number ranks backbones by what a linear classifier can read from them; it does not say how well a
finetuned network would do. mAP weighs rare and common classes alike, and a random ranking scores about the
prevalence of each class, not 0.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from cliplite_core.config import Config
from cliplite_core.data.labelled.labels import read_voc_labels
from cliplite_core.evaluation.baselines import Backbone
from cliplite_core.storage.places import data_root

VocSplit = tuple[list[Path], np.ndarray, list[str]]  # N files; labels (N, C), as `read_voc_labels` has them; C names

COSTS = (0.01, 0.1, 1.0, 10.0)
FOLDS = 3


def read_voc_splits(config: Config) -> dict[str, VocSplit]:
    """Read "trainval" and "test" of the VOC data set that the profile names.

    Raises:
        FileNotFoundError, ValueError: as `read_voc_labels`.
    """
    return {name: read_voc_labels(data_root() / config.evaluation.voc, name) for name in ("trainval", "test")}


def classify_voc(backbone: Backbone, splits: Mapping[str, VocSplit], workers: int = 0) -> dict:
    """Extract the features of a frozen network and classify them by `voc_linear_classification`.

    Args:
        backbone: the network.
        splits: "trainval" and "test", from `read_voc_splits`.
        workers: processes that load images; 0 loads them here.

    Returns:
        What `voc_linear_classification` returns.
    """
    features = backbone.features(splits, workers)
    (_, known, classes), (_, asked, _) = splits["trainval"], splits["test"]
    return voc_linear_classification(features["trainval"], known, features["test"], asked, classes)


def voc_linear_classification(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    class_names: Sequence[str] | None = None,
    costs: Sequence[float] = COSTS,
    seed: int = 0,
    n_jobs: int = 1,
    difficult: Literal["negative", "left out"] = "negative",
) -> dict:
    """Train one-vs-rest SVMs on L2-normalised features and score each class by average precision.

    For each class, images labelled 0 ("difficult") are left out of the test, and trained on as negatives: so do
    the released code and VirTex. The cost is the one of best mean average precision over 3 stratified folds (the
    smaller one on a tie); the SVM is then fitted on all of trainval.

    Args:
        train_features: pooled backbone features of trainval, shape (N, D).
        train_labels: shape (N, C): 1 present, -1 absent, 0 difficult.
        test_features: of the test split, shape (M, D).
        test_labels: shape (M, C), likewise.
        class_names: C names for messages; numbered if None.
        costs: candidate costs C of the SVM.
        seed: of the dual solver, which visits images in random order.
        n_jobs: classes fitted at once, each in its own process.
        difficult: what becomes of difficult images in training: "negative", as published, or "left out", since the
            thing is there after all.

    Returns:
        `map` in [0, 1], `ap` (C,), `costs` (C,) chosen; `chance` (C,), the prevalence of each class in the
        test split, near which a random ranking scores; `converged` (C,) bool, whether 2000 iterations were
        enough; `n`, the number of test images.

    Raises:
        ValueError: shapes disagree, a label is not -1, 0 or 1, a class has too few images to be fitted or scored, or
            `difficult` is neither of the two.
    """
    if difficult not in ("negative", "left out"):
        raise ValueError(f"difficult: found {difficult!r}, expected 'negative' or 'left out'")
    train_labels, test_labels = np.asarray(train_labels), np.asarray(test_labels)
    if difficult == "negative":
        train_labels = np.where(train_labels == 0, -1, train_labels)
    names = range(train_labels.shape[1]) if class_names is None else class_names
    _check("train", train_features, train_labels, names, at_least=FOLDS)
    _check("test", test_features, test_labels, names, at_least=1)
    train, test = (normalize(np.asarray(x, dtype=np.float64)) for x in (train_features, test_features))
    results = Parallel(n_jobs=n_jobs)(
        delayed(_one_class)(train, train_labels[:, c], test, test_labels[:, c], costs, seed) for c in range(len(names))
    )
    ap, chosen, converged = (np.array(column) for column in zip(*results, strict=True))
    chance = (test_labels == 1).sum(axis=0) / (test_labels != 0).sum(axis=0)  # shape: (C,)
    return {
        "map": float(ap.mean()),
        "ap": ap,
        "costs": chosen,
        "chance": chance,
        "converged": converged,
        "n": len(test_labels),
    }


def _one_class(
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    costs: Sequence[float],
    seed: int,
) -> tuple[float, float, bool]:
    """Return average precision, chosen cost and convergence of one class; labels are (N,) and (M,)."""
    svm = LinearSVC(loss="squared_hinge", class_weight={1: 2, -1: 1}, max_iter=2000, dual="auto", random_state=seed)
    search = GridSearchCV(svm, {"C": list(costs)}, scoring="average_precision", cv=FOLDS, error_score="raise")
    known, scored = train_labels != 0, test_labels != 0
    with warnings.catch_warnings():
        # The protocol stops at 2000 iterations whether or not they suffice; `converged` reports it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(train[known], train_labels[known])
    ap = average_precision_score(test_labels[scored], search.decision_function(test[scored]))
    return ap, search.best_params_["C"], search.best_estimator_.n_iter_ < svm.max_iter


def _check(split: str, features: np.ndarray, labels: np.ndarray, names: Sequence[str], at_least: int) -> None:
    """Raise ValueError unless every class of the split has enough images, present and absent."""
    if labels.shape != (len(features), len(names)):
        raise ValueError(
            f"{split}_labels: found shape {labels.shape}, expected {(len(features), len(names))} for "
            f"{len(features)} rows of features and {len(names)} classes"
        )
    strange = np.setdiff1d(labels, [-1, 0, 1])
    if len(strange):
        raise ValueError(f"{split}_labels: found {strange[0]}, expected 1 (present), -1 (absent) or 0 (difficult)")
    for sign, what in ((1, "present"), (-1, "absent")):
        counts = (labels == sign).sum(axis=0)
        few = [str(name) for name, count in zip(names, counts, strict=True) if count < at_least]
        if few:
            raise ValueError(
                f"{split}_labels: fewer than {at_least} images with the class {what} for {', '.join(few)}; "
                "add images or leave the class out"
            )
