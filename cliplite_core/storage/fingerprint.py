"""A short name for the exact data behind a result: the names and sizes of its files, and a sample of their contents."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from cliplite_core.storage.tar_files import TarMember

SAMPLED = 256  # files of a list whose contents are hashed; the others count by name and size
PIECES, PIECE = 16, 2**16  # of a tar file, and their bytes
SAMPLE_EVERY = 64  # hashing the contents of one file in 64 keeps COCO at a few seconds


def fingerprint(folder: Path) -> str:
    """Hash a data set: names and sizes of all files, contents of every 64th in name order.

    Args:
        folder: the data set's folder.

    Returns:
        16 hexadecimal digits, wherever the folder lies. A renamed, added, removed or resized file changes them; one
        edited at the same length does so if it is in the sample. `check` finds files that are broken.
    """
    digest = hashlib.sha256()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for position, path in enumerate(files):
        described = f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0"
        digest.update(described.encode("utf-8", "surrogateescape"))  # Linux allows names that are no text
        if position % SAMPLE_EVERY == 0:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def fingerprint_files(paths: Sequence[Path | TarMember]) -> str:
    """Hash a list of files in its order: all names and sizes, and the contents of 256 of them, evenly spread.

    Args:
        paths: files that are there, or members of tar files; their folders do not matter.

    Returns:
        16 hexadecimal digits. Of at most 256 files any changed byte changes them, but for those in large tar files.

    Raises:
        FileNotFoundError: a file is not there.
    """
    digest, stride = hashlib.sha256(), max(1, len(paths) // SAMPLED)
    for position, path in enumerate(paths):
        size = path.size if isinstance(path, TarMember) else path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode("utf-8", "surrogateescape"))
        if position % stride == 0:
            digest.update(path.read_bytes() if path.name[-4:] != ".tar" else _sample(path, size))
    return digest.hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a whole file, however large, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sample(path: Path, size: int) -> bytes:
    """A few pieces of a shard: hundreds of them have more bytes than one wants to read before each plan."""
    with path.open("rb") as file:
        pieces = []
        for start in range(0, size, max(1, size // PIECES)):
            file.seek(start)
            pieces.append(file.read(PIECE))
    return b"".join(pieces)
