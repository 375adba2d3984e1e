"""ImageNet and its test sets: folders named by WordNet id or by class number, and Kaggle's flat validation set.

imagenet/{train,val}/WNID/*.JPEG           as torchvision.datasets.ImageNet unpacks image-net.org's archives
imagenet/ILSVRC/Data/CLS-LOC/…             as Kaggle packs it: val is flat, its labels in LOC_val_solution.csv
imagenet-a/WNID/*.jpg                      200 of the 1000 classes (Hendrycks et al. 2021)
imagenetv2-matched-frequency-format-val/N  N = 0 … 999, the class number (Recht et al. 2019)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from cliplite_core.data.labelled.labels import read_image_folder
from cliplite_core.data.labelled.layouts import KAGGLE_IMAGENET
from cliplite_core.data.labelled.wordnet import class_names, imagenet_names


def read_class_folders(root: str | Path) -> tuple[list[Path], np.ndarray, list[str]]:
    """Read a folder with one sub-folder of images per class and name the classes in words.

    The classes are those whose folders are there. ImageNet-A has 200, and naming is among these 200, as its
    authors evaluate (https://github.com/hendrycks/natural-adv-examples).

    Args:
        root: such as `imagenet/val`, `imagenet-a` or `cifar10/test`.

    Returns:
        The N image files, ordered by class; labels of shape (N,), int64; the class names. Folders "0" to "999" are
        ImageNet's class numbers and are ordered as numbers: as words, "10" would come before "2".

    Raises:
        FileNotFoundError: as `read_image_folder` and `class_names`.
    """
    paths, labels, folders = read_image_folder(root)
    names = imagenet_names()
    if set(folders) != {str(number) for number in range(len(names))}:
        return paths, labels, class_names(folders, Path(root))
    numbers = np.array([int(folder) for folder in folders])[labels]
    order = np.argsort(numbers, kind="stable")
    return [paths[row] for row in order], numbers[order], list(names.values())


def read_kaggle_imagenet(root: str | Path, split: str) -> tuple[list[Path], np.ndarray, list[str]]:
    """Read ImageNet as Kaggle packs it (competition imagenet-object-localization-challenge).

    Args:
        root: the folder that holds `ILSVRC/` and `LOC_val_solution.csv`.
        split: "train" or "val".

    Returns:
        As `read_class_folders`; "val" in the order of the file names.

    Raises:
        FileNotFoundError: the list of labels is missing, or images are (all are counted).
        ValueError: the split has no labels, or an image has none.
    """
    root, folder = Path(root), Path(root) / KAGGLE_IMAGENET / split
    if split == "train":
        return read_class_folders(folder)
    solution = root / f"LOC_{split}_solution.csv"
    if not solution.is_file():
        raise FileNotFoundError(f"{solution} not found; it is part of Kaggle's archive and holds the labels of {split}")
    try:
        table = pd.read_csv(solution, dtype=str).sort_values("ImageId", kind="stable")
        if table["ImageId"].duplicated().any():
            raise ValueError(f"the image {table['ImageId'][table['ImageId'].duplicated()].iloc[0]!r} stands twice")
    except (ValueError, KeyError) as error:  # pandas' own errors are ValueErrors
        raise ValueError(
            f"{solution}: no table with the columns ImageId,PredictionString ({error}); fetch it again"
        ) from None
    if "PredictionString" not in table:
        raise ValueError(f"{solution}: found no column PredictionString, expected ImageId,PredictionString")
    wnids = (
        table["PredictionString"].fillna("").str.partition(" ")[0]
    )  # "n03995372 85 1 499 272": the class, then a box
    names = imagenet_names()
    if unknown := sorted(set(wnids) - set(names)):
        raise ValueError(f"{solution}: {unknown[:5]} are none of ImageNet's 1000 classes")
    there = {path.stem: path for path in folder.iterdir()}
    if missing := [image for image in table["ImageId"] if image not in there]:
        raise FileNotFoundError(f"{folder}: {len(missing)} of the {len(table)} images are missing, first {missing[0]}")
    rows = {wnid: row for row, wnid in enumerate(names)}
    labels = np.array([rows[wnid] for wnid in wnids], dtype=np.int64)
    return [there[image] for image in table["ImageId"]], labels, list(names.values())
