"""Correlated Gaussians: the one pair of variables for which every bound's exact value is known.

It says how good a *bound* is with a perfect critic; it says nothing about what a network learns with it.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from scipy.integrate import dblquad
from sklearn.metrics import roc_auc_score
from torch import Tensor

from cliplite_core.objectives import infonce_bound, jsd_bound

REACH = 10.0  # standard deviations; the mass beyond is below 1e-22


def gaussian_information(rho: float) -> dict[str, float]:
    """Compute what a perfect critic reaches on two standard normals of correlation rho.

    Args:
        rho: correlation, in (-1, 1).

    Returns:
        `mutual_information` = -log(1 - rho²) / 2 in nats, and `jsd_bound` = 2·JSD(joint ‖ marginals) - 2·log 2 by
        numerical integration (accurate to 1e-6).

    Example:
        >>> {name: round(value, 4) for name, value in gaussian_information(0.0).items()}
        {'mutual_information': 0.0, 'jsd_bound': -1.3863}
    """
    spread, other = math.sqrt((1 + rho) / 2), math.sqrt((1 - rho) / 2)

    def integrand(u: float, v: float) -> float:
        # Along the ellipse's axes, x = (u + v) / √2 and y = (u - v) / √2, a narrow joint stays easy to integrate.
        x, y = spread * u + other * v, spread * u - other * v
        joint = math.exp(-(u * u + v * v) / 2) / (2 * math.pi)  # density of (u, v): the Jacobian is in it
        score = _log_ratio(x, y, rho)
        # -p·softplus(-T) - q·softplus(T), with q = p·exp(-T)
        return -joint * (np.logaddexp(0, -score) + math.exp(-score) * np.logaddexp(0, score))

    value, _ = dblquad(integrand, -REACH, REACH, -REACH, REACH, epsabs=1e-7)
    return {"mutual_information": math.log(1 / (1 - rho * rho)) / 2, "jsd_bound": value}


def gaussian_scores(rho: float, pairs: int, seed: int) -> Tensor:
    """Score every x with every y by the perfect critic T* = log p(x, y) / (p(x) p(y)).

    Args:
        rho: correlation, in (-1, 1).
        pairs: number n of pairs drawn from the joint.
        seed: of the draw.

    Returns:
        (n, n) float32; the true pairs lie on the diagonal.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(pairs)
    y = rho * x + math.sqrt(1 - rho * rho) * rng.standard_normal(pairs)
    return torch.from_numpy(_log_ratio(x[:, None], y[None, :], rho)).float()


def bound_estimates(candidates: int = 8, points: int = 15, pairs: int = 4096) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Estimate both bounds with the perfect critic, for correlations that are evenly spaced in mutual information.

    Args:
        candidates: K of InfoNCE; `pairs` is a multiple of it.
        points: how many correlations, from 0 to 3.5 nats.
        pairs: drawn from the joint, each with one negative for JSD.

    Returns:
        The truth (`mutual_information`, `jsd_bound`) and the estimates (`jsd`, `infonce`), one line per correlation.
    """
    truth, estimates = [], []
    for rho in np.sqrt(1 - np.exp(-2 * np.linspace(0, 3.5, points))):
        scores = gaussian_scores(rho, pairs, seed=0)  # shape: (pairs, pairs), T* of every x with every y
        jsd = jsd_bound(scores.diagonal(), scores.roll(-1, dims=1).diagonal())
        few = [slice(start, start + candidates) for start in range(0, pairs, candidates)]
        infonce = torch.stack([infonce_bound(scores[rows, rows]) for rows in few]).mean()
        truth.append(gaussian_information(rho))
        estimates.append({"jsd": jsd.item(), "infonce": infonce.item()})
    return pd.DataFrame(truth), pd.DataFrame(estimates)


def separation(positive: list[float], negative: list[float]) -> float:
    """Return how well scores tell true pairs from mismatched ones: the area under the ROC curve, 0.5 for guessing.

    Args:
        positive, negative: critic scores.
    """
    return float(roc_auc_score([1] * len(positive) + [0] * len(negative), [*positive, *negative]))


def _log_ratio(x: np.ndarray | float, y: np.ndarray | float, rho: float) -> np.ndarray | float:
    """log N(x, y; rho) - log N(x) - log N(y)."""
    rest = 1 - rho * rho
    return -0.5 * math.log(rest) - (rho * rho * (x * x + y * y) - 2 * rho * x * y) / (2 * rest)
