import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from cliplite_core.data.labelled.boxes import BoxedImage, box_masks, clean_boxes, read_instances, read_references

CATEGORIES = [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]
IMAGES = [
    {"id": 12, "file_name": "b.png", "width": 40, "height": 30},
    {"id": 5, "file_name": "a.png", "width": 20, "height": 10},
]
ANNOTATIONS = [
    {"id": 1, "image_id": 12, "category_id": 7, "bbox": [4, 5, 10, 20], "iscrowd": 0},
    {"id": 2, "image_id": 12, "category_id": 3, "bbox": [20, 0, 8, 8]},
    {"id": 3, "image_id": 12, "category_id": 7, "bbox": [0, 0, 40, 30], "iscrowd": 1},
]
REFS = [
    {"ref_id": 90, "ann_id": 2, "image_id": 12, "category_id": 3, "split": "testA",
     "sentences": [{"raw": "The cat!", "sent": "the cat", "tokens": ["the", "cat"]},
                   {"raw": "Right one", "sent": "right one", "tokens": ["right", "one"]}]},
    {"ref_id": 91, "ann_id": 1, "image_id": 12, "category_id": 7, "split": "val",
     "sentences": [{"raw": "dog", "sent": "dog", "tokens": ["dog"]}]},
]  # fmt: skip


def write(path, content):
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def instances_file(tmp_path):
    return write(tmp_path / "instances.json", {"images": IMAGES, "annotations": ANNOTATIONS, "categories": CATEGORIES})


def test_instances_come_as_xyxy_with_names_and_without_crowds(instances_file, tmp_path, capsys):
    empty, full = read_instances(instances_file, tmp_path / "images")
    assert (full.path, full.width, full.height) == (tmp_path / "images" / "b.png", 40, 30)
    assert full.boxes.tolist() == [[4, 5, 14, 25], [20, 0, 28, 8]]
    assert full.category_names == ("dog", "cat")
    assert full.annotation_ids == (1, 2)
    assert (empty.image_id, empty.boxes.shape, empty.boxes.dtype) == (5, (0, 4), torch.float32)
    assert capsys.readouterr().out == ""


def test_crowds_can_be_kept(instances_file, tmp_path):
    assert read_instances(instances_file, tmp_path, keep_crowds=True)[1].annotation_ids == (1, 2, 3)


def test_boxes_of_a_category(instances_file, tmp_path):
    empty, full = read_instances(instances_file, tmp_path)
    assert full.boxes_of("cat").tolist() == [[20, 0, 28, 8]]
    assert full.boxes_of("horse").shape == (0, 4)
    assert empty.boxes_of("cat").shape == (0, 4)


def test_unusable_instances_name_the_file_and_the_reason(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json.*COCO instances"):
        read_instances(tmp_path / "none.json", tmp_path)
    with pytest.raises(ValueError, match=r"empty\.json.*'images' is missing"):
        read_instances(write(tmp_path / "empty.json", {"annotations": []}), tmp_path)
    (tmp_path / "cut.json").write_text('{"images": [')
    with pytest.raises(ValueError, match=r"cut\.json: not complete JSON"):
        read_instances(tmp_path / "cut.json", tmp_path)
    lacking = {"images": IMAGES, "annotations": ANNOTATIONS, "categories": CATEGORIES[:1]}
    with pytest.raises(ValueError, match=r"'categories' lacks \[7\] of image 12"):
        read_instances(write(tmp_path / "lacking.json", lacking), tmp_path)


def test_references_find_their_box(instances_file, tmp_path):
    images = read_instances(instances_file, tmp_path)
    cat, dog = read_references(write(tmp_path / "refs.json", REFS), images)
    assert cat.expressions == ("the cat", "right one")
    assert cat.image.boxes[cat.target].tolist() == [20, 0, 28, 8]
    assert (dog.ref_id, dog.split, dog.image.category_names[dog.target]) == (91, "val", "dog")


def test_references_of_one_split(instances_file, tmp_path):
    images = read_instances(instances_file, tmp_path)
    refs_file = write(tmp_path / "refs.json", REFS)
    assert [ref.ref_id for ref in read_references(refs_file, images, "testA")] == [90]
    with pytest.raises(ValueError, match="no references of split 'testB', its splits are \\['testA', 'val'\\]"):
        read_references(refs_file, images, "testB")


def test_references_to_missing_annotations_are_counted_and_named(instances_file, tmp_path):
    images = read_instances(instances_file, tmp_path)
    refs = [*REFS, {**REFS[0], "ref_id": 92, "ann_id": 3}, {**REFS[0], "ref_id": 93, "image_id": 5}]
    with pytest.raises(ValueError, match=r"2 of 4 references.*\[92, 93\].*keep_crowds"):
        read_references(write(tmp_path / "refs.json", refs), images)


def test_unusable_references_name_the_file_and_the_reason(instances_file, tmp_path):
    images = read_instances(instances_file, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        read_references(tmp_path / "none.json", images)
    with pytest.raises(ValueError, match=r"refs\.json: found a dict, expected a list of references"):
        read_references(write(tmp_path / "refs.json", {"refs": REFS}), images)
    without_split = [{key: value for key, value in REFS[0].items() if key != "split"}]
    with pytest.raises(ValueError, match=r"lacks \['split'\]"):
        read_references(write(tmp_path / "refs.json", without_split), images)


def boxed(*boxes, width=40, height=30):
    ids = tuple(range(1, len(boxes) + 1))
    return BoxedImage(
        Path("a.jpg"), 7, width, height, torch.tensor(boxes).reshape(-1, 4), ids, tuple("abcde"[: len(ids)])
    )


def test_boxes_are_cut_to_the_image_and_those_inside_are_left_as_they_are():
    inside, over = boxed([0.0, 0.0, 40.0, 30.0]), boxed([-2.0, 5.0, 10.0, 31.5], [30.0, 20.0, 41.0, 25.0])
    first, second, empty = clean_boxes([inside, over, boxed()], "instances.json")
    assert first is inside
    assert second.boxes.tolist() == [[0, 5, 10, 30], [30, 20, 40, 25]]
    assert (second.annotation_ids, empty.boxes.shape) == ((1, 2), (0, 4))


def test_boxes_without_area_are_left_out_and_counted():
    image = boxed([5.0, 5.0, 5.0, 9.0], [1.0, 2.0, 3.0, 4.0], [8.0, 9.0, 12.0, 9.0])
    with pytest.warns(UserWarning, match=r"instances\.json: 2 boxes without area are left out"):
        (cleaned,) = clean_boxes([image], "instances.json")
    assert (cleaned.boxes.tolist(), cleaned.annotation_ids, cleaned.category_names) == ([[1, 2, 3, 4]], (2,), ("b",))


def test_a_box_wholly_outside_its_image_stops_with_the_annotations_name():
    with pytest.raises(ValueError, match=r"x\.json: annotation 2 of a\.jpg is the box \[40\.0, .*image of 40 x 30"):
        clean_boxes([boxed([1.0, 1.0, 2.0, 2.0], [40.0, 3.0, 50.0, 9.0])], "x.json")


def test_masks_cover_the_pixels_whose_centre_is_inside():
    box = torch.tensor([[0.6, 1.4, 2.5, 3.0]])
    columns, rows = range(4), range(4)
    slow = [[0.6 <= x + 0.5 < 2.5 and 1.4 <= y + 0.5 < 3.0 for x in columns] for y in rows]
    assert box_masks(box, (4, 4))[0].tolist() == slow


def test_masks_of_whole_pixel_boxes_agree_with_pycocotools():
    corners = np.random.default_rng(0).integers(0, 12, size=(20, 2, 2))
    xyxy = np.concatenate([corners.min(1), corners.max(1) + 1], axis=1).astype(np.float64)
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)
    oracle = coco_mask.decode(coco_mask.frPyObjects(xywh, 13, 17)).transpose(2, 0, 1)
    assert (box_masks(torch.from_numpy(xyxy), (13, 17)).numpy() == oracle).all()
