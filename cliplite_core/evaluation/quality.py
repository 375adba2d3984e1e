"""A model's quality in a few numbers, as the ablations compare it: retrieval, zero-shot naming, transfer.

Each is close to one line of its own notebook (04, 05, 02 and 03). They need not agree: hence several.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.inventory.needs import available
from cliplite_core.data.labelled.labels import LabelledImages
from cliplite_core.data.labelled.read import read_classes
from cliplite_core.data.splits import read_split
from cliplite_core.evaluation.baselines import Backbone
from cliplite_core.evaluation.classifier import classification_metrics
from cliplite_core.evaluation.features import captions_of, extract, frozen_features
from cliplite_core.evaluation.linear_probe import lbfgs_probe, read_probe_splits
from cliplite_core.evaluation.retrieval import retrieval_metrics
from cliplite_core.evaluation.studies import AblationRun
from cliplite_core.evaluation.voc_probe import classify_voc, read_voc_splits
from cliplite_core.evaluation.zero_shot import fill_template, load_prompts
from cliplite_core.model import CLIPLite
from cliplite_core.runs import load_run
from cliplite_core.storage.files import write_text
from cliplite_core.storage.places import data_root, run_directory

MEASURES = {
    "retrieval": "retrieval R@5 (%)",
    "zero-shot": "zero-shot top-1 (%)",
    "transfer": "VOC-style mAP (%)",
    "probe": "linear probe top-1 (%)",
}
PROBE_L2 = 1e-2  # of standardised features: the same for every run, so that none is tuned on what it is tested on


def measure_quality(model: CLIPLite, config: Config) -> dict[str, float]:
    """Measure a trained model, with either critic, on the profile's test data.

    Args:
        model: in evaluation mode.
        config: names the data; a measure whose data is not named, or is missing and may be skipped, is left out.

    Returns:
        Values in percent, in [0, 100]: those of `MEASURES`, and "validation", which is "retrieval" on the validation
        split, for decisions that must not see the test split.
    """
    val, test = config.data.val_split, config.data.test_split
    recall = {split: _recall(model, read_split(config, split)) for split in dict.fromkeys((val, test))}  # may be one
    quality = {"validation": recall[val], "retrieval": recall[test]}
    where, backbone = available(config).evaluation, Backbone(model.image_encoder, config.data.image_size)
    if where.zero_shot:
        quality["zero-shot"] = _zero_shot(model, data_root() / where.zero_shot)
    if where.voc:
        quality["transfer"] = classify_voc(backbone, read_voc_splits(config), config.data.workers)["map"]
    if where.probe:
        quality["probe"] = _probe_top1(backbone, config)
    return {name: round(100 * float(value), 4) for name, value in quality.items()}


def _recall(model: CLIPLite, items: Sequence[CaptionedImage]) -> float:
    texts, owners = captions_of(items)
    if model.config.model.frozen:
        pictures, captions = frozen_features(model, items)
        with torch.no_grad():
            features = model.image_features(pictures), model.text_features({"features": captions})
            scores = model.critic.pairwise(*features).cpu().numpy()
    else:
        scores = _scores(model, [item.path for item in items], texts)
    found = retrieval_metrics(scores, owners)
    return np.mean([found[direction]["R@5"] for direction in ("image_to_text", "text_to_image")])


def _zero_shot(model: CLIPLite, folder: Path) -> float:
    paths, labels, classes = read_classes(folder)
    prompts, _ = load_prompts()
    texts = [fill_template(prompts["paper"][0], name) for name in classes]
    return classification_metrics(_scores(model, paths, texts), labels)["top1"]


@torch.no_grad()
def _scores(model: CLIPLite, paths: Sequence[Path], texts: Sequence[str]) -> np.ndarray:
    """The critic's scores of all images with all texts, shape (N, M)."""
    images = extract(model.image_features, LabelledImages(paths, range(len(paths)), model.preprocess))
    features = [torch.from_numpy(f).to(model.device) for f in (images, extract(model.text_features, texts))]
    return model.critic.pairwise(*features).cpu().numpy()


def _probe_top1(backbone: Backbone, config: Config) -> float:
    splits = read_probe_splits(config)
    features = backbone.features(splits, config.data.workers)
    mean, deviation = features["train"].mean(axis=0), features["train"].std(axis=0) + 1e-6
    train, test = ((features[name] - mean) / deviation for name in ("train", "test"))
    return lbfgs_probe(train, splits["train"][1], test, splits["test"][1], l2=(PROBE_L2,))["top1"]


def item_counts(config: Config) -> dict[str, int]:
    """Return how many test items stand behind each of `MEASURES`, as far as the profile names their data."""
    sizes = {"retrieval": len(read_split(config, config.data.test_split))}
    where = available(config).evaluation
    if where.zero_shot:
        sizes["zero-shot"] = len(read_classes(data_root() / where.zero_shot)[0])
    if where.voc:
        sizes["transfer"] = len(read_voc_splits(config)["test"][0])
    if where.probe:
        sizes["probe"] = len(read_probe_splits(config)["test"][1])
    return sizes


def quality(config: Config) -> dict[str, float]:
    """Return what `measure_quality` says of a configuration's model; trains and measures it first, if need be.

    Args:
        config: the run.

    Returns:
        Values in percent, from `quality.json` in the run's directory.
    """
    path = run_directory(config) / "quality.json"
    if not path.exists():
        write_text(path, json.dumps(measure_quality(load_run(config), config)) + "\n")
    return json.loads(path.read_text(encoding="utf-8"))


def measure_runs(runs: Sequence[AblationRun]) -> dict[str, pd.DataFrame]:
    """Measure the trainings of all studies; a run that is not there yet is trained first.

    Args:
        runs: from `studies.ablation_runs`.

    Returns:
        Study -> one line per training, indexed by the fields it varies, `objective` and `seed`; a column per score of
        `measure_quality`, in percent.
    """
    lines: dict[str, list[dict]] = {}
    for run in tqdm(runs, desc="ablations", unit="training", leave=False):
        labels = run.settings | {"objective": run.config.objective.objective, "seed": run.config.train.seed}
        lines.setdefault(run.study, []).append(labels | quality(run.config))
    index = {run.study: [*run.settings, "objective", "seed"] for run in runs}
    return {study: pd.DataFrame(found).set_index(index[study]) for study, found in lines.items()}
