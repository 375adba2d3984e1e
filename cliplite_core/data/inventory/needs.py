"""What a profile reads from disk: every split and every evaluation set, with the notebooks that use it.

The Snakefile asks this before any work, so no module that loads torch is imported before a list is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from cliplite_core.config import Config
from cliplite_core.data.labelled.layouts import KAGGLE_IMAGENET, cifar_folder, class_layout, inaturalist_list
from cliplite_core.storage.places import data_root
from cliplite_core.storage.tar_files import shard_folder

if TYPE_CHECKING:
    from cliplite_core.data.captions import CaptionedImage
    from cliplite_core.data.labelled.boxes import BoxedImage


@dataclass(frozen=True)
class Contents:
    """What the lists of a part name.

    Attributes:
        images: the image files, each once, there or not; none for sets that are distributed as arrays.
        count: number of images.
        captions: how many captions they have. None = the part has none.
        classes: class names. None = the part has none.
        boxed: the annotated images as the list has them, where the part has boxes.
        sharded: the pairs, where they lie in shards; `images` is empty then.
    """

    images: list[Path]
    count: int
    captions: int | None = None
    classes: list[str] | None = None
    boxed: Sequence[BoxedImage] = ()
    sharded: Sequence[CaptionedImage] = ()


@dataclass(frozen=True)
class Need:
    """One split or evaluation set that a profile names.

    Attributes:
        kind: "captions", "labels" (VOC), "classes", "boxes" or "references".
        split: its name, "" where the set has but one.
        key: its list or folder below the data root, with the split where the path does not say it.
        notebooks: numbers of the notebooks that read it.
        fields: the fields of `evaluation` that name it; none for what is trained on.
        lists: files that say what is in it, below the data root.
        folders: folders of its images, below the data root.
        read: reads the lists; no image is decoded.
        optional: the notebooks do without it where it is not there.
    """

    kind: str
    split: str
    key: str
    notebooks: tuple[str, ...]
    fields: tuple[str, ...]
    lists: tuple[str, ...]
    folders: tuple[str, ...]
    read: Callable[[], Contents] = field(compare=False)
    optional: bool = False

    def files(self) -> list[Path]:
        """Return its lists and every file in its folders, those that are there; sorted."""
        paths = [data_root() / path for path in (*self.lists, *self.folders)]
        found = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
        return sorted({file for file in found if file.is_file()})

    def absent(self) -> list[str]:
        """Return those of its lists and folders that are not there."""
        return [path for path in dict.fromkeys((*self.lists, *self.folders)) if not (data_root() / path).exists()]

    def left_out(self) -> bool:
        """Whether nothing of it is there and the profile does without it."""
        return self.optional and len(self.absent()) == len({*self.lists, *self.folders})

    def images_below(self) -> list[Path]:
        """Return all image files in its folders, whether its lists name them or not; sorted."""
        from torchvision.datasets.folder import IMG_EXTENSIONS

        below = (path for folder in self.folders for path in (data_root() / folder).rglob("*"))
        return sorted(path for path in below if path.suffix.lower() in IMG_EXTENSIONS)


def needs(config: Config) -> list[Need]:
    """Return what a profile reads, one entry per part; what several notebooks read is named once.

    Args:
        config: its sections `data` and `evaluation` name the files. Nothing is composed and no training split cut.
    """
    whole = config.override(scenes_train=0, scenes_eval=0, train_fraction=1.0)
    optional = config.evaluation.skip_missing
    evaluated = (*_labels(whole), *_classes(whole), *_boxes(whole), *_people(whole))
    merged: dict[str, Need] = {}
    for need in (*_captions(whole), *(replace(need, optional=optional) for need in evaluated)):
        known = merged.get(need.key, need)
        notebooks, fields = ({*known.notebooks, *need.notebooks}, {*known.fields, *need.fields})
        merged[need.key] = replace(known, notebooks=tuple(sorted(notebooks)), fields=tuple(sorted(fields)))
    return list(merged.values())


# The field of `evaluation` that names a notebook's data; "" there leaves the notebook out.
NEEDED = {"02": "voc", "03": "probe", "05": "zero_shot", "06": "boxes", "07": "people"}


def missing_data(config: Config) -> dict[str, Path]:
    """Look for what the notebooks measure on; only names are looked at, no list is read.

    Args:
        config: its `evaluation` section names the data.

    Returns:
        For each notebook ("02", "03", …) whose data is named but not there, the first path that was not found.
    """
    absent: dict[str, Path] = {}
    for need in needs(config):
        for name, path in product(need.fields, need.absent()):
            absent.setdefault(name, data_root() / path)
    return {notebook: absent[name] for notebook, name in NEEDED.items() if name in absent}


def available(config: Config) -> Config:
    """Return a profile without the data that it names but that is not there, if it says `skip_missing`; else as it is.

    Args:
        config: any profile.

    Returns:
        The same training; in `evaluation`, fields whose data is missing are "" (of notebook 06 the expressions, `refs`,
        may be missing alone), and `zero_shot_more` is shorter.
    """
    if not config.evaluation.skip_missing:
        return config
    absent = {need.key: need.fields for need in needs(config) if need.absent()}
    kept: dict[str, object] = dict.fromkeys({name for fields in absent.values() for name in fields}, "")
    kept["zero_shot_more"] = [path for path in config.evaluation.zero_shot_more if path not in absent]
    return config.override(**kept)


def _captions(config: Config) -> Iterator[Need]:
    data, bias = config.data, ("07",) if config.evaluation.people else ()
    readers = [(data.train_split, ("00", "01", *bias)), (data.val_split, ("00", "01"))]
    readers += [(data.test_split, ("00", "04", "11", *bias))]
    readers += [(name, bias) for name in [config.evaluation.people] if name and not name.endswith(".json")]
    in_shards = data.format == "webdataset"  # which are list and images in one
    listed = data.split_file if data.format != "karpathy" else ""  # whose file says the splits
    patterns = [pattern for pattern in ("" if in_shards else data.captions, listed) if pattern]
    for split, notebooks in readers:
        lists = tuple(f"{data.folder}/{pattern.replace('{split}', split)}" for pattern in patterns)
        # Each split by itself: a missing test list says nothing about the training split.
        separate = any("{split}" in pattern for pattern in (*patterns, *([data.images] if in_shards else [])))
        alone = config.override(train_split=split, val_split=split, test_split=split) if separate else config
        images = f"{data.folder}/{data.images.replace('{split}', split)}".rstrip("/")
        named = images if in_shards else lists[0]
        key = named if "{split}" in (data.images if in_shards else data.captions) else f"{named} {split}"
        folders = (shard_folder(Path(images)).as_posix() if in_shards else images,)
        yield Need("captions", split, key, notebooks, (), lists, folders, partial(_read_captions, alone, split))


def _people(config: Config) -> Iterator[Need]:
    people, images = config.evaluation.people, config.evaluation.people_images
    if people.endswith(".json"):
        read = partial(_read_people, data_root() / people, data_root() / images)
        yield Need("captions", "people", people, ("07",), ("people",), (people,), (images,), read)


def _labels(config: Config) -> Iterator[Need]:
    voc = config.evaluation.voc
    for split in ("trainval", "test") if voc else ():
        read = partial(_read_voc, data_root() / voc, split)
        yield Need("labels", split, f"{voc} {split}", ("02",), ("voc",), (), (voc,), read)


def _classes(config: Config) -> Iterator[Need]:
    where = config.evaluation
    named = [(f"{where.probe}/{split}", "probe") for split in ("train", where.probe_test_split) if where.probe]
    named += [(where.zero_shot, "zero_shot"), (where.zero_shot_shift, "zero_shot_shift")]
    named += [(path, "zero_shot_more") for path in where.zero_shot_more]
    for path, field_name in named:
        if path:
            notebooks = ("03",) if field_name == "probe" else ("05",)
            notebooks += ("07",) if field_name == "zero_shot" and where.people else ()
            lists, folders = _class_files(path)
            read = partial(_read_classes, data_root() / path)
            split = path.rpartition("/")[2] if "/" in path else ""
            yield Need("classes", split, path, notebooks, (field_name,), lists, folders, read)


def _boxes(config: Config) -> Iterator[Need]:
    where, data = config.evaluation, config.data
    if not where.boxes:
        return
    tested = where.box_test_split or data.test_split
    readers = [(where.box_dev_split or data.val_split, "06", "boxes"), (tested, "06", "boxes")]
    readers += [(where.novel_split, "05", "novel_split"), (data.test_split, "05", "boxes")] if where.novel_split else []
    for split, notebook, field_name in readers:
        yield _boxed("boxes", split, where.boxes, where.boxes, where.box_images, (notebook,), (field_name,))
    boxes, images = where.ref_boxes or where.boxes, where.ref_images or where.box_images
    for split in (where.ref_splits or (tested,)) if where.refs else ():
        yield _boxed("references", split, where.refs, boxes, images, ("06",), ("refs",))


def _boxed(
    kind: str, split: str, pattern: str, boxes: str, images: str, notebooks: tuple[str, ...], fields: tuple[str, ...]
) -> Need:
    named, boxes, images = (text.replace("{split}", split) for text in (pattern, boxes, images))
    key = named if "{split}" in pattern else f"{named} {split}"
    if not boxes.endswith(".json"):  # Tiny ImageNet, which knows its own images
        lists, folders = _class_files(f"{boxes}/{split}")
    else:
        lists, folders = tuple(dict.fromkeys((named, boxes))), (images,)
    refs = data_root() / named if kind == "references" else None
    read = partial(_read_boxes, data_root() / boxes, data_root() / images, split, refs)
    return Need(kind, split, key, notebooks, fields, lists, folders, read)


def _class_files(path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List and folders of a split of labelled images, below the data root, by the layout it has."""
    root, parent, split = data_root(), Path(path).parent, Path(path).name
    match class_layout(root / path):
        case "tiny-imagenet":
            files = [root / parent / "wnids.txt", root / parent / "words.txt", *sorted((root / path).glob("**/*.txt"))]
            return tuple(file.relative_to(root).as_posix() for file in files), (path,)
        case "inaturalist":
            files = [inaturalist_list(root / parent, split), *(root / parent).glob("categories.json")]
            return tuple(file.relative_to(root).as_posix() for file in files), (parent.as_posix(),)
        case "cifar":
            return (), (cifar_folder(root / parent).relative_to(root).as_posix(),)
        case "kaggle-imagenet":
            lists = () if split == "train" else ((parent / f"LOC_{split}_solution.csv").as_posix(),)
            return lists, ((parent / KAGGLE_IMAGENET / split).as_posix(),)
    return (), (path,)


def _read_captions(config: Config, split: str) -> Contents:
    from cliplite_core.data.splits import read_split

    return _pairs(read_split(config, split))


def _read_people(captions: Path, images: Path) -> Contents:
    from cliplite_core.data.captions import read_coco_captions

    return _pairs(read_coco_captions(captions, images))


def _pairs(items: Sequence[CaptionedImage]) -> Contents:
    from cliplite_core.data.shards import ShardedPairs

    if isinstance(items, ShardedPairs):
        return Contents([], len(items), captions=items.count_captions(), sharded=items)
    paths = list(dict.fromkeys(item.path for item in items))
    return Contents(paths, len(paths), captions=sum(len(item.captions) for item in items))


def _read_voc(root: Path, split: str) -> Contents:
    from cliplite_core.data.labelled.labels import read_voc_labels

    paths, _, classes = read_voc_labels(root, split)
    return Contents(paths, len(paths), classes=classes)


def _read_classes(path: Path) -> Contents:
    from cliplite_core.data.labelled.read import read_classes

    images, _, classes = read_classes(path)
    return Contents(list(images) if isinstance(images, list) else [], len(images), classes=classes)


def _read_boxes(annotations: Path, images: Path, split: str, refs: Path | None) -> Contents:
    """Boxes as the list has them, neither cut nor left out, so that `check` sees them."""
    from cliplite_core.data.labelled.boxes import read_instances, read_references
    from cliplite_core.data.labelled.read import read_boxes
    from cliplite_core.data.labelled.tiny_imagenet import read_tiny_boxes

    if refs is not None:
        whole = read_boxes(annotations, images, split, keep_crowds=True)
        named = [reference.image for reference in read_references(refs, whole, split)]
        found = list({image.path: image for image in named}.values())
    else:
        found = read_tiny_boxes(annotations, split) if annotations.is_dir() else read_instances(annotations, images)
    names = sorted({name for image in found for name in image.category_names})
    return Contents([image.path for image in found], len(found), classes=names, boxed=found)
