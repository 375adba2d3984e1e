"""Write the pairs of a profile as WebDataset shards, photos shrunk to what training needs, and a profile for them.

Each shard is a job of its own, and appears only when it is full: an interrupted call resumes with the missing ones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from tqdm.auto import tqdm

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage, read_json
from cliplite_core.data.inventory.shrink import shrink
from cliplite_core.data.inventory.status import lost_images
from cliplite_core.data.inventory.workers import WORKERS, parallel_map
from cliplite_core.data.record import describe
from cliplite_core.data.shards import ShardedPairs
from cliplite_core.data.splits import read_split
from cliplite_core.profiles import load_profile
from cliplite_core.storage.files import replacing, write_text
from cliplite_core.storage.fingerprint import file_digest
from cliplite_core.storage.tar_files import TarMember

SMALLEST_SIDE = 64  # that of Tiny ImageNet
MOST_SAMPLES = 10_000  # in a shard: keys have four digits for them, as img2dataset's have
DATE = 315_532_800  # 1980, of all members: the time of packing would change the bytes, and tar warns of 1970
KINDS = ((b"\xff\xd8", "jpg"), (b"\x89PNG", "png"), (b"RIFF", "webp"))


@dataclass(frozen=True)
class Prepared:
    """What `prepare` wrote: how many images, their bytes before, the bytes of all shards, the shards, the profile."""

    photos: int
    before: int
    after: int
    shards: list[Path]
    profile: Path


def prepare(
    config: Config,
    out: Path,
    side: int = 256,
    quality: int = 92,
    samples: int = 1000,
    workers: int = WORKERS,
    extends: str | None = None,
) -> Prepared:
    """Write `out/SPLIT/00000.tar`, … of every split, `out/SHA256SUMS`, and the profile `out/NAME.toml` that reads them.

    A sample is the image, its first caption (.txt) and all of them (the list `captions` of the .json). The same command
    again resumes with the missing shards, and ends with the files of an unbroken run.

    Args:
        config: the profile.
        out: the folder to write to; its name becomes the profile's.
        side: shorter side of the photos in pixels, at least 64; smaller photos are left as they are. 0 = all are.
        quality: of JPEG, 1 to 95.
        samples: images in a shard, up to 10,000.
        workers: processes that shrink. 0 or 1 = this one.
        extends: the profile as it was named. None = by its own name.

    Raises:
        FileNotFoundError, ValueError: a list or an image is missing, broken, or outside the data root; shards that are
            full stay.
        FileExistsError: `out` holds shards of other settings, or of other pairs, or something else.
    """
    limits = (("side", side, 0 if side == 0 else SMALLEST_SIDE, 2**16), ("quality", quality, 1, 95))
    for field, value, least, most in (*limits, ("samples", samples, 1, MOST_SAMPLES)):
        if not least <= value <= most:
            raise ValueError(f"{field}: got {value}, expected {least} to {most}")
    whole, data = config.override(train_fraction=1.0), config.data
    splits = {
        name: read_split(whole, name) for name in dict.fromkeys((data.train_split, data.val_split, data.test_split))
    }
    for name, items in splits.items():
        _expect_there(name, items)
    settings = {"side": side, "quality": quality, "samples": samples}
    _same(out, settings, {name: describe(items)["captions"] for name, items in splits.items()})
    jobs = {
        out / name / f"{number:05d}.tar": (items, number * samples)
        for name, items in splits.items()
        for number in range(-(-len(items) // samples))
    }
    missing = [path for path in jobs if not path.exists()]
    chunks = [(path, jobs[path][0][jobs[path][1] : jobs[path][1] + samples]) for path in missing]
    write = parallel_map(partial(_write_shard, side=side, quality=quality), chunks, workers)
    for _ in tqdm(write, desc="shards", unit="shard", initial=len(jobs) - len(missing), total=len(jobs)):
        pass
    _write_checksums(out, list(jobs))
    profile = _write_profile(config, out, extends or config.profile)
    before = sum(_size(item) for items in splits.values() for item in items)
    after = sum(path.stat().st_size for path in jobs)
    return Prepared(sum(map(len, splits.values())), before, after, list(jobs), profile)


def _write_shard(job: tuple[Path, Sequence[CaptionedImage]], side: int, quality: int) -> None:
    from webdataset import TarWriter

    path, items = job
    try:
        contents = [shrink(item.path, side, quality) for item in items]
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(
            f"{error}. `check` lists every such file; full shards stay, so run it again once they are mended"
        ) from error
    with replacing(path) as temporary, temporary.open("wb") as file, TarWriter(file, encoder=False, mtime=DATE) as tar:
        for i, (item, content) in enumerate(zip(items, contents, strict=True)):
            about = {"captions": item.captions, "image_id": item.image_id}
            tar.write(
                {
                    "__key__": f"{path.stem}{i:04d}",
                    next(ending for magic, ending in KINDS if content.startswith(magic)): content,
                    "txt": item.captions[0].encode(),
                    "json": json.dumps(about).encode(),
                }
            )


def _expect_there(split: str, items: Sequence[CaptionedImage]) -> None:
    """Raise if an image is not there."""
    if not isinstance(items, ShardedPairs) and (lost := lost_images([item.path for item in items])):
        raise FileNotFoundError(f"split {split!r}: {lost}")


def _same(out: Path, settings: dict[str, int], pairs: dict[str, str]) -> None:
    """Raise if the folder holds shards of other settings or pairs, or anything else."""
    file, found = out / "settings.json", {"settings": settings, "pairs": pairs}
    if file.is_file():
        content = read_json(file, "the settings of shards")
        found = content if isinstance(content, dict) else {}
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} holds other files already; choose another folder with --out")
    if found.get("settings") != settings:
        raise FileExistsError(
            f"{out} holds shards made with {found.get('settings')}, not {settings}; delete it, or choose another "
            "with --out"
        )
    if found.get("pairs") != pairs:
        raise FileExistsError(
            f"{out} holds other images or captions than the profile names now; delete it, or choose another with --out"
        )
    write_text(file, json.dumps({"settings": settings, "pairs": pairs}) + "\n")


def _write_checksums(out: Path, shards: Sequence[Path]) -> None:
    """A list for `sha256sum -c`."""
    lines = [f"{file_digest(shard)}  {shard.relative_to(out).as_posix()}\n" for shard in shards]
    write_text(out / "SHA256SUMS", "".join(lines))


def _write_profile(config: Config, out: Path, extends: str) -> Path:
    """The profile that trains on the shards, and is measured on what the profile is measured on."""
    parent = str(Path(extends).resolve()) if extends.endswith(".toml") else extends
    data = {"folder": out.name, "format": "webdataset", "captions": "", "images": "{split}", "split_file": ""}
    data |= dict.fromkeys(("scenes_train", "scenes_eval"), 0) if config.data.scenes_train else {}
    lines = [f"extends = {json.dumps(parent)}", "", "[data]", *(f"{key} = {json.dumps(data[key])}" for key in data)]
    path = write_text(out / f"{out.name}.toml", "\n".join(lines) + "\n")
    found, wanted = load_profile(str(path)).evaluation, config.evaluation
    names = [field.name for field in fields(wanted) if getattr(found, field.name) != getattr(wanted, field.name)]
    if names:  # what {folder} stood for
        lines += ["", "[evaluation]", *(f"{name} = {json.dumps(getattr(wanted, name))}" for name in names)]
        write_text(path, "\n".join(lines) + "\n")
    return path


def _size(item: CaptionedImage) -> int:
    return item.path.size if isinstance(item.path, TarMember) else item.path.stat().st_size
