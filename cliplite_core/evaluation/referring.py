"""Referring expressions: pick, among the boxes of an image, the one an expression means (paper, grounding).

The proposals are given, here the annotated boxes: the accuracy says nothing about finding objects. Scoring a
crop alone cannot use "left of" or "largest", so a hit on such an expression is luck or a correlate of it.

A method is a function that scores the K proposals of an image; the highest score wins, and `referring_hits`
judges all methods and baselines alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.ops import box_area, box_iou

from cliplite_core.data.labelled.boxes import box_masks
from cliplite_core.evaluation.features import evaluating


def heat_scores(heatmap: Tensor, proposals: Tensor, reduce: Literal["mean", "sum"] = "mean") -> Tensor:
    """Score proposals by the heat inside them.

    Args:
        heatmap: (H, W) Grad-CAM heat for the expression.
        proposals: (K, 4) boxes in pixels of the heat map.
        reduce: "mean" favours small boxes around the peak, "sum" favours large ones.

    Returns:
        (K,) float scores; 0 for a box that covers no pixel centre.

    Raises:
        ValueError: `reduce` is neither of the two.
    """
    if reduce not in ("mean", "sum"):
        raise ValueError(f"reduce: found {reduce!r}, expected 'mean' or 'sum'")
    masks = box_masks(proposals, heatmap.shape).to(heatmap.dtype)  # shape: (K, H, W)
    heat = (masks * heatmap).sum((1, 2))  # shape: (K,)
    return heat if reduce == "sum" else heat / masks.sum((1, 2)).clamp_min(1)


@torch.no_grad()
def crop_scores(model: nn.Module, image: Image.Image, proposals: Tensor, expression: str) -> Tensor:
    """Score proposals by the critic on what is inside them: each crop is resized and encoded on its own.

    Args:
        model: A `CLIPLite`.
        image: The original RGB image.
        proposals: (K, 4) boxes in its pixels.
        expression: The referring expression.

    Returns:
        (K,) critic scores on the CPU.
    """
    crops = torch.stack([model.preprocess(image.crop(_whole_pixels(box, image))) for box in proposals])
    with evaluating(model):
        image_features = model.image_features(crops)  # shape: (K, D)
        text_features = model.text_features([expression])  # shape: (1, E)
        return model.critic.pairwise(image_features, text_features)[:, 0].cpu()


def _whole_pixels(box: Tensor, image: Image.Image) -> tuple[int, int, int, int]:
    """Round a box outwards to at least one pixel inside the image, as PIL needs it."""
    x1, y1, x2, y2 = box.tolist()
    left, top = min(max(math.floor(x1), 0), image.width - 1), min(max(math.floor(y1), 0), image.height - 1)
    right, bottom = min(math.ceil(x2), image.width), min(math.ceil(y2), image.height)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def random_scores(proposals: Tensor, generator: torch.Generator) -> Tensor:
    """Baseline: (K,) uniform scores, so that each proposal is equally likely to win."""
    return torch.rand(len(proposals), generator=generator)


def area_scores(proposals: Tensor) -> Tensor:
    """Baseline: (K,) areas in square pixels, so that the largest proposal wins."""
    return box_area(proposals)


def centre_scores(proposals: Tensor, size: tuple[int, int]) -> Tensor:
    """Baseline: (K,) negative distances in pixels to the centre of an image of `size` = (height, width)."""
    centres = (proposals[:, :2] + proposals[:, 2:]) / 2  # shape: (K, 2), x and y
    return -(centres - centres.new_tensor([size[1] / 2, size[0] / 2])).norm(dim=1)


def best_box(scores: Tensor, proposals: Tensor) -> Tensor:
    """Return the (4,) box with the highest of (K,) scores, the first of equals."""
    return proposals[scores.argmax()]


def referring_hits(
    scores: Iterable[Tensor], proposals: Iterable[Tensor], targets: Iterable[Tensor], iou: float = 0.5
) -> Tensor:
    """Accuracy of the best-scored proposals, one value per expression.

    Args:
        scores: N tensors of shape (K,), one score per proposal; K may differ between expressions.
        proposals: N tensors of shape (K, 4).
        targets: N boxes of shape (4,), the ones the expressions mean.
        iou: Least intersection over union of a hit.

    Returns:
        (N,) float hits. Several best proposals count by the share of hits among them: a method that cannot
        tell them apart must not profit from the order in which they are listed.

    Raises:
        ValueError: A score is NaN, or an expression has no proposals.

    Example:
        >>> boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [6.0, 0.0, 10.0, 4.0]])
        >>> scores = [torch.tensor([0.2, 0.7]), torch.tensor([0.5, 0.5])]
        >>> referring_hits(scores, [boxes, boxes], targets=boxes[[1, 1]])
        tensor([1.0000, 0.5000])
    """
    hits = []
    for row, (score, boxes, target) in enumerate(zip(scores, proposals, targets, strict=True)):
        if len(score) == 0 or score.isnan().any():
            raise ValueError(f"scores[{row}]: found {score.tolist()}, expected one number per proposal")
        best = boxes[score == score.max()]
        hits.append((box_iou(best, target[None]) >= iou).float().mean())
    return torch.stack(hits)
