"""Which layout a set of labelled images has on disk, and which sets that a profile names are not there.

Only names are looked at, no list is read: the Snakefile asks before any work, and without loading torch.
"""

from __future__ import annotations

from glob import escape
from pathlib import Path
from typing import Literal

from cliplite_core.config import Config
from cliplite_core.workspace import data_root

Layout = Literal["folders", "tiny-imagenet", "inaturalist", "cifar", "kaggle-imagenet"]

CIFAR_FOLDERS = ("cifar-10-batches-py", "cifar-100-python")
KAGGLE_IMAGENET = "ILSVRC/Data/CLS-LOC"
# The field of `evaluation` that names a notebook's data; "" there leaves the notebook out.
NEEDED = {"02": "voc", "03": "probe", "05": "zero_shot", "06": "boxes", "07": "people"}


def class_layout(path: str | Path) -> Layout | None:
    """Recognises how a split of labelled images lies on disk.

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
    """Returns the folder of CIFAR's Python binaries: `root` itself or one in it; None if there is none."""
    if root.name in CIFAR_FOLDERS and root.is_dir():
        return root
    return next((root / name for name in CIFAR_FOLDERS if (root / name).is_dir()), None)


def inaturalist_list(root: Path, split: str) -> Path | None:
    """Returns iNaturalist's list of a split, `train2018.json` for "train" or "train2018"; None if there is none."""
    found = [*root.glob(f"{escape(split)}20[0-9][0-9].json"), *root.glob(f"{escape(split)}.json")]
    return min(found, default=None)


def missing_data(config: Config) -> dict[str, Path]:
    """Looks for what the notebooks measure on.

    Args:
        config: its `evaluation` section names the data.

    Returns:
        For each notebook ("02", "03", …) whose data is named but not there, the first path that was not found.
    """
    missing = {}
    for notebook, field in NEEDED.items():
        for path in _named(config, field):
            there = class_layout(path) is not None if field in ("probe", "zero_shot") else path.exists()
            if not there:
                missing.setdefault(notebook, path)
    return missing


def available(config: Config) -> Config:
    """Returns a profile without the data that it names but that is not there, if it says `skip_missing`; else as it is.

    Args:
        config: any profile.

    Returns:
        The same training; in `evaluation`, fields whose data is missing are "" (of notebook 06 the expressions, `refs`,
        may be missing alone), and `zero_shot_more` is shorter.
    """
    if not config.evaluation.skip_missing:
        return config
    kept = dict.fromkeys((NEEDED[notebook] for notebook in missing_data(config)), "")
    for field in ("zero_shot_shift", "zero_shot_more"):
        folders = [folder.strip() for folder in getattr(config.evaluation, field).split(",")]
        kept[field] = ", ".join(folder for folder in folders if folder and class_layout(data_root() / folder))
    if not all(path.exists() for path in _named(config, "refs")):
        kept["refs"] = ""
    return config.override(**kept)


def _named(config: Config, field: str) -> list[Path]:
    where, root = config.evaluation, data_root()
    pattern = getattr(where, field)
    if not pattern or (field == "people" and not pattern.endswith(".json")):
        return []  # not measured, or a split of the captions the profile trains on
    if field == "probe":
        return [root / pattern / split for split in ("train", where.probe_test_split)]
    if field == "boxes":
        splits = (where.box_dev_split or config.data.val_split, where.box_test_split or config.data.test_split)
        return [root / pattern.format(split=split) for split in splits]
    if field == "refs":
        splits = (where.ref_splits or where.box_test_split or config.data.test_split).split(",")
        beside = (where.ref_boxes or where.boxes, where.ref_images or where.box_images)
        return [root / path.format(split=split.strip()) for path in (pattern, *beside) for split in splits]
    return [root / pattern]
