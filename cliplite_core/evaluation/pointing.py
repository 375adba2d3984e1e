"""How a heat map is judged by boxes: where it is hottest, and where its hot region lies (paper, grounding).

Everything is in pixels of the heat map; boxes are scaled to it by whoever calls.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torchvision.ops import box_iou

from cliplite_core.data.labelled.boxes import box_masks

CROSS = ndimage.generate_binary_structure(2, 1)  # scipy's default; making it anew takes as long as labelling


def pointing_game(heatmaps: Iterable[Tensor], boxes: Iterable[Tensor]) -> Tensor:
    """Pointing game (Zhang et al. 2016): does the hottest pixel lie in any box of the named object?

    Args:
        heatmaps: N heat maps of shape (H, W).
        boxes: N tensors of shape (K, 4), in pixels of the heat map.

    Returns:
        (N,) float hits. Several equally hot pixels count by the share of them that lies in a box, so that a
        flat map earns what chance would.
    """
    return torch.stack([_share_of_peak(heat, truth) for heat, truth in zip(heatmaps, boxes, strict=True)])


def _share_of_peak(heat: Tensor, boxes: Tensor) -> Tensor:
    """Share of the hottest pixels, mostly one, whose centre lies in a box, as `box_masks` counts."""
    pixels = heat.numpy()
    hottest = pixels == pixels.max()
    named = np.zeros_like(hottest)
    ends = np.ceil(boxes.numpy() - 0.5).clip(0).astype(int)  # the first pixels whose centres are not before the edge
    for x1, y1, x2, y2 in ends:
        named[y1:y2, x1:x2] = True
    share = np.count_nonzero(hottest & named) / np.count_nonzero(hottest)
    return torch.tensor(share, dtype=torch.float32)


def pointing_baselines(sizes: Iterable[tuple[int, int]], boxes: Iterable[Tensor]) -> dict[str, Tensor]:
    """Play the pointing game without looking.

    Args:
        sizes: N image sizes (height, width).
        boxes: N tensors of shape (K, 4).

    Returns:
        "centre": (N,) hits of the image's centre; "chance": (N,) share of the image that the boxes cover
        together, the expected hit of a random pixel.
    """
    masks = [box_masks(truth, size).any(0) for size, truth in zip(sizes, boxes, strict=True)]
    return {
        "centre": torch.stack([mask[mask.shape[0] // 2, mask.shape[1] // 2].float() for mask in masks]),
        "chance": torch.stack([mask.float().mean() for mask in masks]),
    }


def box_from_heatmap(heatmap: Tensor, threshold: float) -> Tensor:
    """Box around the largest connected region above a fraction of the maximum: unsupervised localisation.

    Args:
        heatmap: (H, W) heat, not negative.
        threshold: Fraction of the maximum, in (0, 1].

    Returns:
        (4,) float32 box; the whole image where the map is all zero.
    """
    heat = heatmap.numpy()
    regions, count = ndimage.label(heat >= heat.dtype.type(threshold) * heat.max(), CROSS)
    largest = np.bincount(regions.ravel())[1:].argmax() if count > 1 else 0  # region 0 is the background
    rows, columns = ndimage.find_objects(regions)[largest]
    return torch.tensor([columns.start, rows.start, columns.stop, rows.stop], dtype=torch.float32)


def box_accuracy(predicted: Iterable[Tensor], boxes: Iterable[Tensor], iou: float = 0.5) -> Tensor:
    """Localisation hits: does the predicted box overlap any true box enough?

    The baseline predicts the whole image, see `baseline_hits`.

    Args:
        predicted: N boxes of shape (4,), or as many each of shape (T, 4).
        boxes: N tensors of shape (K, 4).
        iou: Least intersection over union.

    Returns:
        (N,) or (N, T) float hits, 0 or 1.
    """
    hits = [
        (box_iou(guess.view(-1, 4), truth) >= iou).any(1).view(guess.shape[:-1])
        for guess, truth in zip(predicted, boxes, strict=True)
    ]
    return torch.stack(hits).float()


def choose_threshold(heatmaps: Iterable[Tensor], boxes: Iterable[Tensor]) -> float:
    """Choose the threshold of `box_from_heatmap` by its mean `box_accuracy`; to be called on a dev set only.

    Args:
        heatmaps: N heat maps of shape (H, W).
        boxes: N tensors of shape (K, 4).

    Returns:
        The best of 0.05, 0.10, ... 0.95; the lowest of equals.
    """

    thresholds = [step / 20 for step in range(1, 20)]
    found = [torch.stack([box_from_heatmap(heat, threshold) for threshold in thresholds]) for heat in heatmaps]
    return thresholds[box_accuracy(found, boxes).mean(0).argmax()]  # the first of equals
