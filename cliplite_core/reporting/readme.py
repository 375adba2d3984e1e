"""What a reader meets first: the table in the project's README, and a README beside each profile's results."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from cliplite_core.config import Config, ModelConfig
from cliplite_core.reporting.card import network, text_network
from cliplite_core.reporting.claims import claims_text, verdicts, weigh_claims
from cliplite_core.reporting.metrics import experiments_of, read_provenance
from cliplite_core.reporting.tables import EXPERIMENTS
from cliplite_core.storage.files import write_text
from cliplite_core.storage.places import DEFINITIONS, PROJECT, data_root, published_directory, results_directory

SHOWN = "scenes"  # the profile a newcomer runs first
# Profile: what its verdicts are measured on, in the README's table.
VERDICTS = {"scenes": "scenes", "flickr8k": "photos", "flickr8k_frozen": "photos, frozen encoders"}
CONVERGENCE = "Recall at convergence: R@10 (%), the mean of both directions, by the pairs that a run has seen"
SHARES = "Likewise, by the share of the training photos"
NEGATIVES = "Likewise, by the number of negatives, taken by their mean or by their sum"
BATCHES = "Likewise, by the pairs per batch"
RECIPE = "From the recipe of the paper's probable baseline to CLIP-Lite's, one change after the other"
FOUND = """## What was found

What the published run found stands in `results/{profile}/README.md`. The numbers below are of this run.

"""  # in the place of findings, which are of the published numbers
START, END = "<!-- verdicts: written by make publish -->", "<!-- end of verdicts -->"


def update_readme(readme: Path = PROJECT / "README.md") -> Path:
    """Replace the README's table by the verdicts of all published profiles.

    Args:
        readme: the file with the two markers.

    Returns:
        The file.

    Raises:
        ValueError: a marker is missing, so there is no place for the table.
    """
    text = readme.read_text(encoding="utf-8")
    if START not in text or END not in text:
        raise ValueError(f"{readme}: expected the markers {START!r} and {END!r} around the table of verdicts")
    before, after = text.split(START)[0], text.split(END)[1]
    table = verdicts(VERDICTS, published_directory).to_markdown(index=False)
    return write_text(readme, f"{before}{START}\n{table}\n{END}{after}")


def write_results_readme(config: Config) -> Path:
    """Write `results/PROFILE/README.md`: what was run, on what, how good it was and what it cost.

    Args:
        config: the profile; its metrics and tables are there already.

    Returns:
        The file's path. If the data set brings an ATTRIBUTION.txt, it is copied beside the figures that show it.
    """
    folder, train = results_directory(config.profile), config.train
    made = pd.DataFrame([read_provenance(name, config.profile) for name in experiments_of(config.profile)])
    first = made.iloc[0]
    made["experiment"] = made["experiment"].replace(EXPERIMENTS)
    made = made.sort_values("experiment", kind="stable")
    figures = sorted(path.name for path in (folder / "figures").glob("*.png") if path.stem != "reproduction")
    names = sorted(path.name for path in (PROJECT / "notebooks").glob("[0-9]*.ipynb"))
    # Notebook 09 is not there yet: it calls this function while it runs.
    notebooks = [name for name in names if name.startswith("09") or (folder / "notebooks" / name).exists()]
    seeds = max(count for count in made["seeds"] if count != "–")
    grid = " GRID=full" if "full" in set(made["grid"]) else ""
    text = f"""# Results of the profile `{config.profile}`

CLIP-Lite, CLIP and SigLIP, each trained on the same {train.steps * train.batch_size:,} pairs in the same order:
{train.steps:,} steps of {train.batch_size} pairs, images at {config.data.image_size} px.
Encoders: {_encoders(config.model)}.

Made by `make results PROFILE={config.profile} SEEDS={seeds}{grid}` on {first["device"]}, torch {first["torch"]};
data set `{config.data.folder}`, fingerprint `{first["data"]}`; configuration `{first["config"]}`.
The commit and the time of each experiment are in [provenance](tables/provenance.csv).

{FOUND.format(profile=config.profile) * bool(_findings(config.profile))}## All measurements

Means over seeds with 95 % intervals. *chance*: what guessing gives; *n*: the number of test items.

{(folder / "tables" / "main.md").read_text(encoding="utf-8")}
{_converged(folder)}## The paper's claims, and what these results say of each

{claims_text(weigh_claims(config.profile))}

## What it cost

Training, per objective (mean over seeds, one CPU thread or one GPU per training; times depend on what else the
machine was doing):

{(folder / "tables" / "pretraining.md").read_text(encoding="utf-8")}
{_table(folder, "throughput", "What bounds a training step")}Each experiment, without finished trainings:

{made[["experiment", "seeds", "seconds"]].to_markdown(index=False)}

## What is here

- `notebooks/`: executed, with what each number does *not* show: {", ".join(notebooks)}
- `figures/`: {", ".join(figures)} (and PDFs)
- `tables/`: each table as CSV, Markdown and LaTeX
- `metrics/`, `timings/`: the JSON files that all tables and figures are made from
"""
    attribution = data_root() / config.data.folder / "ATTRIBUTION.txt"
    if attribution.exists():
        shutil.copy(attribution, folder / "figures" / "ATTRIBUTION.txt")
    return write_text(folder / "README.md", text)


def publish_findings(readme: Path, profile: str) -> None:
    """Put the findings written for a profile into the README of its published results.

    Args:
        readme: that file, as `write_results_readme` wrote it; one that is not there stays so.
        profile: the profile's name.
    """
    if readme.is_file():
        text = readme.read_text(encoding="utf-8")
        write_text(readme, text.replace(FOUND.format(profile=profile), _findings(profile)))


def _encoders(model: ModelConfig) -> str:
    """Name both encoders for people, and say what they start from."""
    image, text = network(model.image_arch), text_network(model.text_weights)
    if model.frozen:
        return f"{image} and {text}, frozen"
    image = f"pretrained {image}" if model.image_weights else f"{image} of {model.image_width} channels from scratch"
    text = f"pretrained {text}" if model.text_weights else f"{text} of {model.text_layers} layers from scratch"
    return f"{image} and {text}"


def _findings(profile: str) -> str:
    """Return the findings written by hand for a profile; most profiles have none."""
    path = DEFINITIONS / "findings" / f"{profile}.md"
    return path.read_text(encoding="utf-8").strip() + "\n\n" if path.exists() else ""


def _converged(folder: Path) -> str:
    """Return the tables of the studies that the verdicts rest on, where they were run."""
    titles = {
        "convergence": CONVERGENCE,
        "convergence_data": SHARES,
        "convergence_negatives": NEGATIVES,
        "convergence_batches": BATCHES,
        "ablation_recipe": RECIPE,
    }
    return "".join(_table(folder, name, title) for name, title in titles.items())


def _table(folder: Path, name: str, title: str) -> str:
    """Return a table under its title, where it was made."""
    path = folder / "tables" / f"{name}.md"
    return f"{title}:\n\n{path.read_text(encoding='utf-8')}\n" if path.exists() else ""
