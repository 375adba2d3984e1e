"""Tables as people read them: names in words, numbers without noise."""

import pandas as pd
import pytest

from cliplite_core.evaluation.cost import EXPONENTS, MEMORY, TIME
from cliplite_core.reporting.metrics import row
from cliplite_core.reporting.tables import cost_table, interval, recipe_table, save_table, study_table


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_RESULTS", str(tmp_path))
    return tmp_path / "smoke" / "tables"


def test_latex_compiles_whatever_the_cells_hold(folder):
    save_table(pd.DataFrame({"a_b": ["1.0 ± 0.1", None], "%": ["x → y", "z & w #1 {k} $5 ~ ^"]}), "t", "smoke")
    latex = (folder / "t.tex").read_text()
    assert r"a\_b & \%" in latex and r"1.0 ± 0.1 & x → y \\" in latex and "– & " in latex
    assert r"z \& w \#1 \{k\} \$5 \textasciitilde" in latex and r"\textasciicircum" in latex


def test_a_number_is_not_padded_with_digits_it_does_not_have(folder):
    save_table(pd.DataFrame({"share": [0.1], "n": [7]}), "t", "smoke")
    assert r"0.1 & 7 \\" in (folder / "t.tex").read_text()


def test_people_read_a_minus_sign_and_programs_a_hyphen(folder):
    shown = save_table(pd.DataFrame({"gap": [interval(-2.04, 0.5), interval(1.0, None)], "n": [-7, 7]}), "t", "smoke")
    assert shown["gap"].tolist() == ["−2.0 ± 0.5", "1.0"] and "| −2.0 ± 0.5 |" in (folder / "t.md").read_text()
    assert pd.read_csv(folder / "t.csv").values.tolist() == [["-2.0 ± 0.5", -7], ["1.0", 7]]
    assert r"-2.0 ± 0.5 & -7 \\" in (folder / "t.tex").read_text()


def test_a_study_s_table_has_words_for_fields_and_keeps_the_order_of_the_file():
    settings = [(0.25, 960), (1.0, 40000)]
    made = [
        row(measure, [1.0, 3.0], n=9, study="x", train_fraction=share, pairs=pairs, objective=objective)
        for share, pairs in settings
        for objective in ("jsd", "infonce")
        for measure in ("retrieval", "probe")
    ]
    table = study_table(pd.DataFrame(made).assign(cell="2.0 ± 12.7", other_study=None))
    words = ["share of the training images", "pairs seen", "objective", "retrieval R@5 (%)", "linear probe top-1 (%)"]
    assert list(table) == [*words, "seeds"]
    assert table.iloc[:, 0].tolist() == ["0.25", "0.25", "1", "1"] and table.iloc[3, 1] == "40,000"
    assert table["objective"].tolist()[:2] == ["CLIP-Lite (JSD)", "CLIP (InfoNCE)"] and set(table["seeds"]) == {2}
    assert table.iloc[0, 3] == "2.0 ± 12.7"


def test_costs_have_three_digits_and_no_exponent_to_decode():
    index = pd.MultiIndex.from_product([["jsd"], [64, 16384]], names=["objective", "batch_size"])
    costs = pd.DataFrame({TIME: [0.00031549, 23.71], MEMORY: [0.5005, 6144.1]}, index=index)
    powers = pd.DataFrame({EXPONENTS[TIME]: [1.666], EXPONENTS[MEMORY]: [1.0]}, index=["jsd"])
    table = cost_table(costs, powers)
    assert table.iloc[0].tolist() == ["CLIP-Lite (JSD)", "time of one pass (ms)", "0.315", "23,710", "1.67"]
    assert table.iloc[1].tolist() == ["CLIP-Lite (JSD)", "peak memory (MiB)", "0.500", "6,144", "1.00"]


def test_recipes_without_epochs_leave_their_cells_empty_and_shares_are_percent():
    first = {"recipe": "L-BFGS", "epochs": None, "steps": None, "train_loss": None}
    second = {"recipe": "SGD", "epochs": 2000, "steps": 4000, "train_loss": 0.01649}
    about = {"seconds": 1.26, "top1": 0.2083, "alike": 0.9271}
    table = recipe_table({"jsd": [first | about, second | about]}, {"jsd": "CLIP-Lite"})
    assert table.loc[0, ["epochs", "steps", "last training loss (nats)"]].isna().all()
    assert table.loc[1].tolist() == ["CLIP-Lite", "SGD", "2,000", "4,000", "0.016", "1.3", "20.8", "92.7"]
    assert table.columns[-2:].tolist() == ["top-1 (%)", "named as by L-BFGS (%)"]
