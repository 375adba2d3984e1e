"""From a path in a profile to labelled or boxed images, whatever layout the set is distributed in."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cliplite_core.data.labelled.boxes import BoxedImage, clean_boxes, read_instances
from cliplite_core.data.labelled.cifar import read_cifar
from cliplite_core.data.labelled.imagenet import read_class_folders, read_kaggle_imagenet
from cliplite_core.data.labelled.inaturalist import read_inaturalist
from cliplite_core.data.labelled.layouts import class_layout, inaturalist_list
from cliplite_core.data.labelled.tiny_imagenet import read_tiny_boxes, read_tiny_imagenet

# Files, or one uint8 array (N, H, W, 3) where the set is distributed as arrays; labels (N,) int64; C class names.
Labelled = tuple[list[Path] | np.ndarray, np.ndarray, list[str]]

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")


def read_classes(path: str | Path) -> Labelled:
    """Read a split of single-label images.

    Args:
        path: the set's folder and the split as one path: `cifar10/test` (a folder a class, or CIFAR's binaries in
            `cifar10/cifar-10-batches-py`), `cifar-100-python/test`, `tiny-imagenet-200/val`, `imagenet/val` (folders
            by WordNet id, or Kaggle's archive), `imagenet-a`, `imagenetv2-matched-frequency-format-val`,
            `inaturalist2018/val`.

    Returns:
        The N images, for `LabelledImages`: files, or a uint8 array of shape (N, H, W, 3) where the set is
        distributed as arrays (CIFAR); labels of shape (N,), int64, in 0 … C-1; and the C class names in words.

    Raises:
        FileNotFoundError: nothing that can be read is there, or a part of it is missing; the message names it.
        ValueError: a list is broken.
    """
    path = Path(path)
    match class_layout(path):
        case "tiny-imagenet":
            return read_tiny_imagenet(path.parent, path.name)
        case "inaturalist":
            return read_inaturalist(inaturalist_list(path.parent, path.name))
        case "cifar":
            return read_cifar(path.parent, path.name)
        case "kaggle-imagenet":
            return read_kaggle_imagenet(path.parent, path.name)
        case "folders":
            return read_class_folders(path)
    beside = sorted(file.name for file in path.parent.glob("*") if file.name.endswith(ARCHIVES))
    hint = f"; unpack {', '.join(beside[:3])} first" if beside else ""
    if any(name.startswith("ILSVRC2012") for name in beside):
        hint += f": torchvision.datasets.ImageNet({str(path.parent)!r}, split={path.name!r}) does"
    raise FileNotFoundError(
        f"{path}: no such folder, and no layout of CIFAR, Tiny ImageNet, ImageNet or iNaturalist around it; expected "
        f"one sub-folder of images per class{hint}"
    )


def read_class_splits(**paths: str | Path) -> dict[str, Labelled]:
    """Read several splits that share their classes.

    Args:
        **paths: name = path as for `read_classes`, such as `train=root / "train", val=root / "val"`.

    Returns:
        name = what `read_classes` returns.

    Raises:
        FileNotFoundError: as `read_classes`.
        ValueError: as `read_classes`, or two splits have other classes, so that their labels would not agree.
    """
    sets = {name: read_classes(path) for name, path in paths.items()}
    first, *others = sets
    for other in others:
        if sets[first][2] != sets[other][2]:
            odd = sorted(set(sets[first][2]) ^ set(sets[other][2]))
            found = f"{len(odd)} classes are only in one of them, such as {odd[0]!r}" if odd else "other order"
            raise ValueError(f"{paths[first]} and {paths[other]}: {found}; expected the same classes in both")
    return sets


def read_boxes(annotations: str | Path, images: str | Path, split: str, keep_crowds: bool = False) -> list[BoxedImage]:
    """Read annotated boxes, cut to the images.

    Args:
        annotations: a COCO instances file, or the folder of Tiny ImageNet; {split} stands for the split's name.
        images: the folder that COCO's file names are relative to, likewise; Tiny ImageNet knows its own.
        split: the split's name.
        keep_crowds: as for `read_instances`.

    Returns:
        One record per image; boxes as `clean_boxes` leaves them.

    Raises:
        FileNotFoundError, ValueError: as the layout's reader, and as `clean_boxes`.
    """
    annotations, images = (Path(str(path).replace("{split}", split)) for path in (annotations, images))
    if annotations.is_dir():
        found = read_tiny_boxes(annotations, split)
    else:
        found = read_instances(annotations, images, keep_crowds)
    return clean_boxes(found, annotations)
