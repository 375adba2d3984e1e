import json
import math

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from cliplite_core.commands.summary import summary
from cliplite_core.profiles import load_profile
from cliplite_core.reporting import metrics as report
from cliplite_core.reporting import readme
from cliplite_core.reporting.claims import paper_claims
from cliplite_core.reporting.figures import COLORS, LABELS, save_figure, use_style
from cliplite_core.reporting.readme import END, START, update_readme
from cliplite_core.reporting.tables import save_table
from cliplite_core.storage.files import write_text


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    for name in ("DATA", "RUNS", "RESULTS"):
        monkeypatch.setenv(f"CLIPLITE_{name}", str(tmp_path / name.lower()))
    return tmp_path / "results"


def test_interval_is_the_students_t_interval_of_the_mean():
    made = report.row("R@5", [10.0, 12.0, 14.0], n=500, objective="jsd")
    # s = 2, standard error = 2 / sqrt(3), t(0.975, 2) = 4.3027
    assert made["mean"] == 12.0
    assert made["ci95"] == pytest.approx(4.3027 * 2 / math.sqrt(3), abs=0.005)
    assert report.row("R@5", [10.0], n=500)["ci95"] is None, "one seed says nothing about the spread"


def test_metrics_file_says_what_was_run_and_comes_back_as_a_table(results):
    config = load_profile("smoke")
    rows = [report.row("R@5", [50.0, 70.0], n=10, chance=5.0, objective="jsd")]
    path = report.write_metrics("retrieval", config, rows, seconds=1.23, seeds=2)
    content = json.loads(path.read_text())
    assert path == results / "smoke" / "metrics" / "retrieval.json"
    assert content["config_hash"] == config.hash() and content["parameters"] == {"seeds": 2}
    assert {"data_fingerprint", "git_commit", "packages", "device", "wall_seconds", "date"} <= content.keys()
    table = report.read_metrics("retrieval", "smoke")
    assert table.loc[0, ["metric", "mean", "objective"]].tolist() == ["R@5", 60.0, "jsd"]
    assert report.read_provenance("retrieval", "smoke")["seeds"] == 2
    assert not list(path.parent.glob("*.tmp"))


def test_two_equal_runs_write_equal_metrics_but_for_time_and_date(results):
    config, rows = load_profile("smoke"), [report.row("R@5", [50.0], n=10)]
    first = json.loads(report.write_metrics("a", config, rows, seconds=1).read_text())
    second = json.loads(report.write_metrics("a", config, rows, seconds=2).read_text())
    for content in (first, second):
        del content["wall_seconds"], content["date"]
    assert first == second


def test_reading_metrics_that_are_not_there_says_how_to_make_them():
    with pytest.raises(FileNotFoundError, match="make results PROFILE=smoke"):
        report.read_metrics("retrieval", "smoke")


def test_table_is_written_for_reading_computing_and_typesetting(results):
    save_table(pd.DataFrame({"a_b": ["1.0 ± 0.1", None], "%": ["x → y", "z & w"]}), "t", "smoke")
    folder = results / "smoke" / "tables"
    assert pd.read_csv(folder / "t.csv").iloc[1, 0] == "–"
    assert "| 1.0 ± 0.1 | x → y |" in (folder / "t.md").read_text()
    assert r"a\_b & \%" in (folder / "t.tex").read_text()


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_text(tmp_path / "a.md", "old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "new")
    assert path.read_text() == "old"


def test_figures_are_the_same_bytes_twice_and_every_objective_has_a_colour(results):
    use_style()
    assert COLORS.keys() == LABELS.keys() == {"jsd", "infonce", "sigmoid"}
    contents = []
    for _ in range(2):
        figure, axis = plt.subplots()
        axis.plot([0, 1])
        path = save_figure(figure, "line", "smoke")
        contents.append(path.read_bytes() + path.with_suffix(".pdf").read_bytes())
        plt.close(figure)
    assert contents[0] == contents[1]


def test_the_verdicts_are_replaced_between_their_markers_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.setattr(readme, "published_directory", lambda profile: tmp_path / profile)
    path = tmp_path / "README.md"
    path.write_text(f"before\n{START}\nold table\n{END}\nafter\n")
    values = {"jsd": [9.0, 9.2], "infonce": [5.0, 5.2]}
    rows = [report.row("mAP", of_seeds, n=9, objective=name) for name, of_seeds in values.items()]
    write_text(tmp_path / "scenes" / "metrics" / "transfer_voc.json", json.dumps({"rows": rows}))
    update_readme(path)
    text = path.read_text()
    assert text.startswith(f"before\n{START}\n|") and text.endswith(f"|\n{END}\nafter\n") and "old table" not in text
    assert "**CLIP-Lite ahead** by 4.0 ± 0.0 (scenes)" in text
    path.write_text("no place for a table")
    with pytest.raises(ValueError, match="markers"):
        update_readme(path)


def test_summary_names_every_finished_step(tmp_path, results):
    step = {"seconds": 3.2, "peak_memory_gib": 0.9, "images_per_second": 100.0, "notebook": "04_retrieval"}
    for name in ("jsd-seed0-0123456789ab/run.json", "done/04_retrieval.json"):
        write_text(tmp_path / "runs" / "smoke" / name, json.dumps(step))
    write_text(results / "smoke" / "tables" / "main.md", "x")
    text = summary("smoke")
    assert "train jsd-seed0 " in text and "04_retrieval" in text and "1 tables" in text


def test_summary_tells_trainings_of_one_objective_and_seed_apart_by_their_hash(tmp_path, results):
    step = json.dumps({"seconds": 3.2, "peak_memory_gib": 0.9, "images_per_second": 100.0})
    for name in ("jsd-seed0-0123456789ab", "infonce-seed0-aaaaaaaaaaaa", "infonce-seed0-bbbbbbbbbbbb"):
        write_text(tmp_path / "runs" / "smoke" / name / "run.json", step)
    (results / "smoke").mkdir(parents=True)
    lines = summary("smoke").splitlines()[1:-1]
    assert [line.split()[1] for line in lines] == [
        "infonce-seed0-aaaaaaaaaaaa",
        "infonce-seed0-bbbbbbbbbbbb",
        "jsd-seed0",
    ]
    assert len({line.index(" GiB") for line in lines}) == 1, "the columns stand below each other"


def test_results_readme_has_the_numbers_the_claims_and_where_it_was_timed_what_bounds_a_step(results):
    config = load_profile("smoke")
    report.write_metrics("retrieval", config, [report.row("R@5", [50.0], n=10)], seconds=1, seeds=1)
    for name in ("main", "pretraining"):
        save_table(pd.DataFrame({"measure": [f"the {name} table"]}), name, "smoke")
    text = readme.write_results_readme(config).read_text()
    assert "make results PROFILE=smoke SEEDS=1`" in text and "ResNet-10 of 16 channels from scratch and BERT of" in text
    assert "the main table" in text and "the pretraining table" in text and text.count("\n- *") == len(paper_claims())
    assert "What bounds a training step" not in text
    save_table(pd.DataFrame({"part": ["loader alone"]}), "throughput", "smoke")
    assert "What bounds a training step:\n\n| part" in readme.write_results_readme(config).read_text()
