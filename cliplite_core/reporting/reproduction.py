"""Were the published numbers reproduced? Each of them beside one's own, with what other seeds may give."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
SAME, WITHIN, OUTSIDE = VERDICTS = ("same value", "within seeds", "outside")
WIDE = 10.0  # points; a number that may differ by more says little
EXPLAINED = f"""A number is

- the *{SAME}* if it differs from the published one of the same seeds by no more than one test item (a thousandth, if
  it is no share). This is what the same packages give on a similar processor.
- *{WITHIN}* if its difference from the published mean is no larger than *allowed*: the 95 % prediction interval for the
  mean of as many seeds as you ran. Another processor, a GPU or other versions round differently, and a training then
  goes another way, as it would with another seed.
- *{OUTSIDE}* otherwise. Of the numbers that differ, one in twenty is outside by chance, and numbers of one model are
  outside together, so up to one in ten of them is no fault: there is nothing to do.

If more are outside, or one by more than twice what is allowed:

1. Compare `tables/provenance.md` beside this page with `results/{{name}}/tables/provenance.md`, as published. Another
   *torch*: `.venv/bin/python -m pip install -c constraints.txt -e ".[test]"` installs the published versions. Another
   *data fingerprint*: the data differ; scenes are composed again when `data/scenes` is deleted. Another
   *configuration*: the profile differs.
2. Run more seeds, which narrows what is allowed: `make results PROFILE={{name}} SEEDS=3`.
3. If they are still outside, please open an issue with this page, the command and the machine.
"""
COLUMNS = """*Published* is the mean over the published seeds with its 95 % interval, *same seeds* the published mean
over the seeds that you ran, *yours* your mean; the difference is yours less *published*."""


def reproduction(profile: str) -> pd.DataFrame:
    """Compare one's own results of a profile with the published ones, number by number.

    A training repeated with its seed gives the same value, or, where rounding differs, that of another seed. With
    published values of standard deviation s over m seeds and k seeds of one's own, a difference of the means up to
    t(0.975, m - 1) · s · sqrt(1 / m + 1 / k) is explained: the prediction interval of a new mean.

    Args:
        profile: the profile's name, or the path of its file.

    Returns:
        One line per number that both have, where the published one has several seeds, by experiment: `experiment`,
        `measure` and `method` in words; `published`, `same seeds` and `yours` formatted; `difference` from the
        published mean and `allowed`, at least one test item, both in the unit of the measure; and `verdict`, one of
        `VERDICTS`. Empty where nothing is published, or nothing was made here.
    """
    published, mine = (_rows(folder(profile)) for folder in (published_directory, results_directory))
    lines = []
    for key in (key for key in published if key in mine):
        theirs, own = published[key], mine[key]
        if len(theirs["values"]) < 2:
            continue
        allowed = max(_prediction(theirs["values"], len(own["values"])), _one_item(theirs))
        difference = own["mean"] - theirs["mean"]
        explained = WITHIN if abs(difference) <= allowed else OUTSIDE
        lines.append(
            {
                "experiment": EXPERIMENTS.get(key[0], key[0]),
                "measure": measure_of(theirs),
                "method": method_of(theirs),
                "published": interval(theirs["mean"], theirs["ci95"]),
                "same seeds": interval(float(np.mean(theirs["values"][: len(own["values"])])), None),
                "yours": interval(own["mean"], own["ci95"]),
                "difference": round(difference, 4),
                "allowed": round(allowed, 4),
                "verdict": SAME if _same(theirs, own) else explained,
            }
        )
    compared = pd.DataFrame(lines)
    return compared if compared.empty else compared.sort_values("experiment", kind="stable", ignore_index=True)


def by_experiment(compared: pd.DataFrame) -> pd.DataFrame:
    """Count for each experiment how many numbers were reproduced.

    Args:
        compared: from `reproduction`, not empty.

    Returns:
        One line per experiment: `experiment`, how many were `compared`, how many of them have each verdict, and the
        `largest difference` of those that are not the same value, as a share of what is allowed.
    """
    counts = pd.crosstab(compared["experiment"], compared["verdict"]).reindex(columns=VERDICTS, fill_value=0)
    counts = counts.loc[compared["experiment"].unique()].rename_axis(columns=None)
    counts.insert(0, "compared", counts.sum(axis=1))
    largest = shares_of_allowed(compared).abs().groupby(compared["experiment"]).max()
    alike = counts[SAME] == counts["compared"]
    counts["largest difference"] = ["–" if alike[name] else _of_allowed(largest[name]) for name in counts.index]
    return counts.reset_index()


def reproduction_line(profile: str) -> str:
    """Return how many of the published numbers were reproduced, in one line; "" where there is nothing to compare."""
    compared = reproduction(profile)
    if compared.empty:
        return ""
    counts = compared["verdict"].value_counts().reindex(VERDICTS, fill_value=0)
    line = f"reproduced: {counts[SAME] + counts[WITHIN]} of {len(compared)} published numbers"
    if counts[SAME] == len(compared):
        return f"{line}, each the same value as with the published seed"
    line += f" ({counts[SAME]} the same value, {counts[WITHIN]} within the variation between seeds"
    if not counts[OUTSIDE]:
        return f"{line})"
    shares = shares_of_allowed(compared).abs()
    far, share = compared.loc[shares.idxmax()], _of_allowed(shares.max())
    named = f"{far['experiment']}, {far['measure']}, {far['method']}"
    line += f", {counts[OUTSIDE]} outside of it; furthest off: {named}: {far['yours']}, published {far['published']}"
    return f"{line}, {share})"


def coverage(profile: str) -> str:
    """Say which of the published numbers are compared, which are not and why, and how many of them say little."""
    published, mine = (_rows(folder(profile)) for folder in (published_directory, results_directory))
    single = sum(len(row["values"]) < 2 for key, row in published.items() if key in mine)
    absent, wide = sum(key not in mine for key in published), (reproduction(profile)["allowed"] > WIDE).sum()
    name = results_directory(profile).name
    said = [f"Of {len(published)} published numbers {len(published) - absent - single} are compared"]
    if absent:
        said.append(f"{absent} are not part of this run (`make results PROFILE={name} SEEDS=3 GRID=full` has all)")
    if single:
        said.append(f"{single} rest on one seed")
    little = f" Of those compared, {wide} say little: their published seeds allow more than {WIDE:.0f} points or ranks."
    return "; ".join(said) + "." + little * bool(wide)


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
    name, outside = results_directory(profile).name, compared[compared["verdict"] == OUTSIDE]
    parts = [f"# Reproduction report of the profile `{name}`", f"**{reproduction_line(profile)}.**"]
    parts += [coverage(profile), by_experiment(compared).to_markdown(index=False, disable_numparse=True)]
    parts += [explained(name), COLUMNS]
    parts += ["## Outside", as_shown(outside).to_markdown(index=False, disable_numparse=True)] if len(outside) else []
    for experiment, numbers in compared.groupby("experiment", sort=False):
        table = as_shown(numbers).drop(columns="experiment").to_markdown(index=False, disable_numparse=True)
        parts += [f"## {experiment}", table]
    return write_text(results_directory(profile) / PAGE, "\n\n".join(parts) + "\n")


def explained(name: str) -> str:
    """Say what the verdicts mean and what to do where many numbers are outside, for the results of that name."""
    return EXPLAINED.format(name=name)


def as_shown(compared: pd.DataFrame) -> pd.DataFrame:
    """Format lines of `reproduction` for people: two digits; what is the same value needs no allowance."""
    differs = compared["verdict"] != SAME
    difference = compared["difference"].map(lambda value: f"{value:+.2f}".replace("-", MINUS))
    allowed = compared["allowed"].map("{:.2f}".format)
    return compared.assign(difference=difference.where(differs, "–"), allowed=allowed.where(differs, "–"))


def shares_of_allowed(compared: pd.DataFrame) -> pd.Series:
    """Return each difference as a share of what is allowed, signed; 0 for the same value, infinity where none is."""
    return (compared["difference"] / compared["allowed"]).where(compared["verdict"] != SAME, 0.0).fillna(0.0)


def _same(theirs: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Whether the values of the seeds that both have are equal but for rounding."""
    return all(
        abs(one - other) <= (_one_item(theirs) or abs(other) / 1000) + 1e-6
        for one, other in zip(own["values"], theirs["values"], strict=False)
    )


def _prediction(values: list[float], own: int) -> float:
    spread = float(np.std(values, ddof=1))
    return float(stats.t.ppf(0.975, len(values) - 1)) * spread * (1 / len(values) + 1 / own) ** 0.5


def _one_item(row: dict[str, Any]) -> float:
    """One test item or rank more or less, as rounding may have it on another machine; of other units, nothing."""
    return 100 / row["n"] if row["unit"] in ("%", "points") else float(row["unit"] == "rank")


def _of_allowed(share: float) -> str:
    return f"{100 * share:.0f} % of what is allowed" if np.isfinite(share) else "more than is allowed"


def _rows(folder: Path) -> dict[tuple[str, ...], dict[str, Any]]:
    """The metrics below a results folder, by experiment and all that says what a row is about; no timings."""
    found = {}
    for path in sorted((folder / "metrics").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        for row in content["rows"]:
            found[content["name"], *(f"{key} {value}" for key, value in sorted(about(row).items()))] = row
    return found
