"""The main table and the overview hold what a profile measured, and say so where it did not."""

import matplotlib.pyplot as plt
import pytest

from cliplite_core.profiles import load_profile
from cliplite_core.reporting.metrics import row, write_metrics
from cliplite_core.reporting.overview import main_table, overview_rows, provenance_table, set_names
from cliplite_core.reporting.plots.common import grouped_bars


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Writes an experiment's rows for a profile."""
    monkeypatch.setenv("CLIPLITE_RESULTS", str(tmp_path / "results"))

    def write(name, rows, profile="smoke"):
        return write_metrics(name, load_profile(profile), rows, 1.0, seeds=len(rows[0]["values"]))

    return write


def voc(objective, *values):
    return row("mAP", values, n=9, chance=7.25, objective=objective)


def test_a_line_has_every_objective_and_a_dash_where_nothing_was_measured(measured):
    measured("transfer_voc", [voc("jsd", 16.0, 18.0), voc("random", 12.0, 12.0)])
    (line,) = main_table(load_profile("smoke")).to_dict("records")
    assert line["CLIP-Lite (JSD)"] == "17.0 ± 12.7" and line["untrained"] == "12.0 ± 0.0"
    assert line["CLIP (InfoNCE)"] == line["SigLIP (sigmoid)"] == "–"
    assert (line["experiment"], line["measure"], line["chance"]) == ("02 VOC07", "mAP (%)", "7.2")
    assert (line["n"], line["seeds"]) == ("9", 2)


def test_a_set_of_images_is_called_by_its_name(measured):
    sets = ("in distribution", "shifted", "tiny-imagenet-200/val")
    rows = [row("top1", [9.0], n=9, objective="jsd", images=images, prompts="paper") for images in sets]
    for profile in ("smoke", "flickr8k"):
        measured("zero_shot", rows, profile)
    composed, photos = (main_table(load_profile(profile))["measure"].tolist() for profile in ("smoke", "flickr8k"))
    assert composed[:2] == [f"{name}, one prompt, top-1 (%)" for name in ("single objects", "another artist")]
    assert photos[::2] == [f"{name}, one prompt, top-1 (%)" for name in ("CIFAR-10", "Tiny ImageNet")]


def test_a_set_that_nobody_described_is_called_by_its_folder():
    config = load_profile("flickr8k").override(zero_shot="birds/val", zero_shot_more=[])
    assert set_names(config) == {"in distribution": "birds/val"}


def test_experiments_without_a_line_are_left_out_of_the_table_but_not_of_the_provenance(measured):
    measured("own_data", [row("x", [1.0], n=9)])
    measured("transfer_voc", [voc("jsd", 16.0)])
    assert main_table(load_profile("smoke"))["experiment"].tolist() == ["02 VOC07"]
    assert provenance_table("smoke")["experiment"].tolist() == ["02 VOC07", "10 Your own data"]


def test_the_overview_shows_the_first_four_that_were_measured_each_on_its_scale_with_chance(measured):
    retrieval = [
        row("R@5", [value], n=9, chance=1.0, objective=objective, direction=direction)
        for direction in ("image_to_text", "text_to_image")
        for objective, value in (("jsd", 40.0), ("infonce", 80.0))
    ]
    measured("retrieval", retrieval)
    measured("grounding", [row("pointing game", [5.0], n=9, objective="jsd")])
    figure = grouped_bars(overview_rows("smoke"), x="measure", panels="panel", sharey=False)
    assert [axis.get_title() for axis in figure.axes] == ["image to text", "text to image", "grounding"]
    assert figure.axes[2].get_ylim()[1] < 10 < figure.axes[0].get_ylim()[1]
    assert "chance" in [text.get_text() for text in figure.legends[0].get_texts()]
    plt.close(figure)
