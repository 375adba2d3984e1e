"""Figures of one's own data: what a reader must find on them, whatever the data looks like."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from small_root import write_photo

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.inventory.survey import Survey, survey
from cliplite_core.evaluation.features import EmbeddedSplit
from cliplite_core.reporting.plots import own_data as plots


@pytest.fixture
def items(tmp_path) -> list[CaptionedImage]:
    found = []
    for number in range(4):
        path = tmp_path / f"{number}.jpg"
        write_photo(path, (40 + 8 * number, 32), number)
        found.append(CaptionedImage(path, (f"costs $5 and $6, number {number}", "a thing"), path.name))
    return found


def written(figure: Figure) -> list[str]:
    figure.canvas.draw()  # what cannot be drawn fails here
    return [text.get_text() for axis in figure.axes for text in [*axis.texts, axis.title] if text.get_text()]


def legends(figure: Figure) -> list[str]:
    return [text.get_text() for axis in figure.axes if axis.get_legend() for text in axis.get_legend().get_texts()]


@pytest.mark.parametrize("shown", [1, 4])
def test_sizes_name_the_dotted_line_and_the_encoders_square_which_is_square(items, shown):
    figure = plots.sizes([survey(items[:shown], limit=9)], items, longest=28, side=48)
    written(figure)
    assert {"cut off after 28 words", "image encoder: 48 × 48"} < set(legends(figure))
    assert figure.axes[1].get_aspect() == 1


def test_sizes_can_be_drawn_when_no_image_can_be_read(items):
    broken = pd.DataFrame({"row": [0], "image_id": ["a"], "width": [0], "height": [0], "problem": ["not there"]})
    written(plots.sizes([Survey(broken, np.zeros((1, 480), np.float32))], items, longest=28, side=48))


def test_a_contact_sheet_of_few_images_has_a_caption_below_each_and_dollars_are_no_formula(items):
    texts = written(plots.contact_sheet(items))
    assert sorted(" ".join(text.split()) for text in texts) == [f"costs $5 and $6, number {n}" for n in range(4)]


def test_two_near_duplicates_make_a_narrower_figure_than_five(items):
    pair = {"held_out": 0, "training": 1, "correlation": 0.865}
    narrow, wide = (plots.near_duplicates(pd.DataFrame([pair] * count), items, items) for count in (2, 7))
    assert narrow.get_figwidth() < 0.6 * wide.get_figwidth()
    assert {"test", "training"} < set(written(narrow))
    assert len(wide.axes) == 2 * 5


def test_the_training_figure_says_among_how_many_images_and_labels_guessing():
    steps = pd.RangeIndex(0, 100, 10, name="step")
    log = pd.DataFrame({"bound": np.linspace(-1.4, -0.5, 10)}, index=steps)
    recall = {"R@1": 0.1, "R@5": 0.4, "R@10": 0.6, "chance R@5": 0.02, "gallery": 256}
    figure = plots.training(log, pd.DataFrame(recall, index=steps), per_epoch=5, objective="infonce")
    written(figure)
    assert "256 images" in figure.axes[1].get_ylabel()
    assert {"R@1", "R@5", "R@10", "guessing, R@5"} < set(legends(figure))


def test_each_image_shows_one_caption_of_its_own_with_its_place(items):
    images, captions = np.eye(4, dtype=np.float32), np.zeros((8, 4), np.float32)
    captions[0, 0] = 1  # the first image finds its own at once; of the second, its own come last
    captions[[2, 3], 1] = -1
    split = EmbeddedSplit(images, captions, np.repeat(np.arange(4), 2), [f"caption {n}" for n in range(8)])
    texts = written(plots.captions_found(split, items, rows=[0, 1, 2]))
    assert "✓ caption 0" in texts
    assert texts[texts.index("✓ caption 2") - 1] == "7"
