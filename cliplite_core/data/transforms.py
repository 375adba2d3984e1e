"""Image transforms on uint8 tensors, and the flip that keeps captions true (paper, section 4.1)."""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms import v2

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_SIDES = {"left": "right", "Left": "Right", "LEFT": "RIGHT"}
_SIDES |= {right: left for left, right in _SIDES.items()}


def train_transform(size: int, crop_scale: float, color_jitter: float) -> Callable[[Tensor], Tensor]:
    """Return the training transform: random resized crop, colour jitter, normalisation.

    Args:
        size: side of the square output in pixels.
        crop_scale: smallest area share of the crop, in (0, 1] (paper: 0.2); aspect ratio within 3/4 … 4/3.
        color_jitter: strength in brightness, contrast, saturation; hue gets a quarter; applied with p = 0.8
            (paper: 0.4). 0 = off.

    Returns:
        A function from uint8 (3, H, W) to float32 (3, size, size), drawing from torch's global generator.
    """
    steps = [v2.RandomResizedCrop(size, scale=(crop_scale, 1.0), antialias=True)]
    if color_jitter:
        jitter = v2.ColorJitter(color_jitter, color_jitter, color_jitter, color_jitter / 4)
        steps.append(v2.RandomApply([jitter], p=0.8))
    return v2.Compose([*steps, *_normalised()])


def eval_transform(size: int) -> Callable[[Tensor], Tensor]:
    """Return the evaluation transform: shorter side to `size`, centre crop, normalisation.

    Args:
        size: side of the square output in pixels.

    Returns:
        A function from uint8 (3, H, W), or a PIL image, to float32 (3, size, size).
    """
    return v2.Compose(
        [v2.RGB(), v2.PILToTensor(), v2.Resize(size, antialias=True), v2.CenterCrop(size), *_normalised()]
    )


def _normalised() -> list[torch.nn.Module]:
    return [v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)]


def swap_sides(caption: str) -> str:
    """Return the caption of the mirrored image: left and right swapped, as VirTex does.

    Example:
        >>> swap_sides("A dog left of a cat on the right.")
        'A dog right of a cat on the left.'
    """
    return re.sub(rf"\b({'|'.join(_SIDES)})(?=\b|most\b)", lambda side: _SIDES[side.group()], caption)
