"""Curves over training: the scores of true and of mismatched pairs, and retrieval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cliplite_core.callbacks.gallery import Gallery
from cliplite_core.config import Config
from cliplite_core.objectives import rolled_scores

if TYPE_CHECKING:
    from cliplite_core.trainer import Trainer

CUTOFFS = (1, 5, 10)  # k of R@k
HALVES = (("even", slice(0, None, 2)), ("odd", slice(1, None, 2)))  # of the queries


class ScoreSnapshots:
    """Log the scores of held-out pairs at the start, at 3, 10, 30 % and at the end of training.

    Args:
        gallery: the pairs.
        config: the run, for its length.
    """

    def __init__(self, gallery: Gallery, config: Config) -> None:
        self.gallery, steps = gallery, config.train.steps
        self.at = sorted({0, steps, *(round(share * steps) for share in (0.03, 0.1, 0.3))})

    @torch.no_grad()
    def __call__(self, trainer: Trainer) -> None:
        """Log {"kind": "scores", "positive": [...], "negative": [...]} at the chosen steps."""
        if trainer.step not in self.at or not trainer.accelerator.is_main_process:
            return
        model = trainer.pretraining.model.eval()
        a, b = self.gallery.embed(model)
        positive, negative = model.critic.aligned(a, b), rolled_scores(model.critic, a, b, 1)[:, 0]
        model.train()
        values = {"positive": positive.tolist(), "negative": negative.tolist()}
        trainer.log("scores", **{name: [round(score, 3) for score in scores] for name, scores in values.items()})


class RetrievalCurve:
    """Log how well captions find their images, and images their captions, several times over training.

    Args:
        gallery: the pairs.
        config: the run, for its length.
        kind: of the log's lines.
        times: how often, beside the start.

    Attributes:
        at: the steps at which it looks.
        found: what the last look found, as `recall_of` returns it.
    """

    def __init__(self, gallery: Gallery, config: Config, kind: str = "retrieval", times: int = 10) -> None:
        self.gallery, self.kind = gallery, kind
        self.at = {round(share * config.train.steps) for share in np.linspace(0, 1, times + 1)}
        self.found: dict[str, float] = {}

    @torch.no_grad()
    def __call__(self, trainer: Trainer) -> None:
        """Log {"kind": "retrieval", "R@5": …, "chance R@5": …, …}: means of both directions, in [0, 1]."""
        if trainer.step not in self.at or not trainer.accelerator.is_main_process:
            return
        model, pairs = trainer.pretraining.model.eval(), len(self.gallery.images)
        scores = model.critic.cross(*self.gallery.embed(model))  # shape: (pairs, pairs)
        model.train()
        ranks = gallery_ranks(scores)
        chance = {f"chance R@{k}": min(1.0, k / pairs) for k in CUTOFFS}
        # Of every other query by itself: one half chooses where to stop, the other half says what the recall is there.
        halves = {half: recall_of(ranks[:, queries]) for half, queries in HALVES}
        halves = {f"{half} {name}": value for half, found in halves.items() for name, value in found.items()}
        self.found = recall_of(ranks)
        trainer.log(self.kind, **self.found, **chance, **halves, gallery=pairs)


def gallery_ranks(scores: Tensor) -> Tensor:
    """Rank the own answer of each of N images and N captions: 1 = nothing else scores as well.

    Args:
        scores: (N, N), image i with caption j; ties count against the query.

    Returns:
        (2, N) int64 >= 1: of the images among captions, of the captions among images.
    """
    return torch.stack([(s >= s.diagonal()[:, None]).sum(dim=1) for s in (scores, scores.T)])


def recall_of(ranks: Tensor) -> dict[str, float]:
    """Return the share of queries with their own answer in the top k; both directions count alike.

    Args:
        ranks: (2, Q), of the queries asked for.

    Returns:
        "R@1", "R@5" and "R@10", in [0, 1]; equal to `evaluation.retrieval_metrics` with one caption per image.

    Example:
        >>> scores = torch.tensor([[2.0, 1.0], [3.0, 4.0]])
        >>> recall_of(gallery_ranks(scores))["R@1"]  # of four queries, text 0 finds image 1
        0.75
    """
    return {f"R@{k}": (ranks <= k).double().mean().item() for k in CUTOFFS}
