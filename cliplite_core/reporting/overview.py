"""Everything that a profile measured on one page: how it was made, one line per measure, and four pictures of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from cliplite_core.config import Config
from cliplite_core.data.inventory.known_sets import known_sets, owner
from cliplite_core.data.inventory.needs import needs
from cliplite_core.reporting.figures import LABELS
from cliplite_core.reporting.metrics import experiments_of, read_metrics, read_provenance
from cliplite_core.reporting.tables import EXPERIMENTS, WORDS, interval

# Experiment: which of its rows, and the labels that name a line.
MAIN = {
    "retrieval": ("unit == '%'", ["direction", "metric"]),
    "zero_shot": ("metric == 'top1'", ["images", "prompts", "metric"]),
    "transfer_voc": ("metric == 'mAP'", ["metric"]),
    "transfer_imagenet": ("metric == 'top1'", ["protocol", "labels", "metric"]),
    "grounding": ("metric in ['pointing game', 'localisation', 'referring, heat']", ["metric"]),
    "bias_removal": ("metric.str.contains('linear')", ["metric", "treatment"]),
    "pretraining": ("metric == metric", ["metric"]),
    "cost": ("metric.str.startswith('exponent')", ["metric"]),
}
COLUMNS = {**LABELS, "random": "untrained"}
NAMES = WORDS | {  # what a label is called in the main table
    "paper": "one prompt",
    "ensemble": "several prompts",
    "seen compositions": "seen pairs of things",
    "novel compositions": "pairs of things never seen together",
    "linear, training labels": "gender read by a linear probe fitted on training images",
    "linear, own labels": "gender read by a linear probe fitted on measured images",
    "before": "nothing removed",
    "projected": "direction projected off",
    "LEACE": "removed by LEACE",
    "exponent of seconds": "time of the objective: exponent of the batch size",
    "exponent of mib": "memory of the objective: exponent of the batch size",
}
# Candidates for the figure, in order: experiment, which of its rows, title, what is measured.
_PROBE = "protocol == 'linear probe' and labels == '100 %'"
_PAPER = "prompts == 'paper' and metric == 'top1'"
PANELS = (
    ("retrieval", "direction == 'image_to_text' and metric == 'R@5'", "image to text", "R@5"),
    ("retrieval", "direction == 'text_to_image' and metric == 'R@5'", "text to image", "R@5"),
    ("zero_shot", f"images == 'in distribution' and {_PAPER}", "zero-shot", "top-1"),
    ("zero_shot", f"images == 'shifted' and {_PAPER}", "zero-shot, shifted", "top-1"),
    ("transfer_imagenet", f"{_PROBE} and metric == 'top1'", "linear probe", "top-1"),
    ("grounding", "metric == 'pointing game'", "grounding", "pointing game"),
)
SHOWN = 4  # panels in the figure
# What the composed sets of notebook 05 show: the things of the scenes one by one, and as another artist draws them.
COMPOSED = {"in distribution": "single objects", "shifted": "another artist"}


def provenance_table(profile: str) -> pd.DataFrame:
    """Return how each experiment of a profile was made: parameters, hashes, versions, device and wall time."""
    made = pd.DataFrame([read_provenance(name, profile) for name in experiments_of(profile)])
    made["seconds"] = made["seconds"].map("{:,.0f}".format)
    made["experiment"] = made["experiment"].replace(EXPERIMENTS)
    made = made.sort_values("experiment", kind="stable", ignore_index=True)
    return made.rename(columns={"config": "configuration", "data": "data fingerprint"})


def main_table(config: Config) -> pd.DataFrame:
    """Set out all measurements of a profile.

    Args:
        config: the profile.

    Returns:
        One line per measure, formatted, with a column per objective, "–" where it has none; chance, n and seeds.
    """
    there, names, lines = experiments_of(config.profile), NAMES | set_names(config), []
    for experiment, (query, keys) in MAIN.items():
        found = read_metrics(experiment, config.profile).query(query) if experiment in there else pd.DataFrame()
        trained = found[found["objective"].isin(COLUMNS)] if len(found) else found
        for key, rows in trained.groupby(keys, sort=False) if len(trained) else ():
            cells = {COLUMNS[row.objective]: interval(row.mean, row.ci95) for row in rows.itertuples()}
            first = rows.iloc[0]
            lines.append(
                {
                    "experiment": EXPERIMENTS.get(experiment, experiment),
                    "measure": _measure(key, names) + (" (%)" if first["unit"] == "%" else ""),
                    **(dict.fromkeys(COLUMNS.values(), "–") | cells),
                    "chance": "–" if pd.isna(first["chance"]) else f"{first['chance']:.1f}",
                    "n": f"{first['n']:,}",
                    "seeds": len(first["values"]),
                }
            )
    return pd.DataFrame(lines).sort_values("experiment", kind="stable", ignore_index=True)


def overview_rows(profile: str) -> pd.DataFrame:
    """Return the rows of the first four of `PANELS` that a profile measured, for a figure.

    Args:
        profile: the profile.

    Returns:
        The rows with their columns `panel`, a title, and `measure`.
    """
    there, chosen = experiments_of(profile), []
    for experiment, query, panel, measure in PANELS:
        found = read_metrics(experiment, profile).query(query) if experiment in there else ()
        if len(found) and len(chosen) < SHOWN:
            chosen.append(found.assign(panel=panel, measure=measure, ci95=found["ci95"].astype(float)))
    return pd.concat(chosen)


def set_names(config: Config) -> dict[str, str]:
    """Name the sets of images that notebook 05 names.

    Args:
        config: the profile.

    Returns:
        What a row calls a set ("in distribution", "shifted" or a folder) = the name of the set, such as "CIFAR-10"; the
        folder where `data/data_sets.toml` does not know it.
    """
    where = config.evaluation
    folders = {"in distribution": where.zero_shot, "shifted": where.zero_shot_shift}
    folders |= {folder.strip(): folder.strip() for folder in where.zero_shot_more}
    sets, read = known_sets(), {need.key: need for need in needs(config)}
    owners = {label: owner(read[folder], config, sets) for label, folder in folders.items() if folder in read}
    titles = {label: known.title if known else folders[label] for label, known in owners.items()}
    composed = {label for label, known in owners.items() if known and known.composed}
    return titles | {label: COMPOSED[label] for label in composed & COMPOSED.keys()}


def _measure(labels: Sequence[object], names: Mapping[str, str]) -> str:
    """Name a line by its labels."""
    return ", ".join(names.get(label, str(label).replace("_", " ")) for label in labels)
