"""Decode every image that a profile names and follow every reference; what is broken is listed and stops nothing."""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from PIL import UnidentifiedImageError
from tqdm.auto import tqdm

from cliplite_core.config import Config
from cliplite_core.data.images import read_image
from cliplite_core.data.inventory.needs import Contents, Need, needs
from cliplite_core.data.inventory.references import Finding, follow
from cliplite_core.data.inventory.status import reason
from cliplite_core.data.inventory.workers import WORKERS, parallel_map
from cliplite_core.data.left_out import left_out
from cliplite_core.data.presence import existing, lost_images, shown
from cliplite_core.storage.notes import note
from cliplite_core.storage.tar_files import TarMember


def check(config: Config, workers: int = WORKERS) -> tuple[list[Finding], int]:
    """Read every list of a profile, follow what it names and decode each image once.

    Args:
        config: the profile.
        workers: processes that decode. 0 or 1 = this one.

    Returns:
        What is broken, lists before images; and the number of images looked at.
    """
    findings: list[Finding] = []
    sizes: dict[Path | TarMember, tuple[int, int] | None] = {}  # (height, width) that a list states; None = none does
    found: list[tuple[Need, Contents]] = []
    wanted = [need for need in needs(config) if not need.left_out()]
    for need in tqdm(wanted, desc="lists", unit="list"):
        try:
            if absent := need.absent():
                raise FileNotFoundError(f"not there: {', '.join(absent)}")
            contents = need.read()
        except Exception as error:  # whatever a broken list makes its reader raise, the others are still to be read
            findings.append(Finding("list that cannot be read", need.key, reason(error, need)))
            contents = Contents([], 0)  # nothing is known of it, so nothing contradicts it
            sizes |= {path: sizes.get(path) for path in need.images_below()}  # the images of its folder, all of them
        if contents.images and not existing(contents.images):
            findings.append(Finding("no image of a list is there", need.key, lost_images(contents.images)))
        sizes |= {path: sizes.get(path) for path in contents.images}
        sizes |= {image.path: (image.height, image.width) for image in contents.boxed}
        if contents.sharded:
            sizes |= {pair.path: None for pair in contents.sharded}
            dropped = contents.sharded.index.left_out.items()
            findings += [Finding(f"sample with {why}", first, f"{count:,} of them") for why, (count, first) in dropped]
        found.append((need, contents))
    findings += follow(config, found)
    with suppress(OSError, ValueError):  # a list that cannot be read is a finding already
        for line in left_out(config):
            note(line)
    decoded = parallel_map(examine, list(sizes), workers)
    for path, result in zip(sizes, tqdm(decoded, total=len(sizes), desc="images", unit="image"), strict=True):
        if isinstance(result, Finding):
            # Named here, as a worker may have known another data root.
            findings.append(replace(result, file=shown(Path(str(path)))))
        elif sizes[path] not in (None, result):
            stated, is_ = (f"{width} x {height}" for height, width in (sizes[path], result))
            findings.append(Finding("other size than its boxes", shown(path), f"is {is_}, the list says {stated}"))
    return list(dict.fromkeys(findings)), len(sizes)


def examine(path: Path | TarMember) -> Finding | tuple[int, int]:
    """Decode an image as training would: (height, width), or what is wrong with the file, named by its whole path."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd EXIF tags do no harm and would tear the progress bar
            return tuple(read_image(path).shape[1:])
    except FileNotFoundError:
        return Finding("not there", str(path))
    except Exception as error:  # decoders raise much on damaged files, and none of it may end the scan
        return _diagnose(path, error.__cause__ or error)


def _diagnose(path: Path | TarMember, error: BaseException) -> Finding:
    if "\0" in str(path):
        return Finding("not there", str(path), "no file can be named so")
    if isinstance(error, OSError) and error.errno:
        return Finding("cannot be opened", str(path), error.strerror or "")
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return Finding("empty file", str(path))
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return Finding("web page instead of an image", str(path))
    if isinstance(error, UnidentifiedImageError):
        return Finding("not an image", str(path))
    return Finding("damaged image", str(path), reason(error))
