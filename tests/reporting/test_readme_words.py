"""What the project's README says in words of the results is what the published tables say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cliplite_core.reporting.claims import AHEAD, BEHIND, OPEN, REGIMES, paper_claims, weigh, weigh_claims
from cliplite_core.reporting.metrics import read_metrics
from cliplite_core.reporting.readme import END, START
from cliplite_core.storage.places import PROJECT, definition, published_directory

SHORT, LONG, STOPPED, PAPERS = REGIMES
NUMBER = re.compile(r"[+−-]?\d+(?:\.\d+)?(?: %)?")
ALLOWED = {"95 %", "8"}  # of an interval, and of Flickr8k
PAPERS_NUMBERS = {"2,160", "118,000", "250,000", "1,024", "20", "01", "07"}  # and the numbers of notebooks


def readme(before: str, after: str) -> str:
    text = Path(PROJECT / "README.md").read_text(encoding="utf-8")
    return text[text.index(before) : text.index(after)]


def weighed(profile: str) -> pd.DataFrame:
    found = weigh_claims(profile, published_directory)
    return found.assign(claim=found["claim"].map(paper_claims().set_index("name")["short"])).set_index(
        ["claim", "regime"]
    )


def test_prose_beside_the_table_holds_no_measured_number():
    text = readme("## In one minute", "## Load a model") + "\n"
    text = re.sub(rf"{START}.*?{END}|\]\([^)]*\)", "", text, flags=re.DOTALL)
    assert set(NUMBER.findall(text.replace("Flickr8k", ""))) <= ALLOWED


@pytest.mark.parametrize("profile", ["scenes", "flickr8k", "flickr8k_frozen"])
def test_findings_hold_the_papers_numbers_and_no_measured_one(profile):
    text = definition(f"findings/{profile}.md").read_text(encoding="utf-8")
    text = re.sub(r"`[^`]*`|\]\([^)]*\)", "", text)
    assert set(re.findall(r"(?<![-@\w])\d[\d,.]*\d(?!\w)|(?<![-@\w])\d(?!\w)", text)) <= PAPERS_NUMBERS


def test_in_short_trainings_all_negatives_learn_faster_on_nearly_every_measure():
    verdicts = weighed("scenes").xs(SHORT, level="regime")["verdict"]
    assert (verdicts == BEHIND).sum() > (verdicts == OPEN).sum() and AHEAD not in set(verdicts)


def test_in_many_epochs_the_order_turns_on_photos_and_not_on_scenes():
    photos = weighed("flickr8k_frozen")
    assert photos.loc[("retrieval", LONG), "verdict"] == AHEAD
    assert photos.loc[("retrieval", STOPPED), "verdict"] == OPEN
    scenes = weighed("scenes").xs(LONG, level="regime")["verdict"]
    assert AHEAD not in set(scenes) and (scenes == BEHIND).sum() > (scenes == OPEN).sum()


def test_on_scenes_clip_leads_at_every_length_and_by_least_of_all_in_the_longest_of_many_epochs():
    rows = read_metrics("ablations", "scenes", published_directory).query("study == 'length'")
    means = rows.pivot(index=["metric", "pairs"], columns="objective", values="mean")
    assert (means["infonce"] > means["jsd"]).all()
    for metric in ("retrieval", "zero-shot", "transfer", "probe"):
        gap = (means["infonce"] - means["jsd"]).loc[metric].sort_index()
        assert gap.iloc[-1] < gap.iloc[-2], "narrower than in the length before"
        assert all(means.loc[metric][objective].is_monotonic_increasing for objective in ("jsd", "infonce"))


def test_clip_learns_its_photos_by_heart_and_falls_while_clip_lite_does_not():
    rows = read_metrics("ablations", "flickr8k_frozen", published_directory)
    rows = rows[(rows["study"] == "convergence")].set_index(["objective", "metric", "pairs"])["mean"].sort_index()
    for objective, falls in (("infonce", True), ("sigmoid", True), ("jsd", False)):
        held_out = rows[objective, "at the end"].sort_index()
        assert (held_out.iloc[-1] < held_out.max() - 2) == falls, objective
        assert rows[objective, "on training images"].max() > 95


def test_with_the_papers_budgets_clip_lite_is_ahead_by_less_than_the_paper_has():
    scenes = weighed("scenes")
    for claim in ("VOC07, linear", "ImageNet-1k, linear"):
        line = scenes.loc[(claim, PAPERS)]
        assert line["verdict"] == AHEAD and float(line["difference"].split()[0]) < float(line["paper"])


def test_with_one_negative_each_infonce_learns_no_faster_than_jsd():
    for profile in ("scenes", "flickr8k_frozen"):
        rows = read_metrics("ablations", profile, published_directory).query("study == 'negatives' and negatives == 1")
        for _, of_metric in rows.groupby([name for name in ("metric", "pairs") if name in rows], dropna=False):
            by = of_metric.set_index("objective")
            assert by.loc["infonce", "mean"] - by.loc["jsd", "mean"] <= by["ci95"].fillna(0).max()


def test_negatives_set_the_pace_and_the_bound_the_end():
    rows = read_metrics("ablations", "flickr8k_frozen", published_directory)
    rows = rows[(rows["study"] == "negatives, converged") & (rows["metric"] == "at the end")]
    seeds = rows.set_index(["pairs", "negatives", "objective"])["values"].map(np.array)
    short, long = (seeds[pairs] for pairs in sorted(rows["pairs"].unique()))
    few, many = rows["negatives"].min(), rows["negatives"].max()
    assert weigh(short[few, "infonce"] - short[few, "jsd"]) != AHEAD, "InfoNCE learns no faster with one negative"
    for objective in ("jsd", "infonce"):
        assert weigh(short[many, objective] - short[few, objective]) == AHEAD, "more negatives learn faster"
    assert weigh(long[many, "jsd"] - long[many, "infonce"]) == AHEAD, "with the same negatives JSD keeps more"
