"""Run a frozen network once over a data set and keep its outputs as one array.

Every evaluation starts here, so the images pass through the network once and the rest is linear algebra.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.labelled.labels import LabelledImages
from cliplite_core.frozen import encode_once
from cliplite_core.model import CLIPLite


def module_of(function: Callable) -> nn.Module | None:
    """Return the module behind a function: itself, or the owner of a method such as `model.encode_image`."""
    owner = function if isinstance(function, nn.Module) else getattr(function, "__self__", None)
    return owner if isinstance(owner, nn.Module) else None


def device_of(module: nn.Module | None) -> torch.device:
    """Return the device of a module's first parameter; the CPU when there is none."""
    parameter = next(module.parameters(), None) if module is not None else None
    return parameter.device if parameter is not None else torch.device("cpu")


@contextmanager
def evaluating(module: nn.Module | None) -> Iterator[None]:
    """Hold a module in eval mode, then gives each submodule back the mode it had.

    Args:
        module: the network, or None for a plain function (nothing is done).
    """
    modes = {part: part.training for part in module.modules()} if module is not None else {}
    try:
        for part in modes:
            part.training = False
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def extract(
    function: Callable[[Any], torch.Tensor],
    items: Dataset | Sequence,
    batch_size: int = 128,
    num_workers: int = 0,
    progress: str = "features",
) -> np.ndarray:
    """Apply a network to every item, without gradients and in eval mode.

    Args:
        function: a module or a bound method of one (`model.encode_image`, `model.text_features`), taking a
            batch (B, ...) of tensors or a list of B strings and returning (B, D). A plain function runs as it
            is.
        items: N tensors of one shape, N strings, or a data set of them; of a tuple (image, label, ...) the
            first field is taken.
        batch_size: items per call.
        num_workers: processes that load images; 0 loads them here.
        progress: label of the progress bar (the environment variable TQDM_DISABLE=1 silences it).

    Returns:
        The outputs in the order of the items, shape (N, D), float32.

    Raises:
        ValueError: there are no items, the output is not (B, D), or it holds a value that is not finite.

    Example:
        >>> double = lambda batch: 2 * batch
        >>> extract(double, [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])]).tolist()
        [[2.0, 4.0], [6.0, 8.0]]
    """
    if len(items) == 0:
        raise ValueError("items: expected at least one image or text, found none")
    module = module_of(function)
    device = device_of(module)
    loader = DataLoader(items, batch_size, collate_fn=_collate_inputs, num_workers=num_workers)
    features, filled = None, 0
    with evaluating(module), torch.no_grad():
        for batch in tqdm(loader, desc=progress, leave=False):
            batch = batch.to(device) if isinstance(batch, torch.Tensor) else batch
            output = function(batch).float().cpu().numpy()  # shape: (B, D)
            if output.ndim != 2 or len(output) != len(batch):
                raise ValueError(f"function: expected ({len(batch)}, D) for {len(batch)} items, found {output.shape}")
            if not np.isfinite(output).all():
                raise ValueError(f"function: items {filled} to {filled + len(output) - 1} gave NaN or infinity")
            if features is None:  # one array from the start: joining batches at the end would need twice the memory
                features = np.empty((len(items), output.shape[1]), dtype=np.float32)
            features[filled : filled + len(output)] = output
            filled += len(output)
    return features


def _collate_inputs(items: list) -> torch.Tensor | list:
    """Stack tensors, keeps strings as a list, and drops labels."""
    inputs = [item[0] if isinstance(item, (tuple, list)) else item for item in items]
    return torch.stack(inputs) if isinstance(inputs[0], torch.Tensor) else inputs


@dataclass(frozen=True)
class EmbeddedSplit:
    """Unit vectors of one split.

    Attributes:
        images: (N, units) float32.
        captions: (M, units) float32, all captions of image 0 first.
        caption_to_image: (M,) int64, row of each caption's image.
        texts: the M captions.
    """

    images: np.ndarray
    captions: np.ndarray
    caption_to_image: np.ndarray
    texts: list[str]


def embed_split(model: CLIPLite, items: Sequence[CaptionedImage], captions_per_image: int = 5) -> EmbeddedSplit:
    """Embed the images of a split and their first captions (paper: five each).

    Args:
        model: a trained model with a dot critic.
        items: the split, from `read_split`.
        captions_per_image: at most this many of each image's captions.

    Returns:
        Embeddings of images and captions, with the row of each caption's image.
    """
    texts, owners = captions_of(items, captions_per_image)
    if model.config.model.frozen:
        pictures, captions = frozen_features(model, items, captions_per_image)
        with evaluating(model), torch.no_grad():
            found = model.encode_image(pictures), model.encode_text({"features": captions})
        return EmbeddedSplit(*(vectors.cpu().numpy() for vectors in found), owners, texts)
    images = LabelledImages([item.path for item in items], range(len(items)), model.preprocess)
    return EmbeddedSplit(
        extract(model.encode_image, images, progress="images"),
        extract(model.encode_text, texts, progress="captions"),
        owners,
        texts,
    )


def frozen_features(
    model: CLIPLite, items: Sequence[CaptionedImage], captions_per_image: int = 5
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what frozen encoders said of a split, once for all models that share them; the critic is yet to come.

    Args:
        model: has frozen encoders.
        items: N images.
        captions_per_image: at most this many of each.

    Returns:
        (N, image_dim), and (M, text_dim) of the captions that `captions_of` lists.
    """
    pictures, captions = encode_once(model, items)
    place = np.concatenate([np.arange(len(item.captions)) for item in items])  # of a caption among those of its image
    return torch.from_numpy(np.array(pictures)), torch.from_numpy(captions[place < captions_per_image])


def captions_of(items: Sequence[CaptionedImage], captions_per_image: int = 5) -> tuple[list[str], np.ndarray]:
    """List the first captions of every image (paper: five each), with the image each belongs to.

    Args:
        items: N captioned images.
        captions_per_image: at most this many of each.

    Returns:
        The M captions, all of image 0 first, and the row of each caption's image, shape (M,), int64.
    """
    texts = [caption for item in items for caption in item.captions[:captions_per_image]]
    counts = [min(captions_per_image, len(item.captions)) for item in items]
    return texts, np.repeat(np.arange(len(items)), counts)
