"""What is watched during training, on held-out images: scores of true and of mismatched pairs, and retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.images import read_image
from cliplite_core.model import CLIPLite
from cliplite_core.objectives import rolled_scores
from cliplite_core.storage.files import replacing

if TYPE_CHECKING:
    from cliplite_core.trainer import Trainer

CUTOFFS = (1, 5, 10)  # k of R@k
HALVES = (("even", slice(0, None, 2)), ("odd", slice(1, None, 2)))  # of the queries
BEST = "best.pt"  # in a run's directory, until the run is finished
AT_ONCE = 256  # images of a gallery that pass through the encoder together


class Gallery:
    """Held-out pairs as a model takes them: images, each with its first caption.

    Args:
        images: at least two of a split.
        features: of these pairs, as frozen encoders gave them: (N, image_dim), (N, text_dim). None = read the images.

    Raises:
        ValueError: fewer than two images.
    """

    def __init__(self, images: Sequence[CaptionedImage], features: tuple[Tensor, Tensor] | None = None) -> None:
        if len(images) < 2:
            raise ValueError(f"val_split: got {len(images)} images, expected at least 2")
        self.images, self.features = images, features

    def embed(self, model: CLIPLite) -> tuple[Tensor, Tensor]:
        """Return what the critic compares of the images and of the captions, (N, ·) each, in float32."""
        if self.features is not None:
            features = model.image_features(self.features[0]), model.text_features({"features": self.features[1]})
        else:
            parts = [self.images[start : start + AT_ONCE] for start in range(0, len(self.images), AT_ONCE)]
            pixels = (torch.stack([model.preprocess(read_image(image.path)) for image in part]) for part in parts)
            texts = ([image.captions[0] for image in part] for part in parts)
            features = torch.cat([*map(model.image_features, pixels)]), torch.cat([*map(model.text_features, texts)])
        return model.critic.embed(*(feature.float() for feature in features))


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
        # Of every other query by itself: where to stop is chosen on one half, and the recall there told of the other.
        halves = {half: recall_of(ranks[:, queries]) for half, queries in HALVES}
        halves = {f"{half} {name}": value for half, found in halves.items() for name, value in found.items()}
        self.found = recall_of(ranks)
        trainer.log(self.kind, **self.found, **chance, **halves, gallery=pairs)


class KeepBest:
    """Keep the weights of the best validation recall in a file, and end a training that has long stopped improving.

    What is kept is a function of the steps alone: a run that was killed and gone on with keeps and ends where an
    unbroken one does. Frozen encoders are left out.

    Args:
        curve: looks at the recall, and is called before this.
        directory: of the run.
        patience: looks without a better one before the training is stopped. 0, or several processes = never.
    """

    def __init__(self, curve: RetrievalCurve, directory: Path, patience: int) -> None:
        self.curve, self.path, self.patience = curve, directory / BEST, patience

    def __call__(self, trainer: Trainer) -> None:
        """Compare the look just taken with the best so far."""
        if trainer.step not in self.curve.at or not trainer.accelerator.is_main_process:
            return
        value = float(np.mean([self.curve.found[f"R@{k}"] for k in CUTOFFS]))
        best = None if trainer.step == 0 else self.read()
        if best is None or value > best["value"]:
            model = trainer.pretraining.model
            left_out = ("image_encoder.", "text_encoder.") if model.config.model.frozen else ()
            weights = {name: w for name, w in model.state_dict().items() if not name.startswith(left_out)}
            best = {"step": trainer.step, "value": value, "weights": weights}
            with replacing(self.path) as temporary:
                torch.save(best, temporary)
        since = sum(best["step"] < look <= trainer.step for look in self.curve.at)
        trainer.stopped = 0 < self.patience <= since and trainer.accelerator.num_processes == 1

    def read(self) -> dict:
        """Return `step`, `value` (mean recall, in [0, 1]) and `weights` of the best look so far.

        Raises:
            ValueError: the file is gone or broken.
        """
        try:
            return torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
            raise ValueError(
                f"{self.path}: missing or broken ({type(error).__name__}), expected the best weights so far; "
                "remove the run's folder and start again"
            ) from error


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
