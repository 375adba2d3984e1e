"""Retrieval against an O(n²) loop, plain argsort, torchmetrics and exact combinatorics."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torchmetrics.retrieval import RetrievalHitRate

from cliplite_core.evaluation import retrieval
from cliplite_core.evaluation.retrieval import (
    chance_recall,
    retrieval_metrics,
    retrieval_metrics_from_embeddings,
    retrieval_ranks,
)


def random_captions(rng: np.random.Generator, images: int, captions: int) -> np.ndarray:
    """Every image gets one caption, the others go anywhere: uneven numbers in no order."""
    return rng.permutation(np.concatenate([np.arange(images), rng.integers(0, images, captions - images)]))


def ranks_by_loop(scores: np.ndarray, caption_to_image: np.ndarray) -> tuple[list[int], list[int]]:
    """Pairwise comparisons, ties against the query."""
    images, captions = scores.shape
    image_ranks, caption_ranks = [], []
    for i in range(images):
        best = max(scores[i, j] for j in range(captions) if caption_to_image[j] == i)
        rivals = [scores[i, j] for j in range(captions) if caption_to_image[j] != i]
        image_ranks.append(1 + sum(rival >= best for rival in rivals))
    for j in range(captions):
        own = scores[caption_to_image[j], j]
        rivals = [scores[i, j] for i in range(images) if i != caption_to_image[j]]
        caption_ranks.append(1 + sum(rival >= own for rival in rivals))
    return image_ranks, caption_ranks


@pytest.mark.parametrize("levels", [5, 10_000])  # few levels make many ties
@pytest.mark.parametrize("as_torch", [False, True])
def test_metrics_agree_with_a_plain_loop(levels, as_torch, monkeypatch):
    monkeypatch.setattr(retrieval, "IMAGES_PER_TILE", 7)  # so that tiles end inside the data
    rng = np.random.default_rng(levels)
    scores = rng.integers(0, levels, size=(30, 95)).astype(np.float32)
    caption_to_image = random_captions(rng, 30, 95)
    inputs = (scores, caption_to_image)
    metrics = retrieval_metrics(*(map(torch.from_numpy, inputs) if as_torch else inputs))
    for direction, ranks in zip(("image_to_text", "text_to_image"), ranks_by_loop(*inputs), strict=True):
        for k in (1, 5, 10):
            assert metrics[direction][f"R@{k}"] == np.mean(np.array(ranks) <= k)
        assert metrics[direction]["median_rank"] == np.median(ranks)
        assert metrics[direction]["n"] == len(ranks)


def ranks_by_argsort(scores: np.ndarray, right: np.ndarray) -> list[int]:
    """Sort all answers, wrong ones before right ones of the same score, and look for the first right one."""
    order = np.lexsort((right, -scores))  # shape: (queries, answers)
    return (1 + np.take_along_axis(right, order, axis=1).argmax(axis=1)).tolist()


@pytest.mark.parametrize("images_per_tile", [1, 7, 60, 256])
@pytest.mark.parametrize("captions", [60, 300])
def test_ranks_of_embeddings_agree_with_a_plain_argsort(images_per_tile, captions, monkeypatch):
    monkeypatch.setattr(retrieval, "IMAGES_PER_TILE", images_per_tile)
    rng = np.random.default_rng(captions)
    # Small whole numbers: products are exact, and most scores stand several times in the gallery.
    image, caption = (rng.integers(-2, 3, size=(n, 4)).astype(np.float32) for n in (60, captions))
    caption_to_image = random_captions(rng, 60, captions)
    right = np.arange(60)[:, None] == caption_to_image
    found = retrieval_ranks(image, caption, caption_to_image)
    assert found[0].tolist() == ranks_by_argsort(image @ caption.T, right)
    assert found[1].tolist() == ranks_by_argsort(caption @ image.T, right.T)


def test_twins_of_an_image_tie_with_it_in_whichever_tile_they_lie(monkeypatch):
    """A set that holds a photo twice must not profit from how a product happens to be rounded."""
    monkeypatch.setattr(retrieval, "IMAGES_PER_TILE", 16)
    image = torch.nn.functional.normalize(torch.randn(64, 256, generator=torch.Generator().manual_seed(0)))
    image[50] = image[3]
    image_ranks, caption_ranks = retrieval_ranks(image, image, torch.arange(64))
    assert np.flatnonzero(image_ranks == 2).tolist() == np.flatnonzero(caption_ranks == 2).tolist() == [3, 50]


@pytest.mark.parametrize("k", [1, 5, 10])
def test_recall_agrees_with_the_hit_rate_of_torchmetrics(k):
    rng = np.random.default_rng(k)
    scores = torch.from_numpy(rng.normal(size=(20, 100)))
    caption_to_image = torch.from_numpy(random_captions(rng, 20, 100))
    right = torch.arange(20)[:, None] == caption_to_image
    rows, columns = torch.meshgrid(torch.arange(20), torch.arange(100), indexing="ij")
    metrics = retrieval_metrics(scores, caption_to_image)
    for direction, query in (("image_to_text", rows), ("text_to_image", columns)):
        expected = RetrievalHitRate(top_k=k)(scores.flatten(), right.flatten(), indexes=query.flatten())
        assert metrics[direction][f"R@{k}"] == pytest.approx(expected.item())


def test_embeddings_give_what_their_score_matrix_gives():
    rng = np.random.default_rng(0)
    caption_to_image = random_captions(rng, 300, 700)
    image = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(300, 16)))).float()
    noise = torch.from_numpy(rng.normal(size=(700, 16))).float()
    caption = torch.nn.functional.normalize(image[caption_to_image] + 0.3 * noise)
    expected = retrieval_metrics(image @ caption.T, caption_to_image)
    assert 0.1 < expected["text_to_image"]["R@1"] < 0.9
    assert retrieval_metrics_from_embeddings(image, caption, caption_to_image) == expected


def test_embeddings_never_build_the_whole_matrix():
    class LargestTensor(TorchDispatchMode):
        numel = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            output = function(*args, **(kwargs or {}))
            if isinstance(output, torch.Tensor):
                self.numel = max(self.numel, output.numel())
            return output

    n = 8 * retrieval.IMAGES_PER_TILE
    with LargestTensor() as largest:
        retrieval_metrics_from_embeddings(torch.ones(n, 2), torch.ones(n, 2), torch.arange(n))
    assert largest.numel == retrieval.IMAGES_PER_TILE**2


def test_an_image_counts_as_found_by_any_of_its_captions():
    scores = np.array(
        [[0.1, 0.9, 0.5], [0.0, 0.2, 0.4]]
    )  # captions 0 and 1 belong to image 0, its first one scores low
    metrics = retrieval_metrics(scores, np.array([0, 0, 1]))
    assert metrics["image_to_text"]["R@1"] == 1.0
    assert metrics["text_to_image"]["R@1"] == 2 / 3  # caption 2 prefers image 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_constant_scores_find_nothing(dtype):
    metrics = retrieval_metrics(torch.zeros(40, 200, dtype=dtype), torch.arange(40).repeat_interleave(5))
    for direction, worst in (("image_to_text", 196), ("text_to_image", 40)):
        assert metrics[direction]["R@10"] == 0
        assert metrics[direction]["median_rank"] == worst


def test_perfect_scores_find_everything():
    caption_to_image = torch.arange(40).repeat_interleave(5)
    metrics = retrieval_metrics(torch.eye(40)[:, caption_to_image], caption_to_image)
    for direction in ("image_to_text", "text_to_image"):
        assert metrics[direction]["R@1"] == metrics[direction]["median_rank"] == 1


@pytest.mark.parametrize(("gallery", "right"), [(1, 1), (10, 1), (25, 5), (7, 7), (5000, 5)])
def test_chance_is_the_share_of_subsets_that_hold_a_right_answer(gallery, right):
    expected = [1 - comb(gallery - right, k) / comb(gallery, k) for k in range(1, min(gallery, 20) + 1)]
    assert chance_recall(gallery, right)[:20] == pytest.approx(expected, abs=1e-12)


def test_random_scores_score_the_stated_chance():
    rng = np.random.default_rng(0)
    caption_to_image = random_captions(rng, 20, 80)
    draws = [retrieval_metrics(rng.random((20, 80)), caption_to_image) for _ in range(400)]
    for direction in ("image_to_text", "text_to_image"):
        chance = draws[0][direction]["chance"]
        for k in (1, 5, 10):
            values = np.array([draw[direction][f"R@{k}"] for draw in draws])
            assert abs(values.mean() - chance[f"R@{k}"]) < 4 * values.std() / 400**0.5
        medians = np.array([draw[direction]["median_rank"] for draw in draws])
        assert abs(medians.mean() - chance["median_rank"]) < 1  # a rank is whole, a mean of medians is not


def test_a_gallery_smaller_than_k_has_a_chance_of_one():
    metrics = retrieval_metrics(np.eye(3), np.arange(3))
    assert metrics["text_to_image"]["chance"]["R@10"] == 1.0
    assert metrics["text_to_image"]["gallery"] == 3


@pytest.mark.parametrize(
    ("scores", "caption_to_image", "message"),
    [
        (np.zeros(3), [0, 1, 2], "expected \\(images, captions\\)"),
        (np.zeros((2, 3)), [0, 1], "expected 3 integers"),
        (np.zeros((2, 3)), [0.0, 1.0, 1.0], "expected 3 integers"),
        (np.zeros((2, 3)), [0, 1, 2], "found row 2, expected 0 to 1"),
        (np.zeros((2, 3)), [0, 0, 0], "1 images have no caption, rows \\[1\\]"),
        (np.array([[0.0, np.nan], [0.0, 0.0]]), [0, 1], "NaN"),
    ],
)
def test_wrong_inputs_are_named(scores, caption_to_image, message):
    with pytest.raises(ValueError, match=message):
        retrieval_metrics(scores, np.array(caption_to_image))
