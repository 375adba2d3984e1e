"""What is watched during training, on held-out images: scores of true and of mismatched pairs, and retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.images import read_image
from cliplite_core.model import CLIPLite
from cliplite_core.objectives import rolled_scores

if TYPE_CHECKING:
    from cliplite_core.trainer import Trainer

CUTOFFS = (1, 5, 10)  # k of R@k


class ScoreSnapshots:
    """Logs the scores of held-out pairs at the start, at 3, 10, 30 % and at the end of training.

    Args:
        images: the validation split; its first `pairs` images with their first captions are used.
        config: the run, for the schedule and the image size.
        pairs: how many, at least 2.

    Raises:
        ValueError: fewer than two images.
    """

    def __init__(self, images: Sequence[CaptionedImage], config: Config, pairs: int = 256) -> None:
        if len(images) < 2:
            raise ValueError(f"val_split {config.data.val_split!r}: got {len(images)} images, expected at least 2")
        self.images = images[:pairs]
        steps = config.train.steps
        self.at = sorted({0, steps, *(round(share * steps) for share in (0.03, 0.1, 0.3))})

    @torch.no_grad()
    def __call__(self, trainer: Trainer) -> None:
        """Logs {"kind": "scores", "positive": [...], "negative": [...]} at the chosen steps."""
        if trainer.step not in self.at or not trainer.accelerator.is_main_process:
            return
        model = trainer.pretraining.model.eval()
        a, b = _embed(model, self.images)
        positive, negative = model.critic.aligned(a, b), rolled_scores(model.critic, a, b, 1)[:, 0]
        trainer.log(
            "scores",
            positive=[round(s, 3) for s in positive.tolist()],
            negative=[round(s, 3) for s in negative.tolist()],
        )
        model.train()


class RetrievalCurve:
    """Logs how well held-out captions find their images, and images their captions, ten times over training.

    Args:
        images: the validation split; its first `pairs` images with their first captions are the gallery.
        config: the run, for its length.
        pairs: how many, at least 2.
    """

    def __init__(self, images: Sequence[CaptionedImage], config: Config, pairs: int = 256) -> None:
        self.images = images[:pairs]
        self.at = {round(share * config.train.steps) for share in np.linspace(0, 1, 11)}

    @torch.no_grad()
    def __call__(self, trainer: Trainer) -> None:
        """Logs {"kind": "retrieval", "R@5": …, "chance R@5": …, …}: means of both directions, in [0, 1]."""
        if trainer.step not in self.at or not trainer.accelerator.is_main_process:
            return
        model = trainer.pretraining.model.eval()
        found = gallery_recall(model.critic.cross(*_embed(model, self.images)))
        model.train()
        chance = {f"chance R@{k}": min(1.0, k / len(self.images)) for k in CUTOFFS}
        trainer.log("retrieval", **found, **chance, gallery=len(self.images))


def gallery_recall(scores: Tensor) -> dict[str, float]:
    """Measure retrieval among pairs: the share of queries with their own answer in the top k.

    Args:
        scores: (N, N), image i with caption j; both directions count alike, and ties count against the query.

    Returns:
        "R@1", "R@5" and "R@10", in [0, 1]; equal to `evaluation.retrieval_metrics` with one caption per image.

    Example:
        >>> gallery_recall(torch.tensor([[2.0, 1.0], [3.0, 4.0]]))["R@1"]  # of four queries, text 0 finds image 1
        0.75
    """
    ranks = torch.stack([(s >= s.diagonal()[:, None]).sum(dim=1) for s in (scores, scores.T)])  # shape: (2, N)
    return {f"R@{k}": (ranks <= k).double().mean().item() for k in CUTOFFS}


def _embed(model: CLIPLite, images: Sequence[CaptionedImage]) -> tuple[Tensor, Tensor]:
    """What the critic compares of the images and of their first captions, (N, ·) each, in float32."""
    pixels = torch.stack([model.preprocess(read_image(image.path)) for image in images])
    features = model.image_features(pixels), model.text_features([image.captions[0] for image in images])
    return model.critic.embed(*(feature.float() for feature in features))
