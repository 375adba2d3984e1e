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
                _fill(partial, progress, count, compute, label, chunk)
                os.replace(partial, path)
                progress.unlink(missing_ok=True)
    return np.load(path, mmap_mode="r")


def _fill(
    partial: Path, progress: Path, count: int, compute: Callable[[slice], np.ndarray], label: str, chunk: int
) -> None:
    done = json.loads(progress.read_text(encoding="utf-8"))["rows"] if progress.exists() and partial.exists() else 0
    rows = np.lib.format.open_memmap(partial, mode="r+") if done else None
    with tqdm(total=count, initial=done, desc=label, unit="row") as bar:
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
