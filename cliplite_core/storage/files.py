"""Writing files that are whole or not there: by a temporary name, with one line for a full or read-only disk.

After a power cut, too: what was written reaches the disk before its name does.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

MANY = 64  # files of a folder; more of them are flushed all at once, with whatever else waits


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; what was written there takes the place of `path` at the end.

    Args:
        path: a file, or a folder to be written as a whole; the folders above it are made.

    Raises:
        OSError: it cannot be written; the message names it. What was at `path` is still there, and whole.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "metrics" / "a.json"
        >>> with replacing(path) as temporary:
        ...     _ = temporary.write_text("{}")
        >>> path.read_text(), [file.name for file in path.parent.iterdir()]
        ('{}', ['a.json'])
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove(temporary)  # of a run that was killed
            yield temporary
            if path.is_dir():  # a folder cannot be renamed over a full one
                _remove(path)
            move(temporary, path)
    except OSError:
        with suppress(OSError):  # a read-only disk
            _remove(temporary)  # half a checkpoint would keep a full disk full
        raise


def move(temporary: Path, path: Path) -> None:
    """Give a file or folder its name once it is on the disk, and put the name there, too."""
    if temporary.is_dir():
        inside = [file for file in temporary.rglob("*") if file.is_file()]
        if len(inside) > MANY and hasattr(os, "sync"):
            os.sync()
        else:
            for file in inside:
                _flush(file)
    else:
        _flush(temporary)
    os.replace(temporary, path)
    if os.name != "nt":  # Windows opens no folder
        _flush(path.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Let the block write `path`; if it cannot, an OSError says so in one line.

    Raises:
        OSError: the block raised one, or what others raise in its place: torch a RuntimeError, safetensors its own, and
            tokenizers a bare Exception.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError | RuntimeError | SafetensorError) and type(error) is not Exception:
            raise
        reason = " ".join(str(error).split())
        raise OSError(
            f"{path} cannot be written ({reason}{_free(path.parent)}); make room there, or choose another place with "
            "CLIPLITE_DATA, CLIPLITE_RUNS or CLIPLITE_RESULTS, and start again"
        ) from error


def _free(folder: Path) -> str:
    try:
        return f", {shutil.disk_usage(folder).free / 2**20:,.0f} MiB are free there"
    except OSError:  # there is no such folder
        return ""


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write a text file by a temporary name, so that a reader or a kill never meets half a file."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
