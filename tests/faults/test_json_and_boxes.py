"""Lists in JSON, and the boxes in them: the file and the entry are named; what is odd but right is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_root import write_root

from cliplite_core.__main__ import main
from cliplite_core.data.captions import read_coco_captions
from cliplite_core.data.karpathy import read_karpathy
from cliplite_core.data.labelled.boxes import read_instances, read_references
from cliplite_core.data.labelled.inaturalist import read_inaturalist
from cliplite_core.data.labelled.read import read_boxes

Change = Callable[[Any], object]
NAN, INF, DEEP = float("nan"), float("inf"), 100_000
KARPATHY = {"images": [{"filename": f"{s}.jpg", "split": s, "sentences": [{"raw": "a dog"}]} for s in ("train", "val")]}

SPECIES = "species2018.json"
SPECIMENS = {
    "images": [{"id": 1, "file_name": "coco/train2017/0001.jpg"}, {"id": 2, "file_name": "coco/train2017/0002.jpg"}],
    "annotations": [{"image_id": 1, "category_id": 3}, {"image_id": 2, "category_id": 4}],
    "categories": [{"id": 3, "name": "dog"}, {"id": 4, "name": 4}],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("json") / "data"
    folder.mkdir()
    write_root(folder)
    (folder / "karpathy.json").write_text(json.dumps(KARPATHY))
    (folder / SPECIES).write_text(json.dumps(SPECIMENS))
    return folder


@pytest.fixture
def lists(root, monkeypatch):
    """The lists of the small data root; as they were after the test."""
    before = {path: path.read_bytes() for path in root.rglob("*.json")}
    monkeypatch.setenv("CLIPLITE_DATA", str(root))
    yield root
    for path, content in before.items():
        path.write_bytes(content)


INSTANCES, CAPTIONS, REFS = (
    "coco/annotations/instances_train2017.json", "coco/annotations/captions_train2017.json", "refcoco/refs.json",
)  # fmt: skip
READERS: dict[str, Callable[[Path], list]] = {
    INSTANCES: lambda root: read_boxes(root / INSTANCES, root / "coco/train2017", "train"),
    CAPTIONS: lambda root: read_coco_captions(root / CAPTIONS, root / "coco/train2017"),
    REFS: lambda root: read_references(root / REFS, read_instances(root / INSTANCES, root / "coco/train2017"), "val"),
    "karpathy.json": lambda root: read_karpathy(root / "karpathy.json", root, "train"),
    SPECIES: lambda root: read_inaturalist(root / SPECIES)[0],
}


def put(value: Any, *keys: str | int) -> Change:
    """Set one place of the content; a missing last key is an omission."""

    def change(content: Any) -> None:
        *way, last = keys
        for key in way:
            content = content[key]
        content[last] = value

    return change


def drop(*keys: str | int) -> Change:
    def change(content: Any) -> None:
        *way, last = keys
        for key in way:
            content = content[key]
        del content[last]

    return change


def again(key: str, **other: Any) -> Change:
    """One entry twice, the second time changed."""
    return lambda content: content[key].append({**content[key][0], **other})


def box(*values: Any) -> Change:
    return put(list(values), "annotations", 0, "bbox")


# What is changed, in which file, and the words that must be seen beside its name.
NAMED: dict[str, tuple[str, Change, str]] = {
    "a box of NaN": (INSTANCES, box(NAN, 0, 1, 1), r"annotations\[0\]\.bbox\[0\]: found nan, expected a finite number"),
    "an infinite box": (INSTANCES, box(0, 0, INF, 1), r"annotations\[0\]\.bbox\[2\]: found inf"),
    "a box beyond numbers": (INSTANCES, box(10**400, 0, 1, 1), r"annotations\[0\]\.bbox\[0\]"),
    "a box of 1e300": (INSTANCES, box(1e300, 0, 1, 1), r"bbox\[0\]: found 1e\+300"),
    "a box of three": (INSTANCES, box(1, 2, 3), r"bbox: found \[1, 2, 3\], expected 4 of them"),
    "a box of five": (INSTANCES, box(1, 2, 3, 4, 5), r"expected 4 of them"),
    "no box in a box": (INSTANCES, box(), r"bbox: found \[\]"),
    "a box of text": (INSTANCES, box("1", "2", "3", "4"), r"bbox\[0\]: found '1', expected a valid number"),
    "a box that is text": (INSTANCES, put("1 2 3 4", "annotations", 0, "bbox"), "bbox: found '1 2 3 4'"),
    "a box of nulls": (INSTANCES, box(None, None, None, None), r"bbox\[0\]: found None"),
    "a box of lists": (INSTANCES, box([1], [2], [3], [4]), r"bbox\[0\]: found \[1\]"),
    "a box of truths": (INSTANCES, box(True, True, True, True), r"bbox\[0\]: found True"),
    "a box that is an object": (INSTANCES, put({}, "annotations", 0, "bbox"), "bbox: found {}"),
    "a box outside its image": (INSTANCES, box(900, 900, 5, 5), "annotation 17 of 0001.jpg is the box .* outside"),
    "no bbox": (INSTANCES, drop("annotations", 0, "bbox"), r"annotations\[0\]: 'bbox' is missing"),
    "no image_id": (INSTANCES, drop("annotations", 0, "image_id"), "'image_id' is missing"),
    "no category_id": (INSTANCES, drop("annotations", 0, "category_id"), "'category_id' is missing"),
    "no id of an annotation": (INSTANCES, drop("annotations", 0, "id"), "'id' is missing"),
    "no width": (INSTANCES, drop("images", 0, "width"), r"images\[0\]: 'width' is missing"),
    "no height": (INSTANCES, drop("images", 0, "height"), "'height' is missing"),
    "no file_name": (INSTANCES, drop("images", 0, "file_name"), "'file_name' is missing"),
    "no name of a category": (INSTANCES, drop("categories", 0, "name"), r"categories\[0\]: 'name' is missing"),
    "a category of null": (INSTANCES, put(None, "categories", 0, "name"), "name: found None"),
    "an unknown category": (INSTANCES, put(999, "annotations", 0, "category_id"), r"'categories' lacks \[999\]"),
    "a width of zero": (INSTANCES, put(0, "images", 0, "width"), "width: found 0, expected greater than 0"),
    "a negative width": (INSTANCES, put(-3, "images", 0, "width"), "width: found -3"),
    "a width of NaN": (INSTANCES, put(NAN, "images", 0, "width"), "width: found nan"),
    "a width of text": (INSTANCES, put("wide", "images", 0, "width"), "width: found 'wide'"),
    "a file_name that is a number": (INSTANCES, put(7, "images", 0, "file_name"), "file_name: found 7"),
    "an empty file_name": (INSTANCES, put("", "images", 0, "file_name"), "file_name: found '', expected some text"),
    "a null character": (INSTANCES, put("a\0.jpg", "images", 0, "file_name"), "file_name: found .*no null character"),
    "an id that is a list": (INSTANCES, put([1], "images", 0, "id"), r"images\[0\]\.id: found \[1\]"),
    "an id that is a fraction": (INSTANCES, put(1.5, "images", 0, "id"), "id: found 1.5"),
    "two images of one id": (INSTANCES, again("images", file_name="0005.jpg"), "two images have the id 10"),
    "two annotations of one id": (INSTANCES, again("annotations"), "two annotations have the id 17"),
    "two categories of one id": (INSTANCES, again("categories", name="dog"), "two categories have the id 1"),
    "a crowd of text": (INSTANCES, put("yes", "annotations", 0, "iscrowd"), "iscrowd: found 'yes'"),
    "no images": (INSTANCES, drop("images"), "'images' is missing"),
    "images of null": (INSTANCES, put(None, "images"), "images: found None, expected a valid list"),
    "annotations that are an object": (INSTANCES, put({}, "annotations"), "annotations: found {}"),
    "categories of text": (INSTANCES, put(["cat"], "categories"), r"categories\[0\]: found 'cat'"),
    "captions, two images of one id": (CAPTIONS, again("images", file_name="b.jpg"), "id 10, '0001.jpg' and 'b.jpg'"),
    "captions, no caption": (CAPTIONS, drop("annotations", 0, "caption"), r"annotations\[0\]: 'caption' is missing"),
    "captions, a caption of null": (CAPTIONS, put(None, "annotations", 0, "caption"), "caption: found None"),
    "captions, a caption that is a number": (CAPTIONS, put(7, "annotations", 0, "caption"), "caption: found 7"),
    "captions, no file_name": (CAPTIONS, drop("images", 2, "file_name"), r"images\[2\]: 'file_name' is missing"),
    "captions, an id that is an object": (CAPTIONS, put({}, "images", 0, "id"), r"images\[0\]\.id: found {}"),
    "captions, annotations that are a number": (CAPTIONS, put(7, "annotations"), "annotations: found 7"),
    "Karpathy, no split": ("karpathy.json", drop("images", 0, "split"), r"images\[0\]: 'split' is missing"),
    "Karpathy, a split that is a list": ("karpathy.json", put([1], "images", 0, "split"), r"split: found \[1\]"),
    "Karpathy, no filename": ("karpathy.json", drop("images", 1, "filename"), r"images\[1\]: 'filename' is missing"),
    "Karpathy, sentences of text": ("karpathy.json", put(["a"], "images", 0, "sentences"), r"\[0\]: found 'a'"),
    "Karpathy, a sentence of null": (
        "karpathy.json", put([{"raw": None}], "images", 0, "sentences"), r"sentences\[0\]\.raw: found None",
    ),
    "Karpathy, an id that is a list": ("karpathy.json", put([1], "images", 0, "cocoid"), r"cocoid: found \[1\]"),
    "species, no image_id": (SPECIES, drop("annotations", 0, "image_id"), r"annotations\[0\]: 'image_id' is missing"),
    "species, an id that is a list": (SPECIES, put([1], "images", 0, "id"), r"images\[0\]\.id: found \[1\]"),
    "species, no name": (SPECIES, drop("categories", 1, "name"), r"categories\[1\]: 'name' is missing"),
    "species, a name of null": (SPECIES, put(None, "categories", 1, "name"), "name: found None"),
    "species, two images of one id": (SPECIES, again("images", file_name="b.jpg"), "two images have the id 1"),
    "species, two of one id": (SPECIES, again("categories", name="cat"), "two categories have the id 3"),
    "species, no labels": (SPECIES, drop("annotations"), "found no annotations; test lists have no labels"),
    "species, images of text": (SPECIES, put(["a"], "images"), r"images\[0\]: found 'a'"),
    "references, no sentence": (REFS, drop(0, "sentences", 0, "sent"), r"\[0\]\.sentences\[0\]: 'sent' is missing"),
    "references, sentences of null": (REFS, put(None, 0, "sentences"), "sentences: found None"),
    "references, an id that is a list": (REFS, put([1], 0, "image_id"), r"image_id: found \[1\]"),
    "references, an annotation nobody has": (REFS, put(5, 0, "ann_id"), "1 of 1 references have no annotation"),
    "references, no split": (REFS, drop(0, "split"), r"lacks \['split'\]"),
}  # fmt: skip
RAW: dict[str, tuple[bytes, str]] = {
    "null": (b"null", "found None|found a NoneType"),
    "a number": (b"7", "found 7|found a int"),
    "a text": (b'"x"', "found 'x'|found a str"),
    "an empty file": (b"", "not complete JSON"),
    "half a file": (b'{"images": [', "not complete JSON"),
    "a number of 5,000 digits": (b"9" * 5000, "not complete JSON .*digits"),
    "deep lists": (b"[" * DEEP + b"]" * DEEP, "nested too deep"),
    "deep objects": (b'{"images":' * DEEP + b"1" + b"}" * DEEP, "nested too deep"),
    "UTF-16": ('{"images": []}'.encode("utf-16"), "not complete JSON"),
    "zeros": (bytes(4096), "not complete JSON"),
}


def refused(lists: Path, name: str, words: str) -> None:
    with pytest.raises(ValueError, match=rf"{Path(name).name}: .*({words})") as error:
        READERS[name](lists)
    assert "\n" not in str(error.value) and len(str(error.value)) < 1000


@pytest.mark.parametrize(("name", "change", "words"), NAMED.values(), ids=NAMED.keys())
def test_a_broken_entry_is_named_with_its_file(lists, name, change, words):
    content = json.loads((lists / name).read_text())
    change(content)
    (lists / name).write_text(json.dumps(content))
    refused(lists, name, words)


@pytest.mark.parametrize(("content", "words"), RAW.values(), ids=RAW.keys())
@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_no_such_list_is_named(lists, name, content, words):
    (lists / name).write_bytes(content)
    refused(lists, name, words)


@pytest.mark.parametrize("name", READERS)
def test_a_byte_order_mark_is_no_fault(lists, name):
    (lists / name).write_bytes(b"\xef\xbb\xbf" + (lists / name).read_bytes())
    assert READERS[name](lists)


READ: dict[str, tuple[str, Change, int]] = {
    "a box without area": (INSTANCES, box(4, 8, 0, 20), 4),
    "ids of text": (INSTANCES, lambda c: [i.update(id=str(i["id"])) for i in c["images"]]
                    + [a.update(image_id=str(a["image_id"])) for a in c["annotations"]], 4),
    "a width of 96.0": (INSTANCES, put(96.0, "images", 0, "width"), 4),
    "one entry given twice": (CAPTIONS, again("images"), 4),
    "an annotation of an image that is not listed": (CAPTIONS, put(999, "annotations", 0, "image_id"), 4),
    "an image without a caption": (CAPTIONS, lambda c: c.update(annotations=c["annotations"][5:]), 3),
}  # fmt: skip


@pytest.mark.parametrize(("name", "change", "count"), READ.values(), ids=READ.keys())
@pytest.mark.filterwarnings("ignore:.*boxes without area")
def test_what_is_odd_but_right_is_read(lists, name, change, count):
    content = json.loads((lists / name).read_text())
    change(content)
    (lists / name).write_text(json.dumps(content))
    assert len(READERS[name](lists)) == count


@pytest.mark.parametrize("case", ["a box of NaN", "no width", "captions, two images of one id", "captions, no caption"])
def test_check_lists_a_broken_list_once_and_invents_nothing(lists, case, capsys):
    name, change, _ = NAMED[case]
    content = json.loads((lists / name).read_text())
    change(content)
    (lists / name).write_text(json.dumps(content))
    assert main(["data", "check", str(lists.parent / "small.toml"), "--workers", "0"]) == 1
    said = capsys.readouterr().out
    assert name in said and "list that cannot be read" in said and "in two splits" not in said


def test_status_counts_the_images_that_a_list_of_boxes_has(lists, capsys):
    content = json.loads((lists / INSTANCES).read_text())
    content["images"], content["annotations"] = content["images"][:1], content["annotations"][:1]
    (lists / INSTANCES).write_text(json.dumps(content))
    main(["data", "status", str(lists.parent / "small.toml"), "box_dev_split=train"])
    row = next(line for line in capsys.readouterr().out.splitlines() if "boxes train" in line)
    assert " 1 " in row and " 4 " not in row
