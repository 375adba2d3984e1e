"""What frozen encoders leave of images and captions: computed a few at a time, then drawn in the order of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cliplite_core.data.pairs import PairBatches

AT_ONCE = 8  # items in one pass: what the layers hold of them stays in the processor's cache, which is worth a factor


def encode_parts(encoder: nn.Module, pixels: Tensor) -> Tensor:
    """Encode images a few at a time, channels last, which is faster for depthwise convolutions on CPUs.

    Args:
        encoder: (b, 3, H, W) -> (b, D); its weights are laid out anew.
        pixels: (B, 3, H, W).

    Returns:
        (B, D).
    """
    encoder.to(memory_format=torch.channels_last)
    parts = pixels.contiguous(memory_format=torch.channels_last).split(AT_ONCE)
    return torch.cat([encoder(part) for part in parts])


def encode_by_length(encode: Callable[[Mapping[str, Tensor]], Tensor], tokens: Mapping[str, Tensor]) -> Tensor:
    """Encode captions a few at a time, those of like lengths together, so that hardly any padding is computed.

    Args:
        encode: tokens of b captions -> (b, E).
        tokens: `input_ids` and `attention_mask`, (B, L) int64, padded on the right.

    Returns:
        (B, E), in the order of the captions.
    """
    lengths = tokens["attention_mask"].sum(dim=1)
    order = lengths.argsort()
    parts = [{name: ids[rows, : lengths[rows].max()] for name, ids in tokens.items()} for rows in order.split(AT_ONCE)]
    return torch.cat([encode(part) for part in parts])[order.argsort()]


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
