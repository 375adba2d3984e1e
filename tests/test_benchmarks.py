"""The benchmarks run, and their table says what was measured."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    """Imports a script of benchmarks/, as it is imported where another one of that folder is run."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = {path.stem for path in FOLDER.glob("*.py")}
    yield import_module
    for name in names & set(sys.modules):
        del sys.modules[name]


def test_ratios_are_taken_turn_by_turn_and_given_with_their_quartiles(benchmark):
    timing, now = benchmark("timing"), [0.0]
    costs = {"slow": iter([9, 2, 4, 6, 8, 10]), "fast": iter([9, 1, 1, 2, 2, 2])}  # the first of each warms up

    def work(name):
        now[0] += next(costs[name])

    works = {name: (lambda name=name: work(name)) for name in ("fast", "slow")}
    fast, slow = timing.compare("part", works, 5, "photos/s", amount=10, clock=lambda: now[0])
    assert fast.times_as_fast == timing.quartiles(np.array([2, 4, 3, 4, 5])) == (3, 4, 4)
    assert slow.times_as_fast is None and fast.reference == "slow"
    assert slow.value[1] == pytest.approx(10 / 6) and fast.unit == "photos/s"


def test_where_all_are_slower_the_table_says_how_many_times_as_long_they_take(benchmark):
    run, timing = benchmark("run"), benchmark("timing")
    alone = timing.Row("start", "python", (1, 1, 1), "s")
    slow = timing.Row("start", "help", (4, 5, 8), "s", (0.125, 0.2, 0.25), "python")
    fast = timing.Row("start", "nothing", (0.5, 0.5, 0.5), "s", (2, 2, 2), "python")
    assert run.table([slow, alone]).iloc[0]["times as long as python"] == "5 [4, 8]"
    assert run.table([slow, fast, alone])["times as fast as python"].tolist() == ["0.2 [0.125, 0.25]", "2", "–"]


@pytest.mark.parametrize(
    "part", ["training", "objectives", "frozen", "loading", "allocator", "retrieval", "voc", "startup"]
)
def test_every_part_runs_and_is_written_with_the_machine_it_ran_on(benchmark, part, tmp_path, capsys):
    run = benchmark("run")
    assert part in run.PARTS
    rows = run.run([part], run.Options(quick=True), tmp_path)
    content = json.loads((tmp_path / "benchmarks.json").read_text())
    assert content["quick"] and content["machine"]["cores"] >= 1 and "torch" in content["machine"]["packages"]
    assert len(content["rows"]) == len(rows) >= 2
    for row in rows:
        assert row.value[0] <= row.value[1] <= row.value[2] and row.value[1] >= 0
    assert any(row.times_as_fast for row in rows)
    text = (tmp_path / "benchmarks.md").read_text()
    assert all(f"## {row.part[0].upper()}{row.part[1:]}\n" in text and row.what in text for row in rows)
    assert "figures mean nothing" in text


def test_every_part_reads_the_options_and_takes_none_of_them_for_a_yes(benchmark):
    parts = {part: benchmark(part).measure for part in benchmark("run").PARTS}
    assert {part: measure.__annotations__["options"] for part, measure in parts.items()} == dict.fromkeys(
        parts, "Options"
    )


def test_photos_that_are_named_are_those_that_are_loaded(benchmark, tmp_path):
    photos = tmp_path / "my photos"
    photos.mkdir()
    benchmark("loading").draw_photos(photos, 2)
    run = benchmark("run")
    rows = run.run(["loading"], run.Options(quick=True, photos=[photos]), tmp_path)
    assert {row.part.split(",")[0] for row in rows} == {"loading my photos"}


def test_grounding_says_where_its_time_goes(benchmark):
    rows, shares = benchmark("grounding").measure(quick=True)  # raises where the plain way finds something else
    assert rows[0].times_as_fast and rows[-1].what == rows[0].reference
    assert sum(shares.values()) == pytest.approx(1) and min(shares.values()) > 0
