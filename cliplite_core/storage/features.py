"""Arrays that take long to compute: written row by row as they come, finished after a kill, read from disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock
from tqdm.auto import tqdm

from cliplite_core.storage.files import write_text, writing


def cached_rows(
    path: Path, count: int, compute: Callable[[slice], np.ndarray], label: str, chunk: int = 64
) -> np.ndarray:
    """Return an array from its file, or compute it in chunks of rows, going on where a former attempt ended.

    Args:
        path: the `.npy` file; what the rows depend on belongs into its name.
        count: number of rows N, at least 1.
        compute: slice of rows -> (rows, D) float32.
        label: of the progress bar.
        chunk: rows per call.

    Returns:
        (N, D) float32, memory-mapped and read-only.

    Raises:
        OSError: the file cannot be written; finished chunks are kept.
    """
    partial, progress = path.with_suffix(".partial.npy"), path.with_suffix(".progress.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # trainings side by side want the same features
        if not path.exists():
            with writing(path):
                _fill(partial, progress, count, count - rows_left(path, count), compute, label, chunk)
                os.replace(partial, path)
                progress.unlink(missing_ok=True)
    return np.load(path, mmap_mode="r")


def rows_left(path: Path, count: int) -> int:
    """Return how many of an array's rows are yet to be computed; 0 where its file is there."""
    progress = path.with_suffix(".progress.json")
    if path.exists():
        return 0
    found = path.with_suffix(".partial.npy").exists() and progress.exists()
    return count - (json.loads(progress.read_text(encoding="utf-8"))["rows"] if found else 0)


def _fill(
    partial: Path, progress: Path, count: int, done: int, compute: Callable[[slice], np.ndarray], label: str, chunk: int
) -> None:
    rows = np.lib.format.open_memmap(partial, mode="r+") if done else None
    with tqdm(total=count, initial=done, desc=f"encoding {label}", unit=label.removesuffix("s")) as bar:
        for start in range(done, count, chunk):
            found = compute(slice(start, min(start + chunk, count)))
            if rows is None:
                rows = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float32, shape=(count, found.shape[1]))
            rows[start : start + len(found)] = found
            bar.update(len(found))
            if (start // chunk) % 16 == 15:
                rows.flush()
                write_text(progress, json.dumps({"rows": start + len(found)}))
    rows.flush()
