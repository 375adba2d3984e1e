"""Lists of labels that are not as distributed: the file is named, and no label is made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cliplite_core.data.labelled.imagenet import read_kaggle_imagenet
from cliplite_core.data.labelled.labels import read_voc_labels
from cliplite_core.data.labelled.tiny_imagenet import read_tiny_imagenet

WNID = "n01440764"
VOC, WNIDS, BOXES, WORDS, SOLUTION = (
    "VOC2007/ImageSets/Main/dog_val.txt", "tiny/wnids.txt", f"tiny/train/{WNID}/{WNID}_boxes.txt", "tiny/words.txt",
    "kaggle/LOC_val_solution.csv",
)  # fmt: skip
WHOLE = {
    VOC: "000001  1\n000002 -1\n",
    "VOC2007/JPEGImages/000001.jpg": "",
    "VOC2007/JPEGImages/000002.jpg": "",
    WNIDS: f"{WNID}\n",
    BOXES: "a.JPEG\t0\t0\t9\t9\n",
    WORDS: f"{WNID}\ttench, Tinca tinca\n",
    f"tiny/train/{WNID}/images/a.JPEG": "",
    SOLUTION: f"ImageId,PredictionString\nILSVRC2012_val_00000001,{WNID} 1 2 3 4\n",
    "kaggle/ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000001.JPEG": "",
}
READERS: dict[str, Callable[[Path], tuple]] = {
    "VOC2007": lambda root: read_voc_labels(root / "VOC2007", "val"),
    "tiny": lambda root: read_tiny_imagenet(root / "tiny", "train"),
    "kaggle": lambda root: read_kaggle_imagenet(root / "kaggle", "val"),
}
LATIN = "Bär 1\n".encode("latin-1")
BROKEN: dict[str, tuple[str, bytes, str]] = {
    "VOC, Latin-1": (VOC, LATIN, "no UTF-8 text"),
    "VOC, UTF-16": (VOC, "000001 1".encode("utf-16"), "no UTF-8 text"),
    "VOC, nothing": (VOC, b"", "the list is empty"),
    "VOC, zeros, as after a power cut": (VOC, bytes(64), "expected an image id and -1, 0 or 1"),
    "VOC, a label of 2": (VOC, b"000001 2\n", "expected an image id and -1, 0 or 1"),
    "VOC, no label": (VOC, b"000001\n", "expected an image id and -1, 0 or 1"),
    "VOC, a name upwards": (VOC, b"../000001 1\n", "images of val are missing: ../000001"),
    "Tiny ImageNet, ids in Latin-1": (WNIDS, LATIN, "no UTF-8 text"),
    "Tiny ImageNet, boxes in Latin-1": (BOXES, LATIN, "no UTF-8 text"),
    "Tiny ImageNet, a box of three": (BOXES, b"a.JPEG\t0\t0\t9\n", "expected 5 fields"),
    "Tiny ImageNet, a box below 0": (BOXES, b"a.JPEG\t-1\t0\t9\t9\n", "expected 5 fields ending in x1 y1 x2 y2"),
    "Tiny ImageNet, a name upwards": (BOXES, b"../../a.JPEG\t0\t0\t9\t9\n", "missing, first ../../a.JPEG"),
    "Tiny ImageNet, no box at all": (BOXES, b"", "the class n01440764 has no image"),
    "Tiny ImageNet, words in Latin-1": (WORDS, LATIN, "no UTF-8 text"),
    "Tiny ImageNet, no words": (WORDS, b"", "no name for"),
    "Kaggle, Latin-1": (SOLUTION, b"ImageId,PredictionString\n\xe4,n01440764\n", "no table with the columns"),
    "Kaggle, nothing": (SOLUTION, b"", "no table with the columns"),
    "Kaggle, no ids": (SOLUTION, b"Id,PredictionString\n1,n01440764\n", "no table with the columns"),
    "Kaggle, no labels": (SOLUTION, b"ImageId,Label\nILSVRC2012_val_00000001,x\n", "no column PredictionString"),
    "Kaggle, an empty label": (SOLUTION, b"ImageId,PredictionString\nILSVRC2012_val_00000001,\n", "are none of"),
    "Kaggle, an image twice": (SOLUTION, (WHOLE[SOLUTION] + WHOLE[SOLUTION].split()[1]).encode(), "stands twice"),
    "Kaggle, a name upwards": (SOLUTION, b"ImageId,PredictionString\n../x,n01440764 1\n", "missing, first ../x"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in WHOLE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(("name", "content", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_list_that_is_not_as_distributed_is_named(root, name, content, words):
    read = READERS[name.partition("/")[0]]
    assert len(read(root)[0]) == len(read(root)[1]) > 0, "whole, it is read"
    (root / name).write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        read(root)
    said = str(error.value)
    assert words in said and "\n" not in said
    assert Path(name).parts[0] in said, "which set it is"


@pytest.mark.parametrize("name", [VOC, WNIDS, BOXES, WORDS, SOLUTION])
def test_a_byte_order_mark_and_lines_of_windows_are_no_fault(root, name):
    read = READERS[name.partition("/")[0]]
    before = [list(part) for part in read(root)]
    (root / name).write_bytes(b"\xef\xbb\xbf" + (root / name).read_bytes().replace(b"\n", b"\r\n"))
    assert [list(part) for part in read(root)] == before
