"""Embeddings of a folder of images, kept up to date: what is new or changed is embedded, what is gone is dropped.

An index is two files: a list of what was seen of which file, and the embeddings it points to. The list is written last
and by renaming, so a reader or a kill meets the former index or the new one, never half of each.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock
from torchvision.datasets.folder import IMG_EXTENSIONS

from cliplite_core.explore.embed import embed_images, model_digest
from cliplite_core.explore.nearest import BLOCK, build_faiss, nearest, nearest_faiss, open_faiss
from cliplite_core.model import CLIPLite
from cliplite_core.storage.features import cached_rows
from cliplite_core.storage.files import replacing, write_text, writing
from cliplite_core.storage.places import runs_root

if TYPE_CHECKING:
    import faiss

Stamp = tuple[int, int]  # size in bytes, and time of the last change in nanoseconds
BATCH = 64  # images that go through the encoder together


@dataclass(frozen=True, eq=False)
class ImageIndex:
    """The images of a folder as a model sees them.

    Attributes:
        folder: the folder, absolute.
        names: paths of the N images below it, sorted.
        embeddings: (N, units) float16 unit vectors, memory-mapped.
        broken: name of every image that cannot be read = why.
        path: the list on disk.
        embedded: how many images the update that returned this had to embed.
    """

    folder: Path
    names: list[str]
    embeddings: np.ndarray
    broken: dict[str, str]
    path: Path
    embedded: int = 0

    def __len__(self) -> int:
        return len(self.names)

    @property
    def paths(self) -> list[Path]:
        """The N image files."""
        return [self.folder / name for name in self.names]

    def search(self, queries: np.ndarray, k: int, approximate: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Find the images nearest to each query.

        Args:
            queries: (Q, units) float32 unit vectors, as `embed_texts` returns them.
            k: images per query.
            approximate: search by FAISS: for millions of images; what it needs is made at first use.

        Returns:
            Rows of `names`, (Q, at most k), best first, and their cosines.

        Raises:
            ValueError: as `nearest`, the index is empty, or FAISS is asked for and not installed.
        """
        if not self.names:
            raise ValueError(f"{self.folder}: no image that can be read, expected at least one to search")
        if not approximate:
            return nearest(self.embeddings, queries, k)
        return nearest_faiss(self._cells, queries, k)

    @cached_property
    def _cells(self) -> faiss.Index:
        """The index of FAISS; its name is that of the embeddings, so it is of this very state of the folder."""
        path = Path(self.embeddings.filename).with_suffix(".faiss")
        with FileLock(self.path.with_suffix(".lock")):
            if not path.exists():
                with replacing(path) as temporary:
                    build_faiss(self.embeddings, temporary)
        return open_faiss(path)


def update_index(model: CLIPLite, folder: str | Path) -> ImageIndex:
    """Bring the index of a folder up to date, embedding only what is new or changed since the last time.

    A file counts as changed when its size or its time of change is another, as for `make`. Kept below
    `runs_root()/index`, under the model's weights and the folder's path. A second process waits for the first; after a
    kill the same call resumes where the former one was.

    Args:
        model: of `load_searchable`.
        folder: images in it and in all folders below it.

    Returns:
        The index; `broken` has what cannot be read, which is tried again only once the file changes.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no image file.
        OSError: the index cannot be written.
    """
    folder = Path(folder).resolve()
    seen = image_files(folder)
    path = index_path(model, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        former, stamps = _read(path)
        known = {name: row for row, name in enumerate(former.names) if stamps.get(name) == seen.get(name)}
        broken = {name: why for name, why in former.broken.items() if stamps.get(name) == seen.get(name)}
        fresh = [name for name in seen if name not in known and name not in broken]
        if not fresh and len(known) == len(former) and len(broken) == len(former.broken) and path.exists():
            os.utime(path)  # this folder was looked at last, see `latest_index`
            return former
        new, cannot = _embed(model, folder, {name: seen[name] for name in fresh}, path)
        rows = {name: ("new", row) for row, name in enumerate(fresh) if name not in cannot}
        rows |= {name: ("former", row) for name, row in known.items()}
        names = sorted(rows)
        parts = {"new": new, "former": former.embeddings}
        digest = _digest(json.dumps([names, [seen[name] for name in names]]))
        stored = path.with_name(f"{path.stem}-{digest}.npy")
        if not stored.exists():  # it does where only what cannot be read has changed
            with replacing(stored) as temporary:
                _join(temporary, parts, [rows[name] for name in names], model.critic.units)
        listed = {name: seen[name] for name in names}
        content = {"folder": str(folder), "embeddings": stored.name, "images": listed}
        content["broken"] = {name: [*seen[name], why] for name, why in sorted((broken | cannot).items())}
        write_text(path, json.dumps(content) + "\n")
        _forget(path, keep=stored)
        return _read(path, embedded=len(fresh))[0]


def image_files(folder: Path) -> dict[str, Stamp]:
    """List the image files of a folder and of all folders below it, hidden ones aside.

    Args:
        folder: where to look.

    Returns:
        Path below the folder, with "/" = size and time of change; sorted.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: there is no image in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} not found; expected a folder of images")
    found = {}
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(where, name)
            if path.suffix.lower() in IMG_EXTENSIONS and not name.startswith("."):
                found[path.relative_to(folder).as_posix()] = _stamp(path)
    if not found:
        raise ValueError(f"{folder}: no image in it or below it, expected files *{', *'.join(IMG_EXTENSIONS)}")
    return dict(sorted(found.items()))


def index_path(model: CLIPLite, folder: Path) -> Path:
    """Return where the index of a folder is kept: below the weights of the model, then the folder's path."""
    return _home(model) / f"{_digest(str(folder.resolve()))}.json"


def latest_index(model: CLIPLite) -> Path:
    """Return the folder that was last indexed with a model.

    Raises:
        FileNotFoundError: there is none.
    """
    known = sorted(_home(model).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    if not known:
        raise FileNotFoundError("no folder was indexed with this model yet; name one: images=FOLDER")
    return Path(json.loads(known[-1].read_text(encoding="utf-8"))["folder"])


def _embed(model: CLIPLite, folder: Path, fresh: dict[str, Stamp], path: Path) -> tuple[np.ndarray, dict[str, str]]:
    """Embed files, or resume where a killed attempt at the same files was; also say which cannot be read, and why."""
    units, names = model.critic.units, list(fresh)
    if not names:
        return np.empty((0, units), dtype=np.float32), {}
    wanted = path.with_name(f"{path.stem}-new-{_digest(json.dumps(fresh))}.npy")

    def compute(at: slice) -> np.ndarray:
        return embed_images(model, [folder / name for name in names[at]])[0]

    rows, cannot = cached_rows(wanted, len(names), compute, "images", BATCH), {}
    for start in range(0, len(names), BLOCK):
        for row in np.flatnonzero(np.isnan(rows[start : start + BLOCK, 0])) + start:
            _, (why,) = embed_images(model, [folder / names[row]])  # once more, for the reason
            cannot[names[row]] = why or "could not be read a moment ago"
    return rows, cannot


def _join(path: Path, parts: dict[str, np.ndarray], rows: Sequence[tuple[str, int]], units: int) -> None:
    """Write rows of several arrays as one float16 array, a block at a time."""
    with writing(path), path.open("wb") as file:
        header = {"descr": "<f2", "fortran_order": False, "shape": (len(rows), units)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            joined = np.empty((len(block), units), dtype="<f2")
            for name, part in parts.items():
                if at := [place for place, (source, _) in enumerate(block) if source == name]:
                    joined[at] = part[[block[place][1] for place in at]]
            file.write(joined.tobytes())


def _read(path: Path, embedded: int = 0) -> tuple[ImageIndex, dict[str, Stamp]]:
    """Read an index and the stamps of its files; one that is broken or not there is empty."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        images, broken = content["images"], content["broken"]
        embeddings = np.load(path.with_name(content["embeddings"]), mmap_mode="r" if images else None)
        if len(images) != len(embeddings):
            raise ValueError("another number of embeddings than of images")
    except (OSError, ValueError, KeyError, TypeError):
        return ImageIndex(path.parent, [], np.empty((0, 0), dtype=np.float16), {}, path), {}
    stamps = {name: tuple(stamp[:2]) for name, stamp in (images | broken).items()}
    reasons = {name: why for name, (_, _, why) in broken.items()}
    return ImageIndex(Path(content["folder"]), list(images), embeddings, reasons, path, embedded), stamps


def _forget(path: Path, keep: Path) -> None:
    """Remove the embeddings of former states."""
    for file in path.parent.glob(f"{path.stem}-*"):
        if file.stem != keep.stem:
            with suppress(PermissionError):  # Windows keeps what another process has open, until next time
                file.unlink()


def _stamp(path: Path) -> Stamp:
    try:
        state = path.stat()
    except OSError:  # a link to nowhere: reported as an image that cannot be read
        return 0, 0
    return state.st_size, state.st_mtime_ns


def _home(model: CLIPLite) -> Path:
    return runs_root() / "index" / model_digest(model)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
