"""What every notebook repeats, in one place: the rows come out as the trainings went in."""

import json

import numpy as np
import pandas as pd
import pytest

from cliplite_core.reporting.experiment import Experiment


@pytest.fixture
def experiment(scenes_data, tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(scenes_data))
    monkeypatch.setenv("CLIPLITE_RESULTS", str(tmp_path))
    return Experiment("ablations", "smoke", seeds=2, grid="quick")


def test_trainings_of_one_setting_become_one_row_with_a_value_per_seed(experiment):
    lines = [(16, "jsd", 0, 1.0, 5.0), (16, "jsd", 1, 3.0, 6.0), (32, "jsd", 0, 2.0, 7.0), (32, "jsd", 1, 4.0, 8.0)]
    frame = pd.DataFrame(lines, columns=["batch_size", "objective", "seed", "retrieval", "transfer"])
    experiment.add_frame(frame.set_index(["batch_size", "objective", "seed"]), {"retrieval": 9}, study="batch_size")
    first, second = experiment.rows
    assert (first["values"], second["values"]) == ([1.0, 3.0], [2.0, 4.0]) and first["n"] == 9
    assert {name: first[name] for name in ("study", "batch_size", "objective", "metric", "unit")} == {
        "study": "batch_size", "batch_size": 16, "objective": "jsd", "metric": "retrieval", "unit": "%",
    }  # fmt: skip
    json.dumps(experiment.rows)  # numbers of Python, not of numpy


def test_measured_times_are_kept_apart_from_what_equal_runs_repeat(experiment, tmp_path, capsys):
    experiment.add("time of one pass (s)", [0.1], n=1, unit="s", objective="jsd")
    experiment.write(folder="timings")
    content = json.loads((tmp_path / "smoke" / "timings" / "ablations.json").read_text())
    assert (
        content["parameters"] == {"seeds": 2, "grid": "quick"} and "written: ablations.json" in capsys.readouterr().out
    )


def test_hits_become_percent_with_as_many_items_as_there_were(experiment):
    found = experiment.add_hits("pointing game", [np.array([1, 0, 0.5, 1]), np.array([0, 0, 0, 1])], objective="jsd")
    assert (found["values"], found["n"], found["unit"]) == ([62.5, 25.0], 4, "%")


def test_a_column_can_be_named_by_several_labels_and_two_of_one_name_become_one(experiment):
    for objective, value in (("jsd", 1.0), ("infonce", 2.0)):
        for kind in ("paper", "ensemble"):
            experiment.add("top1", [value], n=9, chance=4.2, objective=objective, prompts=kind)
    experiment.add("guessing", [3.0], n=9, objective="by size", prompts="paper")
    table = experiment.table(["objective"], ["metric", "prompts"], names={"paper": "one prompt", "guessing": "top-1"})
    assert list(table.columns) == ["objective", "top-1, one prompt (%)", "top-1, ensemble (%)"]
    assert table.columns.name is None
    assert table["objective"].tolist() == ["CLIP-Lite (JSD)", "CLIP (InfoNCE)", "by size", "chance"]
    assert table["top-1, one prompt (%)"].tolist() == ["1.0", "2.0", "3.0", "4.2"]
    assert table["top-1, ensemble (%)"].tolist() == ["1.0", "2.0", "–", "4.2"]


def test_a_row_without_one_of_the_labels_that_name_a_column_is_named_by_the_others(experiment):
    experiment.add("mAP", [9.0], n=9, objective="jsd")
    experiment.add("gain", [2.0], n=9, objective="jsd", over="infonce", unit="points")
    table = experiment.table(["objective"], ["metric", "over"], names={"gain, CLIP (InfoNCE)": "over CLIP"})
    assert table.loc[0].to_dict() == {"objective": "CLIP-Lite (JSD)", "mAP (%)": "9.0", "over CLIP (points)": "2.0"}


def test_a_table_starts_with_clip_lite_whatever_was_recorded_first_and_its_numbers_have_no_idle_zeros(experiment):
    for pairs in (12000, 960):
        for objective in ("sigmoid", "infonce", "jsd"):
            experiment.add("R@10", [5.0], n=9, objective=objective, pairs=float(pairs))
    experiment.add("R@10", [1.0], n=9, objective="a guess", pairs=960.0)
    table = experiment.table(["pairs", "objective"], "metric")
    assert list(table.columns) == ["pairs seen", "objective", "R@10 (%)"]
    names = ["CLIP-Lite (JSD)", "CLIP (InfoNCE)", "SigLIP (sigmoid)"]
    assert table["objective"].tolist() == [*names, *names, "a guess"]
    assert table["pairs seen"].tolist() == ["12,000"] * 3 + ["960"] * 4


def test_a_line_named_by_its_metric_says_the_unit_where_the_name_does_not(experiment):
    experiment.add("variance explained", [91.0], n=9, objective="jsd")
    experiment.add("dimensions used", [4.0], n=9, unit="dimensions", objective="jsd")
    table = experiment.table(["metric"], "objective", names={"metric": "the direction"})
    assert list(table.columns) == ["the direction", "CLIP-Lite (JSD)"]
    assert table["the direction"].tolist() == ["variance explained (%)", "dimensions used"]


def test_data_that_is_named_but_not_there_is_said_once_asked(experiment, capsys):
    experiment.where = experiment.config.override(refs="").evaluation
    experiment.print_missing("refs", "boxes")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("refs: ") and line.endswith("nothing")


def test_a_metric_that_only_some_seeds_have_is_recorded_for_those_and_arrays_by_their_mean(experiment):
    results = [{"gap": np.array([1.0, 3.0], np.float32), "MLP": 60}, {"gap": np.array([2.0, 6.0])}]
    facts = {"MLP": {"n": 9, "chance": 50}, "gap": {"n": 2, "unit": "cosine"}, "not measured": {"n": 1}}
    experiment.add_each(results, facts, objective="jsd")
    assert [found["metric"] for found in experiment.rows] == ["MLP", "gap"]
    assert [found["values"] for found in experiment.rows] == [[60.0], [2.0, 4.0]]
    json.dumps(experiment.rows)


def test_cosines_have_two_digits_and_a_table_may_do_without_chance(experiment):
    for treatment in ("before", "after"):
        about = {"objective": "jsd", "treatment": treatment}
        experiment.add("closeness", [0.123, 0.123], n=2, unit="cosine", **about)
        experiment.add("read", [61.234, 61.234], n=2, chance=50, **about)
    assert experiment.frame()["cell"].tolist() == ["0.12 ± 0.00", "61.2 ± 0.0"] * 2
    with_chance = experiment.table(["objective", "treatment"], "metric")
    assert with_chance["treatment"].tolist() == ["before", "after", "chance"]
    without = experiment.table(["objective", "treatment"], "metric", chance=False)
    assert without["treatment"].tolist() == ["before", "after"]


def test_a_notebook_that_trains_nothing_names_no_seeds(experiment, tmp_path):
    data = Experiment("data", "smoke", seeds=None)
    data.add("images", [3], n=3, unit="images")
    data.write()
    assert json.loads((tmp_path / "smoke" / "metrics" / "data.json").read_text())["parameters"] == {}
