"""From a configuration to the captioned images of a split, whatever the format on disk."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from filelock import FileLock

from cliplite_core.config import Config, DataConfig
from cliplite_core.data.captions import CaptionedImage, read_caption_table, read_coco_captions
from cliplite_core.data.scenes import generate
from cliplite_core.workspace import data_root


def data_folder(config: Config) -> Path:
    """Returns the folder of the profile's data set; composes the embedded scenes first, if they are not there yet.

    Args:
        config: its `data` section names the folder.

    Returns:
        An existing folder.

    Raises:
        FileNotFoundError: files of the set are missing; the message lists each of them and says where to look.
    """
    folder = data_root() / config.data.folder
    if config.data.scenes_train:
        data_root().mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):  # two trainings may start side by side
            generate(folder, **_scene_sizes(config.data))
    missing = [path for path in _needed(config, folder) if not path.exists()]
    if missing:
        listing = "\n".join(f"  {path}" for path in missing)
        raise FileNotFoundError(
            f"profile {config.profile!r} needs files that are not there:\n{listing}\n"
            f"Set CLIPLITE_DATA to the folder that holds {config.data.folder!r} (now {data_root()}); "
            "data/README.md says where to get each set and how it is laid out"
        )
    return folder


def read_split(config: Config, split: str) -> list[CaptionedImage]:
    """Reads the captioned images of one split; the training split is cut to `train_fraction`.

    Args:
        config: its `data` section names files and format.
        split: the split's name as the data set has it, e.g. `config.data.train_split`.

    Returns:
        The images in the data set's order; a fraction is a random subset, the same for a seed, smaller ones nested.

    Raises:
        FileNotFoundError, ValueError: as `data_folder` and the format's reader.
    """
    folder, data = data_folder(config), config.data
    captions, images = folder / data.captions.format(split=split), folder / data.images.format(split=split)
    if data.format == "coco":
        items = read_coco_captions(captions, images)
    elif data.split_file:
        items = read_caption_table(captions, images, folder / data.split_file.format(split=split))
    else:
        items = [
            item for item in read_caption_table(captions, images) if _hashed_split(str(item.image_id), data) == split
        ]
    if split == data.train_split and data.train_fraction < 1:
        order = np.random.default_rng([config.train.seed, len(items)]).permutation(len(items))
        items = [items[i] for i in sorted(order[: round(data.train_fraction * len(items))])]
    return items


def _hashed_split(name: str, data: DataConfig) -> str:
    """The split of an image by a hash of its name: adding images to a table never moves others between splits."""
    percentile = zlib.crc32(name.encode()) % 100
    return data.train_split if percentile < 90 else data.val_split if percentile < 95 else data.test_split


def _scene_sizes(data: DataConfig) -> dict[str, int]:
    """Sizes of the scenes' splits and views: all that is evaluated on grows with `scenes_eval`."""
    share = data.scenes_eval // 25
    return {
        "train": data.scenes_train,
        "val": data.scenes_eval,
        "test": data.scenes_eval,
        "novel": 15 * share,
        "people": 20 * share,
        "voc_trainval": min(3 * data.scenes_eval, data.scenes_train),
        "single_train": 2 * share,
        "single_val": share,
        "shift": share,
    }


def _needed(config: Config, folder: Path) -> list[Path]:
    data = config.data
    splits = (data.train_split, data.val_split, data.test_split)
    patterns = [data.captions, data.images, *([data.split_file] if data.split_file else [])]
    return sorted({folder / pattern.format(split=split) for pattern in patterns for split in splits})
