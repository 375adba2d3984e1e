"""The JSON layouts of COCO, Karpathy and RefCOCO as types: a file is held against one, the first misfit is named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from reprlib import repr as short
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, FailFast, Field, StrictInt, StrictStr, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # the one that pydantic asks for before Python 3.12


def _no_null(name: str) -> str:
    if "\0" in name:
        raise ValueError("a file name, which no null character is part of")
    return name


Id = StrictInt | StrictStr
FileName = Annotated[StrictStr, Field(min_length=1, max_length=4096), AfterValidator(_no_null)]
Word = Annotated[StrictStr, Field(min_length=1)]
Side = Annotated[int, Field(gt=0, le=1_000_000)]  # pixels; 640.0 will do
Pixel = Annotated[float, Field(strict=True, ge=-1e6, le=1e6, allow_inf_nan=False)]


class _Named(TypedDict):
    id: Id
    file_name: FileName


class _Sized(_Named):
    width: Side
    height: Side


class _Caption(TypedDict):
    image_id: Id
    caption: StrictStr


class _Box(TypedDict):
    id: Id
    image_id: Id
    category_id: Id
    bbox: Annotated[list[Pixel], Field(min_length=4, max_length=4)]
    iscrowd: NotRequired[Annotated[int, Field(ge=0, le=1)]]


class _Category(TypedDict):
    id: Id
    name: Word


class _Species(TypedDict):
    id: Id
    name: StrictInt | Word


class _Sentence(TypedDict):
    raw: StrictStr


class _Split(TypedDict):
    split: Word
    filename: FileName
    sentences: Annotated[list[_Sentence], FailFast()]
    filepath: NotRequired[StrictStr]
    cocoid: NotRequired[Id]


class _Expression(TypedDict):
    sent: StrictStr


class _Reference(TypedDict):
    ref_id: Id
    ann_id: Id
    image_id: Id
    split: Word
    sentences: Annotated[list[_Expression], FailFast()]


class _Labelled(TypedDict):
    image_id: Id
    category_id: Id


class _Captions(TypedDict):
    images: Annotated[list[_Named], FailFast()]
    annotations: Annotated[list[_Caption], FailFast()]


class _Instances(TypedDict):
    images: Annotated[list[_Sized], FailFast()]
    annotations: Annotated[list[_Box], FailFast()]
    categories: Annotated[list[_Category], FailFast()]


class _Classes(TypedDict):
    images: Annotated[list[_Named], FailFast()]
    annotations: Annotated[list[_Labelled], FailFast()]
    categories: Annotated[list[_Species], FailFast()]


class _Karpathy(TypedDict):
    images: Annotated[list[_Split], FailFast()]


COCO_CAPTIONS = TypeAdapter(_Captions)
COCO_INSTANCES = TypeAdapter(_Instances)
INATURALIST = TypeAdapter(_Classes)
KARPATHY = TypeAdapter(_Karpathy)
SPECIES = TypeAdapter(Annotated[list[_Species], FailFast()])
REFERENCES = TypeAdapter(Annotated[list[_Reference], FailFast()])


def fitting(content: Any, layout: TypeAdapter, path: str | Path, what: str) -> Any:
    """Return the content of a JSON file as a layout has it, other keys left out.

    Args:
        content: what was read.
        layout: one of those above.
        path: the file, for messages.
        what: what it should be, e.g. "COCO captions file".

    Raises:
        ValueError: a key is missing, or a value of another type or out of range; one line names the entry.

    Example:
        >>> fitting({"images": [], "annotations": [{"image_id": 1}]}, COCO_CAPTIONS, "a.json", "COCO captions file")
        Traceback (most recent call last):
        ValueError: a.json: no COCO captions file: annotations[0]: 'caption' is missing
    """
    try:
        return layout.validate_python(content)
    except ValidationError as error:
        raise ValueError(f"{path}: no {what}: {_explained(error, content)}") from None


def expect_one_each(
    entries: Iterable[Mapping[str, Any]], path: str | Path, what: str, value: str | None = None
) -> None:
    """Check that no two entries share an id.

    Args:
        entries: with the key "id".
        path, what: the file and the kind of entry, for messages.
        value: entries that share an id are alike, and no error, where they share this key, too. None = never.

    Raises:
        ValueError: two entries have one id; the message names it.
    """
    seen: dict[Any, Any] = {}
    for entry in entries:
        number, mine = entry["id"], entry[value] if value else None
        if number in seen and (value is None or seen[number] != mine):
            both = f", {seen[number]!r} and {mine!r}" if value else ""
            raise ValueError(f"{path}: two {what} have the id {number!r}{both}; expected an id for each")
        seen[number] = mine


def _explained(error: ValidationError, content: Any) -> str:
    first = error.errors(include_url=False)[0]
    where, place = "", content
    for part in first["loc"]:  # ends where the content does: pydantic also names branches of a union, and missing keys
        if isinstance(part, int) and isinstance(place, list | tuple) and part < len(place):
            where, place = f"{where}[{part}]", place[part]
        elif isinstance(place, Mapping) and part in place:
            where, place = f"{where}.{part}".lstrip("."), place[part]
    where = f"{where}: " if where else ""
    if first["type"] == "missing":
        return f"{where}{first['loc'][-1]!r} is missing"
    if first["type"] in ("too_short", "too_long"):
        expected = f"{first['ctx'].get('min_length') or first['ctx']['max_length']} of them"
    else:
        expected = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        expected = "some text" if first["type"] == "string_too_short" else expected
    return f"{where}found {short(place)}, expected {expected}"
