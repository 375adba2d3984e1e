"""Training runs: a configuration in, a directory with the trained model out.

A finished run is returned as it is, an interrupted one goes on from its last checkpoint.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import PartialState
from filelock import FileLock
from transformers import set_seed

from cliplite_core.callbacks import Gallery, RetrievalCurve, ScoreSnapshots
from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.images import BrokenImage, MissingImage
from cliplite_core.data.pairs import CaptionPairs, PairBatches, pair_loader
from cliplite_core.data.record import expect_mending, keep_what_belongs
from cliplite_core.data.shards import ShardedPairs
from cliplite_core.data.splits import read_split
from cliplite_core.data.tokenizer import new_tokenizer
from cliplite_core.frozen import frozen_training
from cliplite_core.loss import Pretraining
from cliplite_core.model import CLIPLite
from cliplite_core.storage.files import replacing, write_text
from cliplite_core.storage.memory import peak_memory_gib
from cliplite_core.storage.places import run_directory
from cliplite_core.trainer import CHECKPOINTS, Trainer, on_cpu

WATCHED = 256  # held-out pairs that are looked at during training


def train(config: Config) -> Path:
    """Train one model, or return the finished run of exactly this configuration on exactly this data.

    A run whose data has changed since, finished or interrupted, is set aside by a line and trained anew.

    Several processes (`accelerate launch`) share each batch and give the weights of one, to rounding, but for what is
    drawn or averaged within a process: dropout and the prior's noise, and the batch norm of the image encoder, which
    sees the share of its process (no SyncBN, as in CLIP; the first one's running statistics are kept). A run may go on
    with another number of processes.

    Args:
        config: the run, complete.

    Returns:
        The run's directory: `model/` (for `CLIPLite.load`), `log.jsonl`, `run.json` (seconds, images/s, device).

    Raises:
        FileNotFoundError, ValueError: the data is not there or broken. An image that turns out broken during training
            ends it; once it is mended, the run goes on from its last checkpoint.
        OSError: a file of the run cannot be written; its last checkpoint is whole.
        NonFiniteLoss: training diverged.
    """
    if config.data.scenes_train:
        from cliplite_core.scenes.generate import compose_scenes

        compose_scenes(config)
    directory = run_directory(config)
    directory.mkdir(parents=True, exist_ok=True)
    processes = PartialState(cpu=on_cpu())
    if processes.num_processes > 1:  # one process group, one run: the others would wait for the lock for ever
        return _train(config, directory, processes)
    with FileLock(directory / "lock"):  # a second process that wants the same run waits for it
        return _train(config, directory, processes)


def new_pretraining(config: Config, images: Sequence[CaptionedImage]) -> Pretraining:
    """Return the model and its objective as they are before the first step.

    Args:
        config: the run; its seed decides the weights.
        images: the training split, whose captions the tokenizer learns from, where the config names no ready one.
    """
    tokenizer = new_tokenizer(config.data, [caption for image in images for caption in image.captions])
    set_seed(config.train.seed)
    return Pretraining(CLIPLite(config, tokenizer))


def load_run(config: Config) -> CLIPLite:
    """Return the trained model of a configuration, in evaluation mode; trains it first if need be."""
    return CLIPLite.load(train(config) / "model")


def _train(config: Config, directory: Path, processes: PartialState) -> Path:
    if processes.is_main_process:
        keep_what_belongs(config, directory)
    processes.wait_for_everyone()
    if (directory / "run.json").exists():
        return directory
    started = time.perf_counter()
    images, held_out = (read_split(config, split) for split in (config.data.train_split, config.data.val_split))
    pretraining = new_pretraining(config, images)
    rank, world = processes.process_index, processes.num_processes
    shards = images.shard_sizes if isinstance(images, ShardedPairs) else None

    def order(start: int) -> PairBatches:
        return PairBatches(len(images), config.train.batch_size, config.train.seed, start, rank, world, shards)

    if config.model.frozen:
        batches, watched = frozen_training(pretraining.model, images, held_out, order, config)
    else:
        pairs, gallery = CaptionPairs(images, config.data, config.train.seed), Gallery(held_out[:WATCHED])
        tokenizer, workers = pretraining.model.tokenizer, config.data.workers
        batches = lambda start: pair_loader(pairs, order(start), tokenizer, workers)  # noqa: E731
        watched = [ScoreSnapshots(gallery, config), RetrievalCurve(gallery, config)]
    trainer = Trainer(pretraining, batches, config, directory, callbacks=watched)
    try:
        trainer.fit()
    except (BrokenImage, MissingImage):
        expect_mending(directory)
        raise
    if processes.is_main_process:
        _finish(trainer, directory, time.perf_counter() - started)
    processes.wait_for_everyone()
    return directory


def _finish(trainer: Trainer, directory: Path, seconds: float) -> None:
    trained = (trainer.step - trainer.resumed_from) * trainer.config.batch_size
    with replacing(directory / "model") as temporary:
        trainer.pretraining.model.save(temporary)
    summary = {
        "seconds": round(seconds, 1),
        "images_per_second": round(trained / seconds, 1),
        "resumed_from": trainer.resumed_from,
        "peak_memory_gib": peak_memory_gib(),
        "device": str(trainer.accelerator.device),
        "processes": trainer.accelerator.num_processes,
        "threads": torch.get_num_threads(),
    }
    write_text(directory / "run.json", json.dumps(summary, indent=2) + "\n")
    for name in CHECKPOINTS:
        (directory / name).unlink(missing_ok=True)
