"""How far a retrieval number depends on which images happened to be tested: a bootstrap over images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cliplite_core.evaluation.features import EmbeddedSplit
from cliplite_core.evaluation.retrieval import CUTOFFS, chance_recall, retrieval_ranks

RESAMPLES = 1000


def bootstrap_recall(split: EmbeddedSplit, seed: int = 0) -> pd.DataFrame:
    """Measure retrieval with percentile intervals, 95 %, over 1,000 resamples of the images.

    An image is drawn with all its captions, since they stand or fall together; the gallery stays as it is. The interval
    is about the choice of test images alone: another seed of training, or other photos, can move the number further
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3).

    Args:
        split: unit vectors of a held-out split.
        seed: of the resampling.

    Returns:
        One line per direction and cutoff: `direction`, `metric` ("R@5"), `recall`, `low`, `high` and `chance` in
        percent, `n` queries.
    """
    image_ranks, caption_ranks = retrieval_ranks(split.images, split.captions, split.caption_to_image)
    captions = np.bincount(split.caption_to_image)  # of each image, shape (N,)
    drawn = np.random.default_rng(seed).integers(len(captions), size=(RESAMPLES, len(captions)), dtype=np.int32)
    lines = []
    for k in CUTOFFS:
        image_hits = (image_ranks <= k).astype(float)
        caption_hits = np.bincount(split.caption_to_image, weights=caption_ranks <= k)  # of each image, shape (N,)
        for direction, hits, queries, chance in (
            ("image_to_text", image_hits, np.ones_like(captions), _chance(len(split.captions), captions, k)),
            ("text_to_image", caption_hits, captions, _chance(len(captions), np.ones_like(captions), k)),
        ):
            resampled = [hits[rows].sum() / queries[rows].sum() for rows in drawn]
            low, high = np.quantile(resampled, (0.025, 0.975))
            values = {"recall": hits.sum() / queries.sum(), "low": low, "high": high, "chance": chance}
            percent = {name: round(100 * float(value), 4) for name, value in values.items()}
            lines.append({"direction": direction, "metric": f"R@{k}", **percent, "n": int(queries.sum())})
    return pd.DataFrame(lines).sort_values("direction", kind="stable", ignore_index=True)


def _chance(gallery: int, right: np.ndarray, k: int) -> float:
    """Recall at k of a random order, over queries with `right` answers each."""
    kinds, queries = np.unique(right, return_counts=True)
    return float(np.average([chance_recall(gallery, kind)[min(k, gallery) - 1] for kind in kinds], weights=queries))
