"""A look at pairs before any training: captions, image sizes, files that cannot be read, pictures that occur twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps
from torchvision.transforms.v2.functional import to_pil_image
from tqdm.auto import tqdm

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.images import read_image
from cliplite_core.data.inventory.workers import parallel_map
from cliplite_core.data.splits import read_split

LEAST = 10  # images of a split; of fewer nothing can be said
SIDE = 16  # pixels of a thumbnail: enough to tell photos apart, too few to see how a file was compressed
# Correlation of edges from which on two pictures count as near-duplicates. Among 4.5 million pairs of photos (Flickr8k)
# none reached 0.7; copies in another size, compression or brightness had 0.95, crops by 5 % mostly 0.8 to 0.9.
SAME = 0.8


@dataclass(frozen=True)
class Survey:
    """What was seen of n images.

    Attributes:
        table: one line per image: `row` in the items, `image_id`, upright `width` and `height` in pixels (0 where the
            file cannot be read), and `problem`, "" where there is none.
        edges: (n, 480) float32, the differences of neighbouring pixels of a grey thumbnail, with mean 0 and length 1:
            an inner product is a correlation. Zeros for a file that cannot be read, and for a picture of one colour.
    """

    table: pd.DataFrame
    edges: np.ndarray


def read_pairs(config: Config) -> dict[str, list[CaptionedImage]]:
    """Read the splits for training, validation and test, and stop where there is too little to train or to measure on.

    Args:
        config: the profile.

    Returns:
        The images by the split's own name; a split that serves as both validation and test is there once.

    Raises:
        FileNotFoundError: as `read_split`.
        ValueError: likewise, or a split has fewer than ten images.
    """
    names = (config.data.train_split, config.data.val_split, config.data.test_split)
    splits = {name: read_split(config, name) for name in dict.fromkeys(names)}
    for name, items in splits.items():
        if len(items) < LEAST:
            raise ValueError(f"split {name!r}: found {len(items)} images, expected at least {LEAST}; bring more pairs")
    return splits


def count_captions(splits: Mapping[str, Sequence[CaptionedImage]]) -> pd.DataFrame:
    """Count what there is to learn from.

    Args:
        splits: images by the split's name.

    Returns:
        One line per split: `split`, `images`, `captions` and `words`, the mean length of a caption.
    """
    lines = []
    for name, items in splits.items():
        words = [len(caption.split()) for item in items for caption in item.captions]
        lines.append((name, len(items), len(words), float(np.mean(words))))
    return pd.DataFrame(lines, columns=["split", "images", "captions", "words"])


def shared_captions(splits: Mapping[str, Sequence[CaptionedImage]]) -> float:
    """Return the share of captions that describe more than one image, upper and lower case alike, in [0, 1].

    Args:
        splits: images by the split's name; an image with the same caption twice counts once.
    """
    told = pd.Series([text for items in splits.values() for item in items for text in {*map(str.lower, item.captions)}])
    return float(told.duplicated(keep=False).mean())


def survey(items: Sequence[CaptionedImage], limit: int, seed: int = 0, workers: int = 0) -> Survey:
    """Open images of a split, at reduced resolution where the format allows it.

    Args:
        items: the split, from `read_split`.
        limit: at most this many; of more, a random sample is taken.
        seed: of the sample.
        workers: processes that open files. 0 or 1 = this one.

    Returns:
        The images looked at, in the order of the items.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(items))[:limit])
    looked = parallel_map(_look, [items[row] for row in rows], workers)
    seen = list(tqdm(looked, total=len(rows), desc="opening images", unit="image", leave=False))
    table = pd.DataFrame([line for line, _ in seen], columns=["image_id", "width", "height", "problem"])
    table.insert(0, "row", rows)
    grey = np.array([pixels for _, pixels in seen], dtype=np.float32).reshape(-1, SIDE, SIDE)
    # Differences, not the pixels: what is bright above and dark below, as most photos are, correlates by that alone.
    both = [np.diff(grey, axis=axis).reshape(len(grey), -1) for axis in (1, 2)]
    edges = np.concatenate([steps - steps.mean(axis=1, keepdims=True) for steps in both], axis=1)
    return Survey(table, edges / np.maximum(np.linalg.norm(edges, axis=1, keepdims=True), 1e-6))


def near_duplicates(held_out: Survey, training: Survey, least: float = SAME) -> pd.DataFrame:
    """Find each held-out image's most similar training image, and keep those that look like the same picture.

    This finds one photo in two sizes or compressions, and frames of a film that hardly moved; it misses mirrored copies
    and crops by more than a few percent. Look at the pairs: drawings can be alike without being the same.

    Args:
        held_out, training: from `survey`.
        least: correlation of their edges, in [-1, 1].

    Returns:
        One line per pair, most similar first: `held_out` and `training` (rows of the items), `correlation`.

    Example:
        >>> table = pd.DataFrame({"row": [0, 1]})
        >>> a, b = Survey(table, np.eye(2, 4, dtype=np.float32)), Survey(table, np.eye(2, 4, 1, dtype=np.float32))
        >>> near_duplicates(a, b).to_dict("records")
        [{'held_out': 1, 'training': 0, 'correlation': 1.0}]
    """
    lines = []
    for start in range(0, len(held_out.edges), 256):
        correlation = held_out.edges[start : start + 256] @ training.edges.T  # shape: (256, training images)
        best = correlation.argmax(axis=1)
        for offset, (other, value) in enumerate(zip(best, correlation.max(axis=1), strict=True)):
            if value >= least:
                lines.append((held_out.table["row"][start + offset], training.table["row"][other], float(value)))
    found = pd.DataFrame(lines, columns=["held_out", "training", "correlation"])
    return found.sort_values("correlation", ascending=False, kind="stable", ignore_index=True)


def _look(item: CaptionedImage) -> tuple[tuple, np.ndarray]:
    """One line of the table, and the grey thumbnail (256,)."""
    try:
        grey, (width, height) = _grey(item.path)
    except FileNotFoundError:
        return (item.image_id, 0, 0, "not there"), np.zeros(SIDE * SIDE, np.float32)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return (item.image_id, 0, 0, "cannot be decoded"), np.zeros(SIDE * SIDE, np.float32)
    thumbnail = grey.resize((SIDE, SIDE), Image.Resampling.BOX)
    return (item.image_id, width, height, ""), np.asarray(thumbnail, np.float32).ravel()


def _grey(path: Path) -> tuple[Image.Image, tuple[int, int]]:
    """A grey picture, upright and perhaps reduced, and the upright size of the file's own."""
    with path.open("rb") as file, Image.open(file) as image:
        if image.format == "JPEG":  # decodes to an eighth of its size, in far less time
            width, height = image.size
            image.draft("L", (4 * SIDE, 4 * SIDE))
            upright = ImageOps.exif_transpose(image).convert("L")
            turned = (upright.width > upright.height) != (width > height)
            return upright, (height, width) if turned else (width, height)
    grey = to_pil_image(read_image(path)).convert("L")
    return grey, grey.size
