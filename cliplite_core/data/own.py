"""One's own pairs, wherever they lie: how they are read and split, and how long a training on them lasts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage, read_json
from cliplite_core.data.karpathy import read_karpathy
from cliplite_core.data.record import describe
from cliplite_core.data.shards import read_shards
from cliplite_core.data.splits import READERS, read_split
from cliplite_core.profiles import load_profile

LEAST = 50  # images: of fewer, nothing can be held out that says anything
MOST_HELD_OUT = 1000  # enough for intervals of some three percent
MOST_STEPS = 1000  # between two checkpoints
EXPECTED = "expected a CSV with the columns image,caption, or a COCO captions JSON"


def own_config(captions: str | Path, images: str | Path, profile: str, epochs: float, **values: Any) -> Config:
    """Return the configuration of a training on pairs of one's own.

    Args:
        captions: a CSV with the columns image,caption, a COCO captions JSON, or another file that a reader knows; or a
            folder of WebDataset shards.
        images: the folder that its image names are relative to; of shards, the same folder again.
        profile: what everything else is taken from.
        epochs: how often the training shows each image; the steps follow from the number of images.
        **values: fields of the configuration that differ from the profile.

    Returns:
        The configuration. A tenth of the images is held out to tune on and a fifth to report, at most 1,000 each,
        chosen by a hash of the name; a format that knows its own splits keeps them.

    Raises:
        FileNotFoundError: one of the two is not there.
        ValueError: fewer than 50 images, or what the reader says of the file.
        ConfigError: a value is wrong.

    Example:
        >>> own_config("no.csv", ".", "own", 10)
        Traceback (most recent call last):
        FileNotFoundError: no.csv not found; expected a CSV with the columns image,caption, or a COCO captions JSON
    """
    captions, images = _there(captions, images)
    where = {"folder": images.resolve().name, "captions": str(captions.resolve()), "images": str(images.resolve())}
    config = load_profile(
        profile, **{**where, "format": _format(captions), "split_file": "", **_without_length(values)}
    )
    if config.data.format != "karpathy" and not config.data.split_file:
        count = len(own_pairs(captions, images))
        if count < LEAST:
            raise ValueError(f"{captions}: found {count} images with captions, expected at least {LEAST}")
        sizes = {"val_images": max(10, count // 10), "test_images": count // 5}
        config = config.override(**{name: min(MOST_HELD_OUT, n) for name, n in sizes.items() if name not in values})
    return with_length(config, epochs, **values)


def with_length(config: Config, epochs: float, **values: Any) -> Config:
    """Return a configuration that shows each training image so many times.

    Args:
        config: names the data.
        epochs: how often.
        **values: fields that are set regardless.
    """
    count = len(read_split(config, config.data.train_split))
    batch = values.get("batch_size", min(config.train.batch_size, max(2, count // 2)))
    steps = values.get("steps", max(1, round(epochs * count / batch)))
    length = {
        "steps": steps,
        "batch_size": batch,
        "warmup_steps": min(config.optim.warmup_steps, steps // 10),
        "checkpoint_every": min(MOST_STEPS, max(1, steps // 10)),
        "log_every": max(1, steps // 100),
    }
    if config.objective.negatives is not None:
        length["negatives"] = min(config.objective.negatives, batch - 1)
    return config.override(**length | values)


def _without_length(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is checked against each other, and is set together by `with_length`."""
    return {name: value for name, value in values.items() if name not in ("batch_size", "negatives")}


def own_pairs(
    captions: str | Path, images: str | Path, left_out: Counter[str] | None = None
) -> Sequence[CaptionedImage]:
    """Read all images of a caption file, whatever splits it may know of, or of a folder of shards.

    Args:
        captions, images: as `own_config` takes them.
        left_out: counts what is left out, by its kind. None = nobody asks.

    Raises:
        FileNotFoundError, ValueError: as `own_config`, however few the images are.
    """
    captions, images = _there(captions, images)
    if (kind := _format(captions)) == "webdataset":
        return read_shards(captions)
    if kind != "karpathy":
        return READERS[kind](captions, images, left_out=left_out)
    splits = {entry.get("split") for entry in read_json(captions, "a JSON file")["images"]} - {"restval"}
    return [item for split in sorted(splits) for item in read_karpathy(captions, images, split, left_out)]


def fingerprint_pairs(items: Sequence[CaptionedImage]) -> str:
    """Return digits that change when the name, the size or a caption of an image does, or a sampled content.

    Raises:
        FileNotFoundError: an image is not there.
    """
    return " · ".join(value.rpartition(" ")[2] for value in describe(items).values())


def published(config: Config) -> Config:
    """Return the configuration as a model may carry it to others: names of files without the folders they lie in."""
    data = config.data
    return config.override(captions=Path(data.captions).name, images=Path(data.images).name)


def _there(captions: str | Path, images: str | Path) -> tuple[Path, Path]:
    captions, images = Path(captions), Path(images)
    if captions.is_dir() and any(captions.glob("*.tar")):
        if images.resolve() != captions.resolve():
            raise ValueError(f"{images}: expected the folder of the shards, {captions}, as their images are in them")
        return captions, captions
    if captions.is_dir():
        raise ValueError(f"{captions} is a folder without shards (.tar), {EXPECTED}")
    if not captions.is_file():
        raise FileNotFoundError(f"{captions} not found; {EXPECTED}")
    if not images.is_dir():
        raise FileNotFoundError(
            f"{images} not found; expected the folder that the image names of {captions} start from"
        )
    return captions, images


def _format(captions: Path) -> str:
    if captions.is_dir():
        return "webdataset"
    if captions.suffix == ".token":
        return "tokens"
    if captions.suffix != ".json":
        return "csv"
    content = read_json(captions, "a COCO captions JSON file")
    entries = content.get("images") if isinstance(content, dict) else None
    first = entries[0] if isinstance(entries, list) and entries else None
    return "karpathy" if isinstance(first, dict) and "sentences" in first else "coco"
