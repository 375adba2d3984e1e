"""Training runs: a configuration in, a directory with the trained model out.

A finished run is returned as it is, an interrupted one resumes from its last checkpoint.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from accelerate import PartialState
from transformers import set_seed

from cliplite_core.callbacks import BEST, Gallery, KeepBest, RetrievalCurve, ScoreSnapshots
from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.images import BrokenImage, MissingImage
from cliplite_core.data.left_out import left_out
from cliplite_core.data.pairs import CaptionPairs, PairBatches, pair_loader
from cliplite_core.data.record import changes, data_record, expect_mending, keep_what_belongs, read_record
from cliplite_core.data.shards import ShardedPairs
from cliplite_core.data.splits import read_split
from cliplite_core.data.tokenizer import new_tokenizer
from cliplite_core.frozen import frozen_training
from cliplite_core.loss import Pretraining
from cliplite_core.model import CLIPLite
from cliplite_core.storage.checkpoints import CHECKPOINTS
from cliplite_core.storage.files import replacing, write_text
from cliplite_core.storage.locks import alone
from cliplite_core.storage.memory import expect_memory, peak_memory_gib
from cliplite_core.storage.notes import note
from cliplite_core.storage.places import published_run_directory, run_directory
from cliplite_core.storage.weights import load_weights
from cliplite_core.trainer import Trainer, on_cpu

WATCHED = 256  # held-out pairs that are looked at during training


def train(config: Config, directory: Path | None = None, settings: str = "", start: Path | None = None) -> Path:
    """Train one model, or return the finished run of exactly this configuration on exactly this data.

    A run whose data has changed since, finished or interrupted, is set aside with a message and trained again.

    Several processes (`accelerate launch`) share each batch and give the weights of one, to rounding, but for what is
    drawn or averaged within a process: dropout and the prior's noise, and the batch norm of the image encoder, which
    sees the share of its process (no SyncBN, as in CLIP; the first one's running statistics are kept). A run may go on
    with another number of processes.

    Args:
        config: the run, complete.
        directory: where the run lies. None = below the runs root, by the configuration's hash.
        settings: of a directory that is not named by the hash: what the run was told, in words; other words count as
            other data.
        start: a saved model of the same shapes to start from. None = start as the configuration says.

    Returns:
        The run's directory: `model/` (for `CLIPLite.load`), `log.jsonl`, `run.json` (seconds, images/s, device).

    Raises:
        FileNotFoundError, ValueError: the data is not there or broken. An image that turns out broken during training
            ends it; once it is mended, the run resumes from its last checkpoint.
        OSError: a file of the run cannot be written; its last checkpoint is whole.
        NonFiniteLoss: training diverged.
    """
    _compose(config)
    directory = directory or run_directory(config)
    with suppress(OSError):  # a read-only disk may hold the finished run
        directory.mkdir(parents=True, exist_ok=True)
    processes = PartialState(cpu=on_cpu())
    if processes.num_processes > 1:  # one process group, one run: the others would wait for the lock forever
        return _train(config, directory, processes, settings, start)
    with alone(directory / "lock", f"another process trains {directory.name}; waiting for it to end"):
        return _train(config, directory, processes, settings, start)


def new_pretraining(config: Config, images: Sequence[CaptionedImage]) -> Pretraining:
    """Return the model and its objective as they are before the first step.

    Args:
        config: the run; its seed decides the weights.
        images: the training split, whose captions the tokenizer learns from, where the config names no ready one.

    Raises:
        ValueError: as `new_tokenizer`, and as `expect_memory`.
    """
    tokenizer = new_tokenizer(config.data, [caption for image in images for caption in image.captions])
    if not (config.model.image_weights or config.model.text_weights):  # whose sizes are those of files that are there
        with torch.device("meta"):  # shapes without memory
            expect_memory(CLIPLite(config, tokenizer), config)
    set_seed(config.train.seed)
    return Pretraining(CLIPLite(config, tokenizer))


def find_run(config: Config) -> Path:
    """Return the finished run of a configuration: one's own, else the published one, else the one that is trained now.

    Args:
        config: the run, complete.

    Returns:
        The run's directory, as `train` leaves it. A published one counts only if it has seen the data that is here.
    """
    published = published_run_directory(config)
    record = read_record(published)
    if record is None or (run_directory(config) / "run.json").exists():
        return train(config)
    _compose(config)
    if changed := changes(record, data_record(config)):
        note(f"the published {published.name} has seen other data: {'; '.join(changed)}")
        return train(config)
    return published


def load_run(config: Config) -> CLIPLite:
    """Return the trained model of a configuration, in evaluation mode; see `find_run` for where it comes from."""
    return CLIPLite.load(find_run(config) / "model")


def _compose(config: Config) -> None:
    if config.data.scenes_train:
        from cliplite_core.scenes.generate import compose_scenes

        compose_scenes(config)


def _train(config: Config, directory: Path, processes: PartialState, settings: str, start: Path | None) -> Path:
    if processes.is_main_process:
        keep_what_belongs(config, directory, settings)
    processes.wait_for_everyone()
    if (directory / "run.json").exists():
        _tidy(directory)  # after a kill between the summary and this
        return directory
    started = time.perf_counter()
    for line in left_out(config) if processes.is_main_process else ():
        note(line)
    images, held_out = (read_split(config, split) for split in (config.data.train_split, config.data.val_split))
    pretraining = new_pretraining(config, images)
    if start is not None:
        load_weights(pretraining.model, CLIPLite.load(start).state_dict(), f"{start}: as a start")
    rank, world = processes.process_index, processes.num_processes
    shards = images.shard_sizes if isinstance(images, ShardedPairs) else None

    def order(start: int) -> PairBatches:
        return PairBatches(len(images), config.train.batch_size, config.train.seed, start, rank, world, shards)

    if config.model.frozen:
        batches, watched = frozen_training(pretraining.model, images, held_out, order, config)
    else:
        pairs = CaptionPairs(images, config.data, config.train.seed)
        gallery = Gallery(held_out if config.train.keep == "best" else held_out[:WATCHED])
        tokenizer, workers = pretraining.model.tokenizer, config.data.workers
        batches = lambda start: pair_loader(pairs, order(start), tokenizer, workers)  # noqa: E731
        watched = [ScoreSnapshots(gallery, config), RetrievalCurve(gallery, config)]
    best = None
    if config.train.keep == "best":
        curve = next(callback for callback in watched if isinstance(callback, RetrievalCurve))
        best = KeepBest(curve, directory, config.train.patience)
        watched = [*watched, best]
    trainer = Trainer(pretraining, batches, config, directory, callbacks=watched)
    try:
        trainer.fit()
    except (BrokenImage, MissingImage):
        expect_mending(directory)
        raise
    if processes.is_main_process:
        _finish(trainer, directory, time.perf_counter() - started, best.read() if best else None)
    processes.wait_for_everyone()
    return directory


def _finish(trainer: Trainer, directory: Path, seconds: float, best: dict | None) -> None:
    trained = (trainer.step - trainer.resumed_from) * trainer.config.batch_size
    if best:
        trainer.pretraining.model.load_state_dict(best["weights"], strict=False)  # frozen encoders are as they were
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
    } | ({"steps": trainer.step, "best_step": best["step"]} if best else {})
    write_text(directory / "run.json", json.dumps(summary, indent=2) + "\n")
    _tidy(directory)


def _tidy(directory: Path) -> None:
    for name in (*CHECKPOINTS, BEST):
        with suppress(OSError):  # a read-only disk
            (directory / name).unlink(missing_ok=True)
