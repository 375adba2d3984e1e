"""Grad-CAM: where in an image does the critic find the caption? Each photo is decoded and encoded once.

Grad-CAM shows which places raise the score, to first order; it does not show that the model would name the
object there, nor that it sees the object's outline. Backgrounds that go with an object light up too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import pil_to_tensor
from tqdm.auto import tqdm

from cliplite_core.data.transforms import eval_transform
from cliplite_core.evaluation.features import device_of, evaluating

PHOTOS_PER_PASS = 4  # few: what one layer hands to the next should stay in a CPU's cache, and maps repeat for each text
KEPT_BYTES = 512 * 2**20  # of decoded photos


class SquarePhotos:
    """Photos squeezed to squares of a few sizes, all made when one is first asked for and kept for the next model.

    Squeezed, not cropped: resizing the short side and cropping the centre would lose the ends.

    Args:
        sizes: sides in pixels at which networks will be shown them.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.resize = {size: v2.Resize(size, antialias=True) for size in sizes}
        self.most = KEPT_BYTES // sum(3 * size**2 for size in sizes)
        self.kept: dict[Path, dict[int, Tensor]] = {}

    def __call__(self, path: Path, size: int) -> Tensor:
        """Return the photo as uint8 (3, size, size)."""
        squares = self.kept.get(path)
        if squares is None:
            with Image.open(path) as image:
                side = max(image.size)
                square = pil_to_tensor(image.convert("RGB").resize((side, side)))
            squares = {size: resize(square) for size, resize in self.resize.items()}
            if len(self.kept) < self.most:  # who came first stays: photos come round in the same order
                self.kept[path] = squares
        return squares[size]


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
    with evaluating(model), torch.no_grad():
        feature_map = model.image_encoder.feature_map(images.to(device_of(model)))  # shape: (B, C, h, w)
        return _cam(model, feature_map, model.text_features(texts))


def _cam(model: nn.Module, feature_map: Tensor, text_features: Tensor) -> Tensor:
    """Grad-CAM of (B, C, h, w) maps and the features of as many texts, in eval mode: (B, h, w)."""
    with torch.enable_grad():
        feature_map = feature_map.float().requires_grad_()
        image_features = model.image_features(model.image_encoder.pool(feature_map))  # of a frozen encoder standardised
        scores = model.critic(image_features, text_features)  # shape: (B,)
        (gradient,) = torch.autograd.grad(scores.sum(), feature_map)
    weights = gradient.mean((2, 3), keepdim=True)  # shape: (B, C, 1, 1)
    heat = F.relu((weights * feature_map.detach()).sum(1))  # shape: (B, h, w)
    return heat / heat.amax((1, 2), keepdim=True).clamp_min(torch.finfo(heat.dtype).tiny)


def upsample(heatmaps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear upsampling of (B, h, w) heat maps to `size` = (H, W): returns (B, H, W)."""
    return F.interpolate(heatmaps[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def heat_cells(
    model: nn.Module, paths: Sequence[Path], texts: Sequence[str], size: int, photos: SquarePhotos | None = None
) -> list[Tensor]:
    """Compute Grad-CAM of image files, each encoded once however many texts ask about it.

    Args:
        model: a `CLIPLite`.
        paths: N image files, in any order, some of them several times.
        texts: N captions, one per file.
        size: side in pixels at which the network sees an image. It is convolutional: the larger, the finer the map.
        photos: where the files are decoded and kept, `size` among its sizes; None = decoded each time.

    Returns:
        N float32 heat maps on the CPU, (h, w) cells that lie over the whole image, values in [0, 1].
    """
    photos, preprocess = photos or SquarePhotos([size]), eval_transform(size)
    asked: dict[Path, list[int]] = {}  # rows of the texts about each photo
    for row, path in enumerate(paths):
        asked.setdefault(path, []).append(row)
    different = list(dict.fromkeys(texts))
    found: dict[int, Tensor] = {}
    with evaluating(model), torch.no_grad():
        told = dict(zip(different, model.text_features(different), strict=True)) if different else {}
        for start in tqdm(range(0, len(asked), PHOTOS_PER_PASS), desc=f"heat at {size} px", leave=False):
            files = list(asked)[start : start + PHOTOS_PER_PASS]
            rows = [row for path in files for row in asked[path]]
            owner = [place for place, path in enumerate(files) for _ in asked[path]]
            images = preprocess(torch.stack([photos(path, size) for path in files])).to(device_of(model))
            maps = model.image_encoder.feature_map(images)  # shape: (P, C, h, w)
            heat = _cam(model, maps[owner], torch.stack([told[texts[row]] for row in rows]))  # shape: (rows, h, w)
            found.update(zip(rows, heat.cpu(), strict=True))
    return [found[row] for row in range(len(texts))]
