"""What a model is worth on pairs of one's own: recall with its intervals, and test images that training had as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.inventory.survey import near_duplicates, survey
from cliplite_core.evaluation.bootstrap import bootstrap_recall
from cliplite_core.evaluation.features import embed_split
from cliplite_core.model import CLIPLite

COMPARED = 5000  # training images that are held against the test images, at most


def measure_pairs(model: CLIPLite, items: Sequence[CaptionedImage]) -> dict[str, Any]:
    """Measure retrieval among images and their captions, up to five of each.

    Args:
        model: with a dot critic, in evaluation mode.
        items: at least two images; all of them are the gallery.

    Returns:
        `images` and `captions`: the two galleries; `recall`: the lines of `bootstrap_recall`, in percent; `mean R@10`
        of both directions.
    """
    split = embed_split(model, items)
    recall = bootstrap_recall(split).to_dict("records")
    tens = [line["recall"] for line in recall if line["metric"] == "R@10"]
    return {
        "images": len(items),
        "captions": len(split.captions),
        "recall": recall,
        "mean R@10": round(sum(tens) / len(tens), 4),
    }


def count_duplicates(
    test: Sequence[CaptionedImage], training: Sequence[CaptionedImage], workers: int = 0
) -> dict[str, int]:
    """Count test images that look like a training image.

    Args:
        test, training: two splits.
        workers: processes that open files.

    Returns:
        `found`, of `test` images opened, held against `training` images opened.
    """
    seen, known = survey(test, COMPARED, workers=workers), survey(training, COMPARED, workers=workers)
    return {"found": len(near_duplicates(seen, known)), "test": len(seen.table), "training": len(known.table)}
