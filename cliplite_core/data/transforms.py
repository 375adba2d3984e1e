"""Image transforms on uint8 tensors, and the flip that keeps captions true (paper, section 4.1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms import v2

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_SIDES = {"left": "right", "Left": "Right", "LEFT": "RIGHT"}
_SIDES |= {right: left for left, right in _SIDES.items()}


class Crop(NamedTuple):
    """A rectangle of an image, in its pixels."""

    top: int
    left: int
    height: int
    width: int

    def shrink(self, side: int) -> int:
        """Return by how much the image may be shrunk before the crop is resized to `side`: 1, 2, 4 or 8."""
        return next((by for by in (8, 4, 2) if min(self.height, self.width) >= by * side), 1)

    def of(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        """Cut it out of an image of `size` = (height, width), or of that image shrunk, to whole pixels: (3, h, w)."""
        down, across = image.shape[-2] / size[0], image.shape[-1] / size[1]
        rows = slice(round(self.top * down), round((self.top + self.height) * down))
        columns = slice(round(self.left * across), round((self.left + self.width) * across))
        return image[..., rows, columns]


class TrainTransform:
    """Training transform: random resized crop, colour jitter, normalisation; draws from torch's global generator.

    Args:
        size: side of the square output in pixels.
        crop_scale: smallest area share of the crop, in (0, 1] (paper: 0.2); aspect ratio within 3/4 … 4/3.
        color_jitter: strength in brightness, contrast, saturation; hue gets a quarter; applied with p = 0.8
            (paper: 0.4). 0 = off.
    """

    def __init__(self, size: int, crop_scale: float, color_jitter: float) -> None:
        self.size, self.crop = size, v2.RandomResizedCrop(size, scale=(crop_scale, 1.0), antialias=True)
        steps = []
        if color_jitter:
            jitter = v2.ColorJitter(color_jitter, color_jitter, color_jitter, color_jitter / 4)
            steps.append(v2.RandomApply([jitter], p=0.8))
        self.colors = v2.Compose([*steps, *_normalised()])

    def draw(self, height: int, width: int) -> Crop:
        """Draw the crop of an image of that size, which need not be decoded yet."""
        return Crop(**self.crop.make_params([torch.empty(3, height, width, device="meta")]))

    def finish(self, cut: Tensor) -> Tensor:
        """Resize a cut-out crop, uint8 (3, h, w), jitter and normalise it: float32 (3, size, size)."""
        square = v2.functional.resize(cut, [self.size, self.size], antialias=True)
        return self.colors(square)

    def __call__(self, image: Tensor) -> Tensor:
        """Transform a whole image: uint8 (3, H, W) to float32 (3, size, size)."""
        size = image.shape[-2], image.shape[-1]
        return self.finish(self.draw(*size).of(image, size))


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
