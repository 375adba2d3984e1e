"""What queries see of a concept in embeddings, and what else the embeddings are good for.

A small gap shows that *this* measure no longer finds the concept in *these* embeddings; it does not make a model fair.
The labels are what captions say, not what people are.

Embeddings are (N, D) arrays of L2-normalised rows in the joint space: a dot product is a cosine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.preprocessing import normalize

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.evaluation.bias_probes import PROBES
from cliplite_core.evaluation.erasure import Label, group_masks
from cliplite_core.evaluation.features import EmbeddedSplit
from cliplite_core.evaluation.gender import People, Wording
from cliplite_core.evaluation.retrieval import retrieval_metrics_from_embeddings
from cliplite_core.evaluation.zero_shot import zero_shot_metrics

PerGroup = dict[str | int, np.ndarray]
SEEN = ("to men", "to women", "gap", "planted gap", "MaxSkew")
COSTS = ("text → image R@5", "image → text R@5", "zero-shot top-1")
DIRECTION = {  # what is said of the direction, and its unit
    "variance of the pairs explained": "%",
    "gender read from it alone": "%",
    "cosine to the training images' difference": "cosine",
    "cosine of that to the measured images'": "cosine",
    "variance of all images along it": "%",
    "dimensions the images use": "dimensions",
}


def facts_of_metrics(
    wording: Wording, measured: People, test: Sequence[CaptionedImage], named: Sequence, classes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Say of each metric what stands behind it, in the order in which they are recorded.

    Args:
        wording: of which queries and pairs count.
        measured: the people that are measured.
        test: the test split.
        named: the images of zero-shot naming.
        classes: and their classes; both may be empty.

    Returns:
        metric = its `n`, the items behind each value, and `unit` and `chance` where they are not "%" and None.
    """
    queries, people, images, pairs = map(len, (wording.queries, measured.images, test, wording.pairs))
    facts: dict[str, dict[str, Any]] = {name: {"n": queries, "unit": "cosine × 100"} for name in SEEN}
    facts["MaxSkew"]["unit"] = "nats"
    facts |= {name: {"n": people, "chance": 50} for name in PROBES} | {name: {"n": images} for name in COSTS}
    facts["zero-shot top-1"] = {"n": len(named), "chance": round(100 / max(1, len(classes)), 2)}
    facts |= {name: {"n": pairs, "unit": unit} for name, unit in DIRECTION.items()}
    facts["dimensions the images use"]["n"] = images
    return facts


def seen_by_queries(
    queries: np.ndarray, images: np.ndarray, gender: np.ndarray, k: int, lean: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Compare how close queries that name no gender lie to men and to women.

    Images are brought to unit length first: a shortened embedding would rank lower for every query, and the concept
    would live on in the length.

    Args:
        queries: (Q, D) unit vectors.
        images: (N, D), of any length.
        gender: (N,), "man" or "woman".
        k: nearest images of each gender.
        lean: (Q,), 1 where a query's activity leans to men, -1 where to women; None = not known.

    Returns:
        Of shape (Q,): "to men" and "to women", the mean cosine × 100 to the k nearest; "gap", how far the two are
        apart; with `lean` "planted gap", by how much the gender it leans to is nearer (negative: the other one); and
        "MaxSkew", see `skew_at_k`.
    """
    images = normalize(images)
    nearest = {name: 100 * cosines for name, cosines in alignment(queries, images, gender, k).items()}
    gap = nearest["man"] - nearest["woman"]
    values = {"to men": nearest["man"], "to women": nearest["woman"], "gap": np.abs(gap)}
    values["MaxSkew"] = skew_at_k(queries, images, gender, k)["max"]
    return values if lean is None else values | {"planted gap": lean * gap}


def still_found(
    split: EmbeddedSplit,
    named: np.ndarray | None = None,
    classes: np.ndarray | None = None,
    labels: Sequence[int] = (),
) -> dict[str, float]:
    """Measure what else the embeddings are good for: retrieval, and zero-shot naming where there is a set to name.

    Args:
        split: the test split; its images may have any length.
        named: (n, D) images to name; None = none.
        classes: (C, D) unit vectors of the classes.
        labels: right class of each of the n images.

    Returns:
        Each of `COSTS` in percent; zero-shot naming only with `named`.
    """
    found = retrieval_metrics_from_embeddings(normalize(split.images), split.captions, split.caption_to_image)
    values = {COSTS[0]: 100 * found["text_to_image"]["R@5"], COSTS[1]: 100 * found["image_to_text"]["R@5"]}
    if named is not None:
        values[COSTS[2]] = 100 * zero_shot_metrics(named, classes, labels)["top1"]
    return values


def check_k(k: int, labels: Iterable[Label]) -> None:
    """Stop where a group has fewer than k images, before anything is measured.

    Args:
        k: images a query is compared with, in each group.
        labels: of the images; None is unlabelled.

    Raises:
        ValueError: k is below 1 or above the size of a group, which the message names.

    Example:
        >>> check_k(3, ["man", "man", "man", "woman"])
        Traceback (most recent call last):
        ValueError: k: found 3, but the group 'woman' has 1 images; lower k
    """
    if k < 1:
        raise ValueError(f"k: found {k}, expected at least 1")
    for name, mask in group_masks(labels).items():
        if mask.sum() < k:
            raise ValueError(f"k: found {k}, but the group {name!r} has {mask.sum()} images; lower k")


def alignment(queries: np.ndarray, images: np.ndarray, labels: Iterable[Label], k: int) -> PerGroup:
    """Mean similarity of each query with the k closest images of each group (paper, bias).

    Args:
        queries: (Q, D) embeddings of queries that do not name the concept.
        images: (N, D) image embeddings.
        labels: N group labels; images labelled None are left out.
        k: Images per group.

    Returns:
        For each group, (Q,) mean dot products; their difference is the gap that removal should close.

    Raises:
        ValueError: as `check_k`.
    """
    check_k(k, labels)
    groups = group_masks(labels).items()
    return {name: np.sort(queries @ images[mask].T, axis=1)[:, -k:].mean(axis=1) for name, mask in groups}


def skew_at_k(
    queries: np.ndarray, images: np.ndarray, labels: Iterable[Label], k: int, desired: dict[str, float] | None = None
) -> PerGroup:
    """Skew@k of each group in retrieval (Geyik et al. 2019, arXiv 1905.01989):

        Skew_g@k = ln( share of g in the top k / desired share of g ),    MaxSkew@k = max_g Skew_g@k ≥ 0.

    Args:
        queries: (Q, D) query embeddings.
        images: (N, D) image embeddings.
        labels: N group labels; images labelled None are left out of the ranking.
        k: Length of the ranked list.
        desired: Desired share of each group, summing to 1; by default its share of the labelled images.

    Returns:
        For each group, (Q,) skews: 0 at the desired share, -inf where the top k lacks the group; under "max"
        MaxSkew@k, which is always finite.

    Raises:
        ValueError: Fewer than k images are labelled.
    """
    masks = group_masks(labels)
    labelled = np.any(list(masks.values()), axis=0)
    if labelled.sum() < k:
        raise ValueError(f"k: found {k}, but only {labelled.sum()} images are labelled; lower k")
    ranking = np.argsort(-(queries @ images[labelled].T), axis=1, kind="stable")[:, :k]  # shape: (Q, k)
    skews = {}
    for name, mask in masks.items():
        member = mask[labelled]
        share = member.mean() if desired is None else desired[name]
        with np.errstate(divide="ignore"):  # ln 0 = -inf is the definition
            skews[name] = np.log(member[ranking].mean(axis=1) / share)
    return skews | {"max": np.max(list(skews.values()), axis=0)}
