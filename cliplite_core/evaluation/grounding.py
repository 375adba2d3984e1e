"""Visual grounding: is the named thing where the critic finds its name? (paper, grounding)

What the heat itself shows, and what it does not, is said in `heat`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cliplite_core.config import Config
from cliplite_core.data.inventory.needs import available
from cliplite_core.data.labelled.boxes import BoxedImage
from cliplite_core.data.labelled.read import read_boxes
from cliplite_core.evaluation.heat import SquarePhotos, heat_cells, upsample
from cliplite_core.evaluation.pointing import (
    box_accuracy,
    box_from_heatmap,
    choose_threshold,
    pointing_baselines,
    pointing_game,
)
from cliplite_core.storage.places import data_root

DEV_IMAGES = 200  # at least this many choose the input size, where dev has them; all of dev choose the threshold
MAP_SIDE = 128  # pixels of a map's longer side where dev chooses; test is judged in the pixels of its images


@dataclass(frozen=True, eq=False)
class NamedObject:
    """A question to the critic: where in this image is the thing of this name?

    Attributes:
        image: the image with all its boxes.
        name: the name of a thing in it; several boxes may bear it.
    """

    image: BoxedImage
    name: str

    @property
    def boxes(self) -> Tensor:
        """The boxes of that name, shape (K, 4)."""
        return self.image.boxes_of(self.name)

    @property
    def text(self) -> str:
        """The sentence that the critic reads."""
        return f"a picture of a {self.name}"

    @property
    def map_size(self) -> tuple[int, int]:
        """Height and width of a small heat map, which is the image shrunk to `MAP_SIDE`."""
        shrunk = min(1.0, MAP_SIDE / max(self.image.height, self.image.width))
        return max(1, round(self.image.height * shrunk)), max(1, round(self.image.width * shrunk))

    @property
    def boxes_on_map(self) -> Tensor:
        """The boxes in pixels of that map, shape (K, 4)."""
        height, width = self.map_size
        across, down = width / self.image.width, height / self.image.height
        return self.boxes * torch.tensor([across, down, across, down])


@dataclass(frozen=True, eq=False)
class Grounding:
    """What `ground` found of one model.

    Attributes:
        size: side in pixels at which the model sees an image, chosen on dev.
        threshold: of `box_from_heatmap`, chosen on dev.
        hits: "pointing game" and "localisation", (N,) float hits each.
        shown: heat maps of the queries to be shown, each (H, W) of its image.
    """

    size: int
    threshold: float
    hits: dict[str, Tensor]
    shown: list[Tensor]


def read_named_objects(config: Config, split: str, at_most: int) -> list[NamedObject]:
    """Read what there is to ask about: every name in every boxed image, spread evenly over the split.

    Images with at least two different things come alone, if the set has any: elsewhere there is nothing to tell apart.

    Args:
        config: its `evaluation` section names the boxes.
        split: the split's name.
        at_most: questions.
    """
    where, root = available(config).evaluation, data_root()
    images = read_boxes(root / where.boxes, root / where.box_images, split)
    several = [image for image in images if len(set(image.category_names)) > 1]
    found = [NamedObject(image, name) for image in several or images for name in sorted(set(image.category_names))]
    return [found[i] for i in np.linspace(0, len(found) - 1, min(at_most, len(found))).astype(int)]


def ground(
    model: nn.Module,
    dev: Sequence[NamedObject],
    test: Sequence[NamedObject],
    sizes: Sequence[int],
    shown: Sequence[int],
    photos: SquarePhotos | None = None,
) -> Grounding:
    """Choose input size and threshold on dev, then point at and localise the things of test.

    Args:
        model: a `CLIPLite`.
        dev: questions to choose by.
        test: N questions to report on.
        sizes: sides in pixels to choose among; a larger input gives the heat map more cells.
        shown: rows of `test` whose heat is kept.
        photos: where the images are decoded and kept, to be shared by several models; None = for this one alone.
    """
    photos, step = SquarePhotos(sizes) if photos is None else photos, max(1, len(dev) // DEV_IMAGES)
    of_sizes = {size: list(heat_of(model, dev[::step], size, photos, small=True)) for size in sizes}
    size = choose_size(of_sizes, dev[::step])
    others = heat_of(model, [query for row, query in enumerate(dev) if row % step], size, photos, small=True)
    few = iter(of_sizes[size])
    heats = [next(others if row % step else few) for row in range(len(dev))]
    threshold = choose_threshold(heats, [query.boxes_on_map for query in dev])
    pointed, found, kept = [], [], {}  # one map at a time: a photo's fills a megabyte
    for row, (query, heat) in enumerate(zip(test, heat_of(model, test, size, photos), strict=True)):
        pointed.append(pointing_game([heat], [query.boxes]))
        found.append(box_from_heatmap(heat, threshold))
        if row in shown:
            kept[row] = heat
    hits = {"pointing game": torch.cat(pointed), "localisation": box_accuracy(found, [query.boxes for query in test])}
    return Grounding(size, threshold, hits, [kept[row] for row in shown])


def choose_size(heats: Mapping[int, Sequence[Tensor]], queries: Sequence[NamedObject]) -> int:
    """Choose the input size whose heat points best, the first of equals; to be called on a dev set only.

    Args:
        heats: size = the small heat map of each query.
        queries: N questions.
    """
    boxes = [query.boxes_on_map for query in queries]
    hits = {size: pointing_game(of_size, boxes).mean() for size, of_size in heats.items()}
    return max(heats, key=hits.__getitem__)


def heat_of(
    model: nn.Module,
    queries: Sequence[NamedObject],
    size: int,
    photos: SquarePhotos | None = None,
    small: bool = False,
) -> Iterator[Tensor]:
    """Yield the heat of each question for images shown at `size` pixels: (H, W) of its image, or of its `map_size`."""
    paths, texts = [query.image.path for query in queries], [query.text for query in queries]
    for query, cells in zip(queries, heat_cells(model, paths, texts, size, photos), strict=True):
        yield upsample(cells[None], query.map_size if small else (query.image.height, query.image.width))[0]


def baseline_hits(queries: Sequence[NamedObject]) -> dict[str, dict[str, Tensor]]:
    """Judge guesses that do not look at the image.

    Args:
        queries: N questions.

    Returns:
        Metric = {name = (N,) float hits}: of the "pointing game", the "centre" of the image and "chance", any pixel; of
        "localisation", the "whole image".
    """
    sizes, boxes = [(query.image.height, query.image.width) for query in queries], [query.boxes for query in queries]
    whole = [torch.tensor([0.0, 0.0, width, height]) for height, width in sizes]
    return {
        "pointing game": pointing_baselines(sizes, boxes),
        "localisation": {"whole image": box_accuracy(whole, boxes)},
    }
