"""What will be trained is said before it is: each study with its values, and how many trainings that makes."""

from __future__ import annotations

from cliplite_core.evaluation.studies import AblationRun, Ablations, Study
from cliplite_core.profiles import load_profile
from cliplite_core.reporting.planned import TITLES, left_out, plan_table
from cliplite_core.storage.places import PROJECT

PLAN = Ablations(
    base={"pairs": 12_800, "scale_lr": "sqrt"},
    studies={
        "batch_size": Study("pairs per batch", ["jsd", "infonce"]),
        "prior": Study("form of prior matching", ["jsd"]),
        "objective": Study("objective", ["jsd"]),
        "grid": Study("both", ["jsd"]),
        "later": Study("critic", ["jsd"]),
    },
    cost_batch_sizes={},
)


def run(study: str, seed: int = 0, objective: str = "jsd", **settings) -> AblationRun:
    return AblationRun(study, settings, load_profile("smoke").override(objective=objective, seed=seed, **settings))


def test_a_line_says_what_a_study_varies_and_how_often_it_trains():
    runs = [
        run("batch_size", seed, objective, batch_size=size)
        for size in (8, 16)
        for objective in ("jsd", "infonce")
        for seed in (0, 1)
    ]
    table = plan_table(PLAN, runs).set_index("study")
    assert table.loc["common to all", "values"] == "pairs seen 12,800; learning rate grows with the batch as sqrt"
    expected = ["8 · 16", "CLIP-Lite (JSD), CLIP (InfoNCE)", "2", "8"]
    assert table.loc["pairs per batch"].tolist() == expected
    assert table.loc["critic"].tolist() == ["not in this grid", "", "", ""]


def test_a_single_value_is_named_unless_the_study_is_and_several_fields_always_are():
    runs = [run("prior", prior="adversarial"), run("objective", batch_size=16)]
    runs += [run("grid", batch_size=size, lookahead_k=5) for size in (8, 16)]
    table = plan_table(PLAN, runs).set_index("study")["values"]
    assert table["form of prior matching"] == "adversarial" and table["objective"] == "pairs per batch 16"
    assert table["both"] == "pairs per batch 8 · 16; Lookahead steps 5"


def test_a_configuration_that_two_studies_share_is_counted_once_in_the_total():
    table = plan_table(PLAN, [run("batch_size", batch_size=16), run("objective", batch_size=16)])
    assert table["trainings"].tolist() == ["", "1", "", "1", "", "", "1"]


def test_a_study_that_a_profile_lacks_is_sought_where_it_is():
    scenes, photos = load_profile("scenes"), load_profile("flickr8k")
    # The scenes have a study `length`, too, but train their encoders.
    assert left_out(scenes, "length", frozen=True).endswith(
        'see results/flickr8k_frozen ("Flickr8k, frozen encoders").'
    )
    assert left_out(photos, "recipe") == 'Not part of the profile flickr8k; see results/scenes ("Composed scenes").'
    assert left_out(photos, "no such study") == "Not part of the profile flickr8k."


def test_a_study_of_the_profile_is_only_missing_in_the_smaller_grid():
    assert left_out(load_profile("scenes"), "recipe") == (
        "Not part of this grid of the profile scenes; the grid `full` has it."
    )


def test_every_published_profile_has_a_title():
    assert set(TITLES) == {path.parent.name for path in (PROJECT / "results").glob("*/metrics")}
