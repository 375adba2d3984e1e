"""One scene from its contents: place the objects, draw them, and keep the truth about every box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from cliplite_core.scenes.artwork import trim, twemoji
from cliplite_core.scenes.contents import Contents, Person
from cliplite_core.scenes.vocabulary import BACKGROUNDS, PERSON, Background, activities, concepts

# Longest side of an object as a share of the canvas, from … to; on 96 px: 22-44, 36-56 and 40-64 px.
OBJECT_SIZE = (28 / 96, 50 / 96)
PERSON_SIZE = (36 / 96, 56 / 96)
SINGLE_SIZE = (40 / 96, 64 / 96)

MAX_ROTATION = 15.0  # degrees either way; nothing is mirrored, so that left and right stay true
BRIGHTNESS = (0.88, 1.12)
MAX_IOU = 0.1
ATTEMPTS = 20  # positions tried for one object before the whole layout is drawn again

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Item:
    """One drawn object: its noun (a concept or "person"), box and unoccluded share.

    `box` is x, y, width, height in px from the top left corner; `visible` is in [0, 1].
    """

    noun: str
    box: Box
    visible: float = 1.0

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the box, x and y in px."""
        x, y, width, height = self.box
        return x + width / 2, y + height / 2

    @property
    def area(self) -> int:
        """Area of the box in px²."""
        return self.box[2] * self.box[3]


@dataclass(frozen=True)
class Scene:
    """The truth about one picture; items are in drawing order, later ones in front."""

    canvas: int
    background: str
    items: tuple[Item, ...]
    person: Person | None = None


def compose(
    contents: Contents,
    rng: np.random.Generator,
    canvas: int = 96,
    artwork: Callable[[str], Image.Image] = twemoji,
    single: bool = False,
) -> tuple[Scene, Image.Image]:
    """Place and draw the contents of one scene.

    Args:
        contents: What to show.
        rng: Generator of this scene.
        canvas: Side of the square picture in px.
        artwork: Emoji to RGBA drawing, `twemoji` or `openmoji`.
        single: Draw the one object large and near the centre.

    Returns:
        The truth, and the RGB picture.

    Example:
        >>> scene, image = compose(Contents("grass", ("dog",)), np.random.default_rng(0))
        >>> image.size, [item.noun for item in scene.items]
        ((96, 96), ['dog'])
    """
    nouns = [PERSON] * (contents.person is not None) + list(contents.concepts)
    rng.shuffle(nouns)
    sprites = [_turn(artwork(_emoji(noun, contents.person)), rng) for noun in nouns]
    while (layout := _layout(nouns, sprites, rng, canvas, single)) is None:
        pass
    image = draw_background(BACKGROUNDS[contents.background], rng, canvas)
    for sprite, (x, y, width, height) in zip(sprites, layout, strict=True):
        sprite = sprite.resize((width, height), Image.Resampling.BICUBIC)
        sprite = ImageEnhance.Brightness(sprite).enhance(rng.uniform(*BRIGHTNESS))
        image.paste(sprite, (x, y), sprite)
    items = tuple(
        Item(noun, box, _visible(box, layout[i + 1 :])) for i, (noun, box) in enumerate(zip(nouns, layout, strict=True))
    )
    return Scene(canvas, contents.background, items, contents.person), image


def draw_background(background: Background, rng: np.random.Generator, canvas: int) -> Image.Image:
    """Draw a vertical gradient with a slight tint of its own and faint noise, RGB of side `canvas`."""
    edges = np.array([background.top, background.bottom]) + rng.uniform(-10, 10, size=(2, 3))
    ramp = np.linspace(0, 1, canvas)[:, None, None]  # shape: (canvas, 1, 1)
    gradient = edges[0] * (1 - ramp) + edges[1] * ramp  # shape: (canvas, 1, 3)
    noise = rng.integers(-5, 6, size=(canvas, canvas, 1), dtype=np.int16)
    return Image.fromarray(np.clip(gradient.astype(np.int16) + noise, 0, 255).astype(np.uint8))


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes (x, y, width, height), in [0, 1]."""
    shared = _intersection(a, b)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def _emoji(noun: str, person: Person | None) -> str:
    if noun == PERSON:
        return activities()[person.activity].emoji(person.gender, person.skin_tone)
    return concepts()[noun].emoji


def _turn(sprite: Image.Image, rng: np.random.Generator) -> Image.Image:
    angle = rng.uniform(-MAX_ROTATION, MAX_ROTATION)
    return trim(sprite.rotate(angle, Image.Resampling.BILINEAR, expand=True))


def _layout(
    nouns: list[str], sprites: list[Image.Image], rng: np.random.Generator, canvas: int, single: bool
) -> list[Box] | None:
    boxes: list[Box] = []
    for noun, sprite in zip(nouns, sprites, strict=True):
        low, high = SINGLE_SIZE if single else PERSON_SIZE if noun == PERSON else OBJECT_SIZE
        longest = rng.uniform(low, high) * canvas
        scale = longest / max(sprite.size)
        width, height = (max(1, round(side * scale)) for side in sprite.size)
        for _ in range(ATTEMPTS):
            x, y = (round(_position(rng, single) * (canvas - side)) for side in (width, height))
            box = (x, y, width, height)
            if all(iou(box, other) <= MAX_IOU for other in boxes):
                boxes.append(box)
                break
        else:
            return None
    return boxes


def _position(rng: np.random.Generator, single: bool) -> float:
    return rng.uniform(0.3, 0.7) if single else rng.random()


def _intersection(a: Box, b: Box) -> int:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(0, width) * max(0, height)


def _visible(box: Box, in_front: list[Box]) -> float:
    # Boxes in front rarely overlap each other, so their shares are added up.
    hidden = sum(_intersection(box, other) for other in in_front)
    return max(0.0, 1 - hidden / (box[2] * box[3]))
