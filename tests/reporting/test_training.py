"""The table of the trainings: means over seeds, from the runs themselves."""

from __future__ import annotations

import json

from cliplite_core.profiles import load_profile
from cliplite_core.reporting.training import training_table


def test_speed_and_time_are_means_over_seeds(tmp_path):
    for seed, seconds in enumerate((10.0, 20.0)):
        (tmp_path / str(seed)).mkdir()
        summary = {"seconds": seconds, "images_per_second": 1000 / seconds, "device": "cpu", "peak_memory_gib": None}
        (tmp_path / str(seed) / "run.json").write_text(json.dumps(summary))
    table = training_table({"jsd": [tmp_path / "0", tmp_path / "1"]}, load_profile("smoke"), {"jsd": 98.76})
    line = table.iloc[0]
    assert (line["seconds"], line["pairs per second"], line["pairs seen"]) == ("15", "75", "1,920")
    assert line["AUC true vs mismatched (%)"] == "98.8" and line["objective"] == "CLIP-Lite (JSD)"
