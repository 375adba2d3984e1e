"""Frozen encoders: what they say of images and captions is computed once, then the critic alone is trained on it.

The encoders bring their knowledge along (ImageNet labels, sentence pairs); what is measured is the objective. With the
encoders out of the way a training of many epochs takes a minute of one CPU core.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cliplite_core.callbacks import Gallery, RetrievalCurve, ScoreSnapshots
from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.frozen import encode_by_length, encode_parts, feature_batches
from cliplite_core.data.images import read_image
from cliplite_core.data.pairs import PairBatches
from cliplite_core.data.tokenizer import tokenize
from cliplite_core.model import CLIPLite
from cliplite_core.storage.features import cached_rows, rows_left
from cliplite_core.storage.fingerprint import fingerprint_files
from cliplite_core.storage.places import runs_root
from cliplite_core.trainer import Batch, Trainer

LOOKS = 40  # at the recall during training: here it costs next to nothing


def frozen_training(
    model: CLIPLite,
    images: Sequence[CaptionedImage],
    held_out: Sequence[CaptionedImage],
    order: Callable[[int], PairBatches],
    config: Config,
) -> tuple[Callable[[int], Iterable[Batch]], list[Callable[[Trainer], None]]]:
    """Encode both splits, or find them encoded, and return the batches of features and what watches the training.

    Args:
        model: its statistics are set to those of the training split.
        images: the training split.
        held_out: the validation split; recall is logged on it, and on as many training images ("retrieval_train").
        order: step to start from -> the order of the batches.
        config: the run.

    Returns:
        What `Trainer` takes: step -> endless batches, and callbacks.
    """
    pictures, captions = encode_once(model, images)
    model.standardize["image"].measure(torch.from_numpy(np.array(pictures)))
    model.standardize["text"].measure(torch.from_numpy(np.array(captions)))
    seen = gallery(images[: len(held_out)], pictures, captions)
    unseen = gallery(held_out, *encode_once(model, held_out))
    counts = [len(image.captions) for image in images]
    watched = [
        ScoreSnapshots(unseen, config),
        RetrievalCurve(unseen, config, times=LOOKS),
        RetrievalCurve(seen, config, "retrieval_train", times=LOOKS),
    ]
    return lambda start: feature_batches(pictures, captions, counts, order(start)), watched


def gallery(items: Sequence[CaptionedImage], pictures: np.ndarray, captions: np.ndarray) -> Gallery:
    """Pair the features of images with those of their first captions.

    Args:
        items: N images, the first ones that the features are of.
        pictures: (>= N, image_dim).
        captions: (M, text_dim), those of image 0 first.
    """
    first = np.cumsum([0, *(len(item.captions) for item in items)])[:-1]
    return Gallery(items, (torch.from_numpy(np.array(pictures[: len(items)])), torch.from_numpy(captions[first])))


def encode_once(model: CLIPLite, items: Sequence[CaptionedImage]) -> tuple[np.ndarray, np.ndarray]:
    """Return what a model's encoders say of a split, before standardisation; computed once for all runs.

    Args:
        model: the features are keyed by its encoders' weights, the image size and the items.
        items: N images with M captions in all.

    Returns:
        (N, image_dim) and (M, text_dim) float32, memory-mapped from `features/` beside the runs.
    """
    (pictures, captions), (encode_images, encode_texts) = _paths(model, items), encoders(model, items)
    return (
        cached_rows(pictures, len(items), encode_images, "images"),
        cached_rows(captions, sum(len(item.captions) for item in items), encode_texts, "captions"),
    )


def encoders(
    model: CLIPLite, items: Sequence[CaptionedImage]
) -> tuple[Callable[[slice], np.ndarray], Callable[[slice], np.ndarray]]:
    """Return two functions, rows of the images and of the captions of a split -> (rows, D) float32 features.

    Args:
        model: its encoders are put into evaluation mode.
        items: the split.
    """
    texts = [caption for item in items for caption in item.captions]
    image_encoder, text_encoder = model.image_encoder.eval(), model.text_encoder.eval()

    @torch.no_grad()
    def encode_images(rows: slice) -> np.ndarray:
        with ThreadPoolExecutor() as threads:  # Pillow decodes without the interpreter's lock: on all cores
            pixels = list(threads.map(lambda item: model.preprocess(read_image(item.path)), items[rows]))
        return encode_parts(image_encoder, torch.stack(pixels).to(model.device)).float().cpu().numpy()

    @torch.no_grad()
    def encode_texts(rows: slice) -> np.ndarray:
        tokens = {name: ids.to(model.device) for name, ids in tokenize(model.tokenizer, texts[rows]).items()}
        return encode_by_length(text_encoder, tokens).float().cpu().numpy()

    return encode_images, encode_texts


def yet_to_encode(model: CLIPLite, items: Sequence[CaptionedImage]) -> tuple[int, int]:
    """Return how many images and captions of a split `encode_once` has yet to compute."""
    pictures, captions = _paths(model, items)
    return rows_left(pictures, len(items)), rows_left(captions, sum(len(item.captions) for item in items))


def _paths(model: CLIPLite, items: Sequence[CaptionedImage]) -> tuple[Path, Path]:
    """The files of the features of images and of captions."""
    data = model.config.data
    seen = [str(data.image_size), fingerprint_files([item.path for item in items])]
    vocabulary = sorted(model.tokenizer.get_vocab().items())
    read = [str(data.max_tokens), str(vocabulary), *(caption for item in items for caption in item.captions)]
    return _path("images", model.image_encoder, seen), _path("captions", model.text_encoder, read)


def _path(kind: str, encoder: nn.Module, depends_on: Sequence[str]) -> Path:
    digest = hashlib.sha256("\0".join(depends_on).encode())
    for name, tensor in encoder.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return runs_root() / "features" / f"{kind}-{digest.hexdigest()[:16]}.npy"
