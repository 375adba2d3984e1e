"""Training a critic on cached features, `flickr8k_frozen`'s shapes, against the arithmetic alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from timing import Options, Row, compare
from transformers import set_seed

from cliplite_core.config import Config
from cliplite_core.data.frozen import feature_batches
from cliplite_core.data.pairs import PairBatches
from cliplite_core.data.tokenizer import train_wordpiece
from cliplite_core.loss import Pretraining
from cliplite_core.model import CLIPLite
from cliplite_core.optim import build_optimizer
from cliplite_core.profiles import load_profile
from cliplite_core.trainer import Trainer


def new_pretraining(config: Config) -> Pretraining:
    set_seed(0)
    return Pretraining(CLIPLite(config, train_wordpiece(["a dog on the grass"], 60)))


def measure(options: Options) -> list[Row]:
    photos, steps, turns = (256, 4, 2) if options.quick else (6000, 300, 7)
    shapes = {"image_weights": "", "text_weights": "", "text_layers": 1, "text_hidden": 384, "text_heads": 4}
    config = load_profile("flickr8k_frozen", steps=steps, **shapes)
    rng, size = np.random.default_rng(0), config.train.batch_size
    pictures, captions = (rng.normal(size=shape).astype(np.float32) for shape in ((photos, 1280), (5 * photos, 384)))
    bare = new_pretraining(config).train()
    batch, optimizer = (torch.from_numpy(pictures[:size]), {"features": torch.from_numpy(captions[:size])}), None
    optimizer = build_optimizer(bare, config.optim)

    def arithmetic() -> None:
        for _ in range(steps):
            bare(*batch)["loss"].backward()
            optimizer.step()
            optimizer.zero_grad()

    with tempfile.TemporaryDirectory() as folder:
        order = PairBatches(photos, size, seed=0)
        trainer = Trainer(
            new_pretraining(config),
            lambda start: feature_batches(pictures, captions, [5] * photos, order),
            config,
            Path(folder) / "run",
        )

        def training() -> None:
            trainer.step = 0
            trainer.fit()

        works = {"training loop": training, "forward, backward and optimiser alone": arithmetic}
        return compare(f"frozen encoders, batches of {size}", works, turns, "pairs/s", steps * size)


if __name__ == "__main__":
    for row in measure(Options()):
        print(row)
