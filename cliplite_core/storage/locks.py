"""One at a time: the operating system's locks, which go with the process that holds them and are never stale."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cliplite_core.storage.notes import note

READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def alone(path: Path, waiting: str) -> Iterator[None]:
    """Let one process at a time into the block; whoever comes second says so and waits.

    Args:
        path: the lock file; its folder is made.
        waiting: the line that a second process prints.

    Example:
        >>> import tempfile
        >>> with alone(Path(tempfile.mkdtemp()) / "lock", "another process works here; waiting for it to end"):
        ...     pass
    """
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        note(waiting)
        lock.acquire()
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        # On a read-only disk nobody can write what the lock guards, and what is finished can be read.
    try:
        yield
    finally:
        lock.release()
