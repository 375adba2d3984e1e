"""Tar files as data sets use them: which of them a name stands for, and their members as one would use files."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from braceexpand import braceexpand


@dataclass(frozen=True)
class TarMember:
    """Where the contents of a member lie, to a plain `.tar` what `zipfile.Path` is to a `.zip`.

    Nothing is opened until it is asked for, and nothing is unpacked.

    Attributes:
        shard: the tar file, not compressed.
        member: name within it.
        offset: of its first byte, from the start of the tar file.
        size: in bytes.

    Example:
        >>> TarMember(Path("cc3m/00000.tar"), "000000007.jpg", 512, 20_480).name
        '000000007.jpg'
    """

    shard: Path
    member: str
    offset: int
    size: int

    @property
    def name(self) -> str:
        """The last part of its name, as `Path.name`."""
        return PurePosixPath(self.member).name

    def exists(self) -> bool:
        """Whether its tar file is there."""
        return self.shard.is_file()

    def read_bytes(self) -> bytes:
        """Read its contents.

        Raises:
            FileNotFoundError: the tar file is not there.
            OSError: it ends before the member does.
        """
        # Opened each time: forked loader processes would share the position of an open file.
        with self.shard.open("rb", buffering=0) as file:
            file.seek(self.offset)
            content = file.read(self.size)
        if len(content) < self.size:
            raise OSError(f"{self.shard} is cut short: {len(content):,} of {self.size:,} bytes of {self.member}")
        return content

    def open(self, mode: str = "rb") -> io.BytesIO:
        """Return its contents as a binary file."""
        return io.BytesIO(self.read_bytes())

    def __str__(self) -> str:
        return f"{self.shard}/{self.member}"


def find_shards(where: Path) -> list[Path]:
    """Return the tar files of a folder, or those that a pattern with braces names; see `read_shards`."""
    if "{" not in str(where):
        shards = [where] if where.is_file() else sorted(where.glob("*.tar"))
        if not shards:
            raise FileNotFoundError(f"{where}: found no .tar file, expected WebDataset shards such as 00000.tar")
        return shards
    shards = [Path(name) for name in braceexpand(str(where))]
    missing = [shard for shard in shards if not shard.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{where}: {len(missing):,} of {len(shards):,} shards are not there, such as {missing[0].name}; "
            "fetch them, or name those that are there"
        )
    return shards


def shard_folder(where: Path) -> Path:
    """Return the folder of shards that are named with braces; any other path as it is.

    Example:
        >>> shard_folder(Path("cc3m/{00000..00331}.tar")).as_posix(), shard_folder(Path("cc3m/train")).as_posix()
        ('cc3m', 'cc3m/train')
    """
    plain = [part for part in (where, *where.parents) if "{" not in str(part)]
    return plain[0]
