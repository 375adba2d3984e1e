"""Image and caption retrieval: recall at k and median rank in both directions (paper, retrieval protocol).

The number is relative to its gallery: it falls as the gallery grows, so two test sets do not compare. Nor is
it the share of sensible answers: another image's caption counts as wrong however well it fits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from cliplite_core.callbacks import CUTOFFS
from cliplite_core.evaluation.features import EmbeddedSplit

QUERIES_PER_CHUNK = 256  # 256 images against the 25,000 captions of COCO are 26 MB of scores


def retrieval_metrics(scores: torch.Tensor | np.ndarray, caption_to_image: torch.Tensor | np.ndarray) -> dict:
    """Score retrieval from the whole score matrix.

    The rank of a query is 1 + the number of wrong answers that score at least as well as its best right one,
    and R@k is the share of queries with rank <= k. Ties count against the query, so constant scores find
    nothing. From images to text any caption of the image is a right answer.

    Args:
        scores: critic scores or cosines, higher is closer; shape (N images, M captions), floating point.
        caption_to_image: row of each caption's image, shape (M,), integers; each of 0 .. N-1 at least once.

    Returns:
        `image_to_text` and `text_to_image`, each with `R@1`, `R@5`, `R@10` in [0, 1], `median_rank`, `n`
        queries, `gallery` size, and `chance`: the same four numbers for a random order.

    Raises:
        ValueError: the shapes disagree, an image has no caption, or a score is not finite.

    Example:
        >>> scores = torch.tensor([[0.9, 0.1, 0.2], [0.3, 0.8, 0.7]])
        >>> metrics = retrieval_metrics(scores, [0, 1, 0])  # the third caption prefers the wrong image
        >>> round(metrics["text_to_image"]["R@1"], 3), metrics["image_to_text"]["R@1"]
        (0.667, 1.0)
    """
    scores = torch.as_tensor(scores)
    if scores.ndim != 2:
        raise ValueError(f"scores: found shape {tuple(scores.shape)}, expected (images, captions)")
    images = _caption_images(caption_to_image, *scores.shape)
    return _both_directions(lambda rows: scores[rows], lambda rows: scores[:, rows].T, images, len(scores))


def retrieval_metrics_from_embeddings(
    image_embeddings: torch.Tensor | np.ndarray,
    caption_embeddings: torch.Tensor | np.ndarray,
    caption_to_image: torch.Tensor | np.ndarray,
) -> dict:
    """Score retrieval by inner products, a chunk of queries at a time: the (N, M) matrix never exists.

    Args:
        image_embeddings: L2-normalised joint embeddings, shape (N, units), float32.
        caption_embeddings: likewise, shape (M, units).
        caption_to_image: row of each caption's image, shape (M,), integers; each of 0 .. N-1 at least once.

    Returns:
        As `retrieval_metrics`.

    Raises:
        ValueError: as `retrieval_metrics`.
    """
    image, caption = torch.as_tensor(image_embeddings), torch.as_tensor(caption_embeddings)
    images = _caption_images(caption_to_image, len(image), len(caption))
    return _both_directions(
        lambda rows: image[rows] @ caption.T, lambda rows: caption[rows] @ image.T, images, len(image)
    )


def retrieval_ranks(
    image_embeddings: torch.Tensor | np.ndarray,
    caption_embeddings: torch.Tensor | np.ndarray,
    caption_to_image: torch.Tensor | np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Rank each query's best right answer, as `retrieval_metrics` counts: 1 = nothing wrong scores as well.

    Args:
        image_embeddings, caption_embeddings, caption_to_image: as `retrieval_metrics_from_embeddings`.

    Returns:
        Rank of each image's best caption, shape (N,), and of each caption's image, shape (M,); integers >= 1.

    Raises:
        ValueError: as `retrieval_metrics`.
    """
    image, caption = torch.as_tensor(image_embeddings), torch.as_tensor(caption_embeddings)
    images, row = _caption_images(caption_to_image, len(image), len(caption)), torch.arange(len(image))
    return (
        _ranks(lambda rows: image[rows] @ caption.T, row, images),
        _ranks(lambda rows: caption[rows] @ image.T, images, row),
    )


def retrieval_chance(caption_to_image: torch.Tensor | np.ndarray) -> dict[str, dict[str, float]]:
    """Return what a random order finds, as `retrieval_metrics` says it beside each number.

    Args:
        caption_to_image: row of each caption's image, shape (M,), integers; each of 0 .. N-1 at least once.

    Returns:
        `image_to_text` and `text_to_image`, each with R@1, R@5, R@10 in [0, 1] and `median_rank`.
    """
    images = int(np.max(caption_to_image)) + 1
    found = retrieval_metrics(torch.zeros(images, len(caption_to_image)), caption_to_image)
    return {direction: metrics["chance"] for direction, metrics in found.items()}


def hits_and_misses(split: EmbeddedSplit, each: int = 2, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Choose captions whose image is among the best k, and captions whose image is not, evenly over the split.

    Args:
        split: unit vectors of a split.
        each: how many of either kind.
        k: images per caption.

    Returns:
        Rows of the captions, hits first, shape (Q,), and of their best images, shape (Q, k); Q <= 2 * each.
    """
    best = np.argsort(-split.captions @ split.images.T, axis=1, kind="stable")[:, :k]  # shape: (captions, k)
    hit = (best == split.caption_to_image[:, None]).any(axis=1)
    kinds = [np.flatnonzero(hit == wanted) for wanted in (True, False)]
    chosen = np.concatenate([rows[:: max(1, len(rows) // (each + 1))][1 : each + 1] for rows in kinds])
    return chosen, best[chosen]


def chance_recall(gallery: int, right: int) -> np.ndarray:
    """Return the recall of a random order: 1 - C(M - c, k) / C(M, k) for M answers of which c are right.

    Args:
        gallery: number of answers M.
        right: number of right answers c, 1 .. M.

    Returns:
        Recall at k = 1 .. M, shape (M,), float64 in (0, 1].

    Example:
        >>> chance_recall(4, 2).round(3).tolist()
        [0.5, 0.833, 1.0, 1.0]
    """
    drawn = np.arange(gallery)
    return 1 - np.cumprod(np.clip(gallery - right - drawn, 0, None) / (gallery - drawn))


def _both_directions(image_rows: Callable, caption_rows: Callable, caption_image: torch.Tensor, n: int) -> dict:
    """Both searches: image -> captions with one or more right, caption -> images with one right."""
    image = torch.arange(n)
    image_ranks = _ranks(image_rows, image, caption_image)
    caption_ranks = _ranks(caption_rows, caption_image, image)
    return {
        "image_to_text": _summary(image_ranks, len(caption_image), caption_image.bincount()),
        "text_to_image": _summary(caption_ranks, n, torch.ones_like(caption_image)),
    }


def _ranks(scores_of: Callable, query_image: torch.Tensor, answer_image: torch.Tensor) -> np.ndarray:
    """Rank each query's best right answer; an answer is right if it belongs to the same image."""
    ranks = []
    for start in range(0, len(query_image), QUERIES_PER_CHUNK):
        rows = slice(start, start + QUERIES_PER_CHUNK)
        scores = scores_of(rows).contiguous()  # shape: (chunk, answers)
        if not scores.isfinite().all():
            raise ValueError(f"scores: queries {start} to {start + len(scores) - 1} hold NaN or infinity")
        right = (query_image[rows, None] == answer_image).to(scores.device)  # shape: (chunk, answers)
        best = scores.masked_fill(~right, -torch.inf).amax(dim=1, keepdim=True)  # shape: (chunk, 1)
        ranks.append(1 + ((scores >= best) & ~right).sum(dim=1))
    return torch.cat(ranks).cpu().numpy()


def _summary(ranks: np.ndarray, gallery: int, right: torch.Tensor) -> dict:
    """Recalls and median rank of the queries, beside those of a random order with as many right answers."""
    counts, queries = np.unique(right.numpy(), return_counts=True)
    curves = [chance_recall(gallery, count) for count in counts]
    chance = np.average(curves, axis=0, weights=queries)  # shape: (gallery,)
    return {
        **{f"R@{k}": float((ranks <= k).mean()) for k in CUTOFFS},
        "median_rank": float(np.median(ranks)),
        "n": len(ranks),
        "gallery": gallery,
        "chance": {
            **{f"R@{k}": float(chance[min(k, gallery) - 1]) for k in CUTOFFS},
            "median_rank": float(1 + np.searchsorted(chance, 0.5 - 1e-9)),
        },
    }


def _caption_images(caption_to_image: torch.Tensor | np.ndarray, n_images: int, n_captions: int) -> torch.Tensor:
    """Check the row of each caption's image and returns it as int64 on the CPU, shape (M,)."""
    rows = torch.as_tensor(caption_to_image).cpu()
    if rows.shape != (n_captions,) or rows.is_floating_point():
        raise ValueError(f"caption_to_image: found {tuple(rows.shape)} of {rows.dtype}, expected {n_captions} integers")
    outside = rows[(rows < 0) | (rows >= n_images)]
    if len(outside):
        raise ValueError(f"caption_to_image: found row {outside[0].item()}, expected 0 to {n_images - 1}")
    empty = (rows.bincount(minlength=n_images) == 0).nonzero().flatten().tolist()
    if empty:
        raise ValueError(f"caption_to_image: {len(empty)} images have no caption, rows {empty[:5]}; drop them")
    return rows.long()
