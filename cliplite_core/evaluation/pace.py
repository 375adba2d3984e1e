"""How long a training will take on this machine: a few images, captions and steps of it, timed before it begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.frozen import feature_batches
from cliplite_core.data.pairs import CaptionPairs, PairBatches, pair_loader
from cliplite_core.frozen import encoders, yet_to_encode
from cliplite_core.loss import Pretraining
from cliplite_core.optim import build_optimizer
from cliplite_core.runs import new_pretraining
from cliplite_core.trainer import training_device

SAMPLE = 32  # images, and captions, that are timed
STEPS = 3  # that are timed, behind one that is not


@dataclass(frozen=True)
class Pace:
    """What is left to do, and what it takes here.

    Attributes:
        images, captions: yet to be encoded, of all splits; 0 where encoders learn.
        encoding: seconds that takes.
        steps: of the training, at most.
        training: seconds that takes, at most.
    """

    images: int
    captions: int
    encoding: float
    steps: int
    training: float

    def __str__(self) -> str:
        """Say it in a line or two.

        Example:
            >>> print(Pace(7000, 35_000, 240, 3900, 45))
            measured on this machine: about 4 min to encode 7,000 images and 35,000 captions,
              at most 45 s to train (3,900 steps)
        """
        lines = [f"at most {duration(self.training)} to train ({self.steps:,} steps)"]
        if self.images or self.captions:
            encoded = f"{self.images:,} images and {self.captions:,} captions"
            lines.insert(0, f"about {duration(self.encoding)} to encode {encoded}")
        return "measured on this machine: " + ",\n  ".join(lines)


def duration(seconds: float) -> str:
    """Return a span of time to two digits or so.

    Example:
        >>> duration(8), duration(95), duration(4000), duration(200_000)
        ('8 s', '2 min', '1.1 h', '2.3 days')
    """
    for size, name in ((86_400, "days"), (3600, "h")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(1, seconds):.0f} s"


def pace(config: Config, splits: dict[str, Sequence[CaptionedImage]]) -> Pace:
    """Time a little of everything that a run is yet to do.

    Args:
        config: the run.
        splits: all images that will be encoded, by the split's name.
    """
    training = splits[config.data.train_split]
    pretraining = new_pretraining(config, training)
    pretraining.to(training_device())
    images = captions = 0
    encoding, order = 0.0, PairBatches(len(training), config.train.batch_size, seed=0)
    if config.model.frozen:
        model, sample = pretraining.model, training[:SAMPLE]
        left = [yet_to_encode(model, items) for items in splits.values()]
        images, captions = (sum(counts) for counts in zip(*left, strict=True))
        encode_images, encode_texts = encoders(model, sample)
        texts = sum(len(item.captions) for item in sample)
        if images or captions:
            a_picture = _seconds(lambda: encode_images(slice(0, len(sample)))) / len(sample)
            a_caption = _seconds(lambda: encode_texts(slice(0, min(texts, SAMPLE)))) / min(texts, SAMPLE)
            encoding = images * a_picture + captions * a_caption
        counts = np.ones(len(training), dtype=int)
        features = (
            np.zeros((len(training), part.dim), np.float32) for part in (model.image_encoder, model.text_encoder)
        )
        batches = iter(feature_batches(*features, counts, order))
    else:
        pairs = CaptionPairs(training, config.data, seed=0)
        batches = iter(pair_loader(pairs, order, pretraining.model.tokenizer, config.data.workers))
    return Pace(
        images, captions, encoding, config.train.steps, config.train.steps * _step(pretraining, batches, config)
    )


def _step(pretraining: Pretraining, batches: object, config: Config) -> float:
    """Seconds of one training step, batch and all; the weights are spoilt."""
    optimizer, device = build_optimizer(pretraining, config.optim), pretraining.model.device
    pretraining.train()

    def step() -> None:
        images, tokens = next(batches)
        pretraining(images.to(device), {name: ids.to(device) for name, ids in tokens.items()})["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()

    return min(_seconds(step, warm_up=turn == 0) for turn in range(STEPS))


def _seconds(work: Callable[[], object], warm_up: bool = True) -> float:
    if warm_up:
        work()
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started
