"""Boxes: COCO instances and RefCOCO references, read into plain records.

A box marks where an annotator drew an object: it is no outline, and objects without a box may be there.

Boxes are `(x1, y1, x2, y2)` in pixels, x to the right, y down; the pixel in row i and column j covers the
square from (j, i) to (j + 1, i + 1).
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from pycocotools.coco import COCO
from torch import Tensor
from torchvision.ops import box_convert, clip_boxes_to_image

from cliplite_core.data.captions import read_json
from cliplite_core.data.inside import ImageFolder
from cliplite_core.data.labelled.refcoco import read_plain_pickle
from cliplite_core.data.schema import COCO_INSTANCES, REFERENCES, expect_one_each, fitting


@dataclass(frozen=True, eq=False)  # eq would compare tensors, which has no single truth value
class BoxedImage:
    """An image and the K annotated objects in it."""

    path: Path
    image_id: int
    width: int
    height: int
    boxes: Tensor  # (K, 4) float32
    annotation_ids: tuple[int, ...]
    category_names: tuple[str, ...]

    def boxes_of(self, category: str) -> Tensor:
        """Return the boxes of a category name, shape (n, 4), n = 0 where the image has none."""
        return self.boxes[[name == category for name in self.category_names]]


@dataclass(frozen=True, eq=False)
class Reference:
    """Expressions that single out one box of an image; the image's other boxes are the distractors."""

    ref_id: int
    image: BoxedImage
    target: int  # row of image.boxes
    expressions: tuple[str, ...]
    split: str


def read_instances(annotation_file: str | Path, image_root: str | Path, keep_crowds: bool = False) -> list[BoxedImage]:
    """Read a COCO instances file.

    Args:
        annotation_file: JSON with `images`, `annotations` and `categories`.
        image_root: Folder that `file_name` is relative to.
        keep_crowds: Keep `iscrowd` annotations, whose box surrounds a group and not an object.

    Returns:
        One record per image, ordered by image id; images without objects have boxes of shape (0, 4).

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: No JSON, no images, a key is missing, a value is of another type or no number, an id stands twice,
            an annotation names an unknown category, or a `file_name` leads out of the folder; the message names the
            entry.
    """
    content = read_json(Path(annotation_file), "a COCO instances JSON file")
    content = fitting(content, COCO_INSTANCES, annotation_file, "COCO instances file")
    expect_one_each(content["images"], annotation_file, "images", value="file_name")
    expect_one_each(content["annotations"], annotation_file, "annotations")
    expect_one_each(content["categories"], annotation_file, "categories", value="name")
    coco = COCO()
    coco.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports its progress with print
        coco.createIndex()
    if not coco.imgs:
        raise ValueError(f"{annotation_file}: found no images, expected COCO instances with 'images'")

    images, folder = [], ImageFolder(Path(image_root), Path(annotation_file))
    for image_id, image in sorted(coco.imgs.items(), key=lambda pair: (isinstance(pair[0], str), pair[0])):
        annotations = [a for a in coco.imgToAnns[image_id] if keep_crowds or not a.get("iscrowd", 0)]
        unknown = {a["category_id"] for a in annotations} - set(coco.cats)
        if unknown:
            raise ValueError(f"{annotation_file}: 'categories' lacks {sorted(unknown)} of image {image_id}")
        xywh = torch.tensor([a["bbox"] for a in annotations], dtype=torch.float32).reshape(-1, 4)
        record = BoxedImage(
            path=folder.path(image["file_name"], f"image {image_id}"),
            image_id=image_id,
            width=image["width"],
            height=image["height"],
            boxes=box_convert(xywh, "xywh", "xyxy"),
            annotation_ids=tuple(a["id"] for a in annotations),
            category_names=tuple(coco.cats[a["category_id"]]["name"] for a in annotations),
        )
        images.append(record)
    return images


def clean_boxes(images: Sequence[BoxedImage], source: str | Path) -> list[BoxedImage]:
    """Cut boxes to their images and leave out those without area, as torchvision's COCO reference does.

    Annotators draw over the edge by a pixel, and COCO has a few boxes that are lines: such are counted and left out
    (https://github.com/pytorch/vision/blob/main/references/detection/coco_utils.py). A box that lies wholly outside is
    no slip of the hand, but sizes or coordinates of something else.

    Args:
        images: Records as read.
        source: Their file, for messages.

    Returns:
        The records, in order, boxes within the image; a record whose boxes are all fine is the one passed in.

    Raises:
        ValueError: A box with area lies wholly outside its image; the message names the annotation.
    """
    cleaned, dropped = [], 0
    for image in images:
        has_area = (image.boxes[:, 2:] > image.boxes[:, :2]).all(1)  # shape: (K,)
        cut = clip_boxes_to_image(image.boxes, (image.height, image.width))
        if (outside := has_area & ~(cut[:, 2:] > cut[:, :2]).all(1)).any():
            row = int(outside.nonzero()[0])
            raise ValueError(
                f"{source}: annotation {image.annotation_ids[row]} of {image.path.name} is the box "
                f"{image.boxes[row].tolist()}, outside the image of {image.width} x {image.height}; expected "
                "(x1, y1, x2, y2) in pixels of that image"
            )
        if not has_area.all() or not torch.equal(cut, image.boxes):
            kept = has_area.nonzero()[:, 0].tolist()
            dropped += len(cut) - len(kept)
            image = replace(
                image,
                boxes=cut[kept],
                annotation_ids=tuple(image.annotation_ids[row] for row in kept),
                category_names=tuple(image.category_names[row] for row in kept),
            )
        cleaned.append(image)
    if dropped:
        warnings.warn(f"{source}: {dropped} boxes without area are left out", stacklevel=2)
    return cleaned


def read_references(refs_file: str | Path, images: Sequence[BoxedImage], split: str | None = None) -> list[Reference]:
    """Read referring expressions in RefCOCO's layout and join them to their boxes.

    Args:
        refs_file: List of `{ref_id, ann_id, image_id, split, sentences: [{sent, ...}], ...}`: RefCOCO's own pickle
            (`refs(unc).p`, read by `read_plain_pickle`, which runs no code), or JSON of the same content.
        images: Records of `read_instances`, from the references' own instances file.
        split: Keep only this split ("val", "testA", "testB", ...); None keeps all.

    Returns:
        References in file order.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: Not such a list, a field is missing, the split is empty, or a reference has no annotation.
    """
    pickled = Path(refs_file).suffix in (".p", ".pkl", ".pickle")
    refs = read_plain_pickle(refs_file) if pickled else read_json(Path(refs_file), "RefCOCO references as JSON")
    if not isinstance(refs, list) or not all(isinstance(ref, dict) for ref in refs):
        raise ValueError(f"{refs_file}: found a {type(refs).__name__}, expected a list of references")
    for ref in refs:
        if lacking := {"ref_id", "ann_id", "image_id", "split", "sentences"} - set(ref):
            raise ValueError(f"{refs_file}: a reference lacks {sorted(lacking)}, found {ref}")
    refs = fitting(refs, REFERENCES, refs_file, "list of references")
    splits = sorted({ref["split"] for ref in refs})
    refs = [ref for ref in refs if split in (None, ref["split"])]
    if not refs:
        raise ValueError(f"{refs_file}: found no references of split {split!r}, its splits are {splits}")

    rows = {
        (image.image_id, annotation): (image, row)
        for image in images for row, annotation in enumerate(image.annotation_ids)
    }  # fmt: skip
    missing = [ref["ref_id"] for ref in refs if (ref["image_id"], ref["ann_id"]) not in rows]
    if missing:
        raise ValueError(
            f"{refs_file}: {len(missing)} of {len(refs)} references have no annotation in the given images "
            f"(ref_ids {missing[:5]}); read their own instances file, keep_crowds=True if they name groups"
        )
    references = []
    for ref in refs:
        image, target = rows[ref["image_id"], ref["ann_id"]]
        expressions = tuple(sentence["sent"] for sentence in ref["sentences"])
        references.append(Reference(ref["ref_id"], image, target, expressions, ref["split"]))
    return references


def box_masks(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Rasterise boxes: a pixel belongs to a box when its centre does.

    Args:
        boxes: (K, 4) float boxes.
        size: (height, width) in pixels.

    Returns:
        (K, H, W) bool masks.

    Example:
        >>> box_masks(torch.tensor([[1.0, 0.0, 3.0, 1.0]]), (2, 4)).int()
        tensor([[[0, 1, 1, 0],
                 [0, 0, 0, 0]]], dtype=torch.int32)
    """
    rows = torch.arange(size[0], device=boxes.device) + 0.5
    columns = torch.arange(size[1], device=boxes.device) + 0.5
    x1, y1, x2, y2 = boxes[:, :, None].unbind(1)  # each of shape: (K, 1)
    in_rows = (y1 <= rows) & (rows < y2)  # shape: (K, H)
    in_columns = (x1 <= columns) & (columns < x2)  # shape: (K, W)
    return in_rows[:, :, None] & in_columns[:, None, :]
