"""Tar files of equal bytes for equal contents, which appear only when they are complete."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cliplite_core.storage.files import replacing

BLOCK = 512  # bytes that tar counts in
END_OF_TAR = 2 * BLOCK + tarfile.RECORDSIZE  # most bytes after the last member
EARLIEST = 315_532_800  # 1980, one date for all members: time of packing would change the bytes, tar warns of 1970


def pack(
    members: Iterable[tuple[str, bytes]], folder: Path, name: str, limit: int, start: int = 0, compress: bool = False
) -> None:
    """Write NAME-00000.tar, NAME-00001.tar and so on, each as soon as it is full.

    Args:
        members: names and contents, in the order of packing; only those of one shard are held.
        folder: where to write.
        name: of the shards.
        limit: most bytes of a shard; a member that is larger by itself has a shard of its own.
        start: number of the first shard, after those that `finished_shards` has found.
        compress: write NAME-00000.tar.gz; `limit` is that of the contents. Photos are compressed already.
    """
    waiting: dict[str, bytes] = {}
    size, number = END_OF_TAR, start
    for member, content in members:
        space = len(_header(member, content).tobuf()) + -(-len(content) // BLOCK) * BLOCK
        if waiting and size + space > limit:
            _write_shard(folder / f"{name}-{number:05d}.tar", waiting, compress)
            waiting, size, number = {}, END_OF_TAR, number + 1
        waiting[member], size = content, size + space
    if waiting:
        _write_shard(folder / f"{name}-{number:05d}.tar", waiting, compress)


def finished_shards(folder: Path, name: str, members: Sequence[str]) -> tuple[int, int]:
    """Look for shards that an interrupted run has left.

    Args:
        folder: where they lie.
        name: as given to `pack`.
        members: names of all members, in the order of packing.

    Returns:
        How many shards there are, and how many of the members are in them.

    Raises:
        FileExistsError: they hold something else than the first of the members.
    """
    done, shards = 0, sorted(folder.glob(f"{name}-[0-9]*.tar"))
    for shard in shards:
        with tarfile.open(shard) as tar:
            found = tar.getnames()
        if found != list(members[done : done + len(found)]):
            raise FileExistsError(
                f"{shard} holds other images than the profile names now; delete {folder}, or choose another with --out"
            )
        done += len(found)
    return len(shards), done


def write_checksums(path: Path, files: Iterable[Path]) -> None:
    """Write a list for `sha256sum -c`."""
    lines = []
    for file in files:
        with file.open("rb") as content:
            lines.append(f"{hashlib.file_digest(content, 'sha256').hexdigest()}  {file.name}\n")
    with replacing(path) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def _write_shard(path: Path, members: Mapping[str, bytes], compress: bool) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members.items():
            tar.addfile(_header(name, content), io.BytesIO(content))
    with replacing(path.with_name(path.name + ".gz") if compress else path) as temporary:
        temporary.write_bytes(gzip.compress(buffer.getvalue(), mtime=0) if compress else buffer.getvalue())


def _header(name: str, content: bytes) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mtime = len(content), EARLIEST
    return header
