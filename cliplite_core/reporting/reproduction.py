"""Were the published numbers reproduced? Each of them beside one's own, with what another seed may give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from cliplite_core.reporting.tables import interval
from cliplite_core.storage.places import published_directory, results_directory

OF_A_VALUE = ("values", "mean", "ci95", "chance", "n", "unit")  # of a row: all else says what it is about


def reproduction(profile: str) -> pd.DataFrame:
    """Compare one's own results of a profile with the published ones, number by number.

    A number counts as reproduced if its difference from the published mean is no larger than seeds explain: with
    published values of standard deviation s over m seeds and k seeds of one's own, within t(0.975, m - 1) · s ·
    sqrt(1 / m + 1 / k), the prediction interval of a new mean; or within one test item.

    Args:
        profile: the profile's name, or the path of its file.

    Returns:
        One line per number that both have, where the published one has several seeds: `experiment`, `measure`,
        `published` and `mine` formatted, `difference`, `expected` (the largest that seeds explain), both in the unit of
        the measure, and whether it is `reproduced`. Empty where nothing is published, or nothing was made here.
    """
    published, mine = (_rows(folder(profile)) for folder in (published_directory, results_directory))
    lines = []
    for about in (key for key in published if key in mine):
        theirs, own = published[about], mine[about]
        if len(theirs["values"]) < 2:
            continue
        expected = max(_prediction(theirs["values"], len(own["values"])), _one_item(theirs))
        difference = own["mean"] - theirs["mean"]
        lines.append(
            {
                "experiment": about[0],
                "measure": ", ".join(about[1:]),
                "published": interval(theirs["mean"], theirs["ci95"]),
                "mine": interval(own["mean"], own["ci95"]),
                "difference": round(difference, 4),
                "expected": round(expected, 4),
                "reproduced": abs(difference) <= expected,
            }
        )
    return pd.DataFrame(lines)


def reproduction_line(profile: str) -> str:
    """Return how many of the published numbers were reproduced, in one line; "" where there is nothing to compare."""
    compared = reproduction(profile)
    if compared.empty:
        return ""
    outside = compared[~compared["reproduced"]]
    line = f"reproduced: {len(compared) - len(outside)} of {len(compared)} published numbers, to what other seeds give"
    if outside.empty:
        return line
    far = outside.loc[(outside["difference"] / outside["expected"]).abs().idxmax()]
    return f"{line}; furthest off: {far['experiment']}, {far['measure']}: {far['mine']}, published {far['published']}"


def _prediction(values: list[float], own: int) -> float:
    spread = float(np.std(values, ddof=1))
    return float(stats.t.ppf(0.975, len(values) - 1)) * spread * (1 / len(values) + 1 / own) ** 0.5


def _one_item(row: dict[str, Any]) -> float:
    """One test item more or less, which rounding on another machine may turn; of values that are no shares, nothing."""
    return 100 / row["n"] if row["unit"] in ("%", "points") else 0.0


def _rows(folder: Path) -> dict[tuple[str, ...], dict[str, Any]]:
    """The metrics below a results folder, by experiment and all that says what a row is about; no timings."""
    found = {}
    for path in sorted((folder / "metrics").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        for row in content["rows"]:
            about = {key: value for key, value in row.items() if key not in (*OF_A_VALUE, "metric")}
            words = [f"{key} {value}" for key, value in about.items() if value is not None]
            found[content["name"], *map(str, words), row["metric"]] = row
    return found
