"""The one training loop, for every objective: checkpoints are atomic, a resumed run equals an unbroken one."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from accelerate import Accelerator
from numpy.random import SeedSequence
from torch import Tensor
from tqdm.auto import tqdm
from transformers import get_cosine_schedule_with_warmup

from cliplite_core.config import Config
from cliplite_core.loss import Pretraining
from cliplite_core.optim import build_optimizer
from cliplite_core.storage.files import replacing, writing
from cliplite_core.storage.logs import read_line

CHECKPOINTS = ("state.pt", "state.before.pt")  # the last one, and the one before it, should the last be broken
Batch = tuple[Tensor, dict[str, Tensor]]


class NonFiniteLoss(RuntimeError):
    """The loss or its gradient is not finite; the message says when, and where the state before that step was saved."""


class Trainer:
    """Train a `Pretraining` for `config.train.steps` steps, logging to JSONL and checkpointing as it goes.

    Args:
        pretraining: the model with its objective.
        batches: given the step to start from, returns endless batches (images, tokens) of this process.
        config: the run's configuration.
        directory: where `log.jsonl` and `state.pt` are written; an existing `state.pt` is resumed.
        callbacks: called as `callback(trainer)` before the first and after every step.

    Attributes:
        step: optimiser steps taken so far.
        resumed_from: the step of the checkpoint this process went on from, 0 for a fresh start.
        stopped: a callback sets it to end the training after this step.
        accelerator: device, precision and processes.
    """

    def __init__(
        self,
        pretraining: Pretraining,
        batches: Callable[[int], Iterable[Batch]],
        config: Config,
        directory: Path,
        callbacks: Sequence[Callable[[Trainer], None]] = (),
    ) -> None:
        self.accelerator = Accelerator(cpu=on_cpu(), mixed_precision=mixed_precision(config.train.precision))
        self.pretraining, self.batches, self.config = pretraining, batches, config.train
        self.directory, self.callbacks = directory, callbacks
        self.step, self.resumed_from, self.stopped = 0, 0, False
        pretraining.to(self.accelerator.device, memory_format=torch.channels_last)
        self.learned = [parameter for parameter in pretraining.parameters() if parameter.requires_grad]
        self.module = self.accelerator.prepare(pretraining)
        self.optimizer = build_optimizer(pretraining, config.optim)
        self.schedule = get_cosine_schedule_with_warmup(self.optimizer, config.optim.warmup_steps, self.config.steps)
        self.clip_norm = config.optim.clip_norm or math.inf

    def fit(self) -> None:
        """Run from the last checkpoint, or from the start, to the last step or until a callback stops it.

        Raises:
            NonFiniteLoss: the loss is not a finite number; the weights before that step are in `diverged.pt`.
            OSError: a checkpoint or the log cannot be written; the last checkpoint is whole, and is gone on from.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._resume()
        self.module.train()
        batches = iter(self.batches(self.step))
        steps, size = self.config.steps, self.config.batch_size
        bar = tqdm(
            total=steps, initial=self.step, unit="step", disable=None if self.accelerator.is_main_process else True
        )
        if self.step == 0:
            self._notify()
        logged_at, logged_step = time.perf_counter(), self.step
        while self.step < steps and not self.stopped:
            output = self._train_step(next(batches))
            self.step += 1
            bar.update()
            if self.step % self.config.log_every == 0 or self.step == steps:
                now = time.perf_counter()
                rate = (self.step - logged_step) * size / (now - logged_at)
                metrics = {name: value.mean().item() for name, value in output.items()}
                self.log("train", **metrics, samples=self.step * size, images_per_second=rate)
                bar.set_postfix(bound=f"{metrics['bound']:.3f}", refresh=False)
                logged_at, logged_step = now, self.step
            self._notify()
            if self.step % self.config.checkpoint_every == 0 and self.step < steps and not self.stopped:
                self._save("state.pt")
        bar.close()
        self.module.eval()

    def _train_step(self, batch: Batch) -> dict[str, Tensor]:
        """Take one step; return as tensors what is logged of some steps: to read a number takes time."""
        device = self.accelerator.device
        self._seed_step()
        layout = torch.channels_last if batch[0].ndim == 4 else torch.preserve_format  # frozen encoders: (B, D)
        images = batch[0].to(device, non_blocking=True, memory_format=layout)
        output = self.module(images, {name: ids.to(device, non_blocking=True) for name, ids in batch[1].items()})
        self._require_finite("loss", output["loss"])
        self.accelerator.backward(output["loss"])
        norm = self.accelerator.clip_grad_norm_(self.learned, self.clip_norm)
        self._require_finite("gradient norm", norm)
        rate = torch.tensor(self.schedule.get_last_lr()[0], dtype=torch.float64)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return {**output, "gradient_norm": norm, "learning_rate": rate}

    def _seed_step(self) -> None:
        """Let dropout and prior noise follow from (seed, step, process): a resume needs no generator state."""
        entropy = SeedSequence([self.config.seed, self.step, self.accelerator.process_index])
        seed = int(entropy.generate_state(1)[0])
        if self.accelerator.device.type == "cpu":
            # `torch.manual_seed` also prepares each kind of GPU, with a stack trace: longer than a small critic's step.
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def _require_finite(self, what: str, value: Tensor) -> None:
        if math.isfinite(value.item()):
            return
        self._save("diverged.pt")
        rates = ", ".join(f"{rate:.3g}" for rate in self.schedule.get_last_lr())
        raise NonFiniteLoss(
            f"the {what} is {value.item()} at step {self.step + 1} (learning rates {rates}); the state before it is in "
            f"{self.directory / 'diverged.pt'}. Lower image_lr or text_lr, or lengthen warmup_steps"
        )

    def log(self, kind: str, **values: Any) -> None:
        """Append one line to `log.jsonl`: {"kind": kind, "step": …, **values}."""
        if self.accelerator.is_main_process:
            path = self.directory / "log.jsonl"
            with writing(path), path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"kind": kind, "step": self.step, **values}) + "\n")

    def _notify(self) -> None:
        for callback in self.callbacks:
            callback(self)

    def _save(self, name: str) -> None:
        """Write to a temporary name, then renames: a kill at any moment leaves the old or the new checkpoint whole."""
        if not self.accelerator.is_main_process:
            return
        state = {
            "step": self.step,
            "pretraining": self.pretraining.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        path = self.directory / name
        with replacing(path) as temporary:
            torch.save(state, temporary)
            if name == CHECKPOINTS[0] and path.exists():
                path.replace(self.directory / CHECKPOINTS[1])

    def _last_checkpoint(self) -> dict[str, Any] | None:
        """The newest checkpoint that can be read; broken ones are set aside with a line."""
        for path in (self.directory / name for name in CHECKPOINTS):
            if not path.exists():
                continue
            try:
                state = torch.load(path, map_location="cpu", weights_only=True)
                if isinstance(state, dict) and state.keys() >= {"step", "pretraining", "optimizer", "schedule"}:
                    return state
                reason = "no checkpoint of this trainer"
            except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0]
            if self.accelerator.is_main_process:
                path.replace(path.with_suffix(".broken"))
                print(f"note: {path} is broken ({reason:.90}); set aside, an older one is used", file=sys.stderr)
        return None

    def _resume(self) -> None:
        log, state = self.directory / "log.jsonl", self._last_checkpoint()
        if state is not None:
            self.pretraining.load_state_dict(state["pretraining"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.step = self.resumed_from = state["step"]
        if log.exists() and self.accelerator.is_main_process:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
            kept = "".join(line for line in lines if self.step and 0 <= read_line(line).get("step", -1) <= self.step)
            with replacing(log) as temporary:
                temporary.write_text(kept, encoding="utf-8")


def on_cpu() -> bool:
    """Whether to compute on CPUs; unless told so, accelerate takes each of several CPU processes for the only one."""
    return not torch.accelerator.is_available()


def training_device() -> torch.device:
    """Return the device that a single process trains on."""
    return torch.device("cpu") if on_cpu() else torch.accelerator.current_accelerator()


def mixed_precision(precision: str) -> str:
    """Return accelerate's name for a precision: "auto" is bfloat16 only where the GPU computes in it."""
    if precision == "auto":
        return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    return {"float32": "no", "bfloat16": "bf16"}[precision]
