"""Training runs: a configuration in, a directory with the trained model out.

A finished run is returned as it is, an interrupted one goes on from its last checkpoint.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pandas as pd
import torch
from accelerate import PartialState
from filelock import FileLock
from torch.utils.data import DataLoader
from transformers import set_seed

from cliplite_core.callbacks import RetrievalCurve, ScoreSnapshots
from cliplite_core.config import Config
from cliplite_core.data.pairs import CaptionPairs, PairBatches, pair_loader
from cliplite_core.data.splits import read_split
from cliplite_core.data.tokenizer import load_tokenizer, train_wordpiece
from cliplite_core.loss import Pretraining
from cliplite_core.model import CLIPLite
from cliplite_core.storage.files import replacing
from cliplite_core.storage.memory import peak_memory_gib
from cliplite_core.storage.places import run_directory
from cliplite_core.trainer import Trainer, on_cpu


def train(config: Config) -> Path:
    """Trains one model, or returns the finished run of exactly this configuration.

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
        from cliplite_core.scenes.generate import compose_scenes  # alone here: other data needs no artwork

        compose_scenes(config)
    directory = run_directory(config)
    directory.mkdir(parents=True, exist_ok=True)
    processes = PartialState(cpu=on_cpu())
    if processes.num_processes > 1:  # one process group, one run: the others would wait for the lock for ever
        return _train(config, directory, processes)
    with FileLock(directory / "lock"):  # a second process that wants the same run waits for it
        return _train(config, directory, processes)


def load_run(config: Config) -> CLIPLite:
    """Returns the trained model of a configuration, in evaluation mode; trains it first if need be."""
    return CLIPLite.load(train(config) / "model")


def read_log(directory: Path, kind: str = "train") -> pd.DataFrame:
    """Reads one kind of line of a run's log.

    Args:
        directory: what `train` returned.
        kind: "train" (loss, bound, rates, scores), "scores" (score samples over training) or "retrieval" (recall on
            held-out pairs over training).

    Returns:
        One row a line, indexed by step.
    """
    rows = [json.loads(line) for line in (directory / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return pd.DataFrame([row for row in rows if row["kind"] == kind]).set_index("step").drop(columns="kind")


def read_summary(directory: Path) -> dict:
    """Reads a run's `run.json`: seconds, images_per_second, peak_memory_gib, device, processes, threads."""
    return json.loads((directory / "run.json").read_text(encoding="utf-8"))


def _train(config: Config, directory: Path, processes: PartialState) -> Path:
    summary = directory / "run.json"
    if summary.exists():
        return directory
    started = time.perf_counter()
    images = read_split(config, config.data.train_split)
    if config.data.tokenizer:
        tokenizer = load_tokenizer(config.data.tokenizer, config.data.max_tokens)
    else:
        captions = [caption for image in images for caption in image.captions]
        tokenizer = train_wordpiece(captions, config.data.vocab_size, config.data.max_tokens)
    set_seed(config.train.seed)
    pretraining = Pretraining(CLIPLite(config, tokenizer))
    pairs = CaptionPairs(images, config.data, config.train.seed)

    def batches(start: int) -> DataLoader:
        rank, world = processes.process_index, processes.num_processes
        order = PairBatches(len(pairs), config.train.batch_size, config.train.seed, start, rank, world)
        return pair_loader(pairs, order, tokenizer, config.data.workers)

    held_out = read_split(config, config.data.val_split)
    watched = [ScoreSnapshots(held_out, config), RetrievalCurve(held_out, config)]
    trainer = Trainer(pretraining, batches, config, directory, callbacks=watched)
    trainer.fit()
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
    with replacing(directory / "run.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    (directory / "state.pt").unlink(missing_ok=True)
