"""Pairs of one's own as a folder of small photos and a CSV, and fields that fit a model to them in a second."""

from __future__ import annotations

import csv
from pathlib import Path

from small_root import write_photo

COLOURS = ("red", "green", "blue", "grey", "yellow")
# Frozen encoders that know nothing, so small that the tests need no packages of weights.
SMALL = {
    "image_arch": "resnet10", "image_width": 8, "image_weights": "", "image_size": 16, "text_weights": "",
    "tokenizer": "", "vocab_size": 100, "text_layers": 1, "text_hidden": 16, "text_heads": 2, "units": 16,
}  # fmt: skip


def write_pairs(folder: Path, count: int = 60) -> tuple[Path, Path]:
    """Write `captions.csv` and `photos/`, two captions of each, and return both paths."""
    table, photos = folder / "captions.csv", folder / "photos"
    with_captions = [(f"photo {number}.jpg", number) for number in range(count)]
    for name, number in with_captions:
        write_photo(photos / name, (40, 30), seed=number)
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption"])
        for name, number in with_captions:
            rows.writerow([name, f"a {COLOURS[number % 5]} thing, number {number} 🐕"])
            rows.writerow([name, f"собака {number}"])
    return table, photos


def words(**fields: object) -> list[str]:
    """The small fields, and further ones, as words of a command line."""
    return [f"{name}={value}" for name, value in {**SMALL, **fields}.items()]
