"""What is watched during training: the critic's scores of true and of mismatched pairs, on held-out images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.pairs import read_image
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
        batch = torch.stack([model.preprocess(read_image(image.path)) for image in self.images])
        features = model.image_features(batch), model.text_features([image.captions[0] for image in self.images])
        a, b = model.critic.embed(*(feature.float() for feature in features))
        positive, negative = model.critic.aligned(a, b), rolled_scores(model.critic, a, b, 1)[:, 0]
        trainer.log(
            "scores",
            positive=[round(s, 3) for s in positive.tolist()],
            negative=[round(s, 3) for s in negative.tolist()],
        )
        model.train()
