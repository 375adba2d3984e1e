"""The embedded data set "scenes": composed pictures with captions, boxes and references, made from a seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from cliplite_core.config import Config, DataConfig
from cliplite_core.scenes import contents
from cliplite_core.scenes.artwork import ATTRIBUTION, openmoji, twemoji
from cliplite_core.scenes.compose import compose
from cliplite_core.scenes.expressions import expressions
from cliplite_core.scenes.grammar import captions
from cliplite_core.scenes.spec import SPLIT_SIZE_LIMIT, SceneSpec, is_finished, recipe
from cliplite_core.scenes.vocabulary import concepts
from cliplite_core.scenes.write_coco import Record, write_annotations, write_json
from cliplite_core.scenes.write_voc import write_voc
from cliplite_core.storage.files import replacing
from cliplite_core.storage.locks import alone
from cliplite_core.storage.places import data_root

SPLITS = ("train", "val", "test", "novel", "people")
VIEWS = ("single/train", "single/val", "shift")
VOC = "voc"  # the pictures of VOC's trainval set
STREAMS = (*SPLITS, *VIEWS, VOC)  # each has its own draws and its own range of image ids


def compose_scenes(config: Config) -> None:
    """Compose the scenes of a profile, unless they are there already or it is about other data.

    Args:
        config: its `data` section says how many, and the folder.

    Raises:
        ValueError: the folder is not below the data root; a model that somebody sent may name any.
        FileExistsError, OSError: as `generate`.
    """
    if config.data.scenes_train:
        folder = data_root() / config.data.folder
        if data_root().resolve() not in folder.resolve().parents:
            raise ValueError(
                f"folder: got {config.data.folder!r}, which is not below the data root {data_root()}; scenes are "
                "composed there alone"
            )
        # Two trainings may start side by side.
        with alone(Path(f"{folder}.lock"), f"another process composes {folder.name}; waiting for it to end"):
            generate(folder, **_sizes(config.data))


def generate(root: Path, **fields: float) -> Path:
    """Write the data set, or leave it alone where it is already there.

    Args:
        root: Folder to make: `{split}/*.jpg`, `annotations/`, `refs/`, `VOCdevkit/`, `single/`, `shift/`,
            `spec.json` and `ATTRIBUTION.txt`. It appears only once all is written.
        fields: Fields of `SceneSpec`, such as `train=400`.

    Returns:
        `root`.

    Raises:
        TypeError: A field is unknown or of the wrong type.
        ValueError: A field is out of range.
        FileExistsError: `root` holds something else, or a set made by another spec.
    """
    root, spec = Path(root), SceneSpec(**fields)
    made_from = recipe(spec)
    if is_finished(root, made_from):
        return root
    views = (spec.single_train, spec.single_val, spec.shift)
    sizes = {split: getattr(spec, split) for split in SPLITS} | {VOC: spec.voc_trainval}
    total = sum(sizes.values()) + sum(views) * len(concepts())
    with replacing(root) as partial:  # an empty folder at `root` goes, as `is_finished` saw that nothing is in it
        partial.mkdir()
        with tqdm(total=total, desc="scenes", unit="image") as progress:
            records = {split: _write_split(partial, split, size, spec, progress) for split, size in sizes.items()}
            for view, size in zip(VIEWS, views, strict=True):
                _write_view(partial, view, size, spec, progress)
        write_voc(partial, {"trainval": (VOC, records[VOC]), "test": ("test", records["test"])})
        (partial / "ATTRIBUTION.txt").write_text(ATTRIBUTION + "\n", encoding="utf-8")
        write_json(partial / "spec.json", made_from)
    return root


def _write_split(root: Path, split: str, size: int, spec: SceneSpec, progress: tqdm) -> list[Record]:
    draw, stream = _contents_of(split, spec), STREAMS.index(split)
    folder = root / split
    folder.mkdir()
    records = []
    for index in range(size):
        rng = np.random.default_rng([spec.seed, stream, index])
        scene, image = compose(draw(rng, index), rng, spec.canvas)
        number = stream * SPLIT_SIZE_LIMIT + index + 1
        records.append(Record(number, scene, captions(scene, rng), expressions(scene, rng)))
        _save(image, folder / records[-1].file_name)
        progress.update()
    write_annotations(root, split, records)
    return records


def _contents_of(split: str, spec: SceneSpec) -> Callable[[np.random.Generator, int], contents.Contents]:
    if split == "people":
        return contents.draw_person
    heldout = contents.heldout_pairs(spec.seed, spec.heldout_fraction)
    if split == "novel":
        return lambda rng, _: contents.draw_novel(rng, heldout)
    correlation = 0.5 if split == "test" else spec.gender_correlation
    return lambda rng, _: contents.draw_scene(rng, heldout, spec.person_fraction, correlation)


def _write_view(root: Path, view: str, size: int, spec: SceneSpec, progress: tqdm) -> None:
    stream = STREAMS.index(view)
    for number, concept in enumerate(concepts()):
        folder = root / view / concept
        folder.mkdir(parents=True)
        for index in range(size):
            rng = np.random.default_rng([spec.seed, stream, number, index])
            artwork = openmoji if view == "shift" else twemoji
            _, image = compose(contents.draw_single(rng, concept), rng, spec.canvas, artwork, single=True)
            _save(image, folder / f"{index:04d}.jpg")
            progress.update()


def _save(image: Image.Image, path: Path) -> None:
    # Full colour resolution: at this size the drawings' thin coloured lines would bleed.
    image.save(path, quality=92, subsampling=0)


def _sizes(data: DataConfig) -> dict[str, int]:
    """Sizes of the scenes' splits and views: all that is evaluated on grows with `scenes_eval`."""
    share = data.scenes_eval // 25
    return {
        "train": data.scenes_train,
        "val": data.scenes_eval,
        "test": data.scenes_eval,
        "novel": 15 * share,
        "people": 20 * share,
        "voc_trainval": 3 * data.scenes_eval,
        "single_train": 2 * share,
        "single_val": share,
        "shift": share,
    }
