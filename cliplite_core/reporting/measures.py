"""What a recorded row measures, in words: the labels of a metrics file as a table or a report calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cliplite_core.evaluation.quality import MEASURES
from cliplite_core.reporting.figures import LABELS
from cliplite_core.reporting.overview import NAMES
from cliplite_core.reporting.tables import SETTINGS, number

OF_A_VALUE = ("values", "mean", "ci95", "chance", "n", "unit")  # of a row: all else says what it is about
OF_ONE_MODEL = ("low", "high", "training")  # what notebook 10 measures beside a recall
METHODS = LABELS | {"random": "untrained network", "imagenet": "trained on ImageNet's labels"}
BIAS_NAMES = {  # what is said of probes and of the direction of notebook 07
    "linear, training labels": "linear probe, fitted on training images",
    "linear, own labels": "linear probe, fitted on measured images",
    "MLP, own labels": "MLP probe, fitted on measured images",
    "cosine to the training images' difference": "cosine to the training images' difference of means",
    "cosine of that to the measured images'": "cosine between the training and the measured images' differences of "
    "means",
    "dimensions the images use": "effective dimensions (participation ratio)",
}
METRICS = {name: words.removesuffix(" (%)") for name, words in MEASURES.items()} | {
    "AP": "average precision",
    "mAP gain": "mAP, gain",
    "top1 gain": "top-1, gain",
    "top5 gain": "top-5, gain",
    "at the end": "R@10 at the end",
    "stopped at its best": "R@10, stopped at its best",
    "on training images": "R@10 on training images",
    "gap": "gap between men and women, per query",
    "to men": "cosine of queries to men",
    "to women": "cosine of queries to women",
    **BIAS_NAMES,
}


def about(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row is about: its labels and its metric, without what was measured."""
    measured = (*OF_A_VALUE, *OF_ONE_MODEL)
    return {key: value for key, value in row.items() if key not in measured and value is not None}


def method_of(row: Mapping[str, Any]) -> str:
    """Return the name of the method that a row measures; "–" for what has none, such as a count of images."""
    method = row.get("objective")
    return METHODS.get(str(method), str(method)) if method else "–"


def measure_of(row: Mapping[str, Any]) -> str:
    """Return in words what a row measures, with its unit.

    Args:
        row: a row of a metrics file, as `metrics.row` builds it.

    Example:
        >>> measure_of({"objective": "jsd", "direction": "image_to_text", "metric": "R@5", "unit": "%"})
        'R@5, image to text (%)'
        >>> measure_of({"study": "lr", "lr": 0.001, "metric": "transfer", "unit": "%"})
        'VOC-style mAP, learning rate 0.001 (%)'
    """
    labels = {key: value for key, value in about(row).items() if key not in ("objective", "metric")}
    metric = str(row["metric"])
    parts = [METRICS.get(metric, NAMES.get(metric, metric)), *(_label(key, value) for key, value in labels.items())]
    unit = row.get("unit")
    return ", ".join(filter(None, parts)) + (f" ({unit})" if unit and unit != metric else "")


def _label(key: str, value: Any) -> str:
    if key in SETTINGS:
        return f"{SETTINGS[key]} {number(value)}"
    if key == "study":
        return "" if value in SETTINGS else f"study of {str(value).replace('_', ' ')}"
    if key == "over":
        return f"over {METHODS.get(value, value)}"
    if key in ("labels", "split"):
        return f"{value} of the labels" if key == "labels" else f"{value} split"
    return NAMES.get(value, str(value).replace("_", " "))
