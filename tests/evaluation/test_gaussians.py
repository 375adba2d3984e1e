"""Correlated Gaussians: the integral is right, and the bounds meet it with a perfect critic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from cliplite_core.evaluation.gaussians import gaussian_information, gaussian_scores
from cliplite_core.objectives import infonce_bound, jsd_bound

every_rho = pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])


def on_a_grid(rho: float) -> dict[str, float]:
    """Mutual information and 2·JSD - 2·log 2 from their definitions, by the trapezoidal rule on a fine grid."""
    x, step = np.linspace(-9, 9, 1201, retstep=True)
    square = x[:, None] ** 2 + x[None, :] ** 2
    log_q = -square / 2 - math.log(2 * math.pi)
    log_p = -(square - 2 * rho * np.outer(x, x)) / (2 * (1 - rho**2)) - math.log(2 * math.pi * math.sqrt(1 - rho**2))
    p, q, log_m = np.exp(log_p), np.exp(log_q), np.logaddexp(log_p, log_q) - math.log(2)
    jsd = ((p * (log_p - log_m) + q * (log_q - log_m)) / 2).sum() * step**2
    return {"mutual_information": (p * (log_p - log_q)).sum() * step**2, "jsd_bound": 2 * jsd - 2 * math.log(2)}


@pytest.mark.parametrize("rho", [-0.7, 0.0, 0.5, 0.9])
def test_the_integral_agrees_with_the_definition_of_the_divergence(rho):
    assert gaussian_information(rho) == pytest.approx(on_a_grid(rho), abs=1e-6)


@every_rho
def test_jsd_bound_with_the_perfect_critic_is_the_integral_within_three_standard_errors(rho):
    scores = gaussian_scores(rho, pairs=4000, seed=0)
    positive, negative = scores.diagonal(), scores.roll(-1, dims=1).diagonal()
    bound = jsd_bound(positive, negative).item()
    terms = -softplus(-positive) - softplus(negative)
    error = terms.std().item() / math.sqrt(len(terms))
    assert error < 0.03
    assert abs(bound - gaussian_information(rho)["jsd_bound"]) <= 3 * error + 1e-6


@every_rho
def test_with_the_perfect_critic_infonce_estimates_mutual_information_from_below(rho):
    batches = [infonce_bound(gaussian_scores(rho, pairs=512, seed=seed)).item() for seed in range(8)]
    error = np.std(batches, ddof=1) / math.sqrt(len(batches))
    truth = gaussian_information(rho)["mutual_information"]
    assert np.mean(batches) == pytest.approx(truth, abs=3 * error + 0.02)


def test_the_perfect_critic_knows_nothing_of_independent_variables():
    assert torch.equal(gaussian_scores(0.0, 5, seed=0), torch.zeros(5, 5))


def test_a_score_is_the_log_ratio_of_joint_to_marginals():
    rho, scores = 0.8, gaussian_scores(0.8, 3, seed=4)
    rng = np.random.default_rng(4)
    x = rng.standard_normal(3)
    y = rho * x + 0.6 * rng.standard_normal(3)

    def log_density(value: float, mean: float, deviation: float) -> float:
        return -0.5 * ((value - mean) / deviation) ** 2 - math.log(deviation) - 0.5 * math.log(2 * math.pi)

    for i in range(3):
        for j in range(3):  # p(x, y) / p(x) p(y) = p(y | x) / p(y)
            expected = log_density(y[j], rho * x[i], 0.6) - log_density(y[j], 0, 1)
            assert scores[i, j].item() == pytest.approx(expected, abs=1e-5)


def test_the_draw_follows_the_seed():
    assert torch.equal(gaussian_scores(0.5, 4, seed=1), gaussian_scores(0.5, 4, seed=1))
    assert not torch.equal(gaussian_scores(0.5, 4, seed=1), gaussian_scores(0.5, 4, seed=2))
