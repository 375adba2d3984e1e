"""Were the published numbers reproduced? Each of them beside one's own, with what other seeds may give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from cliplite_core.reporting.measures import about, measure_of, method_of
from cliplite_core.reporting.tables import EXPERIMENTS, MINUS, interval
from cliplite_core.storage.files import write_text
from cliplite_core.storage.places import published_directory, results_directory

PAGE = "reproduction.md"  # beside the results
EXPLAINED = """*Published* is the mean over the published seeds with its 95 % interval, *yours* the mean over yours.
*Allowed* is the largest difference that other random seeds explain: the 95 % prediction interval for the mean of as
many seeds as you ran, and at least one test item. A number is *reproduced* if the difference is no larger. Even when
everything is right, about one number in twenty falls outside by chance, and numbers of one model fall outside together.

If many numbers are outside, or one is far outside:

1. Compare the packages: `pip install -c constraints.txt -e .` installs the published versions.
2. Compare data, configuration and device with those published: the table *provenance* of notebook 09.
3. Run more seeds, which narrows what is allowed: `make results SEEDS=3`.
4. If they are still outside, please open an issue with this page, the command and the machine.
"""


def reproduction(profile: str) -> pd.DataFrame:
    """Compare one's own results of a profile with the published ones, number by number.

    A number counts as reproduced if its difference from the published mean is no larger than seeds explain: with
    published values of standard deviation s over m seeds and k seeds of one's own, within t(0.975, m - 1) · s ·
    sqrt(1 / m + 1 / k), the prediction interval of a new mean; or within one test item.

    Args:
        profile: the profile's name, or the path of its file.

    Returns:
        One line per number that both have, where the published one has several seeds, by experiment: `experiment`,
        `measure` and `method` in words, `published` and `yours` formatted, `difference`, `allowed` (the largest that
        seeds explain), both in the unit of the measure, and whether it is `reproduced`. Empty where nothing is
        published, or nothing was made here.
    """
    published, mine = (_rows(folder(profile)) for folder in (published_directory, results_directory))
    lines = []
    for key in (key for key in published if key in mine):
        theirs, own = published[key], mine[key]
        if len(theirs["values"]) < 2:
            continue
        allowed = max(_prediction(theirs["values"], len(own["values"])), _one_item(theirs))
        difference = own["mean"] - theirs["mean"]
        lines.append(
            {
                "experiment": EXPERIMENTS.get(key[0], key[0]),
                "measure": measure_of(theirs),
                "method": method_of(theirs),
                "published": interval(theirs["mean"], theirs["ci95"]),
                "yours": interval(own["mean"], own["ci95"]),
                "difference": round(difference, 4),
                "allowed": round(allowed, 4),
                "reproduced": abs(difference) <= allowed,
            }
        )
    compared = pd.DataFrame(lines)
    return compared if compared.empty else compared.sort_values("experiment", kind="stable", ignore_index=True)


def by_experiment(compared: pd.DataFrame) -> pd.DataFrame:
    """Count for each experiment how many numbers were reproduced.

    Args:
        compared: from `reproduction`, not empty.

    Returns:
        One line per experiment: `experiment`, `numbers`, `reproduced`, and the `largest difference` as a share of what
        is allowed.
    """
    groups = compared.assign(share=shares_of_allowed(compared).abs()).groupby("experiment", sort=False)
    counts = groups.agg(numbers=("reproduced", "size"), reproduced=("reproduced", "sum"), largest=("share", "max"))
    counts["largest"] = [f"{100 * share:.0f} % of what is allowed" for share in counts["largest"]]
    return counts.rename(columns={"largest": "largest difference"}).reset_index()


def reproduction_line(profile: str) -> str:
    """Return how many of the published numbers were reproduced, in one line; "" where there is nothing to compare."""
    compared = reproduction(profile)
    if compared.empty:
        return ""
    line = f"reproduced: {compared['reproduced'].sum()} of {len(compared)} published numbers, up to what seeds explain"
    if compared["reproduced"].all():
        return line
    far = compared.loc[shares_of_allowed(compared).abs().idxmax()]
    named = f"{far['experiment']}, {far['measure']}, {far['method']}"
    return f"{line}; furthest off: {named}: {far['yours']}, published {far['published']}"


def write_reproduction(profile: str) -> Path | None:
    """Write the reproduction report beside one's own results, a page to read and to attach to an issue.

    Args:
        profile: the profile's name, or the path of its file.

    Returns:
        The page: how many numbers were reproduced, what that means, which were not, and all numbers by experiment. None
        where there is nothing to compare.
    """
    compared = reproduction(profile)
    if compared.empty:
        return None
    outside = compared[~compared["reproduced"]]
    parts = [f"# Reproduction report of the profile `{results_directory(profile).name}`", reproduction_line(profile)]
    parts += [by_experiment(compared).to_markdown(index=False, disable_numparse=True), EXPLAINED]
    parts += ["## Outside", as_shown(outside).to_markdown(index=False)] if len(outside) else []
    for experiment, numbers in compared.groupby("experiment", sort=False):
        table = as_shown(numbers).drop(columns="experiment").to_markdown(index=False, disable_numparse=True)
        parts += [f"## {experiment}", table]
    return write_text(results_directory(profile) / PAGE, "\n\n".join(parts) + "\n")


def as_shown(compared: pd.DataFrame) -> pd.DataFrame:
    """Format lines of `reproduction` for people: two digits, "yes" and "no"."""
    shown = compared.assign(reproduced=compared["reproduced"].map({True: "yes", False: "no"}))
    shown["difference"] = shown["difference"].map("{:+.2f}".format).str.replace("-", MINUS)
    return shown.assign(allowed=shown["allowed"].map("{:.2f}".format))


def shares_of_allowed(compared: pd.DataFrame) -> pd.Series:
    """Return each difference as a share of what is allowed, signed; where nothing is, 0 or infinity."""
    return (compared["difference"] / compared["allowed"]).where(compared["difference"] != 0, 0.0)


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
            found[content["name"], *(f"{key} {value}" for key, value in sorted(about(row).items()))] = row
    return found
