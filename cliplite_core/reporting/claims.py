"""The paper's claims beside what was measured, with a verdict for each regime in which a claim could hold or fail.

`data/claims.toml` holds each claim, its source, the rows that test it and what a comparison leaves open. The 95 %
interval of the difference, paired by seed, gives the verdict: CLIP-Lite is ahead if the whole interval lies on the
claimed side of zero, CLIP if it lies on the other side, and the comparison is undecided if it contains zero.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cliplite_core.reporting.measures import measure_of
from cliplite_core.reporting.metrics import experiments_of, half_width, read_metrics, row
from cliplite_core.reporting.tables import MINUS, interval
from cliplite_core.storage.places import definition, results_directory

AHEAD, BEHIND, OPEN, UNTESTED = "CLIP-Lite ahead", "CLIP ahead", "undecided", "not tested"
REGIMES = ("equal pairs, short", "many epochs", "stopped at its best", "the paper's budgets, reconstructed")
MEASURED = ("regime", "measure", "CLIP-Lite here", "against", "difference", "verdict", "n", "seeds")
_SIDES = {"ours": "objective == 'jsd'", "against": "objective == 'infonce'"}


def paper_claims() -> pd.DataFrame:
    """Read `data/claims.toml`.

    Returns:
        One line per claim: `name`, a `short` one, `figure` as the paper has it (a word where it gives none, "–"
        without a source), `source`, its `limits`, a sentence, and `test`, a list of comparisons: `regime`,
        `experiment`, the `rows` that count and, where they differ from the usual, what `ours` and `against` are,
        `best`, `better`, `repeats` and `not_for`.
    """
    return pd.DataFrame(tomllib.loads(definition("claims.toml").read_text(encoding="utf-8"))["claim"])


def weigh(differences: Sequence[float], repeats: bool = False) -> str:
    """Decide whether differences support the claim that they are positive.

    Args:
        differences: one per seed, in any unit.
        repeats: whether every seed gives the same value; then the sign decides.

    Returns:
        `AHEAD`, `BEHIND` or `OPEN`; always `OPEN` for a single seed.

    Example:
        >>> weigh([3.0, 4.0, 5.0]), weigh([-1.0, 1.0]), weigh([7.0])
        ('CLIP-Lite ahead', 'undecided', 'undecided')
    """
    mean, half = float(np.mean(differences)), half_width(differences)
    if (len(differences) == 1 and not repeats) or abs(mean) <= half:
        return OPEN
    return AHEAD if mean > 0 else BEHIND


def weigh_claims(profile: str, place: Callable[[str], Path] = results_directory) -> pd.DataFrame:
    """Compare each of the paper's claims with what a profile measured.

    Args:
        profile: the profile; a claim that it did not measure stays in the table.
        place: where its results lie, `results_directory` or `published_directory`.

    Returns:
        One line per claim and regime, formatted: `claim`, `paper`, `regime`, the `measure` in words,
        `CLIP-Lite here`, `against` (CLIP's value), their `difference` paired by seed, the `verdict`, `n` test items
        and `seeds`.
    """
    there, lines = experiments_of(profile, place), []
    for claim in paper_claims().itertuples():
        about = {"claim": claim.name, "paper": claim.figure}
        untested = about | dict.fromkeys(MEASURED, "–") | {"verdict": UNTESTED}
        tests = claim.test if isinstance(claim.test, list) else []
        tests = [test for test in tests if test["experiment"] in there and profile not in test.get("not_for", ())]
        found = [_compare(test, read_metrics(test["experiment"], profile, place)) for test in tests]
        lines += [about | line for line in found if line] or [untested]
    return pd.DataFrame(lines)


def _compare(test: Mapping[str, Any], rows: pd.DataFrame) -> dict[str, Any] | None:
    """Weigh one comparison; None where its rows were not measured, or not by this grid."""
    sides = []
    for side, default in _SIDES.items():
        try:
            found = rows.query(f"({test['rows']}) and ({test.get(side, default)})")
            sides.append((found.sort_values("mean") if test.get("best") else found).iloc[-1])
        except (IndexError, pd.errors.UndefinedVariableError):
            return None
    ours, against = sides
    gaps = [mine - its for mine, its in zip(ours["values"], against["values"], strict=True)]
    claimed = [-gap for gap in gaps] if test.get("better") == "lower" else gaps
    measured = {"CLIP-Lite here": ours, "against": against, "difference": row("difference", gaps, n=ours["n"])}
    cells = {name: interval(of["mean"], of["ci95"]) for name, of in measured.items()}
    verdict = weigh(claimed, test.get("repeats", False))
    said = {"regime": test["regime"], "measure": measure_of({**ours[ours == against].dropna(), "unit": ours["unit"]})}
    return {**said, **cells, "verdict": verdict, "n": ours["n"], "seeds": len(gaps)}


def claims_text(weighed: pd.DataFrame) -> str:
    """Return a few sentences on every claim, as a Markdown list.

    Args:
        weighed: from `weigh_claims`.
    """
    entries = []
    for claim in paper_claims().itertuples():
        figure = f"; the paper: {claim.figure}" if claim.figure != "–" else ""
        said = [_sentence(line) for _, line in weighed[weighed["claim"] == claim.name].iterrows()]
        tested = (weighed.loc[weighed["claim"] == claim.name, "verdict"] != UNTESTED).any()
        limits = f" {claim.limits}" if tested else ""
        entries.append(f"- *{claim.name}* ({claim.source}{figure}). {' '.join(said)}{limits}")
    return "\n".join(entries)


def _sentence(line: pd.Series) -> str:
    if line["verdict"] == UNTESTED:
        return "**Not tested** in this run."
    alone = "one seed, which has no interval" if line["verdict"] == OPEN else "the same for every seed"
    seeds = alone if line["seeds"] == 1 else f"{line['seeds']} seeds, n = {line['n']:,}"
    where = f"{line['regime'][0].upper()}{line['regime'][1:]}, {line['measure']}"
    values = f"CLIP-Lite has {line['CLIP-Lite here']} and CLIP {line['against']}"
    return f"{where}: {values}, a difference of {line['difference']} ({seeds}): **{line['verdict']}**."


def verdicts(profiles: Mapping[str, str], place: Callable[[str], Path] = results_directory) -> pd.DataFrame:
    """Set out the verdicts of several profiles on one page: a line per claim, a column per regime.

    Args:
        profiles: profile = what it is measured on, in a word or two; those without results are left out.
        place: where their results lie.

    Returns:
        The table, with cells such as "CLIP ahead by 28.7 ± 9.4 (scenes)", several separated by "<br>"; "–" where
        nothing was measured. What is the same in every regime stands in the first.
    """
    there = {name: word for name, word in profiles.items() if experiments_of(name, place)}
    tested = pd.concat(weigh_claims(name, place).assign(on=word) for name, word in there.items())
    again = tested["regime"].eq("every regime") & tested.duplicated(["claim", "difference"])
    tested = tested[(tested["verdict"] != UNTESTED) & ~again].replace({"regime": {"every regime": REGIMES[0]}})
    cells = tested.assign(cell=[_cell(line) for line in tested.itertuples()])
    cells = cells.groupby(["claim", "regime"])["cell"].agg(lambda found: "<br>".join(dict.fromkeys(found)))
    lines = []
    for claim in paper_claims().itertuples():
        line = {"the paper's claim": claim.short, "in the paper": claim.figure}
        lines.append(line | {regime: cells.get((claim.name, regime), "–") for regime in REGIMES})
    return pd.DataFrame(lines)


def _cell(line: Any) -> str:
    if line.verdict == OPEN:
        return f"{OPEN}: {line.difference}{', one seed' * (line.seeds == 1)} ({line.on})"
    return f"**{line.verdict}** by {line.difference.lstrip(MINUS)} ({line.on})"
