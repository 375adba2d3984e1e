"""What notebook 10 says of one's own pairs: the advice follows from the numbers, and the tables hold one's own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cliplite_core.data.inventory.survey import Survey
from cliplite_core.evaluation.budget import MemoryPlan
from cliplite_core.profiles import load_profile
from cliplite_core.reporting.own_data import advice, epochs_table, memory_table, recall_table, survey_text


def recall(**changed: float) -> pd.DataFrame:
    line = {"metric": "R@5", "recall": 36.0, "low": 32.0, "high": 40.0, "chance": 1.0, "n": 500, "training": 37.0}
    lines = [line | {"direction": direction} | changed for direction in ("image_to_text", "text_to_image")]
    return pd.DataFrame(lines)


def curve(*values: float) -> pd.DataFrame:
    return pd.DataFrame({"R@5": values, "gallery": 256}, index=[100 * step for step in range(len(values))])


@pytest.mark.parametrize(
    ("changed", "values", "expected"),
    [
        ({"low": 0.5}, (0.1, 0.6), "Hardly better than guessing"),
        ({}, (0.1, 0.8, 0.5), "It was better before"),
        ({"training": 60.0}, (0.1, 0.6), "more images or image_weights"),
        ({}, (0.1, 0.6), "more steps, or a larger network"),
    ],
)
def test_the_advice_follows_from_the_numbers(changed, values, expected):
    assert expected in advice(recall(**changed), curve(*values), images=500)


def test_validation_and_test_recall_each_say_among_how_many_images():
    text = advice(recall(), curve(0.1, 0.61, 0.6), images=500)
    assert "validation R@5 among 256 images: best 61.0 % at step 100, last 60.0 %" in text
    assert "test R@5 among 500 images: 36.0 %" in text


def test_broken_files_are_counted_all_and_named_up_to_ten():
    names = [f"{number}.jpg" for number in range(14)]
    problems = ["not there"] * 12 + ["", ""]
    table = pd.DataFrame({"image_id": names, "width": 50, "height": 40, "problem": problems})
    text = survey_text({"train": Survey(table, np.zeros((14, 480)))}, images=30, side=48)
    assert text.startswith("14 of 30 images opened, 12 cannot be read\n  0.jpg: not there\n")
    assert text.count("not there") == 10
    assert text.endswith("median of the shorter side: 40 px; 100 % are below the encoder's 48 px")


def test_the_tables_hold_ones_own_number_of_images_size_and_batch():
    config = load_profile("smoke", batch_size=32, image_size=48, steps=100)
    epochs = epochs_table(777, config).set_index("training images")
    assert list(epochs.loc["777 (yours)"]) == ["24", "4.1", "728"]
    memory = memory_table(MemoryPlan(0, 2**30, 2**20, 0), config).set_index("image size")
    assert memory.loc["48 px", "batch of 32"] == "1.03" and memory.loc["224 px", "batch of 64"] == "2.36"


def test_the_recall_table_has_the_interval_beside_the_recall():
    assert recall_table(recall()).iloc[0][["held out", "95 % interval"]].tolist() == ["36.0", "32.0 to 40.0"]
