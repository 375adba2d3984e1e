"""Which layout a set of labelled images has on disk, and which sets that a profile names are not there.

Only names are looked at, no list is read: the Snakefile asks before any work, and without loading torch.
"""

from __future__ import annotations

from glob import escape
from pathlib import Path
from typing import Literal

Layout = Literal["folders", "tiny-imagenet", "inaturalist", "cifar", "kaggle-imagenet"]

CIFAR_FOLDERS = ("cifar-10-batches-py", "cifar-100-python")
KAGGLE_IMAGENET = "ILSVRC/Data/CLS-LOC"


def class_layout(path: str | Path) -> Layout | None:
    """Recognise how a split of labelled images lies on disk.

    Args:
        path: the set's folder and the split as one path, such as `tiny-imagenet-200/val`, `cifar10/test` or
            `inaturalist2018/train`; the last part need not exist as a folder.

    Returns:
        The layout, or None where nothing that can be read is there.
    """
    root, split = Path(path).parent, Path(path).name
    if (root / "wnids.txt").is_file():
        return "tiny-imagenet"
    if Path(path).is_dir():  # before the originals below: who put class folders beside them means these
        return "folders"
    if inaturalist_list(root, split):
        return "inaturalist"
    if split in ("train", "val", "test") and cifar_folder(root):
        return "cifar"
    return "kaggle-imagenet" if (root / KAGGLE_IMAGENET / split).is_dir() else None


def cifar_folder(root: Path) -> Path | None:
    """Return the folder of CIFAR's Python binaries: `root` itself or one in it; None if there is none."""
    if root.name in CIFAR_FOLDERS and root.is_dir():
        return root
    return next((root / name for name in CIFAR_FOLDERS if (root / name).is_dir()), None)


def inaturalist_list(root: Path, split: str) -> Path | None:
    """Return iNaturalist's list of a split, `train2018.json` for "train" or "train2018"; None if there is none."""
    found = [*root.glob(f"{escape(split)}20[0-9][0-9].json"), *root.glob(f"{escape(split)}.json")]
    return min(found, default=None)
