"""ImageNet linear classification: one linear layer on a frozen backbone (paper, ImageNet-1k protocol).

The number says what is linearly readable from the features; it does not say how the network would do after
finetuning, and wider features have more to read from, so compare backbones of one width.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import Dataset, TensorDataset

from cliplite_core.config import Config
from cliplite_core.data.labelled.labels import label_fraction
from cliplite_core.data.labelled.read import Labelled, read_class_splits
from cliplite_core.evaluation.classifier import batches, classification_metrics, fit, new_layer, predict
from cliplite_core.evaluation.features import device_of, evaluating, module_of
from cliplite_core.storage.places import data_root

Features = Mapping[str, np.ndarray]  # "train" and "test" = (N, D) float32
Splits = Mapping[str, Labelled]  # "train" and "test" = N images, labels (N,), class names

SHARES = {"1 %": 0.01, "10 %": 0.1, "100 %": 1.0}  # of the labels of each class
FEWEST = 5  # labels per class from which on the penalty is chosen on a held-out fifth of them
WEAK = 1e-4  # the penalty where it is not chosen
PAPER_EPOCHS, PAPER_BATCH = 100, 256  # of the SGD recipe


def read_probe_splits(config: Config) -> dict[str, Labelled]:
    """Read the labelled images that the profile names for linear probes.

    Args:
        config: `evaluation.probe` names the set; of its training images at most `probe_images` are kept, the same share
            of each class. 0 = all.

    Returns:
        "train" and "test", as `read_classes` returns them.

    Raises:
        FileNotFoundError, ValueError: as `read_class_splits`.
    """
    where = config.evaluation
    folder = data_root() / where.probe
    splits = read_class_splits(train=folder / "train", test=folder / where.probe_test_split)
    images, labels, classes = splits["train"]
    if 0 < where.probe_images < len(labels):
        kept = label_fraction(labels, where.probe_images / len(labels), seed=0)
        splits["train"] = [images[row] for row in kept], labels[kept], classes
    return splits


def images_per_share(labels: np.ndarray) -> dict[str, int]:
    """Return how many images each of `SHARES` of the labels (N,) keeps."""
    return {name: len(label_fraction(labels, share, seed=0)) for name, share in SHARES.items()}


def probe_shares(features: Features, splits: Splits, seed: int) -> dict[str, dict]:
    """Fit `lbfgs_probe` with growing shares of the labels.

    Args:
        features: of "train" and "test".
        splits: the same images' labels.
        seed: of the draw of the labels, and of the part held out to choose the penalty.

    Returns:
        Each of `SHARES` = what `lbfgs_probe` returns. With fewer than `FEWEST` labels in a class there is nothing to
        choose the penalty on, and it is `WEAK`.
    """
    (_, labels, _), (_, asked, _) = splits["train"], splits["test"]
    found = {}
    for name, share in SHARES.items():
        kept = label_fraction(labels, share, seed)
        choice = {} if np.bincount(labels[kept]).min() >= FEWEST else {"l2": (WEAK,)}
        found[name] = lbfgs_probe(features["train"][kept], labels[kept], features["test"], asked, seed=seed, **choice)
    return found


def compare_recipes(features: Features, splits: Splits, sgd_steps: int) -> list[dict]:
    """Fit the layer by L-BFGS with a weak penalty, by the paper's SGD, and by SGD for as many steps as asked for.

    Args:
        features: of "train" and "test", cached, and so without random crops.
        splits: the same images' labels.
        sgd_steps: least steps of the longer SGD.

    Returns:
        One line per fit: `recipe`, `epochs` and `steps` (None for L-BFGS), `train_loss` at the end in nats (likewise),
        `seconds`, and in [0, 1] `top1` and `alike`, the share of test images that are named as by L-BFGS.
    """
    (_, labels, classes), (_, asked, _) = splits["train"], splits["test"]
    arrays = (features["train"], labels), (features["test"], asked)
    tensors = [TensorDataset(*map(torch.from_numpy, pair)) for pair in arrays]
    per_epoch, lines, reference = -(-len(labels) // PAPER_BATCH), [], None
    for epochs in dict.fromkeys([None, PAPER_EPOCHS, max(PAPER_EPOCHS, -(-sgd_steps // per_epoch))]):
        began = time.perf_counter()
        if epochs is None:
            line = {"recipe": "L-BFGS", "epochs": None, "steps": None, "train_loss": None}
            found = reference = lbfgs_probe(*arrays[0], *arrays[1], l2=(WEAK,))
        else:
            line = {"recipe": "SGD", "epochs": epochs, "steps": epochs * per_epoch}
            found = sgd_probe(*tensors, len(classes), epochs=epochs)
            line["train_loss"] = found["train_loss"][-1]
        alike = float((found["predictions"] == reference["predictions"]).mean())
        lines.append(line | {"seconds": time.perf_counter() - began, "top1": found["top1"], "alike": alike})
    return lines


def sgd_probe(
    train: Dataset,
    test: Dataset,
    classes: int,
    function: Callable[[torch.Tensor], torch.Tensor] | None = None,
    epochs: int = PAPER_EPOCHS,
    batch_size: int = PAPER_BATCH,
    lr: float = 0.3,
    seed: int = 0,
    num_workers: int = 0,
) -> dict:
    """Train a linear layer on a frozen network as the paper does: SGD, momentum 0.9, cosine to 0, no decay.

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
    """Fit the same layer on cached features by L-BFGS: the minimum of mean cross-entropy + l2/2 · ‖W‖².

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
        accuracies = [(trial.predict(train_features[rest]) == train_labels[rest]).mean() for trial in trials]
        penalties = [penalties[int(np.argmax(accuracies))]]
    model = _logistic(train_features, train_labels, penalties[0])
    scores = model.predict_proba(np.asarray(test_features))  # shape: (M, C)
    return {
        **classification_metrics(scores, test_labels),
        "l2": penalties[0],
        "converged": bool(model.n_iter_.max() < model.max_iter),
    }


def _logistic(features: np.ndarray, labels: np.ndarray, l2: float) -> LogisticRegression:
    """Fit sklearn's classifier, whose C multiplies the summed loss: l2 = 1 / (C · N)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # `converged` reports it
        warnings.filterwarnings("ignore", message="The number of unique classes")  # one image per class is meant here
        return LogisticRegression(C=1 / (l2 * len(labels)), max_iter=1000).fit(features, labels)
