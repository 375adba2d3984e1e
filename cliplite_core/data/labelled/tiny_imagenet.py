"""Tiny ImageNet as distributed: 200 classes of 64 px photos, each photo with one box (CS231N, Stanford).

    wnids.txt                         the 200 WordNet ids
    words.txt                         WordNet id, tab, synonyms
    train/WNID/images/*.JPEG          and train/WNID/WNID_boxes.txt: name, x1, y1, x2, y2
    val/images/*.JPEG                 and val/val_annotations.txt: name, WNID, x1, y1, x2, y2
    test/images/*.JPEG                no labels

Source: http://cs231n.stanford.edu/tiny-imagenet-200.zip
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from cliplite_core.data.captions import read_lines
from cliplite_core.data.labelled.boxes import BoxedImage
from cliplite_core.data.labelled.wordnet import read_words

SIDE = 64  # pixels of every image of the set

Box = tuple[int, int, int, int]


def read_tiny_imagenet(root: str | Path, split: str) -> tuple[list[Path], np.ndarray, list[str]]:
    """Read the labels of a split.

    Args:
        root: the folder with `wnids.txt`.
        split: "train" or "val".

    Returns:
        The N image files, ordered by class in "train" and as listed in "val"; labels of shape (N,), int64; the
        class names in the order of their WordNet ids: the first synonym of `words.txt`.

    Raises:
        FileNotFoundError: a list is missing, or images it names are (all are counted).
        ValueError: the split has no labels, a line is broken, a class is unknown, has no name or no image.
    """
    wnids = _wnids(Path(root))
    photos = list(_photos(Path(root), split, wnids))
    words = read_words(Path(root) / "words.txt")
    if unnamed := [wnid for wnid in wnids if wnid not in words]:
        raise ValueError(
            f"{Path(root) / 'words.txt'}: no name for {unnamed[:5]}, expected lines of WNID, tab, synonyms"
        )
    rows = {wnid: row for row, wnid in enumerate(wnids)}
    labels = np.array([rows[wnid] for _, wnid, _ in photos], dtype=np.int64)
    return [path for path, _, _ in photos], labels, [words[wnid].split(",")[0] for wnid in wnids]


def read_tiny_boxes(root: str | Path, split: str) -> list[BoxedImage]:
    """Read the boxes of a split, one per image, its category the class name.

    `0 0 63 63` is the whole of a 64 px image: the last row and column belong to the box, so x2 and y2 grow by 1.

    Args:
        root: the folder with `wnids.txt`.
        split: "train" or "val".

    Returns:
        One record per image, in the order of the lists; `image_id` and annotation id count from 1.

    Raises:
        FileNotFoundError, ValueError: as `read_tiny_imagenet`.
    """
    wnids, words = _wnids(Path(root)), read_words(Path(root) / "words.txt")
    names = {wnid: words.get(wnid, wnid).split(",")[0] for wnid in wnids}
    return [
        BoxedImage(
            path=path,
            image_id=number,
            width=SIDE,
            height=SIDE,
            boxes=torch.tensor([[x1, y1, x2 + 1, y2 + 1]], dtype=torch.float32),
            annotation_ids=(number,),
            category_names=(names[wnid],),
        )
        for number, (path, wnid, (x1, y1, x2, y2)) in enumerate(_photos(Path(root), split, wnids), start=1)
    ]


def _wnids(root: Path) -> list[str]:
    if not (root / "wnids.txt").is_file():
        raise FileNotFoundError(f"{root}: no wnids.txt; expected the unpacked folder tiny-imagenet-200")
    return sorted(" ".join(read_lines(root / "wnids.txt")).split())


def _photos(root: Path, split: str, wnids: list[str]) -> Iterator[tuple[Path, str, Box]]:
    """Yield every photo with its class and box; check that it is there, and that no class is empty."""
    if split not in ("train", "val"):
        raise ValueError(f"{root}: split {split!r} has no labels there; expected 'train' or 'val'")
    if split == "val":
        rows = [(name, wnid, box) for name, wnid, *box in _rows(root / "val/val_annotations.txt", fields=6)]
        if unknown := sorted({wnid for _, wnid, _ in rows} - set(wnids)):
            raise ValueError(f"{root / 'val/val_annotations.txt'}: {unknown[:5]} are not in wnids.txt")
        yield from _existing(root / "val/images", rows)
        return
    for wnid in wnids:
        rows = [(name, wnid, box) for name, *box in _rows(root / f"train/{wnid}/{wnid}_boxes.txt", fields=5)]
        if not rows:
            raise ValueError(f"{root / f'train/{wnid}/{wnid}_boxes.txt'}: no line; the class {wnid} has no image")
        yield from _existing(root / f"train/{wnid}/images", rows)


def _existing(folder: Path, rows: list[tuple[str, str, Box]]) -> Iterator[tuple[Path, str, Box]]:
    there = set(os.listdir(folder)) if folder.is_dir() else set()  # one listing is quicker than a question an image
    if missing := [name for name, _, _ in rows if name not in there]:
        raise FileNotFoundError(
            f"{folder}: {len(missing)} of the {len(rows)} images of its list are missing, first {missing[0]}; "
            "unpack tiny-imagenet-200.zip again"
        )
    for name, wnid, box in rows:
        yield folder / name, wnid, box


def _rows(path: Path, fields: int) -> Iterator[tuple]:
    """Yield the lines of a list; the last four fields are the box, as integers."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} not found; unpack tiny-imagenet-200.zip again")
    for number, line in enumerate(read_lines(path), start=1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != fields or not all(part.isdecimal() for part in parts[-4:]):
            raise ValueError(f"{path}:{number}: found {line!r}, expected {fields} fields ending in x1 y1 x2 y2")
        yield *parts[:-4], *map(int, parts[-4:])
