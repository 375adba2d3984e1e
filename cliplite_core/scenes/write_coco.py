"""Write the truth about scenes in public formats: COCO captions, COCO instances, RefCOCO references."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cliplite_core.scenes.artwork import ATTRIBUTION
from cliplite_core.scenes.compose import Scene
from cliplite_core.scenes.vocabulary import PERSON, concepts

INFO = {
    "description": "cliplite scenes: pictures composed of emoji, with the truth about each",
    "version": "1.0",
    "contributor": ATTRIBUTION,
}
LICENSES = [
    {"id": 1, "name": "Twemoji, CC-BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"},
    {"id": 2, "name": "OpenMoji, CC BY-SA 4.0", "url": "https://creativecommons.org/licenses/by-sa/4.0/"},
]
ID_STEP = 10  # between the caption (and annotation) ids of neighbouring images, which have at most five


@dataclass(frozen=True)
class Record:
    """One scene as it is exported: id, truth, caption by grammar, expressions by item."""

    id: int
    scene: Scene
    captions: dict[str, str]
    expressions: list[list[str]]

    @property
    def file_name(self) -> str:
        """Name of the picture inside the folder of its split."""
        return f"{self.id:06d}.jpg"


def category_ids() -> dict[str, int]:
    """COCO category id by name: the concepts in the order of their table from 1, then "person"."""
    return {name: number for number, name in enumerate([*concepts(), PERSON], start=1)}


def write_annotations(root: Path, split: str, records: Sequence[Record]) -> None:
    """Write what is known about one split.

    Args:
        root: Folder of the data set; gets `annotations/captions_{split}.json` and `instances_{split}.json` in
            COCO's format and `refs/refs_{split}.json` in RefCOCO's.
        split: Name of the split.
        records: Its scenes; the truth about background and person goes into extra keys of COCO's `images`.
    """
    images = [_image(record) for record in records]
    header = {"info": INFO, "licenses": LICENSES, "images": images}
    annotations = root / "annotations"
    write_json(annotations / f"captions_{split}.json", {**header, "annotations": _captions(records)})
    instances = {**header, "annotations": _instances(records), "categories": _categories()}
    write_json(annotations / f"instances_{split}.json", instances)
    write_json(root / "refs" / f"refs_{split}.json", _references(split, records))


def write_json(path: Path, content: dict | list) -> None:
    """Write compact JSON with sorted keys, so that equal content is equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, sort_keys=True, separators=(",", ":")) + "\n", encoding="utf-8")


def _image(record: Record) -> dict:
    person = record.scene.person
    return {
        "id": record.id,
        "file_name": record.file_name,
        "width": record.scene.canvas,
        "height": record.scene.canvas,
        "license": 1,
        "background": record.scene.background,
        "gender": person and person.gender,
        "activity": person and person.activity,
        "skin_tone": person and person.skin_tone,
    }


def _captions(records: Sequence[Record]) -> list[dict]:
    return [
        {"id": _id(record, i), "image_id": record.id, "caption": caption, "grammar": grammar}
        for record in records
        for i, (grammar, caption) in enumerate(record.captions.items())
    ]


def _instances(records: Sequence[Record]) -> list[dict]:
    ids = category_ids()
    return [
        {
            "id": _id(record, i),
            "image_id": record.id,
            "category_id": ids[item.noun],
            "bbox": list(item.box),
            "area": item.area,
            "iscrowd": 0,
        }
        for record in records
        for i, item in enumerate(record.scene.items)
    ]


def _categories() -> list[dict]:
    groups = {name: concept.category for name, concept in concepts().items()} | {PERSON: PERSON}
    ids = category_ids()
    return [{"id": ids[name], "name": name, "supercategory": group} for name, group in groups.items()]


def _references(split: str, records: Sequence[Record]) -> list[dict]:
    ids = category_ids()
    references = []
    for record in records:
        for i, expressions in enumerate(record.expressions):
            if not expressions:
                continue
            sentences = [
                {"sent_id": 10 * _id(record, i) + n, "raw": text, "sent": text, "tokens": text.split()}
                for n, text in enumerate(expressions)
            ]
            references.append(
                {
                    "ref_id": _id(record, i),
                    "ann_id": _id(record, i),
                    "image_id": record.id,
                    "category_id": ids[record.scene.items[i].noun],
                    "split": split,
                    "sentences": sentences,
                }
            )
    return references


def _id(record: Record, index: int) -> int:
    return ID_STEP * record.id + index
