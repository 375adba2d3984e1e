"""The nearest of millions of embeddings: exactly, block by block, or approximately by FAISS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import faiss

BLOCK = 32_768  # rows that are float32 at a time: 32 MiB of 256 dimensions
TRAINED_ON = 64  # rows per cell that FAISS places its cells by
PROBED = 16  # one cell in so many is looked into


def nearest(embeddings: np.ndarray, queries: np.ndarray, k: int, block: int = BLOCK) -> tuple[np.ndarray, np.ndarray]:
    """Find the k largest inner products of each query, exactly.

    The embeddings are read block by block, so that a memory-mapped file of any length needs little memory; products are
    taken in float32.

    Args:
        embeddings: (N, D) float16 or float32, in memory or memory-mapped.
        queries: (Q, D) float32.
        k: answers per query, at least 1; all N where there are fewer.
        block: rows per step.

    Returns:
        Rows, (Q, min(k, N)) int64, best first, the lower row first of equals; and their products, float32.

    Raises:
        ValueError: the widths differ, or k is below 1.

    Example:
        >>> rows, products = nearest(np.eye(3, dtype=np.float16), np.float32([[0.25, 0.75, 0.5]]), k=2)
        >>> rows.tolist(), products.tolist()
        ([[1, 2]], [[0.75, 0.5]])
    """
    if k < 1:
        raise ValueError(f"k: got {k}, expected at least 1")
    if queries.ndim != 2 or queries.shape[1] != embeddings.shape[1]:
        raise ValueError(f"queries: found shape {queries.shape}, expected (·, {embeddings.shape[1]})")
    rows = np.empty((len(queries), 0), dtype=np.int64)
    products = np.empty((len(queries), 0), dtype=np.float32)
    for start in range(0, len(embeddings), block):
        part = embeddings[start : start + block].astype(np.float32)  # shape: (block, D)
        products = np.hstack([products, queries @ part.T])  # shape: (Q, best so far + block)
        rows = np.hstack([rows, np.broadcast_to(np.arange(start, start + len(part)), (len(queries), len(part)))])
        best = np.stack([_largest(of_query, k) for of_query in products])  # shape: (Q, <= k)
        rows, products = np.take_along_axis(rows, best, 1), np.take_along_axis(products, best, 1)
    return rows, products


def _largest(values: np.ndarray, k: int) -> np.ndarray:
    """Return where the k largest values stand, largest first, the first of equals first; sorts no more than it must."""
    among = np.arange(len(values))
    if k < len(values):
        among = np.flatnonzero(values >= np.partition(values, -k)[-k])
    return among[np.argsort(-values[among], kind="stable")[:k]]


def build_faiss(embeddings: np.ndarray, path: Path, block: int = BLOCK) -> None:
    """Write a FAISS index for approximate search: float16 vectors in √N cells (an inverted file, "IVF").

    Args:
        embeddings: (N, D) unit vectors.
        path: the file to write.
        block: rows per step.

    Raises:
        ValueError: FAISS is not installed.
    """
    faiss, (count, dim) = _faiss(), embeddings.shape
    cells = max(1, int(count**0.5))
    index = faiss.index_factory(dim, f"IVF{cells},SQfp16", faiss.METRIC_INNER_PRODUCT)
    chosen = np.random.default_rng(0).choice(count, min(count, TRAINED_ON * cells), replace=False)
    index.train(embeddings[np.sort(chosen)].astype(np.float32))
    for start in range(0, count, block):
        index.add(embeddings[start : start + block].astype(np.float32))
    faiss.write_index(index, str(path))


def open_faiss(path: Path) -> faiss.Index:
    """Open what `build_faiss` wrote; the vectors stay on disk until a search looks into their cell.

    Raises:
        ValueError: FAISS is not installed.
    """
    faiss = _faiss()
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)


def nearest_faiss(index: faiss.Index, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Find most of the k largest inner products of each query, looking into one cell in sixteen.

    Args:
        index: of `open_faiss`.
        queries: (Q, D) float32.
        k: answers per query.

    Returns:
        As `nearest`; fewer answers where the cells that were looked into hold fewer for some query.
    """
    index.nprobe = max(1, index.nlist // PROBED)
    products, rows = index.search(np.ascontiguousarray(queries, dtype=np.float32), min(k, index.ntotal))
    found = int((rows >= 0).all(axis=0).sum())  # FAISS fills up with row -1
    return rows[:, :found], products[:, :found]


def _faiss():  # noqa: ANN202 - a module that may be missing
    try:
        import faiss
    except ImportError as error:
        raise ValueError("FAISS is not installed; it comes with: pip install faiss-cpu") from error
    return faiss
