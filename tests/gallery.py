"""Every figure of the project: from the published metrics where these hold its numbers, else from made-up ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from small_root import write_photo

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.inventory.survey import survey
from cliplite_core.data.labelled.boxes import BoxedImage
from cliplite_core.evaluation.cost import EXPONENTS, UNITS
from cliplite_core.evaluation.features import EmbeddedSplit
from cliplite_core.evaluation.gaussians import bound_estimates
from cliplite_core.evaluation.gender import People
from cliplite_core.evaluation.grounding import NamedObject
from cliplite_core.evaluation.reach import PAIRS, TAKEN
from cliplite_core.reporting.figures import COLORS
from cliplite_core.reporting.metrics import experiments_of, read_metrics
from cliplite_core.reporting.overview import overview_rows
from cliplite_core.reporting.plots import (
    bias,
    common,
    convergence,
    data,
    grounding,
    own_data,
    pretraining,
    recipes,
    studies,
    transfer,
)
from cliplite_core.reporting.plots import zero_shot as naming
from cliplite_core.reporting.plots.reproduction import differences
from cliplite_core.reporting.reproduction import OUTSIDE, WITHIN
from cliplite_core.storage.places import PROJECT

PUBLISHED = sorted(path.name for path in (PROJECT / "results").iterdir() if (path / "metrics").is_dir())
WORDS = ("red", "clock", "left", "of", "a", "small", "green", "turtle", "under", "the", "old", "bridge", "on", "beach")


def every_figure(folder: Path) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """Yield name and function of each figure.

    Args:
        folder: where the photos of those that show some are written.

    The published metrics are read below $CLIPLITE_RESULTS.
    """
    for profile in PUBLISHED:
        for name, draw in _published(profile):
            yield f"{profile}: {name}", draw
    yield from _made_up(folder)


def rows_of(experiment: str, profile: str, query: str = "metric == metric") -> pd.DataFrame:
    """Return rows as `Experiment.frame` does."""
    return read_metrics(experiment, profile).astype({"ci95": float}).query(query)


def _published(profile: str) -> Iterator[tuple[str, Callable[[], Figure]]]:
    there = experiments_of(profile)
    bars = {"x": "measure", "panels": "panel", "sharey": False}
    yield "overview", lambda: common.grouped_bars(overview_rows(profile), **bars)
    recall = partial(rows_of, "retrieval", profile, "unit == '%'")
    yield "retrieval", lambda: common.grouped_bars(recall(), "metric", "direction", "recall on 500 images (%)")
    yield "cost", partial(_cost, profile)
    if PAIRS in set(rows_of("cost", profile)["metric"]):
        yield (
            "cost_of_recall",
            lambda: convergence.taken_to_recall(rows_of("cost", profile, f"metric in {list(TAKEN)}")),
        )
    if "zero_shot" in there and "novel over seen" in set(rows_of("zero_shot", profile)["images"]):
        yield "zero_shot_pairs", lambda: naming.seen_and_novel(rows_of("zero_shot", profile, naming.PAIR_ROWS))
    if "transfer_voc" in there:
        yield "transfer_voc", lambda: transfer.precision_by_class(rows_of("transfer_voc", profile))
    if "transfer_imagenet" in there:
        yield "transfer_imagenet", partial(_transfer, profile)
    if "grounding" in there:
        yield "grounding_scores", lambda: grounding.hits_and_baselines(rows_of("grounding", profile))
    if "bias_removal" in there:
        yield "bias_alignment", lambda: bias.alignment_bars(_queries(profile), k=20)
        rows = partial(rows_of, "bias_removal", profile, "treatment.notna()")
        yield "bias_removal", lambda: bias.removal_grid(_queries(profile), rows(), by_colour=59.5)
    if "ablations" in there:
        yield from _ablations(rows_of("ablations", profile))


def _ablations(rows: pd.DataFrame) -> Iterator[tuple[str, Callable[[], Figure]]]:
    of_study = dict(iter(rows.groupby("study", sort=False)))
    if "batch_size" in of_study:
        yield "ablation_batch_size, alone", partial(studies.batch_sizes, of_study["batch_size"])
    if "length" in of_study and of_study["length"]["batch_size"].notna().all():
        yield "ablation_length", partial(studies.lengths, of_study["length"])
    if "length" in of_study and "batch_size" in of_study:
        ends = of_study["length"].query("pairs == pairs.max()")
        keys = ["objective", "batch_size", "pairs"]
        ends = ends.set_index([*keys, "metric"])["mean"].unstack().reset_index()
        ends["reached"] = np.arange(len(ends)) % 2 == 0
        ends = ends.to_dict("records")
        yield "ablation_batch_size", lambda: studies.batch_sizes(of_study["batch_size"], ends)
    if "negatives" in of_study:
        found = [of_study[name] for name in ("negatives", "objective") if name in of_study]
        yield "ablation_negatives", lambda: studies.negatives(pd.concat(found))
    if "train_fraction" in of_study:
        yield "ablation_data", lambda: studies.shares(of_study["train_fraction"])
    if "batch_lr" in of_study:
        yield "ablation_batch_lr", lambda: studies.rates(of_study["batch_lr"])
    for study, name in (
        ("recipe", "recipes"),
        ("optimizer", "ablation_optimizer"),
        ("optimisers, converged", "ablation_optimizer, converged"),
    ):
        if study in of_study and "step" in of_study[study]:
            yield name, partial(recipes.recipes if study == "recipe" else recipes.optimizers, of_study[study])
    if "prior_weight" in of_study and of_study["prior_weight"]["prior_weight"].nunique() > 1:
        yield "ablation_parts", lambda: studies.parts(*_changes(of_study["prior_weight"].query("objective == 'jsd'")))


def _cost(profile: str) -> Figure:
    rows = rows_of("cost", profile)
    costs = rows[rows["metric"].isin(UNITS)].pivot_table("mean", ["objective", "batch_size"], "metric", sort=False)
    powers = rows[rows["metric"].isin(EXPONENTS.values())].pivot(index="objective", columns="metric", values="mean")
    return studies.cost(costs, powers)


def _transfer(profile: str) -> Figure:
    images = {"1 %": 24, "10 %": 120, "100 %": 1200}
    falls = {"jsd": 2.0, "random": 1.2}
    losses = {name: [[3.1 + seed / 9, 3 - fall, 3.1 - 1.2 * fall] for seed in range(3)] for name, fall in falls.items()}
    return transfer.labels_and_finetuning(rows_of("transfer_imagenet", profile, "metric == 'top1'"), images, losses)


def _queries(profile: str) -> bias.Results:
    """Forty queries around each published mean."""
    results: dict[tuple[str, str], list[dict[str, np.ndarray]]] = {}
    spread = np.linspace(-1, 1, 40)
    rows = rows_of("bias_removal", profile, "treatment.notna()")
    for row in rows[rows["metric"].isin([*bias.SEEN, "to men", "to women"])].itertuples():
        seeds = results.setdefault((row.objective, row.treatment), [{} for _ in row.values])
        for seed, value in zip(seeds, row.values, strict=True):
            seed[row.metric] = value + spread * max(0.1, abs(value)) / 2
    return results


def _changes(rows: pd.DataFrame) -> tuple[list[pd.Series], dict[str, list[pd.Series]]]:
    scores = rows.groupby("prior_weight")[["metric", "values"]].apply(lambda of: dict(of.to_numpy()))
    base = pd.DataFrame(scores.iloc[0])
    changes = {f"prior weight: {scores.index[0]:g} → {w:g}": pd.DataFrame(of) - base for w, of in scores[1:].items()}
    seeds = range(len(base))
    return [base.loc[s] for s in seeds], {name: [change.loc[s] for s in seeds] for name, change in changes.items()}


def _made_up(folder: Path) -> Iterator[tuple[str, Callable[[], Figure]]]:
    rng = np.random.default_rng(0)
    items = [_photo(folder, number, rng) for number in range(12)]
    paths = [item.path for item in items]
    unit = rng.normal(size=(12, 8)) / 3
    split = EmbeddedSplit(unit, unit + rng.normal(size=(12, 8)) / 4, np.arange(12), [i.captions[0] for i in items])

    yield "contact_sheet", lambda: data.contact_sheet(items)
    boxes = torch.tensor([[4.0, 9, 60, 60], [50, 30, 90, 70]])
    scene = BoxedImage(items[0].path, 0, 96, 72, boxes, (1, 2), ("alarm clock", "turtle"))
    yield "example", lambda: data.everything_known(scene, [item.captions[0] for item in items[:5]])
    counts = pd.Series((4000 / np.arange(1, 300)).astype(int), index=[f"word{n}" for n in range(299)])
    yield "words", lambda: data.words(rng.integers(5, 24, 500), counts, longest=24)

    yield "bounds", lambda: pretraining.bounds(*bound_estimates(candidates=8, points=8, pairs=512), candidates=8)
    captions = [item.captions[0] for item in items[:6]]
    yield "one_batch", lambda: pretraining.one_batch(paths[:6], captions, rng.normal(size=(6, 6)))
    yield "training", lambda: pretraining.curves({name: [_log(rng) for _ in range(3)] for name in COLORS}, 64)
    snapshots = pd.DataFrame(
        {"positive": [rng.normal(s, 1, 200) for s in range(5)], "negative": [rng.normal(0, 1, 200) for _ in range(5)]},
        index=[0, 10, 100, 1000, 12500],
    )
    yield "score_histograms", lambda: pretraining.score_histograms(dict.fromkeys(COLORS, snapshots), 32)

    labels = rng.integers(-1, 2, (12, 4))
    yield "transfer_voc_images", lambda: transfer.images_with_classes(paths, labels, ["alarm clock", "dog", "cat", "x"])
    yield "retrieval_grid", lambda: common.answers_grid(captions[:4], [paths[n : n + 5] for n in range(4)], paths[:4])
    found = {name: [_named(rng) for _ in range(3)] for name in COLORS}
    yield "zero_shot", lambda: naming.classes_named(found, [f"{WORDS[n % 14]} {n}" for n in range(24)])
    queries = [NamedObject(scene, name) for name in ("alarm clock", "turtle", "alarm clock", "turtle")]
    heats = {name: [torch.rand(72, 96) for _ in queries] for name in COLORS}
    yield "grounding", lambda: grounding.heat_grid(queries, heats)
    people = People(items, np.array(["woman", "man"] * 6), folder)
    yield "bias_people", lambda: bias.people_grid(people)
    rates, scales = ("0.0003", "0.001", "0.003", "0.01"), (5, 30)
    tried = [f"learning rate\n{rate}" for rate in rates] + [f"initial logit scale exp(t)\n{of}" for of in scales]
    scores = [{"trial": t, "objective": o, "validation": rng.uniform(5, 30)} for t in tried for o in COLORS]
    yield "ablation_tuning", lambda: studies.tuning(scores)

    notebooks = [f"{number:02d} Experiment" for number in (1, 4, 8) for _ in range(20)]
    compared = pd.DataFrame({"experiment": notebooks, "difference": rng.normal(size=60), "allowed": 1.5})
    compared["verdict"] = compared["difference"].abs().le(1.5).map({True: WITHIN, False: OUTSIDE})
    yield "reproduction", lambda: differences(compared)
    seen = [survey(items, limit=12)]
    yield "own_data_sizes", lambda: own_data.sizes(seen, items, longest=22, side=48)
    yield "own_data_contact_sheet", lambda: own_data.contact_sheet(items)
    for count in (1, 2, 5):
        alike = pd.DataFrame([{"held_out": n, "training": n + 1, "correlation": 0.9} for n in range(count)])
        yield f"own_data_near_duplicates, {count}", partial(own_data.near_duplicates, alike, items, items)
    curve = pd.DataFrame({f"R@{k}": k * np.linspace(0.01, 0.06, 20) for k in (1, 5, 10)}, index=range(0, 2000, 100))
    curve = curve.assign(gallery=256, **{"chance R@5": 0.02})
    yield "own_data_training", lambda: own_data.training(_log(rng), curve, per_epoch=50, objective="jsd")
    yield "own_data_captions", lambda: own_data.captions_found(split, items, rows=range(6))


def _photo(folder: Path, number: int, rng: np.random.Generator) -> CaptionedImage:
    path = folder / f"{number}.jpg"
    write_photo(path, (96, 72), number)
    caption = " ".join(rng.permutation(WORDS)[: rng.integers(4, 15)])
    return CaptionedImage(path, (caption, "a thing"), number)


def _log(rng: np.random.Generator) -> pd.DataFrame:
    steps = np.arange(0, 2000, 20)
    bound = -1.4 + 0.6 * (1 - np.exp(-steps / 500)) + rng.normal(0, 0.05, len(steps))
    return pd.DataFrame({"samples": 64 * steps, "bound": bound}, index=steps)


def _named(rng: np.random.Generator) -> dict[str, np.ndarray]:
    confusion = rng.integers(0, 9, (24, 24)) + np.diag(rng.integers(0, 90, 24))
    return {"confusion": confusion, "per_class_accuracy": confusion.diagonal() / confusion.sum(axis=1)}
