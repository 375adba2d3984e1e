"""The card of a published model, `results/PROFILE/model`: its own seed's numbers, from the published measurements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cliplite_core.config import Config
from cliplite_core.data.inventory.known_sets import known_sets, owner
from cliplite_core.data.inventory.needs import needs
from cliplite_core.reporting.card import WAYS, licences, network
from cliplite_core.reporting.figures import LABELS
from cliplite_core.storage.files import write_text
from cliplite_core.storage.parts import read_parts

MEASURED = ("R@1", "R@5", "R@10")
CARD = """---
library_name: cliplite
tags: [image-text-retrieval, clip-lite]
---
# {title}, {objective}, seed {seed}

## Load it and search

```python
from cliplite_core.explore.open import open_explorer

explorer = open_explorer("{profile}", model="results/{profile}/model", images="")  # or a folder of your own
for path, cosine in explorer.pictures("{query}", k=5):
    print(f"{{cosine:.2f}}  {{path}}")
```

`CLIPLite.load("results/{profile}/model")` is the model alone. From the shell:

```sh
cliplite search results/{profile}/model "{query}" images=FOLDER --sheet found.png
```

## What it learned from

The split `{train}` of {title} at {size} px, {steps:,} steps of {batch} pairs; image encoder {arch}.

## What it is worth

On the split `{test}`. Another seed gives other numbers: `results/{profile}/README.md` has all of them with intervals.

| direction | measure | recall (%) | chance (%) | queries |
|:--|:--|--:|--:|--:|
{recall}

## What it cannot do

- A word that the captions do not use means little to it.
- It orders what it is given and never says "none": the best of a thousand wrong pictures is still a wrong one.
- Recall falls as the gallery grows: among ten times as many pictures expect less.
- It repeats what its captions take for granted about people.

It is here to be looked at, and to check a reproduction against; for photos of your own, `cliplite fit` makes a better
one.

## Licences

- {title}: {terms}
{licences}
"""


def published_card(config: Config, rows: Sequence[Mapping[str, Any]]) -> str:
    """Write the card of a published model.

    Args:
        config: the model's own; its objective and seed choose the numbers.
        rows: of the published `metrics/retrieval.json`, a value per seed.

    Returns:
        Markdown, with the front matter that model hubs read.

    Raises:
        ValueError: the rows have no number of this objective and seed.
    """
    data, model, objective, seed = config.data, config.model, config.objective.objective, config.train.seed
    found = [row for row in rows if row["objective"] == objective and row["metric"] in MEASURED]
    if not found or any(len(row["values"]) <= seed for row in found):
        raise ValueError(f"metrics/retrieval.json of {config.profile}: no recall of {objective}, seed {seed}")
    known = owner(needs(config)[0], config, known_sets())
    recall = "\n".join(
        f"| {WAYS[row['direction']]} | {row['metric']} | {row['values'][seed]:.1f} | {row['chance']:.1f} "
        f"| {row['n']:,} |"
        for row in found
    )
    return CARD.format(
        profile=config.profile,
        title=known.title if known else config.profile,
        terms=known.terms if known else "their owners'",
        objective=LABELS[objective],
        seed=seed,
        query="two dogs in the grass",
        train=data.train_split,
        test=data.test_split,
        size=data.image_size,
        arch=network(model.image_arch),
        steps=config.train.steps,
        batch=config.train.batch_size,
        recall=recall,
        licences=licences([name for name in (model.image_weights, model.text_weights) if name]),
    )


def write_card(folder: Path, metrics: Path) -> None:
    """Write README.md beside a published model.

    Args:
        folder: the model, as `CLIPLite.save` wrote it.
        metrics: folder of the published measurements.
    """
    rows = json.loads((metrics / "retrieval.json").read_text(encoding="utf-8"))["rows"]
    write_text(folder / "README.md", published_card(read_parts(folder).config, rows))
