"""Bias removal: find a concept in language, take it out of image embeddings, measure what is left.

A small gap, or leakage near 50 %, shows that *this* measure no longer finds the concept in *these*
embeddings; it does not make a model fair. The labels are what captions say, not what people are.

Embeddings are (N, D) arrays of L2-normalised rows in the joint space: a dot product is a cosine.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils.class_weight import compute_sample_weight

from cliplite_core.evaluation.erasure import Label, group_masks

PerGroup = dict[str | int, np.ndarray]


class ConceptDirection(NamedTuple):
    """A unit direction (D,), and the explained variance ratio of every principal component, its own first."""

    direction: np.ndarray
    explained_variance: np.ndarray


def concept_direction(pairs_a: np.ndarray, pairs_b: np.ndarray) -> ConceptDirection:
    """First principal component of definitional pairs, each centred on its own mean (Bolukbasi et al. 2016):
    the first right singular vector of the rows ±(a_i - b_i) / 2.

    Args:
        pairs_a: (P, D) embeddings of captions with one side of the concept ("a man ...").
        pairs_b: (P, D) embeddings of the same captions with the other side ("a woman ...").

    Returns:
        The direction, pointing from b to a, and (min(P, D),) explained variance ratios that sum to 1.

    Raises:
        ValueError: The shapes differ, or all pairs coincide.

    Example:
        >>> a, b = np.array([[1.0, 1.0], [1.0, 0.0]]), np.array([[-1.0, 1.0], [-1.0, 0.0]])
        >>> concept_direction(a, b).direction.tolist()
        [1.0, 0.0]
    """
    if pairs_a.shape != pairs_b.shape or pairs_a.ndim != 2:
        raise ValueError(f"pairs: found shapes {pairs_a.shape} and {pairs_b.shape}, expected (P, D) twice")
    # Not centred across pairs: the mean difference is the concept itself. Of each pair's two rows ± one is
    # enough, as the other changes neither singular vectors nor ratios.
    differences = pairs_a.astype(np.float64) - pairs_b
    _, singular, components = np.linalg.svd(differences, full_matrices=False)
    if singular[0] == 0:
        raise ValueError("pairs: all differences are zero, expected captions that differ in the concept")
    sign = 1 if (differences @ components[0]).sum() >= 0 else -1  # an SVD leaves it open
    return ConceptDirection(sign * components[0], singular**2 / (singular**2).sum())


def project_off(embeddings: np.ndarray, directions: np.ndarray, renormalise: bool = True) -> np.ndarray:
    """Remove directions from embeddings: x - V Vᵀ x, V an orthonormal basis of the directions.

    Args:
        embeddings: (N, D) float embeddings.
        directions: (D,) or (R, D) directions, of any length and not necessarily orthogonal.
        renormalise: Scale the result back to unit length, as the joint space has it.

    Returns:
        (N, D) embeddings orthogonal to every direction, of the same dtype.
    """
    _, singular, basis = np.linalg.svd(np.atleast_2d(directions), full_matrices=False)
    basis = basis[singular > 1e-6 * singular[0]]  # shape: (rank, D)
    projected = embeddings - embeddings @ basis.T @ basis
    # The projection shortens an embedding the more, the more of the concept it held. Dot products would then
    # rank those images lower for every query: the concept would live on in the length.
    return (normalize(projected) if renormalise else projected).astype(embeddings.dtype)


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
        ValueError: A group has fewer than k images.
    """
    result = {}
    for name, mask in group_masks(labels).items():
        if mask.sum() < k:
            raise ValueError(f"k: found {k}, but the group {name!r} has {mask.sum()} images; lower k")
        result[name] = np.sort(queries @ images[mask].T, axis=1)[:, -k:].mean(axis=1)
    return result


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


def leakage(
    features: np.ndarray, labels: Iterable[Label], kind: Literal["linear", "mlp"] = "linear", seed: int = 0
) -> np.ndarray:
    """Cross-validated balanced accuracy of a probe that reads the concept from features; chance is 0.5.

    Fit an eraser on *other* items than are measured here: had all folds taken part in its fit, the group
    means of a held-out fold would mirror those of the remaining ones, and probes would fall below chance.

    Args:
        features: (N, D) features.
        labels: N labels of two groups; items labelled None are left out.
        kind: "linear" for logistic regression, "mlp" for one hidden layer of 64 units.
        seed: Decides the folds and the MLP's initial weights.

    Returns:
        (5,) balanced accuracies in [0, 1], one per fold.

    Raises:
        ValueError: `kind` is unknown, or there are not two groups.
    """
    probes = {
        "linear": LogisticRegression(max_iter=2000),
        # Strong weight decay and L-BFGS: Adam's defaults overfit features of few images, which hides what is there.
        "mlp": MLPClassifier((64,), solver="lbfgs", alpha=10, tol=1e-3, max_iter=100, random_state=seed),
    }
    if kind not in probes:
        raise ValueError(f"kind: found {kind!r}, expected one of {list(probes)}")
    masks = group_masks(labels)
    if len(masks) != 2:
        raise ValueError(f"labels: found the groups {list(masks)}, expected two")
    first, second = masks.values()
    x, y = features[first | second].astype(np.float64), second[first | second]
    scores = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y):
        scaler = StandardScaler().fit(x[train])
        weights = compute_sample_weight("balanced", y[train])  # else a probe in doubt names the larger group
        probe = probes[kind].fit(scaler.transform(x[train]), y[train], sample_weight=weights)
        scores.append(balanced_accuracy_score(y[test], probe.predict(scaler.transform(x[test]))))
    return np.array(scores)
