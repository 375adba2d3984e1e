"""Search among many embeddings, exact and by FAISS, side by side: python benchmarks/search.py [--rows 1000000]

The embeddings lie around random centres, somewhat as those of real pictures do: among evenly spread ones no cell would
hold the answer.
Each search runs in a process of its own, whose memory is its peak minus that of a process which imports the same and
searches nothing. Other work on the machine changes the seconds of both alike: look at the ratio.
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


def measure(kind: str, folder: Path, queries: int, k: int) -> dict:
    """What one process finds, needs and takes; with kind "nothing" it only opens the file."""
    embeddings = np.load(folder / "embeddings.npy", mmap_mode="r")
    wanted = embeddings[:: len(embeddings) // queries][:queries].astype(np.float32)
    rng = np.random.default_rng(SEED + 1)
    wanted = unit(wanted + 0.5 * unit(rng.standard_normal(wanted.shape, dtype=np.float32)))  # near a row, none itself
    seconds, rows = [], []
    if kind != "nothing":
        index = open_faiss(folder / "cells.faiss") if kind == "faiss" else None
        for query in wanted:
            started = time.perf_counter()
            found = nearest_faiss(index, query[None], k) if index else nearest(embeddings, query[None], k)
            seconds.append(time.perf_counter() - started)
            rows.append(found[0][0].tolist())
    return {"seconds": seconds, "rows": rows, "gib": peak_memory_gib()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--dim", type=int, default=256, help="default: %(default)s")
    parser.add_argument("--queries", type=int, default=20, help="default: %(default)s")
    parser.add_argument("-k", type=int, default=10, help="answers per query (default: %(default)s)")
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        kind, folder = options.measure
        print(json.dumps(measure(kind, Path(folder), options.queries, options.k)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_embeddings(folder / "embeddings.npy", options.rows, options.dim)
        started = time.perf_counter()
        build_faiss(np.load(folder / "embeddings.npy", mmap_mode="r"), folder / "cells.faiss")
        built = time.perf_counter() - started
        found = {}
        for kind in ("nothing", "exact", "faiss"):
            words = [sys.executable, __file__, "--measure", kind, name, "--queries", str(options.queries)]
            done = subprocess.run([*words, "-k", str(options.k)], capture_output=True, text=True, check=True)
            found[kind] = json.loads(done.stdout)
        stored = {"exact": "embeddings.npy", "faiss": "cells.faiss"}
        disk = {kind: (folder / file).stat().st_size / 2**20 for kind, file in stored.items()}
    exact, faiss = found["exact"]["rows"], found["faiss"]["rows"]
    recall = np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(exact, faiss, strict=True)])
    print(f"{options.rows:,} embeddings of {options.dim} dimensions, {options.queries} queries, load {load()}")
    print(f"  FAISS places its cells once, in {built:.0f} s")
    print(f"  {'':8}{'median ms':>10}{'ratio':>8}{'memory MiB':>12}{'disk MiB':>10}{'recall@' + str(options.k):>11}")
    reference = np.median(found["exact"]["seconds"])
    for kind, right in (("exact", 1.0), ("faiss", recall)):
        seconds = np.median(found[kind]["seconds"])
        memory = 1024 * (found[kind]["gib"] - found["nothing"]["gib"])
        print(f"  {kind:8}{1e3 * seconds:10.1f}{seconds / reference:8.3f}{memory:12.0f}{disk[kind]:10.0f}{right:11.3f}")


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


if __name__ == "__main__":
    main()
