"""Zero-shot names for a single image, as `evaluation.zero_shot` gives them to a test set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cliplite_core.evaluation.zero_shot import class_embeddings
from cliplite_core.explore.embed import embed_images
from cliplite_core.explore.words import expect_known_words
from cliplite_core.model import CLIPLite


def name_image(model: CLIPLite, image: Path, names: Sequence[str], templates: Sequence[str]) -> list[tuple[str, float]]:
    """Rank names for an image by the cosine with the mean of their prompts.

    Args:
        model: of `load_searchable`.
        image: an image file.
        names: different names.
        templates: texts with one `{}` each, a set of `load_prompts`.

    Returns:
        (name, cosine), best first; of equals in the order given.

    Raises:
        ValueError: the image cannot be read, a name is given twice, or the model knows no word of one.
    """
    expect_known_words(model.tokenizer, names)
    embedding, (why,) = embed_images(model, [image])
    if why:
        raise ValueError(f"{image}: {why}; expected an image file")
    cosines = class_embeddings(model.encode_text, names, templates) @ embedding[0]  # shape: (names,)
    return sorted(zip(names, cosines.tolist(), strict=True), key=lambda pair: -pair[1])
