"""Which of the files that a list names are there; what lies there in place of those that are not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from glob import escape
from pathlib import Path

from cliplite_core.storage.places import data_root


def existing(paths: Sequence[Path]) -> dict[Path, None]:
    """Return the paths that exist, found by listing each folder once: asking file by file is slow over a network."""
    folders = {path.parent for path in paths}
    names = {folder: set(os.listdir(folder)) if _is_folder(folder) else set() for folder in folders}
    return {path: None for path in paths if path.name in names[path.parent]}


def lost_images(images: Sequence[Path]) -> str:
    """Say in one line how many image files are not there, with a name, and what seems to lie there in its place.

    Args:
        images: the files that a list names.

    Returns:
        "" if all of them are there.
    """
    there = existing(images)
    lost = [path for path in images if path not in there]
    if not lost:
        return ""
    # The usual causes: the list leaves out the ending, or repeats the folder.
    first, folder = lost[0], lost[0].parent
    near = [*sorted(folder.glob(f"{escape(first.name)}.*")), folder.parent / first.name] if _could_be(first) else []
    found = next((shown(path) for path in near if path.is_file()), "")
    hint = f"; {found} is there: give the names as the files have them" if found else ""
    return f"{len(lost):,} of {len(images):,} images are not there, such as {shown(first):.300}{hint}"


def shown(path: Path) -> str:
    """Return a path as it is below the data root, which the heading names; on one line, whatever its name is."""
    root = data_root()
    text = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    return text if "\0" not in text and "\n" not in text else repr(text)


def _could_be(path: Path) -> bool:
    return "\0" not in str(path) and len(path.name.encode("utf-8", "surrogateescape")) < 256


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name too long, or one that no file can have
        return False
