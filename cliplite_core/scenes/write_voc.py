"""Write scenes as a VOCdevkit: the multi-label view of the Pascal VOC 2007 protocol."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from cliplite_core.scenes.compose import Item
from cliplite_core.scenes.write_coco import Record, category_ids

VISIBLE = 0.7  # an object with less of its box unoccluded is "difficult"
LARGE = 0.25  # of the canvas: an object whose longest side is shorter is "difficult"


def write_voc(root: Path, image_sets: Mapping[str, tuple[str, Sequence[Record]]]) -> None:
    """Write `VOCdevkit/VOC2007` beside pictures that are already there.

    Args:
        root: Folder of the data set, holding the pictures as `{split}/{id:06d}.jpg`.
        image_sets: For each image set ("trainval", "test") the split with its pictures, and the records.
            The class lists `{class}_{image_set}.txt` say 1 = present, -1 = absent, 0 = only difficult ones.
    """
    voc = root / "VOCdevkit" / "VOC2007"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (voc / folder).mkdir(parents=True)
    for name, (split, records) in image_sets.items():
        for record in records:
            _link(root / split / record.file_name, voc / "JPEGImages" / record.file_name)
            _annotation(record).write(voc / "Annotations" / f"{record.id:06d}.xml", encoding="utf-8")
        main = voc / "ImageSets" / "Main"
        _write_lines(main / f"{name}.txt", [f"{record.id:06d}" for record in records])
        for label in category_ids():
            lines = [f"{record.id:06d} {presence(record, label):2d}" for record in records]
            _write_lines(main / f"{label}_{name}.txt", lines)


def presence(record: Record, label: str) -> int:
    """VOC's image-level label of a class: 1 present, 0 only difficult objects, -1 absent."""
    found = [is_difficult(item, record.scene.canvas) for item in record.scene.items if item.noun == label]
    return -1 if not found else 0 if all(found) else 1


def is_difficult(item: Item, canvas: int) -> bool:
    """Whether an object is small or partly hidden, so that the protocol leaves it out."""
    return item.visible < VISIBLE or max(item.box[2:]) < LARGE * canvas


def _annotation(record: Record) -> ElementTree.ElementTree:
    root = ElementTree.Element("annotation")
    _add(root, folder="VOC2007", filename=record.file_name)
    side = record.scene.canvas
    _add(ElementTree.SubElement(root, "size"), width=side, height=side, depth=3)
    _add(root, segmented=0)
    for item in record.scene.items:
        node = ElementTree.SubElement(root, "object")
        difficult = int(is_difficult(item, side))
        _add(node, name=item.noun, pose="Unspecified", truncated=0, difficult=difficult)
        x, y, width, height = item.box
        # VOC counts pixels from 1 and includes both ends.
        _add(ElementTree.SubElement(node, "bndbox"), xmin=x + 1, ymin=y + 1, xmax=x + width, ymax=y + height)
    ElementTree.indent(root)
    return ElementTree.ElementTree(root)


def _add(parent: ElementTree.Element, **children: str | int) -> None:
    for tag, text in children.items():
        ElementTree.SubElement(parent, tag).text = str(text)


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
