"""What single-label experiments share: the training loop of a classifier, its predictions and its numbers.

Top-1 accuracy weighs images, not classes: on unbalanced data read it beside the accuracy per class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
)
from tqdm.auto import tqdm

Logits = Callable[[torch.Tensor], torch.Tensor]


def new_layer(features: Logits, data: Dataset, classes: int, device: torch.device) -> nn.Linear:
    """Return a classifier of small random weights, as wide as the features of the first input.

    Args:
        features: inputs -> (B, D), in eval mode, since it is called on a batch of one.
        data: pairs (input, class index).
        classes: number of classes C.
        device: where the layer goes.

    Returns:
        The layer (B, D) -> (B, C).
    """
    with torch.no_grad():
        width = features(data[0][0][None].to(device)).shape[1]
    layer = nn.Linear(width, classes, device=device)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer


def batches(data: Dataset, batch_size: int, num_workers: int = 0, shuffle: bool = False) -> DataLoader:
    """Return a loader of (inputs (B, ...), labels (B,)); shuffled, it is for training.

    Args:
        data: pairs (input, class index).
        batch_size: items per batch; the last may be smaller.
        num_workers: processes that load images; 0 loads them here.
        shuffle: a new order each epoch, from torch's global generator.

    Returns:
        The loader. When training, a last batch of a single item is left out: it has no variance for batch
        norm.
    """
    order = RandomSampler(data) if shuffle else SequentialSampler(data)
    lone_item = shuffle and 1 < batch_size < len(data) and len(data) % batch_size == 1
    groups = BatchSampler(order, batch_size, drop_last=lone_item)
    if isinstance(data, TensorDataset):  # takes a list of indices: one gather per batch, not one call per row
        return DataLoader(data, batch_size=None, sampler=groups)
    return DataLoader(data, batch_sampler=groups, num_workers=num_workers)


def fit(
    logits: Logits,
    loader: DataLoader,
    optimizer: torch.optim.Optimizer,
    schedule: LRScheduler,
    epochs: int,
    device: torch.device,
) -> list[float]:
    """Minimise cross-entropy, with one schedule step per batch.

    Args:
        logits: inputs (B, ...) -> (B, C).
        loader: one pass is an epoch.
        optimizer: holds the parameters to train.
        schedule: of the learning rate, counted in batches.
        epochs: passes over the data.
        device: where the parameters are.

    Returns:
        Mean loss of each epoch, in nats.

    Raises:
        ValueError: the loss of an epoch is not finite.
    """
    history = []
    for epoch in tqdm(range(epochs), desc="training a classifier", unit="epoch", leave=False):
        losses = []
        for inputs, labels in loader:
            loss = F.cross_entropy(logits(inputs.to(device)), labels.to(device).long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
        history.append(torch.stack(losses).mean().item())
        if not np.isfinite(history[-1]):
            raise ValueError(f"lr: the loss of epoch {epoch + 1} is {history[-1]}; lower the learning rate")
    return history


@torch.no_grad()
def predict(logits: Logits, loader: DataLoader, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores (n, C) and the labels (n,) of all items, in the loader's order."""
    outputs = [(logits(inputs.to(device)).cpu(), labels) for inputs, labels in loader]
    scores, labels = (torch.cat(parts).numpy() for parts in zip(*outputs, strict=True))
    return scores, labels


def classification_metrics(scores: np.ndarray, labels: Sequence[int]) -> dict:
    """Score single-label classification.

    Args:
        scores: higher is likelier, shape (n, C).
        labels: right class of each row, shape (n,), integers in 0 .. C-1.

    Returns:
        `top1` and `top5` accuracy in [0, 1]; `per_class_accuracy` (C,), NaN for a class without images;
        `confusion` (C, C) counts, row = right class, column = prediction; `predictions` (n,); `n`; and
        `chance` of `top1` and `top5` when guessing evenly.

    Raises:
        ValueError: the shapes disagree, a label is out of range, or a score is not finite.

    Example:
        >>> classification_metrics(np.array([[0.9, 0.1], [0.8, 0.2]]), [0, 1])["confusion"].tolist()
        [[1, 0], [1, 0]]
    """
    scores, labels = np.asarray(scores), np.asarray(labels)
    n, classes = scores.shape
    if labels.shape != (n,) or n == 0:
        raise ValueError(f"labels: expected one for each of the {n} rows of scores, found shape {labels.shape}")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels: found {labels.min()} to {labels.max()}, expected 0 to {classes - 1}")
    if not np.isfinite(scores).all():
        raise ValueError("scores: found NaN or infinity; an embedding of length zero has no direction")
    best = torch.from_numpy(scores).topk(min(5, classes)).indices.numpy()  # shape: (n, 5)
    confusion = np.bincount(labels * classes + best[:, 0], minlength=classes**2).reshape(classes, classes)
    images = confusion.sum(axis=1)
    return {
        "top1": float((best[:, 0] == labels).mean()),
        "top5": float((best == labels[:, None]).any(axis=1).mean()),
        "per_class_accuracy": np.where(images > 0, confusion.diagonal() / np.maximum(images, 1), np.nan),
        "confusion": confusion,
        "predictions": best[:, 0],
        "n": n,
        "chance": {"top1": 1 / classes, "top5": min(5, classes) / classes},
    }
