"""What each process of a training runs in `test_processes.py`: python several_processes.py PROFILE NAME=VALUE …

$FREEZE_NORMS keeps the image encoder's batch norm at its running statistics, so that an image's features do not depend
on which others its process has. $DIE_AT is the step after which every process is killed without warning.
"""

from __future__ import annotations

import os
import signal
import sys

from torch import nn

from cliplite_core.__main__ import main
from cliplite_core.trainer import Trainer


def die(trainer: Trainer) -> None:
    if trainer.step == int(os.environ.get("DIE_AT", 0)) > 0:
        trainer.accelerator.wait_for_everyone()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    notify = Trainer._notify
    Trainer._notify = lambda self: (notify(self), die(self))
    if os.environ.get("FREEZE_NORMS"):
        nn.BatchNorm2d.train = lambda self, mode=True: nn.Module.train(self, False)
    sys.exit(main(["train", *sys.argv[1:]]))
