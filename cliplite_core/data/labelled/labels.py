"""Labelled images: VOC multi-label lists, one folder per class, and a stratified share of the labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset
from torchvision.datasets import ImageFolder

from cliplite_core.data.captions import read_lines
from cliplite_core.data.images import read_image


class LabelledImages(Dataset):
    """Images with one class each, decoded when asked for.

    Args:
        images: n image files; or uint8 RGB arrays (H, W, 3), one array (n, H, W, 3) too, for sets that are
            distributed as such.
        labels: n class indices.
        transform: uint8 image (3, H, W) -> float32 (3, S, S), such as `model.preprocess`.
    """

    def __init__(self, images: Sequence[Path] | np.ndarray, labels: Sequence[int], transform: Callable) -> None:
        if len(images) != len(labels):
            raise ValueError(f"labels: expected one for each of the {len(images)} images, found {len(labels)}")
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = self.images[index]
        pixels = torch.from_numpy(image).permute(2, 0, 1) if isinstance(image, np.ndarray) else read_image(image)
        return self.transform(pixels), int(self.labels[index])


def read_voc_labels(devkit_root: str | Path, image_set: str) -> tuple[list[Path], np.ndarray, list[str]]:
    """Read the multi-label lists of a VOC data set, `ImageSets/Main/{class}_{image_set}.txt`.

    Args:
        devkit_root: the folder that holds ImageSets and JPEGImages, such as VOCdevkit/VOC2007.
        image_set: "train", "val", "trainval" or "test".

    Returns:
        The N image files in the order of the lists; labels of shape (N, C), int8: 1 present, -1 absent, 0
        difficult; and the C class names, found from the file names and sorted.

    Raises:
        FileNotFoundError: there are no lists for the set, or images they name are missing (all are counted).
        ValueError: a line is not "id label", or the lists do not name the same images.
    """
    root = Path(devkit_root)
    ending = f"_{image_set}.txt"
    lists = {file.name.removesuffix(ending): file for file in (root / "ImageSets/Main").glob(f"*{ending}")}
    if not lists:
        raise FileNotFoundError(
            f"{root}: no ImageSets/Main/*{ending}; expected the folder above it, such as VOCdevkit/VOC2007"
        )
    class_names = sorted(lists)
    columns = [_read_voc_list(lists[name]) for name in class_names]
    ids = list(columns[0])
    for name, column in zip(class_names, columns, strict=True):
        if column.keys() != columns[0].keys():
            odd = sorted(column.keys() ^ columns[0].keys())
            raise ValueError(
                f"{lists[name]}: {len(odd)} images differ from {lists[class_names[0]].name}, such as {odd[0]}"
            )
    files = {path.stem: path for path in (root / "JPEGImages").glob("*")}
    missing = [image for image in ids if image not in files]
    if missing:
        raise FileNotFoundError(
            f"{root / 'JPEGImages'}: {len(missing)} of the {len(ids)} images of {image_set} are missing: "
            f"{', '.join(missing[:10])}{' …' if len(missing) > 10 else ''}"
        )
    rows = [[column[image] for column in columns] for image in ids]
    return [files[image] for image in ids], np.array(rows, dtype=np.int8), class_names


def _read_voc_list(path: Path) -> dict[str, int]:
    """Read one class: image id -> -1, 0 or 1, in the order of the file."""
    labels = {}
    for number, line in enumerate(read_lines(path), start=1):
        match line.split():
            case []:
                continue
            case [image, ("-1" | "0" | "1") as label]:
                labels[image] = int(label)
            case _:
                raise ValueError(f"{path}:{number}: found {line!r}, expected an image id and -1, 0 or 1")
    if not labels:
        raise ValueError(f"{path}: the list is empty, expected lines of an image id and -1, 0 or 1")
    return labels


def read_image_folder(root: str | Path) -> tuple[list[Path], np.ndarray, list[str]]:
    """Read a folder with one sub-folder of images per class, as ImageNet is laid out.

    Args:
        root: such as imagenet/val.

    Returns:
        The N image files, sorted by class and name; labels of shape (N,), int64; the C names of the folders.

    Raises:
        FileNotFoundError: the folder does not exist, holds no class folder, or a class folder holds no image.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; expected one sub-folder of images per class")
    folder = ImageFolder(root, allow_empty=True)  # empty ones are named below, with how to mend it
    targets = np.array(folder.targets, dtype=np.int64)
    if empty := [folder.classes[row] for row in np.setdiff1d(np.arange(len(folder.classes)), targets)]:
        raise FileNotFoundError(
            f"{root}: {len(empty)} of {len(folder.classes)} class folders hold no image: "
            f"{', '.join(empty[:10])}{' …' if len(empty) > 10 else ''}; fill them, or delete what is no class"
        )
    return [Path(path) for path, _ in folder.samples], targets, folder.classes


def label_fraction(labels: Sequence[int] | np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Draw the same share of each class, at least one image; smaller shares lie within larger ones.

    Args:
        labels: class of each of n images, shape (n,).
        fraction: share to keep, in (0, 1].
        seed: of the draw; the nesting holds within one seed.

    Returns:
        Indices of the images kept, ascending, int64.

    Raises:
        ValueError: the fraction is not in (0, 1].

    Example:
        >>> labels = np.repeat([0, 1, 2], [100, 20, 1])
        >>> np.bincount(labels[label_fraction(labels, 0.1, seed=0)])
        array([10,  2,  1])
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction: found {fraction}, expected a share in (0, 1]")
    rng, labels = np.random.default_rng(seed), np.asarray(labels)
    orders = [rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    return np.sort(np.concatenate([order[: max(1, round(fraction * len(order)))] for order in orders]))
