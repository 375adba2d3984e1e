"""Pairs of features computed before: what frozen encoders leave of images and captions, in the order of training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from cliplite_core.data.pairs import PairBatches


def feature_batches(
    images: np.ndarray, captions: np.ndarray, counts: Sequence[int], batches: PairBatches
) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Yield training batches of features, endlessly; each image with one of its captions drawn at random.

    Args:
        images: (N, D) float32.
        captions: (M, E) float32, those of image 0 first.
        counts: how many captions each image has; they sum to M.
        batches: the order; its seed and the epoch decide which caption an image gets.

    Yields:
        Image features (B, D), and {"features": (B, E)} of the captions.
    """
    counts = np.asarray(counts)
    first = np.cumsum(counts) - counts  # row of each image's first caption
    drawn_for, caption = -1, first
    for batch in batches:
        epoch, rows = batch[0][0], np.array([index for _, index in batch])
        if epoch != drawn_for:
            share = np.random.default_rng([batches.seed, epoch, 1]).random(len(counts))
            drawn_for, caption = epoch, first + (share * counts).astype(np.int64)
        yield torch.from_numpy(images[rows]), {"features": torch.from_numpy(captions[caption[rows]])}
