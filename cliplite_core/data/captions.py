"""Readers of caption files: each public format becomes one list of `CaptionedImage`."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pandas as pd


@dataclass(frozen=True)
class CaptionedImage:
    """One image file and the captions people gave it.

    Attributes:
        path: the image file.
        captions: one or more captions, as written.
        image_id: the data set's own identifier, if it has one, else the file name.
    """

    path: Path
    captions: tuple[str, ...]
    image_id: int | str


def read_coco_captions(annotations: Path, images: Path) -> list[CaptionedImage]:
    """Reads a COCO captions file (`captions_train2017.json`).

    Args:
        annotations: the JSON file with the lists `images` and `annotations`.
        images: the folder that `file_name` is relative to.

    Returns:
        Images with at least one non-empty caption, in the order of the file's image list.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: not JSON, or a list or key is missing; the message names it.
    """
    _must_exist(annotations, "a COCO captions JSON file")
    try:
        content = json.loads(annotations.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{annotations}: not complete JSON ({error}); fetch the file again") from error
    captions: dict[int, list[str]] = defaultdict(list)
    try:
        for entry in content["annotations"]:
            if entry["caption"].strip():
                captions[entry["image_id"]].append(entry["caption"].strip())
        return [
            CaptionedImage(images / image["file_name"], tuple(captions[image["id"]]), image["id"])
            for image in content["images"]
            if captions.get(image["id"])
        ]
    except KeyError as error:
        raise ValueError(f"{annotations}: no COCO captions file, {error} is missing") from error
    except (AttributeError, TypeError) as error:
        raise ValueError(f"{annotations}: no COCO captions file: {error}") from error


def read_caption_table(table: Path, images: Path, split_file: Path | None = None) -> list[CaptionedImage]:
    """Reads a table of captions with the columns `image,caption`, as Kaggle distributes Flickr8k; one row a caption.

    Args:
        table: CSV with a header; quoted captions may contain commas.
        images: the folder that the column `image` is relative to.
        split_file: one image name a line; only these are kept. None = all.

    Returns:
        Images in the order of their first row.

    Raises:
        FileNotFoundError: the table or the split file does not exist.
        ValueError: the header lacks a column, a row is broken, or the split names images without captions.
    """
    _must_exist(table, "a CSV file with the columns image,caption")
    try:
        rows = pd.read_csv(table, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pd.errors.ParserError as error:
        raise ValueError(f"{table}: broken row: {error}; quote captions that contain a comma") from error
    except (pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{table}: no UTF-8 table with the columns image,caption: {error}") from error
    if not {"image", "caption"} <= set(rows.columns):
        raise ValueError(
            f"{table}: found the columns {', '.join(rows.columns)}, expected image,caption in the first line"
        )
    if not isinstance(rows.index, pd.RangeIndex):  # more fields than columns: pandas took the first for an index
        raise ValueError(f"{table}: broken row: the first has too many fields; quote captions that contain a comma")
    rows = rows[rows["caption"].str.strip() != ""]
    captions = rows.groupby("image", sort=False)["caption"].agg(lambda texts: tuple(text.strip() for text in texts))
    if split_file is not None:
        _must_exist(split_file, "a list of image names, one a line")
        names = [line.strip() for line in split_file.read_text(encoding="utf-8").splitlines() if line.strip()]
        missing = [name for name in names if name not in captions.index]
        if missing:
            raise ValueError(
                f"{split_file}: {len(missing)} images without a caption in {table.name}, first {missing[0]!r}"
            )
        captions = captions.loc[names]
    return [CaptionedImage(images / name, texts, name) for name, texts in captions.items()]


def _must_exist(path: Path, what: str) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"{path} not found, expected {what}")
