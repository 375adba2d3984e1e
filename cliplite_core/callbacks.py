"""What is watched during training, on held-out images: scores of true and of mismatched pairs, and retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.pairs import read_image
from cliplite_core.evaluation.retrieval import CUTOFFS, retrieval_metrics
from cliplite_core.model import CLIPLite
from cliplite_core.pretraining import rolled_scores

if TYPE_CHECKING:
    from cliplite_core.trainer import Trainer


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
        found = retrieval_metrics(model.critic.cross(*_embed(model, self.images)), torch.arange(len(self.images)))
        model.train()
        ways = [found[direction] for direction in ("image_to_text", "text_to_image")]
        for_each = {f"R@{k}": float(np.mean([way[f"R@{k}"] for way in ways])) for k in CUTOFFS}
        chance = {f"chance {name}": ways[0]["chance"][name] for name in for_each}
        trainer.log("retrieval", **for_each, **chance, gallery=len(self.images))


def _embed(model: CLIPLite, images: Sequence[CaptionedImage]) -> tuple[Tensor, Tensor]:
    """What the critic compares of the images and of their first captions, (N, ·) each, in float32."""
    pixels = torch.stack([model.preprocess(read_image(image.path)) for image in images])
    features = model.image_features(pixels), model.text_features([image.captions[0] for image in images])
    return model.critic.embed(*(feature.float() for feature in features))
