"""Search among many embeddings, exact and by FAISS, side by side: python benchmarks/search.py [--rows 1000000]

The embeddings lie around random centres, somewhat as those of real pictures do: among evenly spread ones no cell would
hold the answer.
Each step runs in a process of its own. Its memory is its peak minus that of one that only opens the file; what it read
of a mapped file counts, though the system may take that back. Its time is processor time of one thread, which other
work on the machine changes less than the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from cliplite_core.explore.nearest import BLOCK, build_faiss, nearest, nearest_faiss, open_faiss
from cliplite_core.storage.files import write_text
from cliplite_core.storage.memory import peak_memory_gib

CENTRES, SPREAD, SEED = 2000, 1.0, 0  # the noise is as long as the centre


def write_embeddings(path: Path, rows: int, dim: int) -> None:
    rng = np.random.default_rng(SEED)
    centres = unit(rng.standard_normal((CENTRES, dim), dtype=np.float32))
    stored = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(rows, dim))
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        noise = unit(rng.standard_normal((count, dim), dtype=np.float32))
        stored[start : start + count] = unit(centres[rng.integers(CENTRES, size=count)] + SPREAD * noise)
    stored.flush()


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def step(kind: str, folder: Path, options: argparse.Namespace) -> dict:
    """What one process takes, and what it finds if it searches."""
    path, cells = folder / "embeddings.npy", folder / "cells.faiss"
    if kind == "write":
        write_embeddings(path, options.rows, options.dim)
    embeddings = np.load(path, mmap_mode="r")
    started = time.process_time()
    if kind == "build":
        build_faiss(embeddings, cells)
    seconds, rows = [time.process_time() - started], []
    if kind in ("exact", "faiss"):
        index, seconds = open_faiss(cells) if kind == "faiss" else None, []
        for query in queries(embeddings, options.queries):
            started = time.process_time()
            found = nearest_faiss(index, query, options.k) if index else nearest(embeddings, query, options.k)
            seconds.append(time.process_time() - started)
            rows.append(found[0][0].tolist())
    return {"seconds": float(np.median(seconds)), "rows": rows, "gib": peak_memory_gib()}


def queries(embeddings: np.ndarray, count: int) -> list[np.ndarray]:
    """Vectors (1, D) near rows of the file, evenly spread, and none itself in it."""
    near = embeddings[:: len(embeddings) // count][:count].astype(np.float32)
    noise = unit(np.random.default_rng(SEED + 1).standard_normal(near.shape, dtype=np.float32))
    return list(unit(near + 0.5 * noise)[:, None])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--dim", type=int, default=256, help="default: %(default)s")
    parser.add_argument("--queries", type=int, default=20, help="default: %(default)s")
    parser.add_argument("-k", type=int, default=10, help="answers per query (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="file that the table is written to, in Markdown")
    parser.add_argument("--step", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(step(options.step[0], Path(options.step[1]), options)))
        return
    given = [f"--{name}={getattr(options, name)}" for name in ("rows", "dim", "queries")] + [f"-k={options.k}"]
    alone = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for kind in ("write", "open", "build", "exact", "faiss"):
            command = [sys.executable, __file__, *given, "--step", kind, folder]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=alone)
            found[kind] = json.loads(done.stdout)
        disk = {
            kind: Path(folder, name).stat().st_size / 2**20
            for kind, name in (("exact", "embeddings.npy"), ("faiss", "cells.faiss"))
        }
    pairs = zip(found["exact"]["rows"], found["faiss"]["rows"], strict=True)
    recall = {"exact": 1.0, "faiss": np.mean([len(set(a) & set(b)) / len(a) for a, b in pairs])}
    lines = [
        f"{options.rows:,} embeddings of {options.dim} dimensions, {options.queries} queries, one thread, load of "
        f"{load()}; FAISS places its cells once, in {found['build']['seconds']:.0f} s.",
        "",
        f"| | median ms | times as fast | memory (MiB) | disk (MiB) | recall@{options.k} |",
        "|:--|--:|--:|--:|--:|--:|",
    ]
    for kind in ("exact", "faiss"):
        seconds, memory = found[kind]["seconds"], 1024 * (found[kind]["gib"] - found["open"]["gib"])
        faster = found["exact"]["seconds"] / seconds
        lines.append(
            f"| {kind} | {1e3 * seconds:.1f} | {faster:.0f} | {memory:.0f} | {disk[kind]:.0f} | {recall[kind]:.3f} |"
        )
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        write_text(options.out, f"# Search among many embeddings\n\n{text}")


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


if __name__ == "__main__":
    main()
