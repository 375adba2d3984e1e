"""Checkpoints of a training: two are kept, and one that a power cut broke costs the steps since the one before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from cliplite_core.storage.files import replacing
from cliplite_core.storage.notes import note

LAST, BEFORE = CHECKPOINTS = ("state.pt", "state.before.pt")


def save_checkpoint(directory: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint; the last one becomes the one before it. A kill at any moment leaves a whole one.

    Args:
        directory: of the run.
        state: tensors, numbers and containers of them; nothing else is loaded again.

    Raises:
        OSError: it cannot be written; the last checkpoint is whole.
    """
    path = directory / LAST
    with replacing(path) as temporary:
        torch.save(dict(state), temporary)
        if path.exists():
            path.replace(directory / BEFORE)


def last_checkpoint(directory: Path, expect: Callable[[Any], None], set_aside: bool = True) -> dict[str, Any] | None:
    """Return the newest checkpoint that can be read and is what is expected; None where there is none.

    Args:
        directory: of the run.
        expect: raises a ValueError for a state that is not of this training.
        set_aside: whether to rename a broken one, with a line on stderr; one process of several does.
    """
    for path in (directory / name for name in CHECKPOINTS):
        if not path.exists():
            continue
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            expect(state)
            return state
        except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
        if set_aside:
            path.replace(path.with_suffix(".broken"))
            note(f"{path} is broken ({reason:.90}); set aside, an older one is used")
    return None
