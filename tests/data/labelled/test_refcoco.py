"""RefCOCO's pickles: read as distributed, and never run."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from python2 import dumps_text

from cliplite_core.data.labelled.boxes import read_references
from cliplite_core.data.labelled.read import read_boxes
from cliplite_core.data.labelled.refcoco import read_plain_pickle

REFS = [
    {b"sent_ids": [0, 1], b"file_name": "COCO_train2014_000000581857_16.jpg", b"ann_id": 1719310, b"ref_id": 0,
     b"image_id": 581857, b"split": b"testA", b"category_id": 1,
     b"sentences": [{b"tokens": ["the", "lady"], b"raw": b"THE LADY CAF\xc9", b"sent_id": 0, b"sent": "the lady café"},
                    {b"tokens": ["woman"], b"raw": "woman’s", b"sent_id": 1, b"sent": "woman"}]},
    {b"sent_ids": [2], b"file_name": "COCO_train2014_000000581857_17.jpg", b"ann_id": 1719311, b"ref_id": 1,
     b"image_id": 581857, b"split": b"testB", b"category_id": 62,
     b"sentences": [{b"tokens": ["chair"], b"raw": "chair", b"sent_id": 2, b"sent": "chair"}]},
]  # fmt: skip
INSTANCES = {
    "images": [{"id": 581857, "file_name": "COCO_train2014_000000581857.jpg", "width": 640, "height": 427}],
    "annotations": [
        {"id": 1719310, "image_id": 581857, "category_id": 1, "bbox": [10.0, 20.0, 100.0, 200.0], "iscrowd": 0},
        {"id": 1719311, "image_id": 581857, "category_id": 62, "bbox": [300.5, 20.0, 50.0, 60.0], "iscrowd": 1},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 62, "name": "chair"}],
}


@pytest.fixture
def refcoco(tmp_path) -> Path:
    (tmp_path / "instances.json").write_text(json.dumps(INSTANCES))
    (tmp_path / "refs(unc).p").write_bytes(dumps_text(REFS))
    return tmp_path


def test_the_pickle_as_distributed_joins_its_boxes_split_by_split(refcoco):
    images = read_boxes(refcoco / "instances.json", refcoco / "train2014", "testA", keep_crowds=True)
    (lady,) = read_references(refcoco / "refs(unc).p", images, "testA")
    assert lady.expressions == ("the lady café", "woman")
    assert lady.image.boxes[lady.target].tolist() == [10, 20, 110, 220]
    assert lady.image.path == refcoco / "train2014" / "COCO_train2014_000000581857.jpg"
    (chair,) = read_references(refcoco / "refs(unc).p", images, "testB")
    assert (chair.ref_id, chair.image.category_names[chair.target]) == (1, "chair")
    with pytest.raises(ValueError, match=r"no references of split 'val', its splits are \['testA', 'testB'\]"):
        read_references(refcoco / "refs(unc).p", images, "val")


def test_byte_strings_of_python_2_are_read_as_latin_1(refcoco):
    assert read_plain_pickle(refcoco / "refs(unc).p")[0]["sentences"][0]["raw"] == "THE LADY CAFÉ"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_of_every_protocol_come_back(tmp_path, protocol):
    value = [{"a": (1, 2.5, None), "é’": [True, 2**70, -1]}, []]
    (tmp_path / "refs.p").write_bytes(pickle.dumps(value, protocol))
    assert read_plain_pickle(tmp_path / "refs.p") == value


class Touch:
    """Creates a file when it is unpickled the ordinary way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path, protocol):
    trap, mark = tmp_path / "refs.p", tmp_path / "ran"
    trap.write_bytes(pickle.dumps([{"ref_id": Touch(mark)}], protocol))
    with pytest.raises(ValueError, match=r"refs\.p: not read: it asks for \w+.*expected plain lists"):
        read_plain_pickle(trap)
    assert not mark.exists()
    pickle.loads(trap.read_bytes())
    assert mark.exists(), "the trap of this test is none"


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"\x80\x02cbuiltins\neval\nU\x041+1 \x85R.",
        b"\x80\x02\x82\x01.",
        b"Pid\n.",
    ],
    ids=["GLOBAL", "INST", "eval", "EXT1", "PERSID"],
)
def test_every_operation_that_looks_up_a_name_is_refused(tmp_path, content):
    (tmp_path / "refs.p").write_bytes(content)
    with pytest.raises(ValueError, match=r"refs\.p: not read"):
        read_plain_pickle(tmp_path / "refs.p")


@pytest.mark.parametrize("cut", [0, 1, 40, -1])
def test_a_pickle_cut_short_is_named(tmp_path, refcoco, cut):
    content = (refcoco / "refs(unc).p").read_bytes()
    (tmp_path / "cut.p").write_bytes(content[:cut])
    with pytest.raises(ValueError, match=r"cut\.p: not read"):
        read_plain_pickle(tmp_path / "cut.p")
    with pytest.raises(FileNotFoundError, match=r"none\.p: no such file"):
        read_plain_pickle(tmp_path / "none.p")
