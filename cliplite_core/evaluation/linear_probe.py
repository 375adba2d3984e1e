"""ImageNet linear classification: one linear layer on a frozen backbone (paper, ImageNet-1k protocol).

The number says what is linearly readable from the features; it does not say how the network would do after
finetuning, and wider features have more to read from, so compare backbones of one width.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import Dataset

from cliplite_core.data.labelled.labels import label_fraction
from cliplite_core.evaluation.classifier import batches, classification_metrics, fit, new_layer, predict
from cliplite_core.evaluation.features import device_of, evaluating, module_of


def sgd_probe(
    train: Dataset,
    test: Dataset,
    classes: int,
    function: Callable[[torch.Tensor], torch.Tensor] | None = None,
    epochs: int = 100,
    batch_size: int = 256,
    lr: float = 0.3,
    seed: int = 0,
    num_workers: int = 0,
) -> dict:
    """Trains a linear layer on a frozen network as the paper does: SGD, momentum 0.9, cosine to 0, no decay.

    The recipe counts on many steps (500,000 on ImageNet). On a few thousand images raise `epochs` until
    `train_loss` ends flat; only then does it agree with `lbfgs_probe`.

    Args:
        train: pairs (augmented image, class index), or a `TensorDataset` of cached features and labels.
        test: likewise, unaugmented.
        classes: number of classes C.
        function: the frozen network, images -> features (B, D): a module or a method of one, which is held in
            eval mode, such as `model.image_features`. None for cached features.
        epochs, batch_size, lr: the paper's by default.
        seed: of the layer, the order and the augmentation; the caller's random state is left as it was.
        num_workers: processes that load images.

    Returns:
        As `classification_metrics`, and `train_loss`, the mean of each epoch in nats.

    Raises:
        ValueError: the loss is no longer finite.
    """
    function = function or nn.Identity()
    frozen = module_of(function)
    device = device_of(frozen)

    def features(inputs: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return function(inputs).float()  # shape: (B, D)

    def logits(inputs: torch.Tensor) -> torch.Tensor:
        return layer(features(inputs))  # shape: (B, C)

    with torch.random.fork_rng(), evaluating(frozen):
        torch.manual_seed(seed)
        layer = new_layer(features, train, classes, device)
        loader = batches(train, batch_size, num_workers, shuffle=True)
        optimizer = torch.optim.SGD(layer.parameters(), lr, momentum=0.9)
        schedule = CosineAnnealingLR(optimizer, epochs * len(loader))
        losses = fit(logits, loader, optimizer, schedule, epochs, device)
        scores, labels = predict(logits, batches(test, batch_size, num_workers), device)
    return {**classification_metrics(scores, labels), "train_loss": losses}


def lbfgs_probe(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    l2: Sequence[float] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
    held_out: float = 0.2,
    seed: int = 0,
) -> dict:
    """Fits the same layer on cached features by L-BFGS: the minimum of mean cross-entropy + l2/2 · ‖W‖².

    Args:
        train_features: shape (N, D).
        train_labels: shape (N,), each of the classes 0 .. C-1 at least once.
        test_features: shape (M, D).
        test_labels: shape (M,).
        l2: candidate penalties. Of several, the one of best accuracy on the held-out part (the strongest on a
            tie) is refitted on all of train; a single one is used as it is.
        held_out: share of each class held out for that choice.
        seed: of the held-out draw.

    Returns:
        As `classification_metrics`, and the `l2` used, and `converged`.

    Raises:
        ValueError: a class has no training image, or there are several penalties but nothing to hold out.
    """
    train_features, train_labels = np.asarray(train_features), np.asarray(train_labels)
    absent = np.setdiff1d(np.arange(max(train_labels.max(), np.max(test_labels)) + 1), train_labels)
    if len(absent):
        raise ValueError(f"train_labels: no image of the classes {absent.tolist()}, expected one at least")
    penalties = sorted(l2, reverse=True)
    if len(penalties) > 1:
        fitted = label_fraction(train_labels, 1 - held_out, seed)
        rest = np.setdiff1d(np.arange(len(train_labels)), fitted)
        if len(rest) == 0:
            raise ValueError("l2: too few images per class to hold any out for the choice; pass a single penalty")
        trials = [_logistic(train_features[fitted], train_labels[fitted], penalty) for penalty in penalties]
        accuracies = [trial.score(train_features[rest], train_labels[rest]) for trial in trials]
        penalties = [penalties[int(np.argmax(accuracies))]]
    model = _logistic(train_features, train_labels, penalties[0])
    scores = model.predict_proba(np.asarray(test_features))  # shape: (M, C)
    return {
        **classification_metrics(scores, test_labels),
        "l2": penalties[0],
        "converged": bool(model.n_iter_.max() < model.max_iter),
    }


def _logistic(features: np.ndarray, labels: np.ndarray, l2: float) -> LogisticRegression:
    """Fits sklearn's classifier, whose C multiplies the summed loss: l2 = 1 / (C · N)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # `converged` reports it
        return LogisticRegression(C=1 / (l2 * len(labels)), max_iter=1000).fit(features, labels)
