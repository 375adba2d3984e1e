"""Draw again the figures of a published profile that its metrics alone determine: a changed style never retrains.

`python .ci/redraw.py flickr8k` writes results/flickr8k/figures/. Figures of single images, training logs or single
queries need their notebook; the executed notebooks stay as they were executed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure

from cliplite_core.evaluation.cost import EXPONENTS, UNITS
from cliplite_core.reporting.figures import save_figure, use_style
from cliplite_core.reporting.metrics import experiments_of, read_metrics
from cliplite_core.reporting.overview import overview_rows
from cliplite_core.reporting.plots import grounding, studies
from cliplite_core.reporting.plots.common import grouped_bars
from cliplite_core.storage.places import PROJECT


def figures(profile: str) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of each; those whose experiment was not run are left out."""
    there = experiments_of(profile)

    def rows(experiment: str, query: str = "metric == metric") -> pd.DataFrame:
        return read_metrics(experiment, profile).astype({"ci95": float}).query(query)

    yield "overview", grouped_bars(overview_rows(profile), x="measure", panels="panel", sharey=False)
    recall = rows("retrieval", "unit == '%'")
    label = f"recall on {recall['n'].min():,} images (%)"
    yield "retrieval", grouped_bars(recall, x="metric", panels="direction", ylabel=label)
    if "grounding" in there:
        yield "grounding_scores", grounding.hits_and_baselines(rows("grounding"))
    if "cost" in there:
        cost = rows("cost")
        costs = cost[cost["metric"].isin(UNITS)].pivot_table("mean", ["objective", "batch_size"], "metric", sort=False)
        powers = cost[cost["metric"].isin(EXPONENTS.values())].pivot(index="objective", columns="metric", values="mean")
        yield "cost", studies.cost(costs, powers)
    studied = rows("ablations") if "ablations" in there else pd.DataFrame({"study": []})
    draw = {"batch_size": studies.batch_sizes, "train_fraction": studies.shares, "negatives": studies.negatives}
    names = {"train_fraction": "data"}
    for study in (study for study in draw if study in set(studied["study"])):
        wanted = [study, "objective"] if study == "negatives" else [study]
        yield f"ablation_{names.get(study, study)}", draw[study](studied[studied["study"].isin(wanted)])


if __name__ == "__main__":
    os.environ["CLIPLITE_RESULTS"] = str(PROJECT / "results")  # the published ones
    use_style()
    for name, figure in figures(sys.argv[1]):
        print(save_figure(figure, name, sys.argv[1]).relative_to(PROJECT))
