"""Readers of caption files: each public format becomes one list of `CaptionedImage`."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cliplite_core.data.inside import ImageFolder
from cliplite_core.data.schema import COCO_CAPTIONS, expect_one_each, fitting
from cliplite_core.storage.tar_files import TarMember

EMPTY, UNLISTED = "empty captions", "captions of images that are not listed"


@dataclass(frozen=True)
class CaptionedImage:
    """One image file and the captions people gave it.

    Attributes:
        path: the image file, or a member of a tar file.
        captions: one or more captions, as written.
        image_id: the data set's own identifier, if it has one, else the file name.
    """

    path: Path | TarMember
    captions: tuple[str, ...]
    image_id: int | str

    @property
    def name(self) -> str:
        """The name in split lists, which is that of the file, below the image folder where the format says it so."""
        return self.image_id if isinstance(self.image_id, str) else self.path.name


def read_coco_captions(annotations: Path, images: Path, left_out: Counter[str] | None = None) -> list[CaptionedImage]:
    """Read a COCO captions file (`captions_train2017.json`, `captions_val2014.json`, or one's own in that form).

    Args:
        annotations: the JSON file with the lists `images` and `annotations`.
        images: the folder that `file_name` is relative to.
        left_out: counts what is left out, by its kind. None = nobody asks.

    Returns:
        Images with at least one non-empty caption, in the order of the file's image list; entries of the same file
        are one image.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: not JSON, a key is missing or of another type, two images have one id, or a `file_name` leads out of
            the folder; the message names it.
    """
    content = read_json(annotations, "a COCO captions JSON file")
    content = fitting(content, COCO_CAPTIONS, annotations, "COCO captions file")
    expect_one_each(content["images"], annotations, "images", value="file_name")
    left_out, folder = Counter() if left_out is None else left_out, ImageFolder(images, annotations)
    captions: dict[str, list[str]] = defaultdict(list)
    first_id: dict[str, int | str] = {}
    names = {image["id"]: image["file_name"] for image in content["images"]}
    for image_id, name in names.items():
        first_id.setdefault(name, image_id)
    for entry in content["annotations"]:
        if entry["image_id"] not in names:
            left_out[UNLISTED] += 1
        elif not entry["caption"].strip():
            left_out[EMPTY] += 1
        else:
            captions[names[entry["image_id"]]].append(entry["caption"].strip())
    return [
        CaptionedImage(folder.path(name, f"image {image_id}"), tuple(captions[name]), image_id)
        for name, image_id in first_id.items()
        if name in captions
    ]


def read_caption_table(
    table: Path, images: Path, split_file: Path | None = None, left_out: Counter[str] | None = None
) -> list[CaptionedImage]:
    """Read a table of captions with the columns `image,caption`, as Kaggle distributes Flickr8k; one row per caption.

    Args:
        table: CSV with a header; quoted captions may contain commas.
        images: the folder that the column `image` is relative to.
        split_file: one image name a line; only these are kept. None = all.
        left_out: counts what is left out, by its kind. None = nobody asks.

    Returns:
        Images in the order of their first row, or of the split file.

    Raises:
        FileNotFoundError: the table or the split file does not exist.
        ValueError: the header lacks a column or has one twice, a row is broken or names a file outside the folder, or
            the split names images without captions.
    """
    left_out = Counter() if left_out is None else left_out
    captions: dict[str, list[str]] = defaultdict(list)
    paths: dict[str, Path] = {}
    folder = ImageFolder(images, table)
    for line, name, caption in _table_rows(table):
        if caption.strip() and not name.strip():
            raise ValueError(f"{table}: no image name beside the caption {caption!r}")
        if caption.strip():
            if name not in paths:
                paths[name] = folder.path(name, f"line {line}")
            captions[name].append(caption.strip())
        else:
            left_out[EMPTY] += 1
    items = [CaptionedImage(paths[name], tuple(texts), name) for name, texts in captions.items()]
    return items if split_file is None else keep_listed(items, split_file, table)


def _table_rows(table: Path) -> Iterator[tuple[int, str, str]]:
    """Yield (line, image, caption) of every row; a row with a field too few or too many ends it, by its line."""
    must_exist(table, "a CSV file with the columns image,caption")
    with table.open(encoding="utf-8-sig", newline="") as file:
        reader, line = csv.reader(file, strict=True), 1
        try:
            header = next(reader, [])
            if not {"image", "caption"} <= set(header):
                found = f"the columns {', '.join(header)}" if header else "nothing"
                raise ValueError(f"{table}: found {found}, expected image,caption in the first line")
            if twice := [name for name in ("image", "caption") if header.count(name) > 1]:
                raise ValueError(
                    f"{table}: found {header.count(twice[0])} columns {twice[0]}, expected one of that name"
                )
            image, caption = header.index("image"), header.index("caption")
            line = reader.line_num + 1
            for row in reader:
                if row and len(row) != len(header):  # an empty line is no row
                    raise ValueError(
                        f"{table}: broken row: line {line} has {len(row)} fields, expected {len(header)}; "
                        "quote captions that contain a comma"
                    )
                if row:
                    yield line, row[image], row[caption]
                line = reader.line_num + 1
        except csv.Error as error:
            if "field limit" in str(error):
                raise ValueError(
                    f"{table}: the row that begins in line {line} has a field of more than {csv.field_size_limit():,} "
                    "letters, expected a caption; shorten it, or close the quote that it begins with"
                ) from error
            raise ValueError(
                f"{table}: broken row: the one that begins in line {line}: {error}; quotes around a caption come in "
                "pairs, one inside it is written twice"
            ) from error
        except UnicodeDecodeError as error:
            raise ValueError(f"{table}: no UTF-8 table with the columns image,caption: {error}") from error


def keep_listed(items: Sequence[CaptionedImage], split_file: Path, source: Path) -> list[CaptionedImage]:
    """Keep the images that a split list names, in its order; see `listed`."""
    return [items[i] for i in listed([item.name for item in items], split_file, source)]


def listed(image_names: Sequence[str], split_file: Path, source: Path) -> list[int]:
    """Find the images that a split list names, in its order; a name given twice counts once.

    Args:
        image_names: of the images of all splits.
        split_file: one image name a line, as of Flickr8k; or without its ending, as of Flickr30k Entities.
        source: the caption file behind the images, for messages.

    Returns:
        The place of each among `image_names`.

    Raises:
        FileNotFoundError: there is no such list.
        ValueError: it is no UTF-8 text, names images without a caption, or one by a name that several share.
    """
    must_exist(split_file, "a list of image names, one per line")
    names = list(dict.fromkeys(line.strip() for line in read_lines(split_file) if line.strip()))
    by_name = {name: place for place, name in enumerate(image_names)}
    without_ending = {name.rpartition(".")[0]: place for name, place in by_name.items()}
    found = [by_name.get(name, None if "." in name else without_ending.get(name)) for name in names]
    missing = [name for name, place in zip(names, found, strict=True) if place is None]
    shared = Counter(image_names) if len(by_name) < len(image_names) else Counter()
    shared += (
        Counter(name.rpartition(".")[0] for name in image_names) if len(without_ending) < len(by_name) else Counter()
    )
    if ambiguous := [name for name in names if shared[name] > 1]:
        raise ValueError(
            f"{split_file}: {ambiguous[0]!r} is the name of {shared[ambiguous[0]]} images in {source.name}; expected a "
            "name for each: with its ending, and below the image folder"
        )
    if missing:
        raise ValueError(
            f"{split_file}: {len(missing)} images without a caption in {source.name}, first {missing[0]!r}"
        )
    return [place for place in found if place is not None]


def read_json(path: Path, what: str) -> Any:
    """Return the content of a JSON file; an error names the file, and says `what` was expected where there is none."""
    must_exist(path, what)
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a plain ValueError
        reason = "nested too deep" if isinstance(error, RecursionError) else error
        raise ValueError(f"{path}: not complete JSON ({reason}); fetch the file again") from None


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 text, whether they end as on Linux or as on Windows; an error names the file."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # Python reads "\r\n" as "\n"
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: no UTF-8 text ({error}); fetch the file again, or save it as UTF-8") from error
    return text.removesuffix("\n").split("\n")  # `splitlines` would also break at signs that captions may hold


def must_exist(path: Path, what: str) -> None:
    """Raises FileNotFoundError, which says `what` was expected, unless the path is a file."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} not found, expected {what}")
