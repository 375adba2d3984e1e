"""What the tables of faults share: somebody's own data to be spoilt, a finished run beside it, one way to look."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cliplite_core.__main__ import main

P = "PROFILE"  # stands for the profile's path among the words of a command
TRAIN, READY, CHECK = ("train", P), ("data", "ready", P), ("data", "check", P, "--workers", "0")
WORDS = ("a", "red", "dog", "left", "of", "cat", "two", "birds", "on", "the", "grass", "man", "rides", "horse", "moon")
PROFILE = """extends = "smoke"
[data]
folder = "own"
format = "csv"
captions = "captions.csv"
images = "images"
scenes_train = 0
scenes_eval = 0
image_size = 16
vocab_size = 120
[model]
image_width = 8
text_hidden = 16
units = 16
[optim]
warmup_steps = 2
[train]
steps = 4
batch_size = 8
checkpoint_every = 2
log_every = 1
[evaluation]
zero_shot = ""
zero_shot_shift = ""
zero_shot_more = []
novel_split = ""
voc = ""
probe = ""
boxes = ""
refs = ""
people = ""
"""


@dataclass(frozen=True)
class Own:
    """Somebody's own data: 60 pictures of two captions each, and a profile that reads them."""

    root: Path

    @property
    def profile(self) -> Path:
        return self.root / "mine.toml"

    @property
    def folder(self) -> Path:
        return self.root / "data" / "own"

    @property
    def table(self) -> Path:
        return self.folder / "captions.csv"

    def rows(self, change: Callable[[list[str]], list[str] | None]) -> None:
        """Change the lines of the table."""
        lines = self.table.read_text(encoding="utf-8").splitlines()
        lines = change(lines) or lines
        self.table.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def first(self, row: str) -> None:
        """Put a row in place of the first one."""
        self.rows(lambda lines: lines.__setitem__(1, row))

    def says(self, text: str) -> None:
        """Add lines to the profile."""
        self.profile.write_text(self.profile.read_text(encoding="utf-8") + text, encoding="utf-8")


Change = Callable[[Own], object]


@dataclass(frozen=True)
class Fault:
    """One case: what is done, and what must be seen.

    Attributes:
        do: spoils the data or the profile.
        see: pattern of the one line that stderr has; "" = no line at all.
        words: the command.
        status: its exit status.
    """

    do: Change
    see: str
    words: Sequence[str] = TRAIN
    status: int = 2


def write_own(root: Path) -> Own:
    rng, own = np.random.default_rng(0), Own(root)
    (own.folder / "images").mkdir(parents=True)
    rows = ["image,caption"]
    for number in range(60):
        name = f"{number:03d}.png"
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(own.folder / "images" / name)
        rows += [f"{name},{' '.join(rng.choice(WORDS, 6))}" for _ in range(2)]
    own.table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    own.profile.write_text(PROFILE, encoding="utf-8")
    return own


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes; locks have none."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock" and path.name != "lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def command(own: Own, words: Sequence[str]) -> list[str]:
    return [str(own.profile) if word == P else word for word in words]


def must_be_seen(fault: Fault, own: Own, finished: Path, capsys: pytest.CaptureFixture) -> None:
    """Run the command of a fault: its status, one line that names the thing, and finished work as it was."""
    before = contents(finished)
    more = fault.do(own)
    capsys.readouterr()
    status = main(command(own, fault.words) + (more if isinstance(more, list) else []))
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert status == fault.status, said
    if fault.see:
        assert said.count("\n") == 1, said
        assert said.startswith("error: " if fault.status else "note: ")
        assert re.search(fault.see, said), said
    else:
        assert said == ""
    assert contents(finished) == before, "finished work was touched"
