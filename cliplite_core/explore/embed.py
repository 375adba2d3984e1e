"""Image files and texts to embeddings, and the name of the model that made them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from cliplite_core.critic import DotCritic
from cliplite_core.data.frozen import encode_parts
from cliplite_core.data.images import BrokenImage, MissingImage, read_image
from cliplite_core.evaluation.features import evaluating
from cliplite_core.model import CLIPLite


def load_searchable(source: str | Path) -> CLIPLite:
    """Load a model whose embeddings can be searched.

    Args:
        source: as for `CLIPLite.load`.

    Raises:
        FileNotFoundError, ValueError: as `CLIPLite.load`, or the model's critic has no joint space.
    """
    model = CLIPLite.load(source)
    if not isinstance(model.critic, DotCritic):
        raise ValueError(f"{source}: critic = 'concat' has no joint space to search in, expected critic = 'dot'")
    return model


def model_digest(model: CLIPLite) -> str:
    """Return 16 hexadecimal digits that stand for the weights and for the size at which the model sees an image."""
    digest = hashlib.sha256(str(model.config.data.image_size).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def embed_images(model: CLIPLite, paths: Sequence[Path]) -> tuple[np.ndarray, list[str]]:
    """Embed image files, decoding them on all cores.

    Args:
        model: with a dot critic.
        paths: B image files.

    Returns:
        (B, units) float32 unit vectors, NaN in the row of an image that cannot be read; and for each of the B images
        why it cannot, "" if it can.

    Raises:
        ValueError: the embedding of a sound image is not finite.
    """
    pixels = _decode(model, paths)
    rows = np.full((len(paths), model.critic.units), np.nan, dtype=np.float32)
    sound = [row for row, found in enumerate(pixels) if isinstance(found, torch.Tensor)]
    if sound:
        with evaluating(model), torch.no_grad():
            features = encode_parts(model.image_encoder, torch.stack([pixels[row] for row in sound]).to(model.device))
            embedded = model.encode_image(features).cpu().numpy()
        if not np.isfinite(embedded).all():
            raise ValueError("model: the embedding of an image is NaN or infinite, expected a unit vector")
        rows[sound] = embedded
    return rows, ["" if isinstance(found, torch.Tensor) else found for found in pixels]


def embed_texts(model: CLIPLite, texts: Sequence[str]) -> np.ndarray:
    """Embed B texts: (B, units) float32 unit vectors."""
    with evaluating(model), torch.inference_mode():
        return model.encode_text(list(texts)).cpu().numpy()


def _decode(model: CLIPLite, paths: Sequence[Path]) -> list[torch.Tensor | str]:
    """Return the pixels of each image as the model takes them, or why there are none."""

    def one(path: Path) -> torch.Tensor | str:
        try:
            return model.preprocess(read_image(path))
        except MissingImage:
            return "is not there (any more)"
        except BrokenImage as error:
            return str(error).removeprefix(f"{path}: ").partition(";")[0].partition(" (cannot identify")[0]

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow lets other threads run while it decodes
        return list(pool.map(one, paths))
