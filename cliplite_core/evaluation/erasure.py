"""LEACE: erase a concept from features with the least change (Belrose et al. 2023, arXiv 2306.03819).

Afterwards no *linear* predictor beats a constant on the features it was fitted to. That does not mean the
concept is gone: a non-linear probe may still find it, and unseen data keep a little of it by sampling error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

Label = str | int | None


def group_masks(labels: Iterable[Label]) -> dict[str | int, np.ndarray]:
    """Tell the groups of a labelling apart.

    Args:
        labels: N labels (list, array or tensor); None means unlabelled.

    Returns:
        For each label in sorted order, an (N,) bool mask of its items.

    Raises:
        ValueError: Fewer than two groups.

    Example:
        >>> {name: mask.tolist() for name, mask in group_masks(["man", None, "woman"]).items()}
        {'man': [True, False, False], 'woman': [False, False, True]}
    """
    labels = np.asarray(labels, dtype=object)
    names = sorted({label for label in labels if label is not None})
    if len(names) < 2:
        raise ValueError(f"labels: found the groups {names}, expected at least two")
    return {name: labels == name for name in names}


@dataclass(frozen=True, eq=False)
class LeaceEraser:
    """The affine map r(x) = x - P (x - mean) with P = W⁺ Q W of rank (number of groups - 1)."""

    mean: np.ndarray  # (D,) float64
    projection: np.ndarray  # (D, D) float64

    @classmethod
    def fit(cls, features: np.ndarray, labels: Iterable[Label]) -> LeaceEraser:
        """Fit the eraser in closed form: W = (Cov(x, x)^½)⁺ whitens x, and Q projects orthogonally onto the
        columns of W Cov(x, z), z the one-hot label.

        Covariances are the plain sample ones: with fewer items than dimensions the erasure holds for the
        fitted items alone. Fit on many more items than D, and measure on others.

        Args:
            features: (N, D) float features.
            labels: N labels; items labelled None are left out.

        Returns:
            The fitted eraser.
        """
        one_hot = np.stack(list(group_masks(labels).values()), axis=1)  # shape: (N, groups)
        labelled = one_hot.any(axis=1)
        x, z = features[labelled].astype(np.float64), one_hot[labelled].astype(np.float64)
        mean = x.mean(axis=0)
        x, z = x - mean, z - z.mean(axis=0)

        variances, axes = np.linalg.eigh(x.T @ x / len(x))  # shape: (D,), (D, D)
        # Axes without variance hold nothing to erase, and dividing by their rounding noise would blow it up.
        kept = variances > variances.max() * len(variances) * np.finfo(x.dtype).eps
        axes, scales = axes[:, kept], np.sqrt(variances[kept])
        whiten, unwhiten = axes / scales @ axes.T, axes * scales @ axes.T  # W and W⁺, shape: (D, D)

        left, strength, _ = np.linalg.svd(whiten @ (x.T @ z / len(x)), full_matrices=False)
        left = left[:, strength > 1e-10]  # one-hot columns sum to zero: one direction is rounding noise
        return cls(mean, unwhiten @ left @ left.T @ whiten)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Erase the concept from (N, D) features; shape, dtype and mean stay, unit length does not."""
        return (features - (features - self.mean) @ self.projection.T).astype(features.dtype)
