"""Images that are trained on and reported as well: a few are counted, a whole split is refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cliplite_core.config import Config, DataConfig
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.presence import shown
from cliplite_core.data.shards import ShardedPairs
from cliplite_core.data.splits import read_split


def expect_apart(config: Config) -> list[str]:
    """Hold the splits to tune and to report on against the training split, by their image files.

    Args:
        config: its `data` section names the splits.

    Returns:
        A line per split of which some images are trained on.

    Raises:
        FileNotFoundError, ValueError: as `read_split`; or a whole split is trained on.
    """
    data, lines = config.data, []
    held_out = {data.test_split: "test_split", data.val_split: "val_split"}  # may be one
    if fields := trained_on(data):
        raise ValueError(
            f"{fields[0]}: got {data.train_split!r}, which is trained on; expected a split that is held out"
        )
    training = read_split(config, data.train_split)
    for split, field in held_out.items():
        images = read_split(config, split)
        if not (shared := _shared(training, images)):
            continue
        found = f"{len(shared):,} of the {len(images):,} images of {split!r} are trained on, such as {shared[0]}"
        if len(shared) == len(images):
            raise ValueError(f"{field}: {found}; expected a split that is held out")
        lines.append(f"{field}: {found}; take them off one of the two lists")
    return lines


def trained_on(data: DataConfig) -> list[str]:
    """Return which of `val_split` and `test_split` name the split that is trained on."""
    return [field for field in ("val_split", "test_split") if getattr(data, field) == data.train_split]


def _shared(training: Sequence[CaptionedImage], images: Sequence[CaptionedImage]) -> list[str]:
    if isinstance(training, ShardedPairs) and isinstance(images, ShardedPairs):
        if training.index.path != images.index.path:
            return []
        samples = np.arange(len(training.index.offsets))
        rows = [samples if pairs.rows is None else pairs.rows for pairs in (training, images)]
        return [training.index.names[int(row)] for row in np.intersect1d(*rows)]
    seen = {image.path for image in training}
    return [shown(image.path) for image in images if image.path in seen]
