"""Image and caption retrieval: recall at k and median rank in both directions (paper, retrieval protocol).

The number is relative to its gallery: it falls as the gallery grows, so two test sets do not compare. Nor is
it the share of sensible answers: another image's caption counts as wrong however well it fits.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import torch

from cliplite_core.callbacks import CUTOFFS
from cliplite_core.evaluation.features import EmbeddedSplit

IMAGES_PER_TILE = 256  # against the 1,280 captions of as many images they are 1.3 MB of scores, which a cache holds


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
    owner = _caption_images(caption_to_image, *scores.shape)
    return _both_directions(_ranks(lambda rows, columns: scores[rows, columns], owner), owner)


def retrieval_metrics_from_embeddings(
    image_embeddings: torch.Tensor | np.ndarray,
    caption_embeddings: torch.Tensor | np.ndarray,
    caption_to_image: torch.Tensor | np.ndarray,
) -> dict:
    """Score retrieval by inner products, a tile of them at a time: the (N, M) matrix never exists.

    Args:
        image_embeddings: L2-normalised joint embeddings, shape (N, units), float32.
        caption_embeddings: likewise, shape (M, units).
        caption_to_image: row of each caption's image, shape (M,), integers; each of 0 .. N-1 at least once.

    Returns:
        As `retrieval_metrics`.

    Raises:
        ValueError: as `retrieval_metrics`.
    """
    owner = _caption_images(caption_to_image, len(image_embeddings), len(caption_embeddings))
    return _both_directions(retrieval_ranks(image_embeddings, caption_embeddings, owner), owner)


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
    owner = _caption_images(caption_to_image, len(image), len(caption))
    return _ranks(lambda rows, columns: image[rows] @ caption[columns].T, owner)


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


def _both_directions(ranks: tuple[np.ndarray, np.ndarray], owner: torch.Tensor) -> dict:
    """Both searches: image -> captions with one or more right, caption -> images with one right."""
    image_ranks, caption_ranks = ranks
    return {
        "image_to_text": _summary(image_ranks, len(caption_ranks), owner.bincount()),
        "text_to_image": _summary(caption_ranks, len(image_ranks), torch.ones_like(owner)),
    }


def _ranks(
    scores_of: Callable[[slice, torch.Tensor], torch.Tensor], owner: torch.Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Rank the best right answer of each image and of each caption, looking at each score once.

    Captions are taken in the order of their images. So all right answers lie in the tiles on the diagonal: these come
    first and say what each query has to beat; in every other tile two counts of larger scores are all there is to do.

    Args:
        scores_of: rows of images and of captions -> their scores, (images, captions).
        owner: row of each caption's image, shape (M,), each of 0 .. N-1 at least once.

    Returns:
        Shape (N,) and (M,), integers >= 1.
    """
    order = owner.argsort(stable=True)
    starts = range(0, int(owner.max()) + 1, IMAGES_PER_TILE)
    images = [slice(start, start + IMAGES_PER_TILE) for start in starts]
    captions = order.tensor_split(torch.searchsorted(owner[order], torch.tensor(starts[1:], dtype=torch.long)))

    def tile_of(i: int, j: int) -> torch.Tensor:
        scores = scores_of(images[i], captions[j])  # shape: (images, captions)
        if not all(bound.isfinite() for bound in scores.aminmax()):  # NaN is the extreme of what holds one
            rows = f"images {starts[i]} to {starts[i] + len(scores) - 1}"
            raise ValueError(f"scores: found NaN or infinity for {rows}, expected finite numbers")
        return scores

    best, own, image_ranks, caption_ranks = [], [], [], []
    for i, rows in enumerate(captions):
        scores = tile_of(i, i)
        right = starts[i] + torch.arange(len(scores))[:, None] == owner[rows]  # shape: (images, captions)
        right = right.to(scores.device)
        found, wrong = scores.masked_fill(~right, -torch.inf), scores.masked_fill(right, -torch.inf)
        best.append(found.amax(dim=1, keepdim=True))  # of an image's captions; shape: (images, 1)
        own.append(found.amax(dim=0, keepdim=True))  # of a caption's one image; shape: (1, captions)
        image_ranks.append(1 + (wrong >= best[i]).sum(dim=1))
        caption_ranks.append(1 + (wrong >= own[i]).sum(dim=0))
    for i, j in permutations(range(len(images)), 2):
        wrong = tile_of(i, j)
        image_ranks[i] += (wrong >= best[i]).sum(dim=1)
        caption_ranks[j] += (wrong >= own[j]).sum(dim=0)
    in_given_order = torch.cat(caption_ranks).cpu()[order.argsort()]
    return torch.cat(image_ranks).cpu().numpy(), in_given_order.numpy()


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
