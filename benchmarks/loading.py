"""Photos per second that become training tensors at 224 px on one core: python benchmarks/loading.py [FOLDER …]

Each FOLDER holds JPEGs; without one, photos of 640 x 480 are drawn. Compared on the same files: this project's loader,
the same where it always decodes the whole photo, torchvision's own transforms, and open_clip's where it is
installed (extra `benchmark`; it does not jitter colours, so a second comparison leaves that out).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timing import Options, Row, compare
from torchvision.transforms import v2

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.images import read_image
from cliplite_core.data.pairs import CaptionPairs
from cliplite_core.data.transforms import IMAGENET_MEAN, IMAGENET_STD
from cliplite_core.profiles import load_profile

SIDE = 224


class WholePhotos(CaptionPairs):
    """Decodes all of a photo before it cuts."""

    def _cut(self, path: Path, mirrored: bool) -> torch.Tensor:
        image = read_image(path)
        return self.transform.draw(*image.shape[1:]).of(image, image.shape[1:])


def draw_photos(folder: Path, count: int) -> list[Path]:
    """Smooth shapes under grain: JPEGs of 640 x 480 and some 150 kB, as COCO's are."""
    rng, paths = np.random.default_rng(0), []
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((640, 480))
        noisy = np.asarray(coarse) + rng.normal(0, 12, (480, 640, 3))
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=92)
    return paths


def pipelines(paths: Sequence[Path], jitter: float) -> dict[str, Callable[[], None]]:
    """What is compared, the one that the others are compared with last."""
    config = load_profile("coco", image_size=SIDE, color_jitter=jitter, flip=False, cache_images=False)
    items = [CaptionedImage(path, ("a caption",), number) for number, path in enumerate(paths)]
    pairs, whole = (kind(items, config.data, seed=0) for kind in (CaptionPairs, WholePhotos))
    crop, last = v2.RandomResizedCrop(SIDE, scale=(0.2, 1.0)), [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    colors = [v2.RandomApply([v2.ColorJitter(jitter, jitter, jitter, jitter / 4)], p=0.8)] if jitter else []
    theirs = v2.Compose([crop, *colors, *last, v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)])

    def opened(path: Path) -> Image.Image:
        with Image.open(path) as image:
            return image.convert("RGB")

    works = {
        "cliplite": lambda: [pairs[0, row] for row in range(len(paths))] and None,
        "cliplite, whole photos": lambda: [whole[0, row] for row in range(len(paths))] and None,
    }
    if not jitter and find_spec("open_clip"):
        from open_clip import image_transform

        open_clip = image_transform(SIDE, is_train=True)
        works["open_clip"] = lambda: [open_clip(opened(path)) for path in paths] and None
    works["torchvision"] = lambda: [theirs(opened(path)) for path in paths] and None
    return works


def measure(options: Options) -> list[Row]:
    rows, turns = [], 2 if options.quick else 7
    with tempfile.TemporaryDirectory() as drawn:
        sets = {folder.name: sorted(folder.rglob("*.jpg")) for folder in options.photos}
        sets = sets or {"drawn photos": draw_photos(Path(drawn), 4 if options.quick else 64)}
        for name, paths in sets.items():
            kilobytes = sum(path.stat().st_size for path in paths) / len(paths) / 1e3
            for jitter, what in ((0.4, "colour jitter"), (0.0, "no jitter")):
                part = f"loading {name}, {kilobytes:.0f} kB each, {SIDE} px, {what}"
                rows += compare(part, pipelines(paths, jitter), turns, "photos/s", len(paths))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    for row in measure(Options(photos=parser.parse_args().folders)):
        ratio = f"{row.times_as_fast[1]:.2f} x {row.reference}" if row.times_as_fast else ""
        print(f"{row.value[1]:8.1f} {row.unit}  {row.what:32s} {ratio:24s} {row.part}")


if __name__ == "__main__":
    main()
