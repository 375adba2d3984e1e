"""The weights of the best validation recall, and when to stop."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

import numpy as np
import torch

from cliplite_core.callbacks.curves import CUTOFFS, RetrievalCurve
from cliplite_core.storage.files import replacing

if TYPE_CHECKING:
    from cliplite_core.trainer import Trainer

BEST = "best.pt"  # in a run's directory, until the run is finished


class KeepBest:
    """Keep the weights of the best validation recall in a file, and end a training that has long stopped improving.

    What is kept is a function of the steps alone: a run that was killed and resumed keeps and ends where an
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
