"""Visual grounding: where in the image does the critic find the caption? (paper, grounding)

Grad-CAM shows which places raise the score, to first order; it does not show that the model would name the
object there, nor that it sees the object's outline. Backgrounds that go with an object light up too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn
from torchvision.ops import box_iou

from cliplite_core.data.labelled.boxes import box_masks
from cliplite_core.evaluation.features import device_of, evaluating


def grad_cam(model: nn.Module, images: Tensor, texts: list[str]) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017) of the critic score T(f(x), g(y)) at the last convolution map A:

        heat = ReLU( sum_c  mean_hw(dT / dA_c) · A_c ),  then divided by its maximum.

    Args:
        model: A `CLIPLite`; its training flags and parameter gradients are left as found.
        images: (B, 3, H, W) preprocessed images.
        texts: B captions, one per image.

    Returns:
        (B, h, w) float32 heat in [0, 1] at the map's resolution; all zero where no place raises the score.
    """
    # In training mode batch norm would let the images of a batch change each other's heat.
    with evaluating(model):
        with torch.no_grad():
            feature_map = model.image_encoder.feature_map(images.to(device_of(model)))  # shape: (B, C, h, w)
            text_features = model.text_features(texts)
        with torch.enable_grad():
            feature_map = feature_map.float().requires_grad_()
            scores = model.critic(model.image_encoder.pool(feature_map), text_features)  # shape: (B,)
            (gradient,) = torch.autograd.grad(scores.sum(), feature_map)
    weights = gradient.mean((2, 3), keepdim=True)  # shape: (B, C, 1, 1)
    heat = F.relu((weights * feature_map.detach()).sum(1))  # shape: (B, h, w)
    return heat / heat.amax((1, 2), keepdim=True).clamp_min(torch.finfo(heat.dtype).tiny)


def upsample(heatmaps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear upsampling of (B, h, w) heat maps to `size` = (H, W): returns (B, H, W)."""
    return F.interpolate(heatmaps[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def heatmaps(
    model: nn.Module,
    paths: Sequence[str | Path],
    texts: Sequence[str],
    preprocess: Callable[[Image.Image], Tensor] | None = None,
    batch_size: int = 32,
) -> Iterator[Tensor]:
    """Stream Grad-CAM heat maps of image files, each in its own pixels, so that boxes need no scaling.

    Args:
        model: A `CLIPLite`.
        paths: N image files.
        texts: N captions, one per file.
        preprocess: Square PIL image to (3, S, S), without cutting off a border; None takes the model's own. The
            encoder is convolutional: `eval_transform` of a larger size gives a finer map. Choose it on a dev set.
        batch_size: Images per forward pass.

    Yields:
        N float32 heat maps of shape (height, width) of the file, values in [0, 1], on the CPU.
    """
    preprocess = model.preprocess if preprocess is None else preprocess
    for start in range(0, len(paths), batch_size):
        images = [Image.open(path).convert("RGB") for path in paths[start : start + batch_size]]
        # Squeezed to a square first: resizing the short side and cropping the centre would lose the ends.
        squares = [image.resize((max(image.size), max(image.size))) for image in images]
        batch = torch.stack([preprocess(square) for square in squares])
        heat = grad_cam(model, batch, list(texts[start : start + batch_size])).cpu()
        for image, map_ in zip(images, heat, strict=True):
            yield upsample(map_[None], (image.height, image.width))[0]


def pointing_game(heatmaps: Iterable[Tensor], boxes: Iterable[Tensor]) -> Tensor:
    """Pointing game (Zhang et al. 2016): does the hottest pixel lie in any box of the named object?

    Args:
        heatmaps: N heat maps of shape (H, W).
        boxes: N tensors of shape (K, 4), in pixels of the heat map.

    Returns:
        (N,) float hits. Several equally hot pixels count by the share of them that lies in a box, so that a
        flat map earns what chance would.
    """
    return torch.stack(
        [
            box_masks(truth, heat.shape).any(0)[heat == heat.max()].float().mean()
            for heat, truth in zip(heatmaps, boxes, strict=True)
        ]
    )


def pointing_baselines(sizes: Iterable[tuple[int, int]], boxes: Iterable[Tensor]) -> dict[str, Tensor]:
    """What the pointing game gives to those who do not look.

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
    regions, _ = ndimage.label((heatmap >= threshold * heatmap.max()).numpy())
    largest = np.bincount(regions.ravel())[1:].argmax()  # region 0 is the background
    rows, columns = ndimage.find_objects(regions)[largest]
    return torch.tensor([columns.start, rows.start, columns.stop, rows.stop], dtype=torch.float32)


def box_accuracy(predicted: Iterable[Tensor], boxes: Iterable[Tensor], iou: float = 0.5) -> Tensor:
    """Localisation hits: does the predicted box overlap any true box enough?

    Baselines predict the whole image, or a proposal picked by a rule of `cliplite_core.evaluation.referring`.

    Args:
        predicted: N boxes of shape (4,).
        boxes: N tensors of shape (K, 4).
        iou: Least intersection over union.

    Returns:
        (N,) float hits, 0 or 1.
    """
    return torch.stack(
        [(box_iou(guess[None], truth) >= iou).any().float() for guess, truth in zip(predicted, boxes, strict=True)]
    )


def choose_threshold(heatmaps: Sequence[Tensor], boxes: Sequence[Tensor]) -> float:
    """Choose the threshold of `box_from_heatmap` by its mean `box_accuracy`; to be called on a dev set only.

    Args:
        heatmaps: N heat maps of shape (H, W).
        boxes: N tensors of shape (K, 4).

    Returns:
        The best of 0.05, 0.10, ... 0.95; the lowest of equals.
    """

    def accuracy(threshold: float) -> float:
        return box_accuracy([box_from_heatmap(heat, threshold) for heat in heatmaps], boxes).mean().item()

    return max((step / 20 for step in range(1, 20)), key=accuracy)
