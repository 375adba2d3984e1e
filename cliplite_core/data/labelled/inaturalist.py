"""iNaturalist as distributed: one folder of photos for all splits, and a COCO-like list per split.

    train2018.json, val2018.json      images {id, file_name}, annotations {image_id, category_id}, categories {id, name}
    categories.json                   the species' names: those in the lists are numbers
    train_val2018/SUPERCATEGORY/ID/*.jpg

Source: https://github.com/visipedia/inat_comp/tree/master/2018
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cliplite_core.data.captions import read_json
from cliplite_core.data.inside import ImageFolder
from cliplite_core.data.schema import INATURALIST, SPECIES, expect_one_each, fitting


def read_inaturalist(annotations: str | Path) -> tuple[list[Path], np.ndarray, list[str]]:
    """Read the labels of a split.

    Args:
        annotations: the split's list, such as `inaturalist2018/val2018.json`; file names are relative to its folder.

    Returns:
        The N image files, as listed; labels of shape (N,), int64; the class names in the order of their ids: species
        where `categories.json` lies beside the list, else what the list has, which in 2018 are numbers.

    Raises:
        FileNotFoundError: the list, or the first image it names, is missing.
        ValueError: not such a list, an image has no label, several, or one of an unknown category, or its name leads
            out of the list's folder.
    """
    annotations = Path(annotations)
    content = read_json(annotations, "iNaturalist's list of a split")
    if isinstance(content, dict) and (lacking := {"images", "annotations", "categories"} - set(content)):
        raise ValueError(f"{annotations}: found no {', '.join(sorted(lacking))}; test lists have no labels")
    content = fitting(content, INATURALIST, annotations, "list of iNaturalist")
    expect_one_each(content["images"], annotations, "images", value="file_name")
    released = annotations.with_name("categories.json")
    categories = content["categories"]
    if released.is_file():
        categories = fitting(read_json(released, "iNaturalist's species"), SPECIES, released, "list of species")
    expect_one_each(categories, annotations, "categories", value="name")
    names = {entry["id"]: str(entry["name"]) for entry in sorted(categories, key=lambda entry: entry["id"])}
    rows = {category: row for row, category in enumerate(names)}
    label_of: dict[int, int] = {}
    for entry in content["annotations"]:
        if entry["category_id"] not in rows:
            raise ValueError(f"{annotations}: image {entry['image_id']} is of category {entry['category_id']}, unknown")
        if label_of.setdefault(entry["image_id"], rows[entry["category_id"]]) != rows[entry["category_id"]]:
            raise ValueError(f"{annotations}: image {entry['image_id']} has several labels, expected one")
    if unlabelled := [image["id"] for image in content["images"] if image["id"] not in label_of]:
        raise ValueError(f"{annotations}: {len(unlabelled)} images have no label, such as {unlabelled[0]}")
    folder = ImageFolder(annotations.parent, annotations)
    paths = [folder.path(image["file_name"], f"image {image['id']}") for image in content["images"]]
    if not paths or not paths[0].is_file():
        first = paths[0] if paths else "any image"
        raise FileNotFoundError(f"{annotations}: {first} not found; unpack train_val2018.tar.gz beside the list")
    return paths, np.array([label_of[image["id"]] for image in content["images"]], dtype=np.int64), [*names.values()]
