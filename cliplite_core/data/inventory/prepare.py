"""Shrink the photos of a profile and pack them with its lists into tar files, in the layout they had.

Unpacked anywhere, the shards are a data root again, and `$CLIPLITE_DATA` names it: no reader knows of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torchvision.datasets.folder import IMG_EXTENSIONS
from tqdm.auto import tqdm

from cliplite_core.config import Config
from cliplite_core.data.inventory.needs import needs
from cliplite_core.data.inventory.shards import finished_shards, pack, write_checksums
from cliplite_core.data.inventory.shrink import shrink, shrink_boxes
from cliplite_core.data.inventory.workers import WORKERS, parallel_map
from cliplite_core.storage.files import replacing
from cliplite_core.storage.places import data_root

SMALLEST_SIDE = 64  # that of Tiny ImageNet, whose boxes are in its pixels
SMALL_TEXT = 2**20  # bytes: licences, class names and the like that lie at the top of a data set's folder
# Photos that no list names stay behind; so do archives, and VOC's boxes: they are in pixels, and nothing reads them.
NO_LIST = {*IMG_EXTENSIONS, ".tar", ".gz", ".tgz", ".zip", ".7z", ".xz", ".xml"}


@dataclass(frozen=True)
class Plan:
    """What goes into the shards; names are relative to the data root.

    Attributes:
        photos: image files, sorted, in the order of packing.
        lists: every other file the profile reads, and small texts beside them; sorted.
        boxes: those of the lists that hold boxes in pixels.
    """

    photos: list[str]
    lists: list[str]
    boxes: set[str]


@dataclass(frozen=True)
class Prepared:
    """What `prepare` wrote: how many images, their bytes before, the bytes of all shards, and the shards."""

    photos: int
    before: int
    after: int
    shards: list[Path]


def plan(config: Config) -> Plan:
    """Read the lists of a profile and collect what they name.

    Raises:
        FileNotFoundError, ValueError: a list is missing or broken, as its reader says; or a list names an image
            outside the data root.
    """
    root, photos, lists, boxes = data_root(), set(), set(), set()
    for need in needs(config):
        if need.left_out():
            continue
        photos |= {_relative(path, root) for path in need.read().images}
        lists |= set(need.lists)
        if need.kind in ("boxes", "references"):
            boxes |= {name for name in need.lists[-1:] if name.endswith(".json")}
        for folder in need.folders if not need.lists else ():  # VOC's lists, CIFAR's arrays
            lists |= {_relative(path, root) for path in (root / folder).rglob("*") if _is_list(path)}
    beside = [path for path in (root / config.data.folder).glob("*") if _is_list(path)]
    lists |= {_relative(path, root) for path in beside if path.stat().st_size < SMALL_TEXT}
    return Plan(sorted(photos), sorted(lists - photos), boxes)


def prepare(
    config: Config, out: Path, side: int = 256, quality: int = 92, shard_mib: int = 64, workers: int = WORKERS
) -> Prepared:
    """Write `out/PROFILE-SIDE-00000.tar`, …, `out/PROFILE-SIDE-lists-00000.tar.gz`, … and `SHA256SUMS`.

    A shard appears only when it is full. The same command again goes on after the last one, and ends with the
    files of an unbroken run.

    Args:
        config: the profile.
        out: the folder to write to.
        side: shorter side of the photos in pixels, at least 64; smaller photos are left as they are.
        quality: of JPEG, 1 to 95.
        shard_mib: largest shard, in MiB; a file that is larger by itself has a shard of its own.
        workers: processes that shrink. 0 or 1 = this one.

    Raises:
        FileNotFoundError, ValueError: a list or an image is missing or broken; shards that are full stay.
        FileExistsError: `out` holds shards of other settings, or of other images.
    """
    for field, value, least, most in (("side", side, SMALLEST_SIDE, 2**16), ("quality", quality, 1, 95)):
        if not least <= value <= most:
            raise ValueError(f"{field}: got {value}, expected {least} to {most}")
    work, root, name = plan(config), data_root(), f"{config.profile}-{side}"
    _same_settings(out / "settings.json", {"side": side, "quality": quality, "shard_mib": shard_mib})
    number, done = finished_shards(out, name, work.photos)
    remaining = work.photos[done:]
    small = parallel_map(partial(shrink, side=side, quality=quality), [root / photo for photo in remaining], workers)
    small = tqdm(small, desc="shrinking", unit="image", initial=done, total=len(work.photos))
    try:
        pack(zip(remaining, small, strict=True), out, name, shard_mib * 2**20, start=number)
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(
            f"{error}. `check` lists every such file; full shards stay, so go on when they are mended"
        ) from error
    pack(_lists(work, root, side), out, f"{name}-lists", shard_mib * 2**20, compress=True)
    shards = [*sorted(out.glob(f"{name}-[0-9]*.tar")), *sorted(out.glob(f"{name}-lists-*.tar.gz"))]
    write_checksums(out / "SHA256SUMS", shards)
    before, after = (sum(path.stat().st_size for path in paths) for paths in ([root / p for p in work.photos], shards))
    return Prepared(len(work.photos), before, after, shards)


def _lists(work: Plan, root: Path, side: int) -> Iterator[tuple[str, bytes]]:
    for name in work.lists:
        yield name, shrink_boxes(root / name, side) if name in work.boxes else (root / name).read_bytes()


def _is_list(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() not in NO_LIST


def _relative(path: Path, root: Path) -> str:
    if not path.is_relative_to(root) or ".." in path.relative_to(root).parts:
        raise ValueError(f"{path}: a list names a file outside the data root {root}, which cannot be packed")
    return path.relative_to(root).as_posix()


def _same_settings(file: Path, settings: dict[str, int]) -> None:
    if file.is_file() and (found := json.loads(file.read_text(encoding="utf-8"))) != settings:
        raise FileExistsError(
            f"{file.parent} holds shards made with {found}, not {settings}; delete it, or choose another with --out"
        )
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(settings) + "\n", encoding="utf-8")
