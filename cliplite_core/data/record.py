"""What a training reads, as a handful of digits: they tell a run whose data has changed since."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.presence import lost_images
from cliplite_core.data.ready_made import describe_ready_made
from cliplite_core.data.shards import ShardedPairs
from cliplite_core.data.splits import read_split
from cliplite_core.storage.files import write_text
from cliplite_core.storage.fingerprint import fingerprint_files
from cliplite_core.storage.logs import SUMMARY_KEYS
from cliplite_core.storage.notes import note
from cliplite_core.storage.parts import read_parts
from cliplite_core.storage.weights import find_model

RECORD = "data.json"  # in a run's directory, from before its first step
FORMAT = "1"  # raise it when the same data would get other digits: records of another format are not compared


def data_record(config: Config) -> dict[str, str]:
    """Describe the data of a run.

    Args:
        config: the run.

    Returns:
        For the training and the validation split: "… images", how many and a hash of their sizes and sampled contents,
        and "… captions", likewise of every caption with the name of its image; both in the order of the split. And
        what `describe_ready_made` says of a tokenizer and of weights that are files.

    Raises:
        FileNotFoundError, ValueError: as `read_split`; or an image is not there.
    """
    record = {"format": FORMAT}
    for name, split in (("training", config.data.train_split), ("validation", config.data.val_split)):
        images = read_split(config, split)
        in_shards = isinstance(images, ShardedPairs)  # whose members are there if their shard is
        if not in_shards and (lost := lost_images([image.path for image in images])):
            raise FileNotFoundError(f"{config.data.folder}/{split}: {lost}")
        record |= {f"{name} {part}": value for part, value in describe(images).items()}
    return record | describe_ready_made(config)


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the parts in which two records of one format differ, in words; parts the former lacks are not compared.

    Example:
        >>> changes({"format": "1", "training images": "3, 5f0a"}, {"format": "1", "training images": "4, 77c1"})
        ['training images (3, 5f0a → 4, 77c1)']
    """
    if before.get("format") != now["format"]:
        return []
    return [f"{part} ({before[part]} → {now[part]})" for part in now if part in before and before[part] != now[part]]


def read_record(directory: Path) -> dict[str, str] | None:
    """Return the record in a run's directory; None if there is none that can be read."""
    try:
        record = json.loads((directory / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def write_record(directory: Path, record: Mapping[str, str]) -> None:
    """Write the record of a run into its directory."""
    write_text(directory / RECORD, json.dumps(record, indent=1) + "\n")


def expect_mending(directory: Path) -> None:
    """Let an image file be replaced without the run counting as one on other data: one that broke has stopped it."""
    record = read_record(directory) or {}
    write_record(directory, {part: value for part, value in record.items() if not part.endswith(" images")})


def keep_what_belongs(
    config: Config, directory: Path, settings: str = "", expect: Callable[[], object] = lambda: None
) -> None:
    """Set aside what was trained on other data than there is now, and the summary of a run that is not whole.

    What is set aside lies in the folder `former` of the run, until the next time. A line on stderr says so.

    Args:
        config: the run.
        directory: its folder; afterwards it has a record of the data as it is now.
        settings: what else the run depends on, in words, where its folder is not named by the configuration.
        expect: called before anything is set aside; if it raises, all stays where it is.

    Raises:
        FileNotFoundError, ValueError: as `data_record`; a finished run can be used where its data is gone.
    """
    finished = _is_finished(directory)
    try:
        record = data_record(config) | ({"settings": settings} if settings else {})
    except (OSError, ValueError):
        if finished:
            return
        raise
    before = read_record(directory) or {}
    if changed := changes(before, record):
        expect()
        former = directory / "former"
        shutil.rmtree(former, ignore_errors=True)
        former.mkdir()
        for path in [path for path in directory.iterdir() if path.name not in ("lock", "former")]:
            path.rename(former / path.name)
        old = "model" if finished else "checkpoint"
        what = "the settings" if all(part.startswith("settings") for part in changed) else "the data"
        note(f"{directory.name}: {what} changed: {'; '.join(changed)}; trained again, the old {old} is in former/")
    if before != record:
        write_record(directory, record)


def _is_finished(directory: Path) -> bool:
    """Whether a run has its summary and its model, whole; a broken or lonely summary is removed with a line."""
    summary = directory / "run.json"
    if not summary.exists():
        return False
    try:
        content = json.loads(summary.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not content.keys() >= SUMMARY_KEYS:
            raise ValueError("no summary")
    except (ValueError, RecursionError):
        reason = f"{summary} is cut short or broken"
    else:
        try:
            read_parts(find_model(directory / "model"))  # kilobytes: both configurations, and the header of the weights
            return True
        except (FileNotFoundError, ValueError) as error:
            reason = f"{directory.name}: {error}"
    note(f"{reason}; the run is trained again")
    summary.unlink()
    return False


def describe(images: Sequence[CaptionedImage]) -> dict[str, str]:
    """Return "images" and "captions": how many, and 12 digits that change with names, sizes, samples or any caption.

    Raises:
        FileNotFoundError: an image is not there.
    """
    if isinstance(images, ShardedPairs):
        return images.describe()
    told = [text for image in images for text in (image.path.name, *image.captions)]
    digest = hashlib.sha256("\0".join(told).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    files = fingerprint_files([image.path for image in images])[:12]
    return {"images": f"{len(images):,}, {files}", "captions": f"{len(told) - len(images):,}, {digest}"}
