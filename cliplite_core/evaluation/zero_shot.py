"""Zero-shot naming: the class whose prompt lies closest to the image in the joint space (paper, zero-shot).

What is named is one thing per image, or two things at once, also in pairs that no training image showed.

The number holds for these class names among these rivals: other words for the same things, or other rivals,
give another number. And a class is "zero-shot" because no label was used, not because no caption named it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from cliplite_core.config import Config
from cliplite_core.data.inventory.needs import available
from cliplite_core.data.labelled.labels import LabelledImages
from cliplite_core.data.labelled.read import Labelled, read_boxes, read_classes
from cliplite_core.evaluation.classifier import classification_metrics
from cliplite_core.evaluation.features import extract
from cliplite_core.model import CLIPLite
from cliplite_core.storage.places import data_root, definition

# Spelling misleads twice: a written vowel may sound like "you" or "won", and a written h may be silent.
_AN = re.compile(r"(?!uni|us[ae]|ut[ei]|uk|ufo|eu|ewe|one\b)[aeiou]|hour|heir|honest|honou?r", re.IGNORECASE)


def load_prompts(path: str | Path | None = None) -> tuple[dict[str, list[str]], str]:
    """Read named sets of prompt templates.

    Args:
        path: JSON object of lists of templates, each with one `{}` for the class name; `description` is
            free text. None = the paper's and others, `data/prompts.json`.

    Returns:
        The templates by set name, and the SHA-256 of them (64 hex digits), which spacing and the description
        of the file do not change.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a set is empty, or a template does not hold exactly one `{}`.
    """
    path = Path(path or definition("prompts.json"))
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
    """Put a class name into a template: `a(n) {}` takes the right article, `a {}` stays as published.

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
    """Embed each class as the normalised mean of its normalised prompts.

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
    """Name each image by the class of the highest cosine.

    Args:
        image_embeddings: joint embeddings, shape (n, units).
        class_embeddings: unit vectors of the C classes, shape (C, units).
        labels: right class of each image, shape (n,), integers in 0 .. C-1.

    Returns:
        As `classification_metrics`.
    """
    cosines = _unit(np.asarray(image_embeddings)) @ np.asarray(class_embeddings).T  # shape: (n, C)
    return classification_metrics(cosines, labels)


def read_class_sets(config: Config) -> dict[str, Labelled]:
    """Read every set of labelled images that the profile names; further sets that may be missing are left out.

    Args:
        config: its `evaluation` section names the sets.

    Returns:
        "in distribution", "shifted" and the further folders, each as `read_classes` returns it.

    Raises:
        FileNotFoundError: a set that must be there is not; the message names its folder.
    """
    there = available(config).evaluation
    folders = {"in distribution": config.evaluation.zero_shot, "shifted": there.zero_shot_shift}
    folders |= {folder.strip(): folder.strip() for folder in there.zero_shot_more}
    return {name: read_classes(data_root() / folder) for name, folder in folders.items() if folder}


def name_images(
    model: CLIPLite, sets: Mapping[str, Labelled], prompts: Mapping[str, Sequence[str]], workers: int = 0
) -> dict[tuple[str, str], dict]:
    """Name the images of several sets by several prompts.

    Args:
        model: a trained model with a dot critic.
        sets: name = images, labels and class names, as from `read_class_sets`.
        prompts: name = templates, as from `load_prompts`.
        workers: processes that load images; 0 loads them here.

    Returns:
        (name of the set, name of the prompts) = what `zero_shot_metrics` returns.
    """
    found = {}
    for name, (images, labels, classes) in sets.items():
        items = LabelledImages(images, labels, model.preprocess)
        embeddings = extract(model.encode_image, items, num_workers=workers, progress=f"images, {name}")
        for kind, templates in prompts.items():
            words = class_embeddings(model.encode_text, classes, templates)
            found[name, kind] = zero_shot_metrics(embeddings, words, labels)
    return found


def scenes_of_two(config: Config, things: Iterable[str]) -> dict[str, list[tuple[Path, int]]]:
    """Find the scenes that show exactly two things, in pairs that training showed and in pairs that it did not.

    Args:
        config: a profile of composed scenes; `novel_split` names the scenes of pairs left out of training.
        things: names of all things; a scene with anything else in it (a person, say) does not count.

    Returns:
        "seen compositions" and "novel compositions": image files, each with its row in `pairs_of(things)`; as many of
        each, spread evenly over the split. {} for a profile without such scenes.
    """
    where, rows = config.evaluation, {pair: row for row, pair in enumerate(pairs_of(things))}
    if not where.novel_split:
        return {}
    groups = {}
    for name, split in (("seen", config.data.test_split), ("novel", where.novel_split)):
        scenes = read_boxes(data_root() / where.boxes, data_root() / where.box_images, split)
        pairs = [(scene.path, rows.get(tuple(sorted(scene.category_names)))) for scene in scenes]
        groups[f"{name} compositions"] = [(path, pair) for path, pair in pairs if pair is not None]
    fewest = min(map(len, groups.values()))
    spread = {name: np.linspace(0, len(found) - 1, fewest).round().astype(int) for name, found in groups.items()}
    return {name: [groups[name][i] for i in rows] for name, rows in spread.items()}


def pairs_of(things: Iterable[str]) -> list[tuple[str, str]]:
    """List all pairs of different things, by the alphabet.

    Example:
        >>> pairs_of(["dog", "cat", "car"])
        [('car', 'cat'), ('car', 'dog'), ('cat', 'dog')]
    """
    return list(combinations(sorted(things), 2))


def name_pairs(
    model: CLIPLite, scenes: Sequence[tuple[Path, int]], things: Iterable[str], templates: Sequence[str]
) -> dict:
    """Name both things of each scene: which of all pairs is it, "a dog and a cat" or "a dog and a car" or …?

    Args:
        model: a trained model with a dot critic.
        scenes: n image files, each with the row of its pair in `pairs_of(things)`.
        things: names of all T things.
        templates: as for `class_embeddings`; a pair is the mean of "X and a Y" and "Y and a X".

    Returns:
        In [0, 1]: `top1` and `top5` (the pair is right), "one of the two" (the pair named shares a thing with the
        scene); `n`; and `chance` of each when guessing evenly.
    """
    paths, labels = zip(*scenes, strict=True)
    pairs, items = pairs_of(things), LabelledImages(paths, labels, model.preprocess)
    images = extract(model.encode_image, items, progress="images, two things")
    orders = [[f"{a} and a {b}" for a, b in pairs], [f"{b} and a {a}" for a, b in pairs]]
    texts = _unit(sum(class_embeddings(model.encode_text, order, templates) for order in orders))
    found, count = zero_shot_metrics(images, texts, labels), len({thing for pair in pairs for thing in pair})
    answers = zip(found["predictions"], labels, strict=True)
    shared = [bool({*pairs[named]} & {*pairs[label]}) for named, label in answers]
    guessed = 1 - (count - 2) * (count - 3) / (count * (count - 1))
    return {
        **{name: found[name] for name in ("top1", "top5", "n")},
        "one of the two": float(np.mean(shared)),
        "chance": found["chance"] | {"one of the two": guessed},
    }


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
