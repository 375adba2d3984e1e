"""Which data is there, which is not, and where to get it; lists are read and files counted, no image is decoded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

from cliplite_core.config import Config
from cliplite_core.data.inventory.known_sets import KnownSet, known_sets, owner
from cliplite_core.data.inventory.needs import Contents, Need, needs
from cliplite_core.data.presence import existing, lost_images
from cliplite_core.storage.places import data_root

FOUND, LEFT_OUT = "found", "left out"
INCOMPLETE, MISSING, UNREADABLE = "incomplete", "missing", "unreadable"
COUNTS = ("images", "captions", "classes")
file_size = partial(tqdm.format_sizeof, suffix="B")  # 57_612_345 -> "57.6MB"
LONG = 100e6  # bytes; COCO's boxes of train2017 have 470 MB, which take half a minute to read
MOST_SIZES_ASKED = 2000  # files whose size is looked up, evenly spread; the others are taken to be like them


@dataclass(frozen=True)
class PartStatus:
    """What was found of one part.

    Attributes:
        need: the part.
        known: the public set it belongs to, if any.
        state: "found", "incomplete", "missing", "unreadable"; or "left out": missing, and the profile does without.
        counts: found, by "images", "captions" and "classes".
        size: bytes on disk.
        note: what is wrong, in one line; "" where nothing is.
    """

    need: Need
    known: KnownSet | None
    state: str
    counts: Mapping[str, int] = field(default_factory=dict)
    size: int = 0
    note: str = ""

    @property
    def expected(self) -> Mapping[str, int]:
        """Count of the complete public set, as far as they are known."""
        return self.known.expect.get(self.need.key, {}) if self.known else {}


def status(config: Config | None = None) -> list[PartStatus]:
    """Look for the parts of a profile, or of every known set.

    Args:
        config: the profile. None = every set of `data/data_sets.toml`.

    Returns:
        One entry per part; those of one set stand together.
    """
    sets = known_sets()
    if config is None:
        return [look(need, known) for known in sets for need in known.needs]
    parts = [(need, owner(need, config, sets)) for need in needs(config)]
    titles = list(dict.fromkeys(known.title if known else "" for _, known in parts))
    parts.sort(key=lambda part: titles.index(part[1].title if part[1] else ""))
    return [look(need, known) for need, known in parts]


def look(need: Need, known: KnownSet | None = None) -> PartStatus:
    """Read the lists of one part and count the files they name; of a long list of boxes, all files beside it."""
    absent = need.absent()
    if len(absent) == len({*need.lists, *need.folders}):
        return PartStatus(need, known, LEFT_OUT if need.optional else MISSING)
    if absent:
        return PartStatus(need, known, INCOMPLETE, note=f"not there: {', '.join(absent)}")
    try:
        contents = _beside(need) if need.kind == "references" or _is_long(need) else need.read()
    except FileNotFoundError as error:
        return PartStatus(need, known, INCOMPLETE, note=reason(error, need))
    except Exception as error:  # a table of everything must not end at one broken file, whatever it raises
        return PartStatus(need, known, UNREADABLE, note=reason(error, need))
    if need.kind == "boxes":
        contents = replace(contents, classes=None)  # those that happen to be in this list
    there = existing(contents.images)
    counts = {"images": len(there) if contents.images else contents.count} if need.kind != "references" else {}
    counts |= {} if contents.captions is None else {"captions": contents.captions}
    counts |= {} if contents.classes is None else {"classes": len(contents.classes)}
    files = list(there) if contents.images or need.kind == "references" else _files_below(need)
    size = _size_of(files) + _size_of([data_root() / path for path in need.lists])
    found = PartStatus(need, known, FOUND, counts, size)
    if len(there) < len(contents.images):
        return replace(found, state=INCOMPLETE, note=lost_images(contents.images))
    # A caption more or less is no sign of an incomplete set: readers leave out empty ones.
    fewer = any(counts[name] < found.expected.get(name, 0) for name in ("images", "classes") if name in counts)
    return replace(found, state=INCOMPLETE) if fewer else found


def table(parts: Sequence[PartStatus]) -> str:
    """Return the parts as aligned text; "40 / 5,000" is found / expected where the two differ."""
    rows, title = [], None
    for part in parts:
        name = part.known.title if part.known else "your own"
        size = part.known.size if part.known and name != title else None
        counts = [_of(part.counts.get(count), part.expected.get(count)) for count in COUNTS]
        on_disk = file_size(part.size) if part.size else "–"
        whole = file_size(size * 1e9) if size else ""
        about = [
            "" if name == title else name,
            f"{part.need.kind} {part.need.split}".strip(),
            " ".join(part.need.notebooks),
        ]
        rows.append([*about, part.state, *counts, on_disk, whole])
        title = name
    headers = ["set", "part", "notebooks", "state", *COUNTS, "on disk", "whole set"]
    align = ["left"] * 4 + ["right"] * 5
    return tabulate(rows, headers, tablefmt="simple", colalign=align, disable_numparse=True)


def advice(parts: Sequence[PartStatus]) -> str:
    """Return what is wrong with each part, and where to get the sets that are not complete; "" if all is found."""
    text = [_indented([[part.need.key, part.note] for part in parts if part.note])]
    if any(part.state == INCOMPLETE and not part.note for part in parts):
        text.append("Fewer than the complete set will do for a trial; a download that broke off looks the same.")
    lacking = [part for part in parts if part.state != FOUND]  # also what is left out: one may want it
    sets = {part.known.title: part.known for part in lacking if part.known}
    get = [[known.title, known.url, known.terms] for known in sets.values()]
    get += [["your own", "data/README.md says how they are laid out", ""]] * any(not part.known for part in lacking)
    text += ["Where to get them:\n" + _indented(get)] if get else []
    return "\n\n".join(filter(None, text))


def reason(error: BaseException, need: Need | None = None) -> str:
    """Return an error's message on one line, paths as below the data root, and without the list named before it."""
    text = " ".join(str(error).split()).replace(f"{data_root()}{os.sep}", "")
    for name in need.lists if need else ():
        text = text.removeprefix(f"{name}: ")
    return text if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {text}"


def _is_long(need: Need) -> bool:
    return need.kind == "boxes" and sum((data_root() / name).stat().st_size for name in need.lists) > LONG


def _beside(need: Need) -> Contents:
    """What lies beside a list that takes long to read; for references, which name few of the images, no count."""
    images = need.images_below() if need.kind == "boxes" else []
    return Contents(images, len(images))


def _files_below(need: Need) -> list[Path]:
    below = (path for folder in need.folders for path in (data_root() / folder).rglob("*"))
    return [path for path in below if path.is_file()]


def _size_of(paths: Sequence[Path]) -> int:
    asked = paths[:: max(1, len(paths) // MOST_SIZES_ASKED)]
    return round(sum(path.stat().st_size for path in asked) * len(paths) / len(asked)) if asked else 0


def _indented(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"  {line}" for line in tabulate(rows, tablefmt="plain", disable_numparse=True).splitlines())


def _of(found: int | None, expected: int | None) -> str:
    if expected is None or found == expected:
        return "–" if found is None else f"{found:,}"
    return f"{'–' if found is None else f'{found:,}'} / {expected:,}"
