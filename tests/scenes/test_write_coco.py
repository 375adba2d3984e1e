from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pycocotools.coco import COCO
from torchvision.datasets import ImageFolder, VOCDetection

from cliplite_core.scenes.compose import Item, Scene
from cliplite_core.scenes.contents import Person
from cliplite_core.scenes.generate import SPLITS, generate
from cliplite_core.scenes.vocabulary import concepts
from cliplite_core.scenes.write_coco import Record, category_ids, write_annotations, write_json
from cliplite_core.scenes.write_voc import presence, write_voc

SIZES = {
    "train": 40,
    "val": 6,
    "test": 20,
    "novel": 5,
    "people": 24,
    "voc_trainval": 30,
    "single_train": 2,
    "single_val": 1,
    "shift": 1,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("data") / "scenes", **SIZES)


@pytest.fixture
def record() -> Record:
    """A dog half hidden, a small dog, a cat and a person."""
    items = (
        Item("dog", (0, 10, 40, 30), visible=0.5),
        Item("dog", (50, 50, 20, 16)),
        Item("cat", (60, 0, 30, 30)),
        Item("person", (10, 50, 36, 40)),
    )
    scene = Scene(96, "snow", items, Person("woman", "cooking", "dark"))
    expressions = [[], [], ["the cat", "the animal on the right"], []]
    return Record(7, scene, {"order": "a b", "count": "c"}, expressions)


def read(path: Path) -> dict | list:
    return json.loads(path.read_text(encoding="utf-8"))


def test_coco_files_hold_exactly_what_the_scene_holds(record, tmp_path):
    write_annotations(tmp_path, "val", [record])
    captions = read(tmp_path / "annotations" / "captions_val.json")
    assert [(a["image_id"], a["caption"]) for a in captions["annotations"]] == [(7, "a b"), (7, "c")]
    instances = read(tmp_path / "annotations" / "instances_val.json")
    (image,) = instances["images"]
    truth = {"background": "snow", "gender": "woman", "activity": "cooking", "skin_tone": "dark"}
    assert image == {"id": 7, "file_name": "000007.jpg", "width": 96, "height": 96, "license": 1} | truth
    first = instances["annotations"][0]
    assert first == {
        "id": 70,
        "image_id": 7,
        "category_id": category_ids()["dog"],
        "bbox": [0, 10, 40, 30],
        "area": 1200,
        "iscrowd": 0,
    }
    assert [c["name"] for c in instances["categories"]] == [*concepts(), "person"]
    assert instances["categories"][0] == {"id": 1, "name": "dog", "supercategory": "animal"}
    assert "Twemoji" in instances["info"]["contributor"]


def test_references_point_at_their_annotation(record, tmp_path):
    write_annotations(tmp_path, "val", [record])
    (reference,) = read(tmp_path / "refs" / "refs_val.json")
    assert reference["ann_id"] == 72
    assert reference["category_id"] == category_ids()["cat"]
    assert reference["split"] == "val"
    assert reference["sentences"][1] == {
        "sent_id": 721,
        "raw": "the animal on the right",
        "sent": "the animal on the right",
        "tokens": ["the", "animal", "on", "the", "right"],
    }


def test_json_is_the_same_bytes_whatever_the_order_of_keys(tmp_path):
    write_json(tmp_path / "a.json", {"x": 1, "y": [1, 2]})
    write_json(tmp_path / "b.json", {"y": [1, 2], "x": 1})
    assert (tmp_path / "a.json").read_bytes() == b'{"x":1,"y":[1,2]}\n' == (tmp_path / "b.json").read_bytes()


def test_pycocotools_reads_every_split(root):
    seen_images, seen_annotations = set(), set()
    for split in SPLITS:
        instances = COCO(str(root / "annotations" / f"instances_{split}.json"))
        captions = COCO(str(root / "annotations" / f"captions_{split}.json"))
        assert len(instances.imgs) == SIZES[split] == len(list((root / split).iterdir()))
        assert all((root / split / image["file_name"]).is_file() for image in instances.imgs.values())
        assert all(len(captions.imgToAnns[image]) == 5 for image in instances.imgs)
        assert all(1 <= len(instances.imgToAnns[image]) <= 4 for image in instances.imgs)
        assert not seen_images & set(instances.imgs)
        assert not seen_annotations & set(instances.anns)
        seen_images |= set(instances.imgs)
        seen_annotations |= set(instances.anns)
        for reference in read(root / "refs" / f"refs_{split}.json"):
            annotation = instances.anns[reference["ann_id"]]
            assert annotation["image_id"] == reference["image_id"]
            assert annotation["category_id"] == reference["category_id"]


def test_presence_is_zero_where_only_difficult_objects_show_a_class(record):
    assert [presence(record, label) for label in ("dog", "cat", "car", "person")] == [0, 1, -1, 1]


def test_voc_boxes_count_from_one_and_include_both_ends(record, tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / record.file_name).write_bytes(b"picture")
    write_voc(tmp_path, {"trainval": ("train", [record])})
    voc = tmp_path / "VOCdevkit" / "VOC2007"
    first = ElementTree.parse(voc / "Annotations" / "000007.xml").find("object")
    assert first.findtext("name") == "dog"
    assert first.findtext("difficult") == "1"
    assert [int(edge.text) for edge in first.find("bndbox")] == [1, 11, 40, 40]
    assert (voc / "JPEGImages" / "000007.jpg").read_bytes() == b"picture"
    assert (voc / "ImageSets" / "Main" / "dog_trainval.txt").read_text() == "000007  0\n"
    assert (voc / "ImageSets" / "Main" / "car_trainval.txt").read_text() == "000007 -1\n"


def test_pictures_are_copied_where_the_file_system_has_no_hard_links(record, tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / record.file_name).write_bytes(b"picture")
    write_voc(tmp_path, {"trainval": ("train", [record])})
    assert (tmp_path / "VOCdevkit" / "VOC2007" / "JPEGImages" / "000007.jpg").read_bytes() == b"picture"


@pytest.mark.parametrize(("image_set", "split", "size"), [("trainval", "voc", 30), ("test", "test", 20)])
def test_torchvision_reads_the_voc_view_and_finds_the_boxes_of_coco(root, image_set, split, size):
    voc = VOCDetection(root, year="2007", image_set=image_set)
    coco = COCO(str(root / "annotations" / f"instances_{split}.json"))
    assert len(voc) == size
    for image, target in voc:
        annotation = target["annotation"]
        number = int(Path(annotation["filename"]).stem)
        edges = ("xmin", "ymin", "xmax", "ymax")
        boxes = [[int(item["bndbox"][edge]) for edge in edges] for item in annotation["object"]]
        expected = [a["bbox"] for a in coco.imgToAnns[number]]
        assert boxes == [[x + 1, y + 1, x + w, y + h] for x, y, w, h in expected]
        assert image.size == (96, 96)


def test_every_class_has_a_voc_list_that_agrees_with_the_boxes(root):
    main = root / "VOCdevkit" / "VOC2007" / "ImageSets" / "Main"
    instances = read(root / "annotations" / "instances_test.json")
    for label, number in category_ids().items():
        shown = {a["image_id"] for a in instances["annotations"] if a["category_id"] == number}
        rows = [line.split() for line in (main / f"{label}_test.txt").read_text().splitlines()]
        assert {int(image) for image, value in rows if value != "-1"} == shown
        assert len(rows) == 20


@pytest.mark.parametrize(("view", "size"), [("single/train", 2), ("single/val", 1), ("shift", 1)])
def test_torchvision_reads_the_single_object_views(root, view, size):
    folder = ImageFolder(root / view)
    assert folder.classes == sorted(concepts())
    assert len(folder) == 24 * size
    assert folder[0][0].size == (96, 96)
