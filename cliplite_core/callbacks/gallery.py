"""The held-out pairs that are looked at during training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.images import read_image
from cliplite_core.model import CLIPLite

AT_ONCE = 256  # images of a gallery that pass through the encoder together


class Gallery:
    """Held-out pairs as a model takes them: images, each with its first caption.

    Args:
        images: at least two of a split.
        features: of these pairs, as frozen encoders gave them: (N, image_dim), (N, text_dim). None = read the images.

    Raises:
        ValueError: fewer than two images.
    """

    def __init__(self, images: Sequence[CaptionedImage], features: tuple[Tensor, Tensor] | None = None) -> None:
        if len(images) < 2:
            raise ValueError(f"val_split: got {len(images)} images, expected at least 2")
        self.images, self.features = images, features

    def embed(self, model: CLIPLite) -> tuple[Tensor, Tensor]:
        """Return what the critic compares of the images and of the captions, (N, ·) each, in float32."""
        if self.features is not None:
            features = model.image_features(self.features[0]), model.text_features({"features": self.features[1]})
        else:
            parts = [self.images[start : start + AT_ONCE] for start in range(0, len(self.images), AT_ONCE)]
            pixels = (torch.stack([model.preprocess(read_image(image.path)) for image in part]) for part in parts)
            texts = ([image.captions[0] for image in part] for part in parts)
            features = torch.cat([*map(model.image_features, pixels)]), torch.cat([*map(model.text_features, texts)])
        return model.critic.embed(*(feature.float() for feature in features))
