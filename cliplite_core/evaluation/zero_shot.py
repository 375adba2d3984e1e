"""Zero-shot naming: the class whose prompt lies closest to the image in the joint space (paper, zero-shot).

The number holds for these class names among these rivals: other words for the same things, or other rivals,
give another number. And a class is "zero-shot" because no label was used, not because no caption named it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from cliplite_core.evaluation.classifier import classification_metrics
from cliplite_core.evaluation.features import extract

# Spelling misleads twice: a written vowel may sound like "you" or "won", and a written h may be silent.
_AN = re.compile(r"(?!uni|us[ae]|ut[ei]|uk|ufo|eu|ewe|one\b)[aeiou]|hour|heir|honest|honou?r", re.IGNORECASE)


def load_prompts(path: str | Path) -> tuple[dict[str, list[str]], str]:
    """Reads named sets of prompt templates.

    Args:
        path: JSON object of lists of templates, each with one `{}` for the class name; `description` is
            free text.

    Returns:
        The templates by set name, and the SHA-256 of them (64 hex digits), which spacing and the description
        of the file do not change.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a set is empty, or a template does not hold exactly one `{}`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such prompt file; data/prompts.json has the paper's")
    prompts = json.loads(path.read_text(encoding="utf-8"))
    prompts.pop("description", None)
    for name, templates in prompts.items():
        if not isinstance(templates, list) or not templates:
            raise ValueError(f"{path}: set {name!r} is {templates!r}, expected a list of at least one template")
        for template in templates:
            if not isinstance(template, str) or template.count("{}") != 1:
                raise ValueError(f"{path}: set {name!r} holds {template!r}, expected a text with exactly one {{}}")
    return prompts, hashlib.sha256(json.dumps(prompts, sort_keys=True).encode()).hexdigest()


def fill_template(template: str, class_name: str) -> str:
    """Puts a class name into a template: `a(n) {}` takes the right article, `a {}` stays as published.

    Args:
        template: a text with one `{}`.
        class_name: such as "fire engine".

    Returns:
        The prompt.

    Example:
        >>> fill_template("a picture of a(n) {}.", "owl"), fill_template("a(n) {}.", "unicorn")
        ('a picture of an owl.', 'a unicorn.')
        >>> fill_template("a picture of a {}.", "airplane")
        'a picture of a airplane.'
    """
    return template.replace("a(n)", "an" if _AN.match(class_name) else "a").replace("{}", class_name)


def class_embeddings(
    encode_text: Callable[[list[str]], torch.Tensor], class_names: Sequence[str], templates: Sequence[str]
) -> np.ndarray:
    """Embeds each class as the normalised mean of its normalised prompts.

    Args:
        encode_text: B texts -> joint embeddings (B, units), such as `model.encode_text`.
        class_names: C different names.
        templates: one or more texts with `{}`, such as one set of `load_prompts`.

    Returns:
        Unit vectors, shape (C, units), float32.

    Raises:
        ValueError: a class name occurs twice.
    """
    repeated = sorted({name for name in class_names if list(class_names).count(name) > 1})
    if repeated:
        raise ValueError(f"class_names: {repeated} occur more than once; such classes cannot be told apart")
    prompts = [fill_template(template, name) for name in class_names for template in templates]
    each = _unit(extract(encode_text, prompts, progress="prompts"))
    per_class = each.reshape(len(class_names), len(templates), -1)  # shape: (C, templates, units)
    return _unit(per_class.mean(axis=1))


def zero_shot_metrics(image_embeddings: np.ndarray, class_embeddings: np.ndarray, labels: Sequence[int]) -> dict:
    """Names each image by the class of the highest cosine.

    Args:
        image_embeddings: joint embeddings, shape (n, units).
        class_embeddings: unit vectors of the C classes, shape (C, units).
        labels: right class of each image, shape (n,), integers in 0 .. C-1.

    Returns:
        As `classification_metrics`.
    """
    cosines = _unit(np.asarray(image_embeddings)) @ np.asarray(class_embeddings).T  # shape: (n, C)
    return classification_metrics(cosines, labels)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
