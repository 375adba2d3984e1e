"""Bootstrap intervals of retrieval: the recall is retrieval's own, the interval that of resampled images."""

from __future__ import annotations

import numpy as np
import pytest

from cliplite_core.evaluation.bootstrap import RESAMPLES, bootstrap_recall
from cliplite_core.evaluation.features import EmbeddedSplit
from cliplite_core.evaluation.retrieval import retrieval_metrics_from_embeddings, retrieval_ranks

COUNTS = [1, 5, 2, 3] * 15  # captions of each image


def split(noise: float, seed: int = 0) -> EmbeddedSplit:
    rng = np.random.default_rng(seed)
    images, owners = rng.normal(size=(len(COUNTS), 16)), np.repeat(np.arange(len(COUNTS)), COUNTS)
    captions = images[owners] + noise * rng.normal(size=(len(owners), 16))
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (images, captions)]
    return EmbeddedSplit(*(x.astype(np.float32) for x in unit), owners, ["text"] * len(owners))


def slow_ranks(test: EmbeddedSplit) -> tuple[list[int], list[int]]:
    """The definition: 1 + the wrong answers that score at least as well as the best right one."""
    scores, owner = test.images @ test.captions.T, test.caption_to_image
    by_image = []
    for i, row in enumerate(scores):
        best = max(score for score, j in zip(row, owner, strict=True) if j == i)
        by_image.append(1 + sum(score >= best for score, j in zip(row, owner, strict=True) if j != i))
    by_caption = [1 + sum(scores[:, m] >= scores[j, m]) - 1 for m, j in enumerate(owner)]
    return by_image, by_caption


def test_the_ranks_are_those_of_the_definition():
    images, captions = retrieval_ranks(split(1.5).images, split(1.5).captions, split(1.5).caption_to_image)
    assert (images.tolist(), captions.tolist()) == slow_ranks(split(1.5))


def test_recall_and_chance_are_those_of_the_retrieval_notebook():
    test = split(1.5)
    expected = retrieval_metrics_from_embeddings(test.images, test.captions, test.caption_to_image)
    for line in bootstrap_recall(test).to_dict("records"):
        metrics = expected[line["direction"]]
        assert line["recall"] == pytest.approx(100 * metrics[line["metric"]], abs=1e-3)
        assert line["chance"] == pytest.approx(100 * metrics["chance"][line["metric"]], abs=1e-3)
        assert line["n"] == metrics["n"]


def test_the_interval_is_that_of_images_drawn_again_with_all_their_captions():
    test = split(1.5)
    _, ranks = retrieval_ranks(test.images, test.captions, test.caption_to_image)
    rng = np.random.default_rng(5)
    recalls = []
    for _ in range(RESAMPLES):
        drawn = [ranks[test.caption_to_image == image] for image in rng.integers(len(COUNTS), size=len(COUNTS))]
        recalls.append(100 * np.mean(np.concatenate(drawn) <= 5))
    line = bootstrap_recall(test).query("direction == 'text_to_image' and metric == 'R@5'").iloc[0]
    assert line["low"] == pytest.approx(np.quantile(recalls, 0.025), abs=1.5)
    assert line["high"] == pytest.approx(np.quantile(recalls, 0.975), abs=1.5)
    assert line["low"] < line["recall"] < line["high"]


def test_more_images_give_a_narrower_interval_and_perfect_retrieval_none():
    line = bootstrap_recall(split(0.01)).iloc[0]
    assert (line["recall"], line["low"], line["high"]) == (100, 100, 100)
    wide = bootstrap_recall(split(1.5)).iloc[0]
    normal = 1.96 * 100 * np.sqrt(wide["recall"] * (100 - wide["recall"])) / 100 / np.sqrt(len(COUNTS))
    assert (wide["high"] - wide["low"]) / 2 == pytest.approx(normal, rel=0.2)


def test_the_same_seed_gives_the_same_interval():
    assert bootstrap_recall(split(1.5)).equals(bootstrap_recall(split(1.5)))
    assert not bootstrap_recall(split(1.5)).equals(bootstrap_recall(split(1.5), seed=1))
