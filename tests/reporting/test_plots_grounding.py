"""The figures of notebook 06 name every bar, baselines too, and frame what was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from cliplite_core.data.labelled.boxes import BoxedImage
from cliplite_core.evaluation.grounding import NamedObject
from cliplite_core.reporting.figures import LABELS
from cliplite_core.reporting.metrics import row
from cliplite_core.reporting.plots.grounding import heat_grid, hits_and_baselines


def rows(metrics: tuple[str, ...], guesses: tuple[tuple[str, str], ...], seeds: int = 1) -> pd.DataFrame:
    found = [row(metric, [40.0 + s for s in range(seeds)], n=9, objective=o) for o in LABELS for metric in metrics]
    found += [row(metric, [10.0], n=9, objective=guess) for metric, guess in guesses]
    return pd.DataFrame(found).astype({"ci95": float})


GUESSES = (("pointing game", "centre"), ("pointing game", "chance"), ("localisation", "whole image"))
REFERRING = (("referring", "random box"), ("referring", "largest box"))


def names(axis: object) -> list[str]:
    return [label.get_text() for label in axis.get_yticklabels()]


def test_each_panel_names_its_bars_and_the_guesses_it_is_compared_with():
    metrics = ("pointing game", "localisation", "referring, heat", "referring, heat, testA", "referring, crop")
    figure = hits_and_baselines(rows(metrics, GUESSES + REFERRING, seeds=3))
    assert [names(axis)[3:] for axis in figure.axes] == [
        ["centre of the image", "any pixel"],
        ["whole image"],
        *[["random box", "largest box"]] * 2,
    ]
    assert all(names(axis)[:3] == list(LABELS.values()) for axis in figure.axes)
    assert all(axis.get_xlim()[0] == 0 and axis.get_xlim()[1] > 42 for axis in figure.axes)


def test_without_expressions_two_panels_are_left():
    figure = hits_and_baselines(rows(("pointing game", "localisation"), GUESSES))
    assert [axis.get_title() for axis in figure.axes] == ["pointing game", "localisation, IoU ≥ 0.5"]


def test_heat_lies_over_its_image_and_every_box_of_the_thing_is_framed(tmp_path: Path):
    Image.fromarray(np.zeros((6, 8, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [3.0, 1.0, 5.0, 4.0], [5.0, 2.0, 8.0, 6.0]])
    image = BoxedImage(tmp_path / "a.png", 1, 8, 6, boxes, (1, 2, 3), ("dog", "cat", "dog"))
    figure = heat_grid(
        [NamedObject(image, "dog"), NamedObject(image, "cat")], dict.fromkeys(LABELS, [torch.rand(6, 8)] * 2)
    )
    grid = figure.axes[:6]
    assert [axis.get_title() for axis in grid[:2]] == ["“a picture of a dog”", "“a picture of a cat”"]
    assert [grid[row].get_ylabel() for row in (0, 2, 4)] == list(LABELS.values())
    assert [len(axis.patches) for axis in grid[:2]] == [4, 2]  # each box white on black
    assert "heat" in figure.axes[6].get_ylabel()
