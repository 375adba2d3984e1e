"""Grounding by one model, each photo seen once, against each question by itself: python benchmarks/grounding.py [COCO]

The plain way decodes and encodes a photo for each name and input size and judges every threshold in the photo's own
pixels. Both must choose the same size, and agree within half a point.

COCO is a folder with annotations/instances_{train,val}2017.json and the photos beside it (train chooses, val reports);
without one, photos of 640 x 480 are drawn.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from loading import draw_photos
from PIL import Image
from run import RESULTS, table
from timing import Row, compare
from torch import Tensor

from cliplite_core.data.transforms import eval_transform
from cliplite_core.encoders import ImageEncoder
from cliplite_core.evaluation import grounding, heat, pointing
from cliplite_core.evaluation.grounding import Grounding, NamedObject
from cliplite_core.model import CLIPLite
from cliplite_core.profiles import load_profile
from cliplite_core.storage.files import write_text

BATCH = 32  # questions that the plain way encodes at a time
PARTS = {
    "photos: decode, resize": (heat.SquarePhotos, "__call__"),
    "image encoder": (ImageEncoder, "feature_map"),
    "text encoder": (CLIPLite, "text_features"),
    "Grad-CAM": (heat, "_cam"),
    "maps to pixels": (grounding, "upsample"),
    "pointing": (grounding, "pointing_game"),
    "threshold on dev": (grounding, "choose_threshold"),
    "boxes on test": (grounding, "box_from_heatmap"),
}


def plain_heat(model: CLIPLite, queries: Sequence[NamedObject], size: int) -> list[Tensor]:
    """Heat in the pixels of the photos, each opened and encoded anew for each question."""
    preprocess, found = eval_transform(size), []
    for start in range(0, len(queries), BATCH):
        some = queries[start : start + BATCH]
        photos = [Image.open(query.image.path).convert("RGB") for query in some]
        batch = torch.stack([preprocess(photo.resize((max(photo.size), max(photo.size)))) for photo in photos])
        maps = heat.grad_cam(model, batch, [query.text for query in some])
        found += [heat.upsample(cells[None], photo.size[::-1])[0] for cells, photo in zip(maps, photos, strict=True)]
    return found


def plain_ground(
    model: CLIPLite, dev: Sequence[NamedObject], test: Sequence[NamedObject], sizes: list[int]
) -> Grounding:
    """What `ground` does, nothing shared and nothing shrunk."""
    boxes, asked = [query.boxes for query in dev], [query.boxes for query in test]
    points = {size: pointing.pointing_game(plain_heat(model, dev, size), boxes).mean() for size in sizes}
    size = max(sizes, key=points.__getitem__)
    chosen, maps = plain_heat(model, dev, size), plain_heat(model, test, size)

    def accuracy(threshold: float) -> Tensor:
        return pointing.box_accuracy([pointing.box_from_heatmap(found, threshold) for found in chosen], boxes).mean()

    threshold = max((step / 20 for step in range(1, 20)), key=accuracy)
    located = [pointing.box_from_heatmap(found, threshold) for found in maps]
    hits = {"pointing game": pointing.pointing_game(maps, asked), "localisation": pointing.box_accuracy(located, asked)}
    return Grounding(size, threshold, hits, [])


def draw_boxes(folder: Path, photos: int) -> Path:
    """Photos that are drawn, with two boxes each, in COCO's layout."""
    rng, kinds = np.random.default_rng(0), ("dog", "cat", "car", "tree")
    for split in ("train", "val"):
        (folder / f"{split}2017").mkdir()
        paths = draw_photos(folder / f"{split}2017", photos)
        content: dict[str, list] = {"images": [], "annotations": []}
        content["categories"] = [{"id": number, "name": name} for number, name in enumerate(kinds)]
        for number, path in enumerate(paths):
            content["images"].append({"id": number, "file_name": path.name, "width": 640, "height": 480})
            for kind in rng.choice(len(kinds), 2, replace=False).tolist():
                box = [*rng.uniform(0, 200, 2).tolist(), *rng.uniform(100, 280, 2).tolist()]
                thing = {"id": len(content["annotations"]), "image_id": number, "category_id": kind, "bbox": box}
                content["annotations"].append(thing | {"area": box[2] * box[3], "iscrowd": 0})
        write_text(folder / f"annotations/instances_{split}2017.json", json.dumps(content))
    return folder


def shares(work: Callable[[], object]) -> dict[str, float]:
    """The share of the processor time of each part, which is not inside another one."""
    spent: Counter[str] = Counter()

    def timed(name: str, function: Callable) -> Callable:
        def inner(*args: object, **kwargs: object) -> object:
            started = time.process_time()
            result = function(*args, **kwargs)
            spent[name] += time.process_time() - started
            return result

        return inner

    with ExitStack() as stack:
        for name, (owner, attribute) in PARTS.items():
            stack.enter_context(patch.object(owner, attribute, timed(name, getattr(owner, attribute))))
        started = time.process_time()
        work()
        whole = time.process_time() - started
    return {name: spent[name] / whole for name in PARTS} | {"the rest": 1 - spent.total() / whole}


def measure(quick: bool, folder: Path | None = None, turns: int = 5) -> tuple[list[Row], dict[str, float]]:
    """Compare the two ways, and say where the time of the fast one goes."""
    model = CLIPLite.load(RESULTS / "scenes/model").eval()
    sizes = [factor * model.config.data.image_size for factor in (1, 2, 3)]
    found: dict[str, Grounding] = {}
    with tempfile.TemporaryDirectory() as drawn:
        root = folder or draw_boxes(Path(drawn), 2 if quick else 32)
        boxes = {"boxes": str(root / "annotations/instances_{split}2017.json"), "box_images": str(root / "{split}2017")}
        config = load_profile("coco", **boxes)
        dev, test = (grounding.read_named_objects(config, split, 400) for split in ("train", "val"))
        seen = heat.SquarePhotos(sizes)
        works = {
            "one model": lambda: found.update(fast=grounding.ground(model, dev, test, sizes, [])),
            "the next model, photos kept": lambda: grounding.ground(model, dev, test, sizes, [], seen),
            "each question by itself": lambda: found.update(plain=plain_ground(model, dev, test, sizes)),
        }
        part = f"grounding, {len(dev)} + {len(test)} questions{'' if folder else ', drawn photos'}"
        rows, (fast, plain) = compare(part, works, 2 if quick else turns), (found["fast"], found["plain"])
        off = max(abs(hits.mean() - plain.hits[name].mean()) for name, hits in fast.hits.items())
        if fast.size != plain.size or off > 0.005:
            raise RuntimeError(f"grounding: found {fast} that differs from {plain}, expected the same to half a point")
        return rows, shares(works["one model"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("coco", nargs="?", type=Path, help="folder of COCO")
    parser.add_argument("--turns", type=int, default=5, help="repetitions (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="small shapes, to see that it runs")
    parser.add_argument("--out", type=Path, help="file that the page is written to, in Markdown")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows, of_parts = measure(options.quick, options.coco and options.coco.resolve(), options.turns)
    lines = [
        f"# {rows[0].part[0].upper()}{rows[0].part[1:]}",
        "",
        __doc__.split("\n\n")[1].strip(),
        "",
        f"Medians [quartiles] of processor time, one thread, {2 if options.quick else options.turns} repetitions.",
        "",
    ]
    lines += [
        table(rows).to_markdown(index=False, disable_numparse=True),
        "",
        "| part of one model's time | % |",
        "|:--|--:|",
    ]
    lines += [f"| {name} | {100 * share:.0f} |" for name, share in of_parts.items()]
    text = "\n".join([*lines, ""])
    print(text)
    if options.out:
        write_text(options.out, text)


if __name__ == "__main__":
    main()
