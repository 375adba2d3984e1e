"""The bounds that pretraining maximises, as pure functions of critic scores, and the prior-matching loss it adds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cliplite_core.config import ObjectiveConfig


def jsd_bound(positive: Tensor, negative: Tensor, sum_negatives: bool = False) -> Tensor:
    """The paper's equation 3, a Jensen–Shannon bound: E_joint[-softplus(-T)] - E_marginals[softplus(T)].

    With the optimal critic T* = log p(x,y) / (p(x) p(y)) it reaches 2·JSD(joint ‖ marginals) - 2·log 2, in
    [-2·log 2, 0]: it *ranks* dependence, it is not mutual information in nats. Every positive needs only k >= 1
    negatives, so a batch costs O(B·k) scores (f-GAN: Nowozin 2016; Deep InfoMax: Hjelm 2019).

    Args:
        positive: (B,) scores of true pairs, any float dtype; summed in float32.
        negative: (B,) or (B, k) scores of mismatched pairs.
        sum_negatives: sum over an image's k negatives (SigLIP) instead of taking their mean.

    Returns:
        Scalar float32 <= 0, to be maximised.

    Raises:
        ValueError: fewer than two pairs (there is no other caption to borrow), or shapes that do not belong together.

    Example:
        >>> jsd_bound(torch.zeros(4), torch.zeros(4))  # a critic that knows nothing: -2 log 2
        tensor(-1.3863)
    """
    if positive.ndim != 1 or negative.ndim not in (1, 2) or len(positive) != len(negative) or 0 in negative.shape[1:]:
        raise ValueError(
            f"got scores {tuple(positive.shape)} and {tuple(negative.shape)}, expected (B,) and (B,) or (B, k)"
        )
    _needs_two(len(positive))
    weight = negative.shape[1] if sum_negatives and negative.ndim == 2 else 1
    return -F.softplus(-positive.float()).mean() - weight * F.softplus(negative.float()).mean()


def infonce_bound(scores: Tensor) -> Tensor:
    """CLIP's objective: log B - (symmetric cross-entropy of each pair against its row and its column).

    A lower bound of mutual information that can never exceed log B, B being the number of candidates
    (van den Oord 2018; Radford 2021).

    Args:
        scores: (B, B), scores[i, j] of image i with caption j; the true pairs on the diagonal.

    Returns:
        Scalar float32 <= log B in nats, to be maximised.

    Raises:
        ValueError: not square, or fewer than two pairs.

    Example:
        >>> infonce_bound(torch.zeros(4, 4))  # a critic that knows nothing: 0 nats
        tensor(0.)
    """
    scores = _square(scores)
    labels = torch.arange(len(scores), device=scores.device)
    loss = (F.cross_entropy(scores, labels) + F.cross_entropy(scores.T, labels)) / 2
    return math.log(len(scores)) - loss


def few_infonce_bound(positive: Tensor, captions: Tensor, images: Tensor) -> Tensor:
    """InfoNCE with k negatives: log(k + 1) - (cross-entropy of a pair among k other captions, and k other images).

    With k = B - 1 it is `infonce_bound`: the same candidates in another order.

    Args:
        positive: (B,) scores of true pairs.
        captions: (B, k) scores of each image with k captions of others.
        images: (B, k) scores of each caption with k images of others.

    Returns:
        Scalar float32 <= log(k + 1) in nats, to be maximised.

    Example:
        >>> few_infonce_bound(torch.zeros(4), torch.zeros(4, 1), torch.zeros(4, 1))  # knows nothing: 0 nats
        tensor(0.)
    """
    first = torch.zeros(len(positive), dtype=torch.long, device=positive.device)
    candidates = [torch.cat([positive[:, None], others], dim=1).float() for others in (captions, images)]
    loss = sum(F.cross_entropy(scores, first) for scores in candidates) / 2
    return math.log(1 + captions.shape[1]) - loss


def sigmoid_bound(scores: Tensor) -> Tensor:
    """SigLIP's objective: the mean over i of sum_j log sigmoid(z_ij · scores_ij), z = ±1 on and off the diagonal.

    JSD with all B - 1 negatives and a *sum* where JSD has the mean over them (Zhai 2023, equation 1).

    Args:
        scores: (B, B), scores[i, j] of image i with caption j; the true pairs on the diagonal.

    Returns:
        Scalar float32 <= 0, to be maximised.

    Raises:
        ValueError: not square, or fewer than two pairs.
    """
    scores = _square(scores)
    signs = 2 * torch.eye(len(scores), device=scores.device) - 1  # shape: (B, B)
    return F.logsigmoid(signs * scores).sum(dim=1).mean()


def fooling_loss(feature_logits: Tensor) -> Tensor:
    """What adversarial prior matching charges the encoder: -E_features[log D], small where D takes features for noise.

    The discriminator minimises `prior_matching_loss` on detached features meanwhile; where features are distributed as
    the noise, that loss sits at 2 log 2 (Hjelm 2019, section 3.3; Goodfellow 2014).

    Args:
        feature_logits: (B,) logits of a discriminator, whose weights get no gradient from here, on features.

    Returns:
        Scalar float32 >= 0, to be minimised.
    """
    return F.softplus(-feature_logits.float()).mean()


def prior_matching_loss(noise_logits: Tensor, feature_logits: Tensor) -> Tensor:
    """Prior matching: -E_noise[log D] - E_features[log(1 - D)], with D = sigmoid(logit) (paper, section 3.3).

    Written with softplus: -log(sigmoid(l)) = softplus(-l), -log(1 - sigmoid(l)) = softplus(l), finite for every l.

    Args:
        noise_logits: (B,) logits of the discriminator on uniform noise.
        feature_logits: (B,) logits of the discriminator on features.

    Returns:
        Scalar float32 >= 0, to be minimised.
    """
    return F.softplus(-noise_logits.float()).mean() + F.softplus(feature_logits.float()).mean()


@dataclass(frozen=True)
class ObjectiveStart:
    """How an objective's own paper starts its critic, and whether it matches priors; a config may say otherwise."""

    score_scale: float
    score_bias: float | None
    prior_weight: float


OBJECTIVE_STARTS = {
    "jsd": ObjectiveStart(score_scale=1 / 0.07, score_bias=None, prior_weight=0.1),
    "infonce": ObjectiveStart(score_scale=1 / 0.07, score_bias=None, prior_weight=0.0),
    "sigmoid": ObjectiveStart(score_scale=10.0, score_bias=-10.0, prior_weight=0.0),
}


def _needs_two(pairs: int) -> None:
    if pairs < 2:
        raise ValueError(f"got a batch of {pairs}, expected at least 2: the negative is another item's caption")


def _square(scores: Tensor) -> Tensor:
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1]:
        raise ValueError(f"scores: got shape {tuple(scores.shape)}, expected (B, B)")
    _needs_two(len(scores))
    return scores.float()


def objective_bound(critic: nn.Module, a: Tensor, b: Tensor, config: ObjectiveConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Score a batch as its objective needs it: B·(1 + k) pairs with k negatives, all B² of them with all.

    Args:
        critic: has `aligned(a, b) -> (B,)` and `cross(a, b) -> (B, B)`.
        a, b: embeddings of B aligned pairs, from `critic.embed`.
        config: which objective, and how many negatives.

    Returns:
        Scalar bound, (B,) positive scores, (B,) scores of each image with the next item's caption.
    """
    if config.objective == "jsd":
        positive, negative = critic.aligned(a, b), rolled_scores(critic, a, b, config.negatives or 1)
        return jsd_bound(positive, negative, config.negative_sum), positive, negative[:, 0]
    if config.objective == "infonce" and config.negatives is not None:
        positive, captions = critic.aligned(a, b), rolled_scores(critic, a, b, config.negatives)
        images = rolled_scores(critic, a, b, config.negatives, of_images=True)
        return few_infonce_bound(positive, captions, images), positive, captions[:, 0]
    scores = critic.cross(a, b)  # shape: (B, B)
    matrix_bound = infonce_bound if config.objective == "infonce" else sigmoid_bound
    return matrix_bound(scores), scores.diagonal(), scores.roll(-1, dims=1).diagonal()


def rolled_scores(critic: nn.Module, a: Tensor, b: Tensor, negatives: int, of_images: bool = False) -> Tensor:
    """Score each image with the captions of the next `negatives` items of the batch (paper, section 3.2: one).

    Args:
        critic: has `aligned(a, b) -> (B,)` and `cross(a, b) -> (B, B)`.
        a, b: embeddings of B aligned pairs.
        negatives: k, 1 <= k < B. From half the batch on, all B² scores cost less than B·k single ones.
        of_images: score each caption with the images of the next items instead.

    Returns:
        (B, k) scores: column j - 1 is the batch rolled by j.

    Raises:
        ValueError: the batch has no k other captions.
    """
    if not 1 <= negatives < len(b):
        raise ValueError(f"negatives: got {negatives} for a batch of {len(b)}, expected 1 … {len(b) - 1}")
    if negatives < len(b) / 2:
        steps = range(-1, -negatives - 1, -1)
        rolled = [(a.roll(j, dims=0), b) if of_images else (a, b.roll(j, dims=0)) for j in steps]
        return torch.stack([critic.aligned(*pair) for pair in rolled], dim=1)
    item, step = torch.arange(len(b), device=b.device)[:, None], torch.arange(1, negatives + 1, device=b.device)
    scores = critic.cross(a, b)  # shape: (B, B)
    return (scores.T if of_images else scores).gather(1, (item + step) % len(b))  # shape: (B, k)
