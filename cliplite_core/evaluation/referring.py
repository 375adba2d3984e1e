"""Referring expressions: pick, among the boxes of an image, the one an expression means (paper, grounding).

The proposals are given, here the annotated boxes: the accuracy says nothing about finding objects. Scoring a
crop alone cannot use "left of" or "largest", so a hit on such an expression is luck or a correlate of it.

A method is a function that scores the K proposals of an image; the highest score wins, and `referring_hits`
judges all methods and baselines alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.ops import box_area, box_iou
from tqdm.auto import tqdm

from cliplite_core.config import Config
from cliplite_core.data.inventory.needs import available
from cliplite_core.data.labelled.boxes import BoxedImage, Reference, box_masks, read_references
from cliplite_core.data.labelled.read import read_boxes
from cliplite_core.evaluation.features import evaluating
from cliplite_core.evaluation.heat import SquarePhotos, heat_cells, upsample
from cliplite_core.storage.places import data_root


def read_expressions(config: Config, at_most: int) -> list[Reference]:
    """Read the referring expressions that the profile names.

    Args:
        config: its `evaluation` section names the expressions, their splits and the boxes they choose among.
        at_most: expressions per split, from the start of the list.

    Returns:
        Expressions of images with at least two boxes; [] where the profile names none, or they may be missing.
    """
    where, root, found = available(config).evaluation, data_root(), []
    if not where.refs:
        return []
    boxes, images = where.ref_boxes or where.boxes, where.ref_images or where.box_images
    for split in where.ref_splits or (where.box_test_split or config.data.test_split,):
        annotated = read_boxes(root / boxes, root / images, split, keep_crowds=bool(where.ref_boxes))
        references = read_references(root / where.refs.format(split=split), annotated, split)
        found += [reference for reference in references if len(reference.image.boxes) > 1][:at_most]
    return found


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
def crop_features(model: nn.Module, image: Image.Image, proposals: Tensor) -> Tensor:
    """Encode what is inside each box: the crops are resized and encoded on their own.

    Args:
        model: A `CLIPLite`.
        image: The original RGB image.
        proposals: (K, 4) boxes in its pixels.

    Returns:
        (K, D) image features.
    """
    crops = torch.stack([model.preprocess(image.crop(_whole_pixels(box, image))) for box in proposals])
    with evaluating(model):
        return model.image_features(crops)


@torch.no_grad()
def crop_scores(model: nn.Module, features: Tensor, expression: str) -> Tensor:
    """Score proposals by the critic on what is inside them.

    Args:
        model: A `CLIPLite`.
        features: (K, D), from `crop_features`.
        expression: The referring expression.

    Returns:
        (K,) critic scores on the CPU.
    """
    with evaluating(model):
        return model.critic.pairwise(features, model.text_features([expression]))[:, 0].cpu()


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


def rule_hits(references: Sequence[Reference], seed: int = 0) -> dict[str, Tensor]:
    """Judge the rules that look at boxes alone, not at what is in them.

    Args:
        references: N expressions with the boxes of their images.
        seed: of the random choice.

    Returns:
        "random box", "largest box" and "box nearest the centre": (N,) float hits each, as `referring_hits`.
    """
    generator, images = torch.Generator().manual_seed(seed), [reference.image for reference in references]
    rules = {
        "random box": [random_scores(image.boxes, generator) for image in images],
        "largest box": [area_scores(image.boxes) for image in images],
        "box nearest the centre": [centre_scores(image.boxes, (image.height, image.width)) for image in images],
    }
    return {name: _hits(scores, references) for name, scores in rules.items()} if references else {}


def model_hits(
    model: nn.Module, references: Sequence[Reference], size: int, photos: SquarePhotos | None = None
) -> dict[str, Tensor]:
    """Ask a model in two ways which box an expression means: by the mean heat inside it, and by its crop.

    Args:
        model: a `CLIPLite`.
        references: N expressions with the boxes of their images; the first wording of each is asked.
        size: side in pixels at which Grad-CAM sees the image.
        photos: where images are decoded and kept for Grad-CAM; None = decoded each time.

    Returns:
        "referring, heat" and "referring, crop": (N,) float hits each, as `referring_hits`; where the expressions are of
        several splits, also those of each one, "referring, heat, testA" and so on. {} without expressions.
    """
    if not references:
        return {}
    paths, texts = [r.image.path for r in references], [r.expressions[0] for r in references]
    cells = heat_cells(model, paths, texts, size, photos)
    scores: dict[str, list[Tensor]] = {"referring, heat": [], "referring, crop": []}
    crops: tuple[BoxedImage, Tensor] | None = (
        None  # the features of the last image's boxes: expressions come image by image
    )
    steps = zip(references, cells, strict=True)
    for reference, cell in tqdm(steps, desc="expressions", total=len(references), leave=False):
        image, boxes = reference.image, reference.image.boxes
        heat = upsample(cell[None], (image.height, image.width))[0]
        scores["referring, heat"].append(heat_scores(heat, boxes))
        if crops is None or crops[0] is not image:
            crops = image, crop_features(model, Image.open(image.path).convert("RGB"), boxes)
        scores["referring, crop"].append(crop_scores(model, crops[1], reference.expressions[0]))
    splits = [reference.split for reference in references]
    found = {}
    for name, of_boxes in scores.items():
        found[name] = _hits(of_boxes, references)
        if len(set(splits)) > 1:
            parts = dict.fromkeys(splits)
            found |= {f"{name}, {part}": found[name][[split == part for split in splits]] for part in parts}
    return found


def _hits(scores: Iterable[Tensor], references: Sequence[Reference]) -> Tensor:
    boxes, targets = [r.image.boxes for r in references], [r.image.boxes[r.target] for r in references]
    return referring_hits(scores, boxes, targets)


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
