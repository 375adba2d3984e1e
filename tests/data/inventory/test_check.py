"""`check`: whatever is broken is named with its reason, and nothing broken hides anything else that is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_root import write_photo

from cliplite_core.__main__ import main
from cliplite_core.commands.data import FINDINGS_SHOWN
from cliplite_core.data.inventory.check import check, examine
from cliplite_core.profiles import load_profile


def findings(profile: str, **options) -> list[tuple[str, str]]:
    return [(finding.problem, finding.file) for finding in check(load_profile(profile), **options)[0]]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(path: Path, change: Callable[[dict], None]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def break_everything(root: Path) -> dict[str, str]:
    """Breaks one file of each kind, and returns file = problem."""
    cut(root / "coco/train2017/0001.jpg")
    (root / "coco/train2017/mit blank.jpg").write_bytes(b"")
    (root / "coco/train2017/grün.jpg").write_text("<!DOCTYPE html><html><body>404 Not Found</body></html>")
    (root / "coco/train2017/夜.jpg").unlink()
    (root / "coco/val2017/0005.jpg").write_bytes(b"\x00\x01\x02" * 99)
    (root / "tiere und dinge/train/Bär/0.jpg").write_bytes(b'{"error": "quota exceeded"}')
    return {
        "coco/train2017/0001.jpg": "damaged image",
        "coco/train2017/mit blank.jpg": "empty file",
        "coco/train2017/grün.jpg": "web page instead of an image",
        "coco/train2017/夜.jpg": "not there",
        "coco/val2017/0005.jpg": "not an image",
        "tiere und dinge/train/Bär/0.jpg": "not an image",
    }


def test_whole_data_is_passed_and_every_image_is_decoded_once(profile, root, capsys):
    assert check(load_profile(profile)) == ([], len(list(root.rglob("*.jpg"))))
    assert main(["data", "check", profile, "--workers", "1"]) == 0
    assert "0 things broken" in capsys.readouterr().out


@pytest.mark.parametrize("workers", [1, 2])
def test_each_broken_image_is_named_with_its_reason(profile, root, workers):
    broken = break_everything(root)
    assert {file: problem for problem, file in findings(profile, workers=workers)} == broken


def test_a_list_cut_in_half_is_named_and_its_images_are_looked_at_all_the_same(profile, root):
    cut(root / "coco/annotations/captions_train2017.json")
    cut(root / "coco/annotations/instances_train2017.json")  # else these boxes would lead to the photos
    cut(root / "refcoco/instances.json")
    cut(root / "coco/train2017/夜.jpg")
    assert findings(profile) == [
        ("list that cannot be read", "coco/annotations/captions_train2017.json"),
        ("list that cannot be read", "coco/annotations/instances_train2017.json"),
        ("list that cannot be read", "refcoco/refs.json val"),
        ("damaged image", "coco/train2017/夜.jpg"),
    ]


def test_a_missing_list_is_named_and_not_the_whole_advice_of_its_reader(profile, root):
    (root / "coco/annotations/captions_val2017.json").unlink()
    found, _ = check(load_profile(profile))
    assert [(finding.file, finding.detail) for finding in found] == [
        ("coco/annotations/captions_val2017.json", "not there: coco/annotations/captions_val2017.json")
    ]


def test_a_box_beyond_its_image_is_named_and_one_that_grazes_the_edge_is_not(profile, root):
    def move(content: dict) -> None:
        content["annotations"][0]["bbox"] = [4, 8, 96 - 4 + 1.5, 20]  # one and a half pixels over the edge
        content["annotations"][1]["bbox"] = [4, 8, 300, 20]

    edit(root / "coco/annotations/instances_val2017.json", move)
    found, _ = check(load_profile(profile))
    assert [(finding.problem, finding.file) for finding in found] == [
        ("box outside its image", "coco/annotations/instances_val2017.json")
    ]
    assert found[0].detail == "0006.jpg, annotation 18: (4, 8) to (304, 28), the image is 64 x 128"


def test_boxes_on_an_image_of_another_size_are_named(profile, root):
    write_photo(root / "coco/val2017/0005.jpg", (48, 36), seed=0)
    found, _ = check(load_profile(profile))
    assert [(finding.problem, finding.file, finding.detail) for finding in found] == [
        ("other size than its boxes", "coco/val2017/0005.jpg", "is 48 x 36, the list says 96 x 72")
    ]


def test_annotations_of_images_that_are_not_listed_are_counted(profile, root):
    edit(root / "coco/annotations/captions_train2017.json", lambda content: content["images"].pop())
    found, _ = check(load_profile(profile))
    assert [(finding.problem, finding.detail) for finding in found] == [
        ("annotation of an image that is not listed", "5 of 20, such as annotation 165")
    ]


def test_a_reference_to_no_box_is_named(profile, root):
    edit(root / "refcoco/refs.json", lambda refs: refs[0].update(ann_id=4711))
    assert findings(profile) == [("list that cannot be read", "refcoco/refs.json val")]


def test_classes_that_differ_between_training_and_test_are_named(profile, root):
    (root / "tiere und dinge/test/Bär").rename(root / "tiere und dinge/test/Bären")
    assert findings(profile) == [("other classes", "tiere und dinge/test")]


def write_flickr8k(root: Path, names: str, train: str, dev: str) -> None:
    """Four photos 0.jpg to 3.jpg, a table of captions of `names`, and two split lists."""
    folder = root / "flickr8k"
    for number in range(4):
        write_photo(folder / f"Images/{number}.jpg", (32, 32), number)
    (folder / "captions.txt").write_text("image,caption\n" + "".join(f"{name},a cat\n" for name in names.split()))
    for split, listed in (("train", train), ("dev", dev)):
        (folder / f"Flickr_8k.{split}Images.txt").write_text("\n".join(listed.split()) + "\n")


def test_an_image_that_is_trained_on_and_reported_on_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    write_flickr8k(tmp_path, "0.jpg 1.jpg 2.jpg", train="0.jpg 1.jpg", dev="1.jpg 2.jpg")
    found, images = check(load_profile("flickr8k"))
    assert [(finding.problem, finding.detail) for finding in found] == [
        ("images in two splits", "1 images are in train too, such as 1.jpg")
    ]
    assert images == 3  # the sets it does without are left out


def test_a_split_that_is_trained_on_and_reported_on_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    write_flickr8k(tmp_path, "0.jpg 1.jpg 2.jpg", train="0.jpg 1.jpg", dev="2.jpg")
    found, _ = check(load_profile("flickr8k", test_split="train"))
    assert [(finding.problem, finding.file) for finding in found] == [
        ("held-out split that is trained on", "test_split = train")
    ]


def test_a_list_that_cannot_be_read_is_one_finding_and_invents_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    write_flickr8k(tmp_path, "0.jpg 1.jpg 2.jpg 3.jpg", train="0.jpg 1.jpg lost.jpg", dev="2.jpg 3.jpg")
    found, images = check(load_profile("flickr8k"))
    assert [finding.problem for finding in found] == ["list that cannot be read"]
    assert images == 4


def test_a_list_none_of_whose_images_is_there_says_why_before_it_names_them(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    write_flickr8k(tmp_path, "0 1", train="0", dev="1")
    found, _ = check(load_profile("flickr8k"))
    assert found[0].problem == "no image of a list is there"
    assert "flickr8k/Images/0.jpg is there: give the names as the files have them" in found[0].detail


def test_the_first_findings_are_shown_and_the_list_has_all(profile, root, tmp_path, capsys):
    for number in range(30):
        (root / f"tiere und dinge/train/Bär/leer {number:02}.jpg").touch()
    assert main(["data", "check", profile, "--workers", "1", "--list", str(tmp_path / "broken.tsv")]) == 1
    output = capsys.readouterr().out
    assert output.count("leer") == FINDINGS_SHOWN and "… and 10 more" in output and "30  empty file" in output
    lines = (tmp_path / "broken.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "empty file\ttiere und dinge/train/Bär/leer 00.jpg\t"
    assert len(lines) == 30
    assert output.rstrip().splitlines()[-1].endswith("says where each set comes from.")


def test_the_embedded_scenes_are_whole(tiny):
    found, images = check(tiny.override(zero_shot="", zero_shot_shift="", probe=""))  # too few scenes for those views
    assert found == []
    assert images >= 48 + 16


@pytest.mark.skipif(os.name == "nt", reason="names are text on Windows")
def test_a_name_that_is_no_text_ends_neither_the_scan_nor_the_output(profile, root, tmp_path, capsys):
    odd = Path(os.fsdecode(os.fsencode(root / "tiere und dinge/train/Bär") + b"/caf\xe9.jpg"))
    odd.touch()
    assert main(["data", "check", profile, "--workers", "2", "--list", str(tmp_path / "broken.tsv")]) == 1
    assert b"caf\xe9.jpg" in (tmp_path / "broken.tsv").read_bytes()


def test_odd_but_readable_files_are_no_findings(tmp_path):
    Image.fromarray(np.zeros((4, 6), np.uint16)).save(tmp_path / "deep.png")
    Image.new("CMYK", (6, 4)).save(tmp_path / "print.jpg")
    Image.new("P", (6, 4)).save(tmp_path / "named-wrongly.jpg", "GIF")
    assert [examine(path) for path in sorted(tmp_path.iterdir())] == [(4, 6)] * 3


def test_a_folder_in_place_of_an_image_is_a_finding(tmp_path):
    (tmp_path / "a.jpg").mkdir()
    assert examine(tmp_path / "a.jpg").problem == "cannot be opened"
