"""Whether one's own numbers are the published ones, up to what other seeds would give."""

from __future__ import annotations

import math

import pytest

from cliplite_core.__main__ import main
from cliplite_core.commands import publish
from cliplite_core.profiles import load_profile
from cliplite_core.reporting import readme
from cliplite_core.reporting import reproduction as module
from cliplite_core.reporting.metrics import row, write_metrics
from cliplite_core.reporting.reproduction import (
    OUTSIDE,
    PAGE,
    SAME,
    VERDICTS,
    WITHIN,
    as_shown,
    by_experiment,
    coverage,
    reproduction,
    reproduction_line,
    write_reproduction,
)
from cliplite_core.storage.files import write_text
from cliplite_core.storage.places import results_directory


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Published results away from the project's own."""
    published = tmp_path / "published"
    for place in (module, publish, readme):
        monkeypatch.setattr(place, "published_directory", lambda profile: published / profile)
    return published


def measured(*rows: dict, name: str = "retrieval") -> None:
    write_metrics(name, load_profile("smoke"), rows, seconds=1.0)


def publish_smoke() -> None:
    assert main(["publish", "smoke"]) == 0


def test_a_number_within_what_another_seed_gives_is_reproduced_and_one_beyond_is_not(places):
    measured(
        row("R@5", [10.0, 12.0, 14.0], n=10_000, objective="jsd"), row("R@5", [1.0, 1.0, 1.0], n=50, objective="x")
    )
    publish_smoke()
    # s = 2, t(0.975, 2) = 4.3027: a fourth seed lies within 12 ± 4.3027 · 2 · sqrt(1/3 + 1)
    reach = 4.3027 * 2 * math.sqrt(4 / 3)
    for mine, reproduced in ((12 + reach - 0.1, True), (12 + reach + 0.1, False), (12 - reach + 0.1, True)):
        measured(row("R@5", [mine], n=10_000, objective="jsd"), row("R@5", [2.9], n=50, objective="x"))
        compared = reproduction("smoke").set_index("method")["verdict"]
        assert compared["CLIP-Lite (JSD)"] == (WITHIN if reproduced else OUTSIDE)
        assert compared["x"] == SAME, "one item of fifty is two points"
    line = reproduction_line("smoke")
    assert line == "reproduced: 2 of 2 published numbers (1 the same value, 1 within the variation between seeds)"
    measured(row("R@5", [99.0], n=10_000, objective="jsd"))
    line = reproduction_line("smoke")
    assert "reproduced: 0 of 1" in line and "99.0, published 12.0 ± 5.0" in line


def test_the_report_names_measures_in_words_and_says_what_to_do_where_some_are_outside(places):
    jsd, study = {"objective": "jsd", "n": 10_000}, {"study": "lr", "lr": 0.001, "objective": "infonce", "n": 500}
    recall = {"direction": "image_to_text", **jsd}
    measured(row("R@5", [10.0, 12.0, 14.0], **recall), row("median_rank", [4.0, 4.0], unit="rank", **recall))
    measured(row("transfer", [50.0, 51.0], **study), name="ablations")
    publish_smoke()
    measured(row("R@5", [50.0], **recall), row("median_rank", [4.0], unit="rank", **recall))
    measured(row("transfer", [50.2], **study), name="ablations")
    page = write_reproduction("smoke").read_text()
    assert page.splitlines()[2].startswith("**reproduced: 2 of 3")
    assert "R@5, image to text (%) | CLIP-Lite (JSD)" in " ".join(page.split())
    assert "VOC-style mAP, learning rate 0.001 (%)" in page and "median rank, image to text (rank)" in page
    assert page.index("## Outside") < page.index("## 04 Retrieval") < page.index("## 08 Studies")
    assert (
        "open an issue" in page
        and "one in twenty is outside by chance" in page
        and "results/smoke/tables/provenance.md" in page
    )
    assert not any(code in page for code in ("image_to_text", "median_rank", "jsd", "transfer,", "True"))
    counts = by_experiment(reproduction("smoke")).set_index("experiment")
    assert counts.loc["04 Retrieval", ["compared", *VERDICTS]].tolist() == [2, 1, 0, 1]
    assert counts["largest difference"].tolist() == ["382 % of what is allowed", "–"]


def test_a_seed_is_compared_with_the_same_seed_before_the_others_are_asked(places):
    """Seeds far from each other allow nearly everything: that seed 1 came out as seed 0 was published shall be seen."""
    measured(row("R@5", [10.0, 50.0], n=1000, objective="jsd"), row("rank", [3.0, 9.0], n=9, unit="rank"))
    publish_smoke()
    for seed, verdict in ((10.0, SAME), (10.1, SAME), (10.2, WITHIN), (50.0, WITHIN)):
        measured(row("R@5", [seed], n=1000, objective="jsd"), row("rank", [3.0], n=9, unit="rank"))
        compared = reproduction("smoke")
        assert compared["verdict"].tolist() == [verdict, SAME] and compared["same seeds"].tolist() == ["10.0", "3.0"]
        shown = as_shown(compared)["difference"].tolist()
        assert shown == ["–" if verdict == SAME else f"−{30 - seed:.2f}".replace("−-", "+"), "–"]
    measured(row("R@5", [10.0, 49.0], n=1000, objective="jsd"))
    compared = reproduction("smoke")
    assert compared["verdict"].tolist() == [WITHIN], "every seed that both have"
    assert as_shown(compared[compared["verdict"] == OUTSIDE]).empty, "notebook 09 shows these, if only there are none"


def test_where_all_is_the_same_the_line_says_so_and_nothing_is_called_largest(places, capsys):
    measured(row("R@5", [10.0, 50.0], n=1000, objective="jsd"))
    publish_smoke()
    line = reproduction_line("smoke")
    assert line == "reproduced: 1 of 1 published numbers, each the same value as with the published seed"
    assert by_experiment(reproduction("smoke"))["largest difference"].tolist() == ["–"]
    assert main(["summary", "smoke"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{line}; what that means: {results_directory('smoke') / PAGE}"


def test_the_report_says_what_is_not_compared_and_what_says_little(places):
    wide, close = row("R@5", [10.0, 50.0], n=1000), row("R@1", [3.0, 3.5], n=1000)
    measured(wide, close, row("R@10", [3.0], n=1000), row("AP", [3.0, 4.0], n=1000))
    publish_smoke()
    measured(wide, close, row("R@10", [3.0], n=1000))
    said = coverage("smoke")
    assert said.startswith("Of 4 published numbers 2 are compared; 1 are not part of this run")
    assert "; 1 rest on one seed. Of those compared, 1 say little" in said
    measured(wide, close, row("R@10", [3.0], n=1000), row("AP", [3.0, 4.0], n=1000))
    assert coverage("smoke").startswith("Of 4 published numbers 3 are compared; 1 rest on one seed. Of those")


def test_every_published_measure_has_words(monkeypatch):
    """What a metrics file calls `map`, `top1` or `image_to_text` has a name in the report."""
    for profile in ("scenes", "flickr8k", "flickr8k_frozen"):
        monkeypatch.setattr(module, "results_directory", module.published_directory)
        compared = reproduction(profile)
        said = set(compared["experiment"]) | set(compared["measure"]) | set(compared["method"])
        assert len(compared) > 10 and not [words for words in said if "_" in words or "top1" in words or "jsd" in words]
        assert set(compared["verdict"]) == {SAME} and not compared.duplicated(["experiment", "measure", "method"]).any()


def test_other_measures_and_single_published_seeds_are_not_compared(places):
    measured(row("R@5", [10.0, 12.0], n=10, objective="jsd"), row("R@1", [3.0], n=10, objective="jsd"))
    publish_smoke()
    measured(row("R@5", [11.0], n=10, objective="infonce"), row("R@1", [3.0], n=10, objective="jsd"))
    assert reproduction("smoke").empty and reproduction_line("smoke") == ""


def test_where_nothing_is_published_there_is_nothing_to_say(places):
    measured(row("R@5", [11.0], n=10))
    assert reproduction_line("smoke") == "" and write_reproduction("smoke") is None
    assert not (results_directory("smoke") / PAGE).exists()


def test_publishing_copies_what_was_made_and_keeps_what_lies_beside_it(places, capsys):
    measured(row("R@5", [10.0, 12.0], n=10))
    write_text(places / "smoke" / "model" / "config.json", "{}")
    write_text(places / "smoke" / "metrics" / "stale.json", "{}")
    write_text(results_directory("smoke") / PAGE, "about the results published before")
    publish_smoke()
    assert not (places / "smoke" / PAGE).exists()
    assert sorted(path.name for path in (places / "smoke").rglob("*.json")) == ["config.json", "retrieval.json"]
    measured(row("R@5", [11.0], n=10))
    assert "10.0" in (places / "smoke" / "metrics" / "retrieval.json").read_text(), "a run of one's own stays so"


def test_nothing_made_is_nothing_published(places, capsys):
    assert main(["publish", "coco"]) == 2 and "make results PROFILE=coco" in capsys.readouterr().err
    assert not results_directory("coco").exists()


def test_findings_are_of_the_published_numbers_and_stand_beside_these_only(places, tmp_path, monkeypatch):
    """A run of one's own, of one seed and another grid, must not claim what the published three seeds showed."""
    written = write_text(
        tmp_path / "definitions" / "findings" / "smoke.md", "## What was found\n\nOne learns slower.\n"
    )
    monkeypatch.setattr(readme, "DEFINITIONS", written.parent.parent)
    write_metrics("retrieval", load_profile("smoke"), [row("R@5", [10.0, 12.0], n=10)], seconds=1.0, seeds=2)
    for name in ("main", "pretraining"):
        write_text(results_directory("smoke") / "tables" / f"{name}.md", "| a |\n|:-|\n| 1 |\n")
    mine = readme.write_results_readme(load_profile("smoke")).read_text()
    assert "is slower" not in mine and "stands in `results/smoke/README.md`" in mine
    publish_smoke()
    published = (places / "smoke" / "README.md").read_text()
    assert published == mine.replace(readme.FOUND.format(profile="smoke"), written.read_text() + "\n")
