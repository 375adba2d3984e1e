import pytest

from cliplite_core.evaluation.convergence import BEST
from cliplite_core.profiles import load_profile
from cliplite_core.reporting import metrics as report
from cliplite_core.reporting.claims import (
    AHEAD,
    BEHIND,
    OPEN,
    UNTESTED,
    claims_text,
    paper_claims,
    verdicts,
    weigh,
    weigh_claims,
)
from cliplite_core.storage.places import published_directory


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Writes an experiment's rows for the profile `smoke`."""
    monkeypatch.setenv("CLIPLITE_RESULTS", str(tmp_path / "results"))
    return lambda name, rows, **where: report.write_metrics(name, load_profile("smoke"), rows, seconds=1.0, **where)


def mean_average_precision(jsd, infonce):
    return [report.row("mAP", values, n=9, objective=o) for o, values in (("jsd", jsd), ("infonce", infonce))]


def of(claims, word):
    return claims[claims["claim"].str.contains(word, regex=False)].iloc[0]


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([3.0, 4.0, 5.0], AHEAD),  # 4 ± 2.48
        ([-3.0, -4.0, -5.0], BEHIND),
        ([1.0, 4.0, 7.0], OPEN),  # 4 ± 7.45
        ([0.0, 0.0], OPEN),
        ([40.0], OPEN),  # one seed, however far
    ],
)
def test_the_interval_decides(differences, verdict):
    assert weigh(differences) == verdict


def test_what_repeats_to_the_digit_needs_no_interval():
    assert weigh([0.5], repeats=True) == AHEAD and weigh([-0.5], repeats=True) == BEHIND
    assert weigh([0.0], repeats=True) == OPEN


def test_seeds_are_compared_in_pairs(measured):
    measured("transfer_voc", mean_average_precision(jsd=[10.0, 30.0, 50.0], infonce=[5.0, 26.0, 44.0]))
    weighed = weigh_claims("smoke")
    line = of(weighed, "VOC07")
    assert line["difference"] == "5.0 ± 2.5", "of 5, 4 and 6; the values themselves spread by ±50"
    assert line["verdict"] == AHEAD and line["regime"] == "equal pairs, short"
    said = claims_text(weighed).splitlines()[0]
    assert "Equal pairs, short, mAP (%): CLIP-Lite has 30.0 ± 49.7 and CLIP 25.0 ± 48.5, a difference of" in said
    assert "a difference of 5.0 ± 2.5 (3 seeds, n = 9)" in said


def test_a_lower_exponent_is_what_the_claim_on_cost_asks_for(measured):
    rows = [
        report.row("exponent of mib", [power], n=1, unit="", objective=objective)
        for objective, power in (("jsd", 1.0), ("infonce", 2.0))
    ]
    measured("cost", rows, folder="timings")
    line = of(weigh_claims("smoke"), "O(n²)")
    assert line["verdict"] == AHEAD and line["difference"] == "−1.0", "one seed is enough for what repeats"


@pytest.mark.parametrize(("share", "metric"), [(0.2, "probe"), (0.25, "transfer")])
def test_a_fifth_or_a_quarter_of_the_data_answers_the_claim_on_data(measured, share, metric):
    settings = [("jsd", share, [4.0, 4.1]), ("jsd", 1.0, [9.0, 9.0]), ("infonce", 1.0, [6.0, 6.1])]
    labels = {"study": "train_fraction"}
    rows = [report.row(metric, values, n=9, objective=o, train_fraction=part, **labels) for o, part, values in settings]
    measured("ablations", rows)
    assert of(weigh_claims("smoke"), "on 20 %")["difference"] == "−2.0 ± 0.0"


def test_the_longest_training_is_the_one_at_convergence(measured):
    values = {
        ("jsd", 10): [1.0, 1.1],
        ("jsd", 90): [9.0, 9.1],
        ("infonce", 10): [5.0, 5.1],
        ("infonce", 90): [6.0, 6.1],
    }
    labels = {"study": "length"}
    measured(
        "ablations", [report.row("transfer", v, n=9, objective=o, pairs=p, **labels) for (o, p), v in values.items()]
    )
    line = of(weigh_claims("smoke"), "VOC07")
    assert (line["regime"], line["difference"]) == ("many epochs", "3.0 ± 0.0")


def test_stopped_at_its_best_each_objective_has_the_schedule_that_suits_it(measured):
    values = {
        ("jsd", 10): [1.0, 1.1],
        ("jsd", 90): [9.0, 9.1],
        ("infonce", 10): [8.0, 8.1],
        ("infonce", 90): [6.0, 6.1],
    }
    labels = {"study": "convergence"}
    rows = [report.row(BEST, v, n=9, objective=o, pairs=p, **labels) for (o, p), v in values.items()]
    measured("ablations", rows)
    line = of(weigh_claims("smoke"), "retrieval")
    assert (line["regime"], line["difference"]) == ("stopped at its best", "1.0 ± 0.0")


def test_a_budget_is_compared_with_another_one(measured):
    steps = {("jsd", "14 times as long"): [9.0, 9.0], ("infonce", "14 times as long"): [8.0, 8.0]}
    steps |= {("infonce", "30 epochs, hardly augmented"): [2.0, 2.0]}
    labels = {"study": "recipe"}
    measured("ablations", [report.row("probe", v, n=9, objective=o, step=s, **labels) for (o, s), v in steps.items()])
    line = of(weigh_claims("smoke"), "ImageNet")
    assert line["difference"] == "7.0 ± 0.0"
    assert line["measure"] == "linear probe top-1, study of recipe (%)", "what both have: the steps differ"


def test_a_margin_has_no_sign_and_what_is_undecided_a_minus_sign(measured):
    measured("transfer_voc", mean_average_precision(jsd=[10.0, 30.0], infonce=[50.0, 31.0]))
    assert verdicts({"smoke": "scenes"}).loc[0, "equal pairs, short"].startswith("undecided: −20.5 ± 24")
    measured("transfer_voc", mean_average_precision(jsd=[10.0, 30.0], infonce=[50.0, 70.0]))
    assert verdicts({"smoke": "scenes"}).loc[0, "equal pairs, short"] == "**CLIP ahead** by 40.0 ± 0.0 (scenes)"
    assert "a difference of −40.0 ± 0.0" in claims_text(weigh_claims("smoke"))


def test_every_claim_is_listed_and_explained_measured_or_not(measured):
    measured("transfer_voc", mean_average_precision(jsd=[10.0], infonce=[50.0]))
    weighed = weigh_claims("smoke")
    assert weighed["claim"].tolist() == paper_claims()["name"].tolist()
    assert weighed["verdict"].tolist() == [OPEN] + [UNTESTED] * 7, "one seed, and seven claims without a number"
    text = claims_text(weighed).splitlines()
    assert len(text) == len(weighed) and text[0].startswith("- *VOC07") and "the paper: +14.0" in text[0]
    assert "**Not tested** in this run" in text[1] and "one seed, which has no interval" in text[0]


def test_one_page_has_a_line_per_claim_and_a_column_per_regime(measured):
    measured("transfer_voc", mean_average_precision(jsd=[10.0, 10.2], infonce=[50.0, 50.2]))
    page = verdicts({"smoke": "a few scenes", "coco": "nothing of it is there"})
    assert page["the paper's claim"].tolist() == paper_claims()["short"].tolist()
    assert page.loc[0, "equal pairs, short"] == "**CLIP ahead** by 40.0 ± 0.0 (a few scenes)"
    assert page.loc[0, "many epochs"] == "–"


@pytest.mark.parametrize("profile", ["scenes", "flickr8k_frozen"])
def test_the_rows_that_the_claims_are_read_from_are_those_that_the_notebooks_write(profile):
    weighed = weigh_claims(profile, published_directory)
    tested = weighed.loc[weighed["verdict"] != UNTESTED, "claim"].nunique()
    assert tested == {"scenes": len(paper_claims()), "flickr8k_frozen": 3}[profile]
