"""Bias removal: find a concept in language, take it out of image embeddings (paper, bias).

What is left afterwards, `bias_measures` and `bias_probes` say. Embeddings are (N, D) arrays of L2-normalised rows in
the joint space: a dot product is a cosine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import normalize

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.labelled.labels import LabelledImages
from cliplite_core.data.labelled.read import Labelled
from cliplite_core.evaluation.bias_probes import leakage
from cliplite_core.evaluation.features import EmbeddedSplit, embed_split, extract
from cliplite_core.evaluation.gender import People, Wording
from cliplite_core.evaluation.zero_shot import class_embeddings
from cliplite_core.model import CLIPLite


class ConceptDirection(NamedTuple):
    """A unit direction (D,), and the explained variance ratio of every principal component, its own first."""

    direction: np.ndarray
    explained_variance: np.ndarray


def concept_direction(pairs_a: np.ndarray, pairs_b: np.ndarray) -> ConceptDirection:
    """First principal component of definitional pairs, each centred on its own mean (Bolukbasi et al. 2016):
    the first right singular vector of the rows ±(a_i - b_i) / 2.

    Args:
        pairs_a: (P, D) embeddings of captions with one side of the concept ("a man ...").
        pairs_b: (P, D) embeddings of the same captions with the other side ("a woman ...").

    Returns:
        The direction, pointing from b to a, and (min(P, D),) explained variance ratios that sum to 1.

    Raises:
        ValueError: The shapes differ, or all pairs coincide.

    Example:
        >>> a, b = np.array([[1.0, 1.0], [1.0, 0.0]]), np.array([[-1.0, 1.0], [-1.0, 0.0]])
        >>> concept_direction(a, b).direction.tolist()
        [1.0, 0.0]
    """
    if pairs_a.shape != pairs_b.shape or pairs_a.ndim != 2:
        raise ValueError(f"pairs: found shapes {pairs_a.shape} and {pairs_b.shape}, expected (P, D) twice")
    # Not centred across pairs: the mean difference is the concept itself. Of each pair's two rows ± one is
    # enough, as the other changes neither singular vectors nor ratios.
    differences = pairs_a.astype(np.float64) - pairs_b
    _, singular, components = np.linalg.svd(differences, full_matrices=False)
    if singular[0] == 0:
        raise ValueError("pairs: all differences are zero, expected captions that differ in the concept")
    sign = 1 if (differences @ components[0]).sum() >= 0 else -1  # an SVD leaves it open
    return ConceptDirection(sign * components[0], singular**2 / (singular**2).sum())


def project_off(embeddings: np.ndarray, directions: np.ndarray, renormalise: bool = True) -> np.ndarray:
    """Remove directions from embeddings: x - V Vᵀ x, V an orthonormal basis of the directions.

    Args:
        embeddings: (N, D) float embeddings.
        directions: (D,) or (R, D) directions, of any length and not necessarily orthogonal.
        renormalise: Scale the result back to unit length, as the joint space has it.

    Returns:
        (N, D) embeddings orthogonal to every direction, of the same dtype.
    """
    _, singular, basis = np.linalg.svd(np.atleast_2d(directions), full_matrices=False)
    basis = basis[singular > 1e-6 * singular[0]]  # shape: (rank, D)
    projected = embeddings - embeddings @ basis.T @ basis
    # The projection shortens an embedding the more, the more of the concept it held. Dot products would then
    # rank those images lower for every query: the concept would live on in the length.
    return (normalize(projected) if renormalise else projected).astype(embeddings.dtype)


@dataclass(frozen=True, eq=False)
class PeopleSpace:
    """All that the experiment looks at, in one model's joint space: float32 rows of D numbers.

    Attributes:
        training, measured: the people of both sets, (M, D) and (N, D).
        split: the test split, images and captions.
        men, women: the two sides of the P pairs, (P, D) each.
        queries: (Q, D).
        named, classes: the n images that zero-shot naming names, and the C classes, (n, D) and (C, D); None without.
    """

    training: np.ndarray
    measured: np.ndarray
    split: EmbeddedSplit
    men: np.ndarray
    women: np.ndarray
    queries: np.ndarray
    named: np.ndarray | None = None
    classes: np.ndarray | None = None

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> PeopleSpace:
        """Return the same space with every image changed, (N, D) -> (N, D); sentences stay, as in the paper."""
        return replace(
            self,
            training=change(self.training),
            measured=change(self.measured),
            split=replace(self.split, images=change(self.split.images)),
            named=None if self.named is None else change(self.named),
        )


def embed_people(
    model: CLIPLite,
    people: dict[str, People],
    wording: Wording,
    test: Sequence[CaptionedImage],
    labelled: Labelled,
    templates: Sequence[str],
    workers: int = 0,
) -> PeopleSpace:
    """Embed people, sentences, the test split and the images of zero-shot naming.

    Args:
        model: a trained model with a dot critic.
        people: "training" and "measured", from `find_people`.
        wording: pairs and queries.
        test: the test split, from `read_split`.
        labelled: images, labels and class names, from `read_classes`; without classes nothing is named.
        templates: for the classes, one set of `load_prompts`.
        workers: processes that load images; 0 loads them here.
    """

    def embed(images: Sequence[Path] | np.ndarray, what: str) -> np.ndarray:
        items = LabelledImages(images, range(len(images)), model.preprocess)
        return extract(model.encode_image, items, num_workers=workers, progress=f"images, {what}")

    images, _, classes = labelled
    naming = (embed(images, "named"), class_embeddings(model.encode_text, classes, templates)) if classes else ()
    return PeopleSpace(
        *(embed([image.path for image in people[name].images], f"{name} people") for name in ("training", "measured")),
        embed_split(model, test),
        *(extract(model.encode_text, side, progress="pairs") for side in zip(*wording.pairs, strict=True)),
        extract(model.encode_text, wording.queries, progress="queries"),
        *naming,
    )


def difference_of_means(embeddings: np.ndarray, gender: np.ndarray) -> np.ndarray:
    """Return the unit direction (D,) from the mean of the women to that of the men.

    Args:
        embeddings: (N, D).
        gender: (N,), "man" or "woman".

    Example:
        >>> difference_of_means(np.array([[2.0, 1.0], [0.0, 1.0]]), np.array(["man", "woman"])).tolist()
        [1.0, 0.0]
    """
    return normalize([embeddings[gender == "man"].mean(axis=0) - embeddings[gender == "woman"].mean(axis=0)])[0]


def describe_direction(space: PeopleSpace, people: dict[str, People]) -> dict[str, float]:
    """Describe the direction of the pairs, and how it lies to the images.

    Args:
        space: from `embed_people`.
        people: the same people, for their gender.

    Returns:
        In percent, how much of the pairs' variance it explains, how often gender is read from it alone, and the share
        of the test images' variance along it; its cosine to the difference of means of the training images, and of
        that to the measured images' own; and the number of dimensions that the test images use, the participation
        ratio (sum of the covariance's eigenvalues)² / (sum of their squares).
    """
    direction, explained = concept_direction(space.men, space.women)
    variances = np.linalg.eigvalsh(np.cov(space.split.images.T))
    of_training = difference_of_means(space.training, people["training"].gender)
    of_measured = difference_of_means(space.measured, people["measured"].gender)
    alone = leakage((space.measured @ direction)[:, None], people["measured"].gender)
    return {
        "variance of the pairs explained": 100 * explained[0],
        "gender read from it alone": 100 * alone.mean(),
        "cosine to the training images' difference": direction @ of_training,
        "cosine of that to the measured images'": of_training @ of_measured,
        "variance of all images along it": 100 * (space.split.images @ direction).var(ddof=1) / variances.sum(),
        "dimensions the images use": variances.sum() ** 2 / (variances**2).sum(),
    }
