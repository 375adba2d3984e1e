"""A model's quality in three numbers, as the ablations compare it: retrieval, zero-shot naming, transfer.

Each is one line of the table of its own notebook (04, 05, 02); the three need not agree, which is why there are three.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.labels import LabelledImages, read_voc_labels
from cliplite_core.data.sets import read_classes
from cliplite_core.data.sources import read_split
from cliplite_core.evaluation.classifier import classification_metrics
from cliplite_core.evaluation.features import extract
from cliplite_core.evaluation.retrieval import retrieval_metrics
from cliplite_core.evaluation.voc_probe import voc_linear_classification
from cliplite_core.evaluation.zero_shot import fill_template, load_prompts
from cliplite_core.model import CLIPLite
from cliplite_core.workspace import data_root, definition

MEASURES = {
    "retrieval": "retrieval R@5 (%)",
    "zero-shot": "zero-shot top-1 (%)",
    "transfer": "VOC-style mAP (%)",
}


def measure_quality(model: CLIPLite, config: Config) -> dict[str, float]:
    """Measures a trained model, with either critic, on the profile's test data.

    Args:
        model: in evaluation mode.
        config: names the data; a measure whose data the profile does not name is left out.

    Returns:
        Values in percent, in [0, 100]: those of `MEASURES`, and "validation", which is "retrieval" on the validation
        split, for decisions that must not see the test split.
    """
    quality = {
        "validation": _recall(model, read_split(config, config.data.val_split)),
        "retrieval": _recall(model, read_split(config, config.data.test_split)),
    }
    if config.evaluation.zero_shot:
        quality["zero-shot"] = _zero_shot(model, data_root() / config.evaluation.zero_shot)
    if config.evaluation.voc:
        quality["transfer"] = _voc_map(model, data_root() / config.evaluation.voc, config.data.workers)
    return {name: round(100 * float(value), 4) for name, value in quality.items()}


def _recall(model: CLIPLite, items: Sequence[CaptionedImage], captions_per_image: int = 5) -> float:
    texts = [caption for item in items for caption in item.captions[:captions_per_image]]
    owners = [row for row, item in enumerate(items) for _ in item.captions[:captions_per_image]]
    found = retrieval_metrics(_scores(model, [item.path for item in items], texts), owners)
    return np.mean([found[direction]["R@5"] for direction in ("image_to_text", "text_to_image")])


def _zero_shot(model: CLIPLite, folder: Path) -> float:
    paths, labels, classes = read_classes(folder)
    prompts, _ = load_prompts(definition("prompts.json"))
    texts = [fill_template(prompts["paper"][0], name) for name in classes]
    return classification_metrics(_scores(model, paths, texts), labels)["top1"]


@torch.no_grad()
def _scores(model: CLIPLite, paths: Sequence[Path], texts: Sequence[str]) -> np.ndarray:
    """The critic's scores of all images with all texts, shape (N, M)."""
    images = extract(model.image_features, LabelledImages(paths, range(len(paths)), model.preprocess))
    features = [torch.from_numpy(f).to(model.device) for f in (images, extract(model.text_features, texts))]
    return model.critic.pairwise(*features).cpu().numpy()


def _voc_map(model: CLIPLite, devkit: Path, workers: int) -> float:
    features, labels = {}, {}
    for name in ("trainval", "test"):
        paths, labels[name], _ = read_voc_labels(devkit, name)
        images = LabelledImages(paths, range(len(paths)), model.preprocess)
        features[name] = extract(model.image_encoder, images, num_workers=workers)
    return voc_linear_classification(features["trainval"], labels["trainval"], features["test"], labels["test"])["map"]


def item_counts(config: Config) -> dict[str, int]:
    """Returns how many test items stand behind each of `MEASURES`, as far as the profile names their data."""
    sizes = {"retrieval": len(read_split(config, config.data.test_split))}
    if config.evaluation.zero_shot:
        sizes["zero-shot"] = len(read_classes(data_root() / config.evaluation.zero_shot)[0])
    if config.evaluation.voc:
        sizes["transfer"] = len(read_voc_labels(data_root() / config.evaluation.voc, "test")[0])
    return sizes
