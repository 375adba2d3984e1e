"""Visual grounding: where in the image does the critic find the caption? (paper, grounding)

Grad-CAM shows which places raise the score, to first order; it does not show that the model would name the
object there, nor that it sees the object's outline. Backgrounds that go with an object light up too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn
from torchvision.ops import box_iou
from tqdm.auto import tqdm

from cliplite_core.config import Config
from cliplite_core.data.inventory.needs import available
from cliplite_core.data.labelled.boxes import BoxedImage, box_masks
from cliplite_core.data.labelled.read import read_boxes
from cliplite_core.data.transforms import eval_transform
from cliplite_core.evaluation.features import device_of, evaluating
from cliplite_core.storage.places import data_root

DEV_IMAGES = 200  # at least this many choose the input size, where dev has them; all of dev choose the threshold


@dataclass(frozen=True, eq=False)
class NamedObject:
    """A question to the critic: where in this image is the thing of this name?

    Attributes:
        image: the image with all its boxes.
        name: the name of a thing in it; several boxes may bear it.
    """

    image: BoxedImage
    name: str

    @property
    def boxes(self) -> Tensor:
        """The boxes of that name, shape (K, 4)."""
        return self.image.boxes_of(self.name)

    @property
    def text(self) -> str:
        """The sentence that the critic reads."""
        return f"a picture of a {self.name}"


@dataclass(frozen=True, eq=False)
class Grounding:
    """What `ground` found of one model.

    Attributes:
        size: side in pixels at which the model sees an image, chosen on dev.
        threshold: of `box_from_heatmap`, chosen on dev.
        hits: "pointing game" and "localisation", (N,) float hits each.
        shown: heat maps of the queries to be shown, each (H, W) of its image.
    """

    size: int
    threshold: float
    hits: dict[str, Tensor]
    shown: list[Tensor]


def read_named_objects(config: Config, split: str, at_most: int) -> list[NamedObject]:
    """Read what there is to ask about: every name in every boxed image, spread evenly over the split.

    Images with at least two different things come alone, if the set has any: elsewhere there is nothing to tell apart.

    Args:
        config: its `evaluation` section names the boxes.
        split: the split's name.
        at_most: questions.
    """
    where, root = available(config).evaluation, data_root()
    images = read_boxes(root / where.boxes, root / where.box_images, split)
    several = [image for image in images if len(set(image.category_names)) > 1]
    found = [NamedObject(image, name) for image in several or images for name in sorted(set(image.category_names))]
    return [found[i] for i in np.linspace(0, len(found) - 1, min(at_most, len(found))).astype(int)]


def ground(
    model: nn.Module,
    dev: Sequence[NamedObject],
    test: Sequence[NamedObject],
    sizes: Sequence[int],
    shown: Sequence[int],
) -> Grounding:
    """Choose input size and threshold on dev, then point at and localise the things of test.

    Args:
        model: a `CLIPLite`.
        dev: questions to choose by.
        test: N questions to report on.
        sizes: sides in pixels to choose among; a larger input gives the heat map more cells.
        shown: rows of `test` whose heat is kept.
    """
    size = choose_size(model, dev, sizes)
    threshold = choose_threshold(heat_of(model, dev, size), [query.boxes for query in dev])
    heats, boxes = heat_of(model, test, size), [query.boxes for query in test]
    found = [box_from_heatmap(heat, threshold) for heat in heats]
    hits = {"pointing game": pointing_game(heats, boxes), "localisation": box_accuracy(found, boxes)}
    return Grounding(size, threshold, hits, [heats[row] for row in shown])


def choose_size(model: nn.Module, dev: Sequence[NamedObject], sizes: Sequence[int]) -> int:
    """Return the input size whose heat points best on a part of dev, the first of equals."""
    few = dev[:: max(1, len(dev) // DEV_IMAGES)]
    hits = {size: pointing_game(heat_of(model, few, size), [query.boxes for query in few]).mean() for size in sizes}
    return max(sizes, key=hits.__getitem__)


def heat_of(model: nn.Module, queries: Sequence[NamedObject], size: int) -> list[Tensor]:
    """Return the heat of each question, (H, W) of its image, for images shown at `size` pixels."""
    paths, texts = [query.image.path for query in queries], [query.text for query in queries]
    heats = heatmaps(model, paths, texts, eval_transform(size))
    return list(tqdm(heats, desc=f"heat at {size} px", total=len(queries), leave=False))


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
            pooled = model.image_features(model.image_encoder.pool(feature_map))  # standardised, where it is frozen
            scores = model.critic(pooled, text_features)  # shape: (B,)
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
    regions, _ = ndimage.label((heatmap >= threshold * heatmap.max()).numpy())
    largest = np.bincount(regions.ravel())[1:].argmax()  # region 0 is the background
    rows, columns = ndimage.find_objects(regions)[largest]
    return torch.tensor([columns.start, rows.start, columns.stop, rows.stop], dtype=torch.float32)


def box_accuracy(predicted: Iterable[Tensor], boxes: Iterable[Tensor], iou: float = 0.5) -> Tensor:
    """Localisation hits: does the predicted box overlap any true box enough?

    The baseline predicts the whole image, see `baseline_hits`.

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


def baseline_hits(queries: Sequence[NamedObject]) -> dict[str, dict[str, Tensor]]:
    """Judge guesses that do not look at the image.

    Args:
        queries: N questions.

    Returns:
        Metric = {name = (N,) float hits}: of the "pointing game", the "centre" of the image and "chance", any pixel; of
        "localisation", the "whole image".
    """
    sizes, boxes = [(query.image.height, query.image.width) for query in queries], [query.boxes for query in queries]
    whole = [torch.tensor([0.0, 0.0, width, height]) for height, width in sizes]
    return {
        "pointing game": pointing_baselines(sizes, boxes),
        "localisation": {"whole image": box_accuracy(whole, boxes)},
    }


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
