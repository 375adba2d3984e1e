"""Tokenizers and weights that a training starts from, where they are files: they are a part of what it read."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from cliplite_core.config import Config
from cliplite_core.storage.fingerprint import file_digest
from cliplite_core.storage.packages import weights_source
from cliplite_core.storage.places import data_root


def ready_made(config: Config) -> dict[str, list[Path]]:
    """Find the files of a ready tokenizer and of pretrained weights.

    Args:
        config: `tokenizer`, `text_weights` and `image_weights` name them.

    Returns:
        Files by "tokenizer", "text weights" and "image weights"; nothing for what is named by a hub id or by
        torchvision's name of a version, and for what is not there.
    """
    model, found = config.model, {}
    named = {"tokenizer": config.data.tokenizer, "text weights": model.text_weights}
    for what, name in {**named, "image weights": model.image_weights}.items():
        try:
            source = Path(weights_source(name))
        except FileNotFoundError:  # said by whoever needs it
            continue
        path = data_root() / source if what == "image weights" else source
        if name and path.exists():
            below = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
            found[what] = [file for file in below if "__pycache__" not in file.parts]
    return found


def describe_ready_made(config: Config) -> dict[str, str]:
    """Return, by the names of `ready_made`, how many files there are and 12 digits for their names and contents."""
    return {what: _described(tuple(map(_state, files))) for what, files in ready_made(config).items()}


@lru_cache(maxsize=64)
def _described(states: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, _, _ in states:
        digest.update(f"{path.name}\0{file_digest(path)}\0".encode("utf-8", "surrogateescape"))
    return f"{len(states):,}, {digest.hexdigest()[:12]}"


def _state(path: Path) -> tuple[Path, int, int]:
    found = path.stat()
    return path, found.st_size, found.st_mtime_ns
