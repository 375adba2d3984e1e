"""The one training loop, for every objective: checkpoints are atomic, a resumed run equals an unbroken one."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
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
from cliplite_core.storage.checkpoints import last_checkpoint, save_checkpoint
from cliplite_core.storage.files import replacing, writing
from cliplite_core.storage.logs import cut_log
from cliplite_core.storage.weights import expect_shapes

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
        if self.config.compile:
            pretraining.compile()  # in place: the names of weights stay as they are
        self.module = self.accelerator.prepare(pretraining)
        self.optimizer = build_optimizer(pretraining, config.optim)
        self.schedule = get_cosine_schedule_with_warmup(self.optimizer, config.optim.warmup_steps, self.config.steps)
        self.clip_norm = config.optim.clip_norm or math.inf

    def fit(self) -> None:
        """Run from the last checkpoint, or from the start, to the last step or until a callback stops it.

        Raises:
            NonFiniteLoss: the loss is not a finite number; the weights before that step are in `diverged.pt`.
            OSError: a checkpoint or the log cannot be written; training resumes from the last whole checkpoint.
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
                self._checkpoint()
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
        if self.accelerator.is_main_process:
            with replacing(self.directory / "diverged.pt") as temporary:
                torch.save(self._state(), temporary)
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

    def _checkpoint(self) -> None:
        if self.accelerator.is_main_process:
            save_checkpoint(self.directory, self._state())

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "pretraining": self.pretraining.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def _expect_checkpoint(self, state: Any) -> None:
        """Raise a ValueError unless this is a checkpoint of this very network; nothing is loaded yet."""
        kinds = {"step": int, "pretraining": dict, "optimizer": dict, "schedule": dict}
        if not isinstance(state, dict) or not all(isinstance(state.get(name), kind) for name, kind in kinds.items()):
            raise ValueError("no checkpoint of this trainer")
        shapes = {name: tuple(getattr(value, "shape", ())) for name, value in state["pretraining"].items()}
        expect_shapes(self.pretraining, shapes, "it")

    def _resume(self) -> None:
        main = self.accelerator.is_main_process
        state = last_checkpoint(self.directory, self._expect_checkpoint, set_aside=main)
        if state is not None:
            self.pretraining.load_state_dict(state["pretraining"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.step = self.resumed_from = state["step"]
        if main:
            cut_log(self.directory / "log.jsonl", self.step)


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
