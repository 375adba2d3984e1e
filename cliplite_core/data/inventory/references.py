"""Follow what lists refer to: boxes to their images, annotations to listed images, one split to the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cliplite_core.config import Config
from cliplite_core.data.apart import trained_on
from cliplite_core.data.captions import read_json
from cliplite_core.data.inventory.needs import Contents, Need
from cliplite_core.storage.places import data_root

BOX_TOLERANCE = 2.0  # pixels that an annotator's box may stick out of its image; readers cut it


@dataclass(frozen=True)
class Finding:
    """One broken thing.

    Attributes:
        problem: its kind, in words that many findings share.
        file: where, below the data root.
        detail: what exactly.
    """

    problem: str
    file: str
    detail: str = ""


def follow(config: Config, found: Sequence[tuple[Need, Contents]]) -> Iterator[Finding]:
    """Yield the references that lead nowhere, and what two lists contradict each other in.

    Args:
        config: the profile, which says what is trained on.
        found: its needs with what their lists name.
    """
    for need, contents in found:
        yield from _boxes_outside(need, contents)
    for name in dict.fromkeys(name for need, _ in found for name in need.lists if name.endswith(".json")):
        yield from _unlisted(name)
    yield from _shared_images(config, [pair for pair in found if pair[0].kind == "captions"])
    yield from _other_classes([pair for pair in found if "03" in pair[0].notebooks and pair[1].classes])


def _boxes_outside(need: Need, contents: Contents) -> Iterator[Finding]:
    for image in contents.boxed:
        for (x1, y1, x2, y2), number in zip(image.boxes.tolist(), image.annotation_ids, strict=True):
            has_area = x1 < x2 and y1 < y2  # COCO has a few without, which readers leave out
            if has_area and min(x1, y1, image.width - x2, image.height - y2) < -BOX_TOLERANCE:
                box = f"({x1:g}, {y1:g}) to ({x2:g}, {y2:g}), the image is {image.width} x {image.height}"
                yield Finding("box outside its image", need.key, f"{image.path.name}, annotation {number}: {box}")


def _unlisted(name: str) -> Iterator[Finding]:
    """Annotations of images that their own file does not list, in COCO's layout. Readers pass over them."""
    try:
        content = read_json(data_root() / name, "a COCO JSON file")
        listed = {image["id"] for image in content["images"]}
        lost = [entry["id"] for entry in content["annotations"] if entry["image_id"] not in listed]
    except (OSError, ValueError, KeyError, TypeError):
        return  # not there, broken, or of another layout: its reader has said so
    if lost:
        detail = f"{len(lost):,} of {len(content['annotations']):,}, such as annotation {lost[0]}"
        yield Finding("annotation of an image that is not listed", name, detail)


def _shared_images(config: Config, captioned: Sequence[tuple[Need, Contents]]) -> Iterator[Finding]:
    """What is trained on must not be tuned or reported on."""
    train = config.data.train_split
    for field in trained_on(config.data):
        yield Finding("held-out split that is trained on", f"{field} = {train}", "expected another split")
    images = {need.split: set(contents.images) for need, contents in captioned}
    for split, held_out in images.items():
        if split != train and (shared := images.get(train, set()) & held_out):
            detail = f"{len(shared):,} images are in {train} too, such as {min(shared).name}"
            yield Finding("images in two splits", f"split {split}", detail)


def _other_classes(labelled: Sequence[tuple[Need, Contents]]) -> Iterator[Finding]:
    for need, contents in labelled[1:]:
        if odd := set(contents.classes) ^ set(labelled[0][1].classes):
            detail = f"{len(odd):,} classes are not in both this and {labelled[0][0].key}, such as {min(odd)}"
            yield Finding("other classes", need.key, detail)
