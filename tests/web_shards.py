"""Small WebDataset shards of drawn pictures, as img2dataset writes them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from webdataset import TarWriter

COLOURS = ("red", "blue", "green", "grey")
Sample = dict[str, bytes | str]


def picture(seed: int, size: tuple[int, int] = (24, 20)) -> bytes:
    """A JPEG of blurred colours, unlike any other seed's."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def write_shards(folder: Path, sizes: list[int], spoil: Callable[[int, Sample], Sample] | None = None) -> Path:
    """Writes a shard of each size; `spoil` may change a sample, which it is given with its number."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    for shard, size in enumerate(sizes):
        with (folder / f"{shard:05d}.tar").open("wb") as file, TarWriter(file, encoder=False, mtime=0) as tar:
            for i in range(size):
                key, caption = f"{shard:05d}{i:04d}", f"a {COLOURS[number % 4]} thing, number {number}"
                about = json.dumps({"caption": caption, "key": key, "status": "success"})
                sample: Sample = {"jpg": picture(number), "txt": caption.encode(), "json": about.encode()}
                sample = spoil(number, sample) if spoil else sample
                tar.write({"__key__": key, **sample})
                number += 1
    return folder
