"""Figures of the data: a reader sees pairs, boxes with their names, and where captions are cut off."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import torch
from small_root import write_photo

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.labelled.boxes import BoxedImage
from cliplite_core.data.splits import data_folder, read_split
from cliplite_core.reporting.plots import data as plots


def items(folder, count):
    found = []
    for number in range(count):
        write_photo(folder / f"{number}.jpg", (40, 32), number)
        found.append(CaptionedImage(folder / f"{number}.jpg", (f"number {number} costs $5 or $6", "a thing"), number))
    return found


def test_a_small_split_leaves_places_empty_and_dollars_are_no_formula(tmp_path):
    figure = plots.contact_sheet(items(tmp_path, 5))
    figure.canvas.draw()
    assert [len(axis.images) for axis in figure.axes] == [1] * 5 + [0] * 7
    assert not any(axis.axison for axis in figure.axes)
    assert "costs $5" in figure.axes[0].get_title().replace("\n", " ") or figure.axes[0].get_title() == "a thing"


def test_every_box_is_named_and_every_caption_told(tmp_path):
    (item,) = items(tmp_path, 1)
    boxes = torch.tensor([[1.0, 2, 20, 30], [5, 5, 10, 10]])
    figure = plots.everything_known(BoxedImage(item.path, 0, 40, 32, boxes, (1, 2), ("dog", "cat")), item.captions)
    figure.canvas.draw()
    assert [text.get_text() for text in figure.axes[0].texts] == ["dog", "cat"]
    assert all(caption in figure.axes[1].texts[0].get_text() for caption in item.captions)


def test_the_longest_caption_allowed_and_frequent_words_are_marked():
    counts = pd.Series(range(40, 0, -1), index=[f"w{rank}" for rank in range(40)])
    figure = plots.words(np.array([3, 3, 4, 9]), counts, longest=30)
    figure.canvas.draw()
    left, right = figure.axes
    heights = {round(bar.get_x() + 0.5): bar.get_height() for bar in left.patches if bar.get_height()}
    assert heights == {3: 50, 4: 25, 9: 25}
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["longest allowed: 30"]
    assert [text.get_text() for text in right.texts] == ["“w0”", "“w9”"]  # there is no fiftieth word


def test_the_scene_with_most_boxes_is_shown_and_a_set_without_boxes_has_none(tiny, tmp_path, monkeypatch):
    test = read_split(tiny, tiny.data.test_split)
    scene = plots.fullest_scene(tiny, test)
    file = data_folder(tiny) / "annotations" / f"instances_{tiny.data.test_split}.json"
    boxes = [entry["image_id"] for entry in json.loads(file.read_text())["annotations"]]
    first = [item.image_id for item in test][:20]
    assert len(scene.boxes) == max(map(boxes.count, first))
    assert scene.path in {item.path for item in test}
    assert plots.fullest_scene(tiny, []) is None
    monkeypatch.setattr(plots, "data_folder", lambda config: tmp_path)
    assert plots.fullest_scene(tiny, test) is None
