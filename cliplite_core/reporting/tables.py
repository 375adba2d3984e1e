"""Tables as people read them: formatted cells, written as CSV, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cliplite_core.evaluation.cost import EXPONENTS, MEMORY, TIME
from cliplite_core.evaluation.quality import MEASURES
from cliplite_core.reporting.figures import LABELS
from cliplite_core.storage.files import write_text
from cliplite_core.storage.places import results_directory

RECIPES = {  # as `linear_probe.compare_recipes` calls it: name in a table
    "recipe": "fitted by",
    "train_loss": "last training loss (nats)",
    "top1": "top-1 (%)",
    "alike": "named as by L-BFGS (%)",
}
# Experiment: the notebook that measures it, in the order of reading.
EXPERIMENTS = {
    "data": "00 Data",
    "pretraining": "01 Pretraining",
    "transfer_voc": "02 VOC07",
    "transfer_imagenet": "03 ImageNet",
    "retrieval": "04 Retrieval",
    "zero_shot": "05 Zero-shot",
    "grounding": "06 Grounding",
    "bias_removal": "07 Bias removal",
    "ablations": "08 Studies",
    "cost": "08 Cost",
    "own_data": "10 Your own data",
}
# What the columns of a recorded row are; any other names a setting.
OF_A_ROW = ("study", "objective", "metric", "unit", "n", "chance", "values", "mean", "ci95", "cell")
SETTINGS = {  # field of an ablation file: its name in a table
    "batch_size": "pairs per batch",
    "image_arch": "image backbone",
    "image_lr": "learning rate of the images",
    "image_size": "side of an image in pixels",
    "image_width": "channels of the image encoder",
    "lookahead_k": "Lookahead steps",
    "lr": "learning rate",
    "negatives": "negatives per positive",
    "optimizer": "optimiser",
    "pairs": "pairs seen",
    "prior_weight": "weight of prior matching",
    "prior": "form of prior matching",
    "scale_lr": "learning rate grows with the batch as",
    "score_scale": "initial logit scale exp(t)",
    "step": "recipe",
    "text_heads": "attention heads of the text encoder",
    "text_hidden": "features of the text encoder",
    "text_layers": "layers of the text encoder",
    "text_lr": "learning rate of the text side",
    "text_pool": "text feature",
    "train_fraction": "share of the training images",
    "units": "units of the critic",
    "warmup_pairs": "pairs of warm-up",
    "weight_decay": "weight decay",
}
WORDS = LABELS | {"median_rank": "median rank", "top1": "top-1", "top5": "top-5"}  # of objectives and metrics
MINUS = "\N{MINUS SIGN}"  # of numbers that people read
COSTS = {TIME: ("time of one pass (ms)", 1000), MEMORY: (MEMORY, 1)}  # as shown: name, factor


def save_table(table: pd.DataFrame, name: str, profile: str) -> pd.DataFrame:
    """Write `results/PROFILE/tables/NAME` as .csv, .md and .tex and return the table, for display.

    Args:
        table: one line per method, formatted cells; missing cells print as "–". The minus signs of `interval` are
            hyphens in .csv and .tex: programs parse no other, and pdfLaTeX knows no other.
        name: file name without ending.
        profile: the profile.
    """
    folder, filled = results_directory(profile) / "tables", table.astype(object).fillna("–")
    plain, columns = filled.replace(MINUS, "-", regex=True), "l" * filled.shape[1]
    write_text(folder / f"{name}.csv", plain.to_csv(index=False))
    write_text(folder / f"{name}.md", filled.to_markdown(index=False, disable_numparse=True) + "\n")
    write_text(folder / f"{name}.tex", plain.astype(str).to_latex(index=False, escape=True, column_format=columns))
    return filled


def interval(mean: float, ci95: float | None, digits: int = 1) -> str:
    """Format a mean with its interval for people, a negative one with a minus sign.

    Example:
        >>> interval(12.345, 0.61), interval(-12.345, None)
        ('12.3 ± 0.6', '−12.3')
    """
    half = "" if ci95 is None or np.isnan(ci95) else f" ± {ci95:,.{digits}f}"
    return f"{mean:,.{digits}f}".replace("-", MINUS) + half


def study_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Set out one ablation study: a line per setting and objective, a column per measure.

    Args:
        rows: of the study, from `Experiment.frame`.

    Returns:
        The table, formatted, with the number of seeds; settings in the order in which they were recorded.
    """
    rows = rows.dropna(axis="columns", how="all")
    fields = [name for name in rows if name not in OF_A_ROW]
    named = {name: SETTINGS.get(name, name.replace("_", " ")) for name in fields}
    rows = in_order(rows, fields)
    lines = rows.assign(seeds=rows["values"].map(len), objective=rows["objective"].map(LABELS))
    lines[fields] = lines[fields].map(number)
    lines["metric"] = lines["metric"].map(MEASURES)
    cells = lines.set_index([*fields, "objective", "seeds", "metric"])["cell"].unstack(sort=False).reset_index("seeds")
    return cells.assign(seeds=cells.pop("seeds")).reset_index().rename(columns=named).rename_axis(columns=None)


def in_order(rows: pd.DataFrame, groups: Sequence[str] = ()) -> pd.DataFrame:
    """Sort rows by objective, CLIP-Lite first; whatever else they are about stays as it was recorded.

    Args:
        rows: with a column `objective`; one that is no objective, such as a guess, comes last.
        groups: labels whose rows stay together.
    """
    group = rows.groupby(list(groups), sort=False, dropna=False).ngroup() if groups else 0
    place = rows["objective"].map({name: step for step, name in enumerate(LABELS)}).fillna(len(LABELS))
    return rows.assign(_group=group, _place=place).sort_values(["_group", "_place"], kind="stable")[rows.columns]


def with_units(names: pd.Series, units: pd.Series) -> pd.Series:
    """Append to each name the unit that all its rows share, unless the name says it.

    Example:
        >>> with_units(pd.Series(["R@5", "rank", "gain (points)"]), pd.Series(["%", "rank", "points"])).tolist()
        ['R@5 (%)', 'rank', 'gain (points)']
    """
    shared = units.groupby(names).transform("nunique") == 1
    said = [not shares or unit in name for name, unit, shares in zip(names, units, shared, strict=True)]
    return names.where(said, names + " (" + units + ")")


def cost_table(costs: pd.DataFrame, exponents: pd.DataFrame) -> pd.DataFrame:
    """Set out what the objectives cost: a line per kind of cost and objective, a column per batch size.

    Args:
        costs: from `cost.objective_costs`.
        exponents: from `cost.exponents`.

    Returns:
        The table, formatted: three significant digits, and the exponent of the growth with the batch.
    """
    lines = []
    for kind, (name, scale) in COSTS.items():
        for objective, taken in costs[kind].groupby(level="objective", sort=False):
            cells = {f"B = {size:,}": _significant(scale * value) for (_, size), value in taken.items()}
            power = {"grows as B to the power of": f"{exponents.loc[objective, EXPONENTS[kind]]:.2f}"}
            lines.append({"objective": LABELS[objective], "cost": name} | cells | power)
    return pd.DataFrame(lines)


def recipe_table(features: Mapping[str, Sequence[Mapping[str, Any]]], names: Mapping[str, str]) -> pd.DataFrame:
    """Set out how the recipes of a linear layer compare: a line per network and fit.

    Args:
        features: network = what `linear_probe.compare_recipes` returns for it.
        names: network = what the table calls it.
    """
    lines = pd.DataFrame([{"features": names[name], **line} for name, fits in features.items() for line in fits])
    lines[["top1", "alike"]] *= 100
    digits = {"epochs": 0, "steps": 0, "train_loss": 3, "seconds": 1, "top1": 1, "alike": 1}
    for column, behind in digits.items():
        lines[column] = lines[column].map(f"{{:,.{behind}f}}".format, na_action="ignore")
    return lines.rename(columns=RECIPES)


def number(value: Any) -> str:
    """Format a number for people: 40,000 and 0.1; words stay as they are."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{value:,.0f}" if value == int(value) else f"{value:g}"
    return str(value)


def _significant(value: float, digits: int = 3) -> str:
    """Format a positive number to so many significant digits, without an exponent.

    Example:
        >>> _significant(6144.03), _significant(0.2811), _significant(8.0078)
        ('6,144', '0.281', '8.01')
    """
    return f"{value:,.{max(0, digits - 1 - int(np.floor(np.log10(value))))}f}"
