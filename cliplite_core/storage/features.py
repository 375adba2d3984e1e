"""Arrays that take long to compute: written row by row as they come, finished after a kill, read from disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from cliplite_core.storage.files import move, write_text, writing
from cliplite_core.storage.locks import alone


def cached_rows(
    path: Path, count: int, compute: Callable[[slice], np.ndarray], label: str, chunk: int = 64
) -> np.ndarray:
    """Return an array from its file, or compute it in chunks of rows, resuming where a former attempt ended.

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
    # Trainings side by side want the same features.
    with alone(path.with_suffix(".lock"), f"another process computes {path.name}; waiting for it to end"):
        if not path.exists():
            with writing(path):
                _fill(partial, progress, count, compute, label, chunk)
                move(partial, path)
                progress.unlink(missing_ok=True)
    return np.load(path, mmap_mode="r")


def rows_left(path: Path, count: int) -> int:
    """Return how many of an array's rows are yet to be computed; 0 where its file is there."""
    if path.exists():
        return 0
    return count - _begun(path.with_suffix(".partial.npy"), path.with_suffix(".progress.json"), count)[0]


def _fill(
    partial: Path, progress: Path, count: int, compute: Callable[[slice], np.ndarray], label: str, chunk: int
) -> None:
    done, rows = _begun(partial, progress, count)
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


def _begun(partial: Path, progress: Path, count: int) -> tuple[int, np.ndarray | None]:
    """How many rows a former attempt finished, and its array; none where a power cut broke either file."""
    try:
        done = json.loads(progress.read_text(encoding="utf-8"))["rows"]
        rows = np.lib.format.open_memmap(partial, mode="r+")
    except (OSError, ValueError, KeyError, TypeError):
        return 0, None
    return (done, rows) if isinstance(done, int) and 0 < done <= len(rows) == count else (0, None)
