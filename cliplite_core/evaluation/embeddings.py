"""A split's images and captions in the joint space: what retrieval, zero-shot naming and bias removal look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.labels import LabelledImages
from cliplite_core.evaluation.features import extract
from cliplite_core.model import CLIPLite


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
    """Embeds the images of a split and their first captions (paper: five each).

    Args:
        model: a trained model with a dot critic.
        items: the split, from `read_split`.
        captions_per_image: at most this many of each image's captions.

    Returns:
        Embeddings of images and captions, with the row of each caption's image.
    """
    texts = [caption for item in items for caption in item.captions[:captions_per_image]]
    owners = [row for row, item in enumerate(items) for _ in item.captions[:captions_per_image]]
    images = LabelledImages([item.path for item in items], range(len(items)), model.preprocess)
    return EmbeddedSplit(
        extract(model.encode_image, images, progress="images"),
        extract(model.encode_text, texts, progress="captions"),
        np.array(owners),
        texts,
    )
