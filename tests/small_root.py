"""A data root of a few photos in the public layouts, blanks and umlauts in its names, and a profile that reads it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

PROFILE = """
extends = "coco"
[data]
workers = 0
[evaluation]
zero_shot = "tiere und dinge/test"
zero_shot_more = []
voc = ""
probe = "tiere und dinge"
probe_test_split = "test"
refs = "refcoco/refs.json"
ref_boxes = "refcoco/instances.json"
ref_images = "coco/train2017"
ref_splits = ["val"]
"""
SIZES = [(96, 72), (64, 128), (200, 150)]  # width, height


def write_photo(path: Path, size: tuple[int, int], seed: int) -> None:
    """A photo-like JPEG: smooth, with some noise, unlike any other seed's."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noisy = np.asarray(coarse).astype(int) + rng.integers(-9, 10, (size[1], size[0], 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_voc(root: Path, pictures: Sequence[Path]) -> None:
    """A VOC tree of two classes: of the pictures, all of one folder, every second is a dog and every third a moon."""
    (root / "ImageSets/Main").mkdir(parents=True)
    shutil.copytree(pictures[0].parent, root / "JPEGImages")
    for name, every in (("dog", 2), ("moon", 3)):
        lines = [f"{picture.stem} {1 if i % every == 0 else -1}\n" for i, picture in enumerate(pictures)]
        (root / f"ImageSets/Main/{name}_trainval.txt").write_text("".join(lines[:16]))
        (root / f"ImageSets/Main/{name}_test.txt").write_text("".join(lines[16:]))


def write_coco(root: Path, split: str, names: list[str]) -> None:
    images = [
        {"id": 10 + n, "file_name": name, "width": SIZES[n % 3][0], "height": SIZES[n % 3][1]}
        for n, name in enumerate(names)
    ]
    for image in images:
        write_photo(root / f"{split}2017" / image["file_name"], (image["width"], image["height"]), seed=image["id"])
    captions = [
        {"id": 100 + 5 * image["id"] + n, "image_id": image["id"], "caption": f"a cat, told {n}"}
        for image in images
        for n in range(5)
    ]
    boxes = [
        {"id": 7 + image["id"], "image_id": image["id"], "category_id": 1, "iscrowd": 0, "bbox": [4, 8, 40, 20]}
        for image in images
    ]
    write_json(root / f"annotations/captions_{split}2017.json", {"images": images, "annotations": captions})
    instances = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cat"}]}
    write_json(root / f"annotations/instances_{split}2017.json", instances)


def write_root(root: Path) -> Path:
    """Writes the data below `root` and the profile beside it, and returns the profile's path."""
    write_coco(root / "coco", "train", ["0001.jpg", "mit blank.jpg", "grün.jpg", "夜.jpg"])
    write_coco(root / "coco", "val", ["0005.jpg", "0006.jpg"])
    for split in ("train", "test"):
        for number, name in enumerate(("Bär", "Schüssel")):
            for index in range(2):
                write_photo(
                    root / "tiere und dinge" / split / name / f"{index}.jpg", (48, 40), seed=50 * number + index
                )
    (root / "refcoco").mkdir()
    (root / "refcoco" / "instances.json").write_bytes((root / "coco/annotations/instances_train2017.json").read_bytes())
    sentences = [{"sent": "the cat", "sent_id": 0}]
    ref = {"ref_id": 1, "ann_id": 17, "image_id": 10, "split": "val", "sentences": sentences}
    write_json(root / "refcoco" / "refs.json", [ref])
    profile = root.parent / "small.toml"
    profile.write_text(PROFILE, encoding="utf-8")
    return profile
