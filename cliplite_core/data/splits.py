"""From a configuration to the captioned images of a split, whatever the format on disk."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cliplite_core.config import Config, DataConfig
from cliplite_core.data.captions import CaptionedImage, keep_listed, listed, read_caption_table, read_coco_captions
from cliplite_core.data.flickr_tokens import read_caption_tokens
from cliplite_core.data.karpathy import read_karpathy
from cliplite_core.data.shards import ShardedPairs, read_shards
from cliplite_core.storage.places import data_root
from cliplite_core.storage.tar_files import shard_folder


def data_folder(config: Config) -> Path:
    """Return the folder of the profile's data set.

    Args:
        config: its `data` section names the folder.

    Returns:
        An existing folder.

    Raises:
        FileNotFoundError: files of the set are missing; the message lists each of them and says where to look.
    """
    folder = data_root() / config.data.folder
    missing = [path for path in _needed(config, folder) if not path.exists()]
    if missing:
        listing = ", ".join(map(str, missing))
        if config.data.scenes_train:
            raise FileNotFoundError(
                f"the scenes of profile {config.profile!r} are not composed yet, no file at {listing}; "
                f"compose them with: cliplite data ready {config.profile}"
            )
        raise FileNotFoundError(
            f"profile {config.profile!r} needs files that are not there: {listing}; "
            f"set CLIPLITE_DATA to the folder that holds {config.data.folder!r} (now {data_root()}); "
            "data/README.md says where to get each set and how it is laid out"
        )
    return folder


def read_split(config: Config, split: str) -> Sequence[CaptionedImage]:
    """Read the captioned images of one split; the training split is cut to `train_fraction`.

    Args:
        config: its `data` section names files and format.
        split: the split's name as the data set has it, e.g. `config.data.train_split`.

    Returns:
        The images in the data set's order; a fraction is a random subset, the same for a seed, smaller ones nested. A
        list, or `ShardedPairs` where they lie in shards.

    Raises:
        FileNotFoundError, ValueError: as `data_folder` and the format's reader; or the split has no image.
    """
    folder, data = data_folder(config), config.data
    captions, images = captions_and_images(config, split)
    split_file = folder / _named(data.split_file, split) if data.split_file else None
    if data.format == "webdataset":
        items = _sharded_split(images, split, split_file, data)
    elif data.format == "karpathy":
        items = read_karpathy(captions, images, split)
    else:
        items = read_captions(config, split)
        if split_file:
            items = keep_listed(items, split_file, captions)
        elif "{split}" not in data.captions:
            items = [items[i] for i in _hashed_split([item.name for item in items], split, data)]
    if not len(items):
        few = (
            ""
            if split_file or "{split}" in str(_pairs_pattern(data)) or data.format == "karpathy"
            else ("; the split by a hash of the names leaves it none of so few images: set val_images and test_images")
        )
        raise ValueError(f"{_pairs_of(config, split)}: no image with a caption in the split {split!r}{few}")
    if split == data.train_split and data.train_fraction < 1:
        order = np.random.default_rng([config.train.seed, len(items)]).permutation(len(items))
        kept = round(data.train_fraction * len(items))
        if not kept:
            raise ValueError(
                f"train_fraction: got {data.train_fraction:g}, which leaves none of the {len(items):,} images of "
                f"{split!r}; expected {1 / len(items):.2g} or more"
            )
        chosen = sorted(order[:kept])
        items = items.take(chosen) if isinstance(items, ShardedPairs) else [items[i] for i in chosen]
    return items


def captions_and_images(config: Config, split: str) -> tuple[Path, Path]:
    """Return the caption file and the image folder of a split; several splits may share them."""
    folder = data_root() / config.data.folder
    return folder / _named(config.data.captions, split), folder / _named(config.data.images, split)


def read_captions(config: Config, split: str, left_out: Counter[str] | None = None) -> list[CaptionedImage]:
    """Read the caption file of a split whole, with whatever other splits it holds.

    Args:
        config: its `data` section names files and format.
        split: the split's name.
        left_out: counts what is left out, by its kind. None = nobody asks.

    Raises:
        FileNotFoundError, ValueError: as the format's reader.
    """
    captions, images = captions_and_images(config, split)
    if config.data.format == "karpathy":
        return read_karpathy(captions, images, None, left_out)
    return READERS[config.data.format](captions, images, left_out=left_out)


def read_people(config: Config) -> list[CaptionedImage]:
    """Read the images whose captions tell men from women (paper, bias removal), whoever else is on them.

    Args:
        config: `people` names a COCO captions JSON below the data root, its images in `people_images`; or a split of
            the profile's own captions, e.g. "dev".

    Returns:
        All captioned images of that file or split.

    Raises:
        FileNotFoundError, ValueError: as `read_split`; or the profile names no people.
    """
    people = config.evaluation.people
    if not people:
        raise ValueError(f"people: profile {config.profile!r} names none, expected a COCO captions JSON or a split")
    if not people.endswith(".json"):
        return read_split(config, people)
    items = read_coco_captions(data_root() / people, data_root() / config.evaluation.people_images)
    if not items:
        raise ValueError(f"{data_root() / people}: no image with a caption")
    return items


READERS = {"coco": read_coco_captions, "csv": read_caption_table, "tokens": read_caption_tokens}


def _named(pattern: str, split: str) -> str:
    return pattern.replace("{split}", split)  # `format` would stumble over any other brace


def _pairs_of(config: Config, split: str) -> Path:
    """What the pairs of a split are read from: a caption file, or shards."""
    return data_root() / config.data.folder / _named(_pairs_pattern(config.data), split)


def _pairs_pattern(data: DataConfig) -> str:
    return data.images if data.format == "webdataset" else data.captions


def _sharded_split(where: Path, split: str, split_file: Path | None, data: DataConfig) -> ShardedPairs:
    pairs = read_shards(where)
    if split_file:
        return pairs.take(listed(list(pairs.keys()), split_file, where))
    return pairs if "{split}" in data.images else pairs.take(_hashed_split(list(pairs.keys()), split, data))


def _hashed_split(image_names: Sequence[str], split: str, data: DataConfig) -> list[int]:
    """Split images by a hash of their names: at fixed shares, adding images never moves others between splits."""
    names = (data.train_split, data.val_split, data.test_split)
    if split not in names:
        raise ValueError(f"split {split!r}: expected one of {', '.join(dict.fromkeys(names))}")
    digests = [zlib.crc32(name.encode()) for name in image_names]
    if not data.val_images and not data.test_images:
        part = np.searchsorted([90, 95], np.array(digests) % 100, side="right")  # 0, 1 or 2
    else:
        images = len(digests)
        val, test = (count or images // 20 for count in (data.val_images, data.test_images))
        if val + test >= images:
            raise ValueError(
                f"val_images, test_images: found {val:,} + {test:,}, expected fewer than all {images:,} images"
            )
        order = np.argsort(digests, kind="stable")  # those added later push few others over a border
        part = np.zeros(images, dtype=int)
        part[order[-val - test : -test]], part[order[-test:]] = 1, 2
    return [i for i, at in enumerate(part) if split == names[at]]


def _needed(config: Config, folder: Path) -> list[Path]:
    data = config.data
    splits = (data.train_split, data.val_split, data.test_split)
    lists = [data.split_file] if data.split_file and data.format != "karpathy" else []  # whose file says the splits
    patterns = [data.images, *([data.captions] if data.format != "webdataset" else []), *lists]
    return sorted({shard_folder(folder / _named(pattern, split)) for pattern in patterns for split in splits})
