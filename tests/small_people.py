"""Made-up embeddings of people, in which one axis is gender."""

from __future__ import annotations

import numpy as np

from cliplite_core.evaluation.features import EmbeddedSplit


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def people(n=200, queries=12, dims=8, gender=0.6, seed=0):
    """Unit embeddings whose first axis is gender; queries lean towards men. Every fifth image has no label."""
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(n) < 0.5, "man", "woman").astype(object)
    images = rng.normal(size=(n, dims))
    images[:, 0] = gender * 4 * np.where(labels == "man", 1, -1) + rng.normal(size=n)
    labels[::5] = None
    query = rng.normal(size=(queries, dims))
    query[:, 0] = 1.0
    return unit(query), unit(images), labels


def pairs_in_order(n=40, dims=8, seed=0):
    """A test split whose caption i has the embedding of image i."""
    images = unit(np.random.default_rng(seed).normal(size=(n, dims))).astype(np.float32)
    return EmbeddedSplit(images, images.copy(), np.arange(n), [f"caption {i}" for i in range(n)])
