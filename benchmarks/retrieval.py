"""Ranks of 5,000 images and 25,000 captions, against sorting all scores: python benchmarks/retrieval.py"""

from __future__ import annotations

import numpy as np
import torch
from timing import Options, Row, compare
from torch.nn import functional as F

from cliplite_core.evaluation.retrieval import retrieval_ranks


def ranks_by_sorting(image: torch.Tensor, caption: torch.Tensor, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the released code does: sort each query's scores, look for the first right answer."""

    def search(queries: torch.Tensor, gallery: torch.Tensor, query: np.ndarray, answer: np.ndarray) -> np.ndarray:
        ranks = []
        for start in range(0, len(queries), 256):
            rows = slice(start, start + 256)
            order = np.argsort(-(queries[rows] @ gallery.T).numpy(), axis=1)
            ranks.append(1 + (answer[order] == query[rows, None]).argmax(axis=1))
        return np.concatenate(ranks)

    images = np.arange(len(image))
    return search(image, caption, images, owner), search(caption, image, owner, images)


def measure(options: Options) -> list[Row]:
    images, turns = (100, 2) if options.quick else (5000, 3)
    owner, generator = torch.arange(images).repeat_interleave(5), torch.Generator().manual_seed(0)
    image = F.normalize(torch.randn(images, 256, generator=generator))
    caption = F.normalize(image[owner] + 0.2 * torch.randn(len(owner), 256, generator=generator))
    works = {
        "one pass over tiles": lambda: retrieval_ranks(image, caption, owner),
        "argsort of all scores": lambda: ranks_by_sorting(image, caption, owner.numpy()),
    }
    for ours, sorted_ in zip(*(work() for work in works.values()), strict=True):
        if not np.array_equal(ours, sorted_):
            raise RuntimeError("retrieval: found ranks that differ from sorting's, expected the same")
    return compare(f"retrieval, {images:,} images x {len(owner):,} captions", works, turns)


if __name__ == "__main__":
    for row in measure(Options()):
        print(row)
