"""Karpathy's splits as Stanford distributes them: COCO below train2014 and val2014, Flickr in one folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.karpathy import read_karpathy
from cliplite_core.data.splits import data_folder, read_split
from cliplite_core.profiles import load_profile

IMAGES = Path("images")


def entry(number: int, split: str, *captions: str, **more: object) -> dict:
    """One image as the files have it: keys in any order, ids of images and sentences counted through."""
    sentences = [
        {"tokens": text.lower().split(), "raw": text, "imgid": number, "sentid": 5 * number + n}
        for n, text in enumerate(captions)
    ]
    ids = [sentence["sentid"] for sentence in sentences]
    base = {"sentids": ids, "imgid": number, "sentences": sentences, "split": split, "filename": f"{number}.jpg"}
    return base | more


def coco_entry(number: int, split: str, folder: str) -> dict:
    name = f"COCO_{folder}_{number:012d}.jpg"
    return entry(number, split, f"Photo {number}. ", "\nA photo", filepath=folder, filename=name, cocoid=number)


def written(path: Path, images: list[dict], name: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "dataset": name}), encoding="utf-8")
    return path


@pytest.fixture
def coco(tmp_path) -> Path:
    places = [("test", "val2014"), ("train", "train2014"), ("restval", "val2014"), ("val", "val2014")]
    images = [coco_entry(number, *place) for number, place in enumerate(places, start=391895)]
    return written(tmp_path / "coco" / "dataset_coco.json", images, "coco")


def test_a_split_of_coco_lies_below_the_folders_of_2014_and_keeps_its_ids(coco):
    assert read_karpathy(coco, IMAGES, "test") == [
        CaptionedImage(IMAGES / "val2014" / "COCO_val2014_000000391895.jpg", ("Photo 391895.", "A photo"), 391895)
    ]


def test_training_on_coco_takes_restval_along_as_everybody_does(coco):
    assert [item.image_id for item in read_karpathy(coco, IMAGES, "train")] == [391896, 391897]
    assert [item.image_id for item in read_karpathy(coco, IMAGES, "restval")] == [391897]
    assert [item.image_id for item in read_karpathy(coco, IMAGES, "val")] == [391898]


def test_flickr_images_lie_in_one_folder_and_are_called_by_their_names(tmp_path):
    images = [entry(0, "train", "Zwei Hunde", "A dog"), entry(1, "test", "  ", ""), entry(2, "test", *"abcdef")]
    path = written(tmp_path / "dataset_flickr30k.json", images, "flickr30k")
    assert read_karpathy(path, IMAGES, "train") == [CaptionedImage(IMAGES / "0.jpg", ("Zwei Hunde", "A dog"), "0.jpg")]
    assert read_karpathy(path, IMAGES, "test") == [CaptionedImage(IMAGES / "2.jpg", tuple("abcdef"), "2.jpg")]


def test_a_split_that_the_file_has_not_is_named_with_those_it_has(coco):
    with pytest.raises(
        ValueError, match=r"dataset_coco\.json: no image in the split 'dev', .* restval, test, train, val"
    ):
        read_karpathy(coco, IMAGES, "dev")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"annotations": []}, "'images' is missing"),
        ({"images": [{"filename": "a.jpg"}]}, "'split' is missing"),
        ({"images": [{"split": "test", "filename": "a.jpg"}]}, "'sentences' is missing"),
        ({"images": [{"split": "test", "filename": "a.jpg", "sentences": [{"raw": None}]}]}, "no file of Karpathy"),
        ([], "no file of Karpathy"),
    ],
    ids=str,
)
def test_a_file_of_another_kind_is_named_with_what_is_missing(tmp_path, content, message):
    path = tmp_path / "captions.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"captions\.json: .*{message}"):
        read_karpathy(path, IMAGES, "test")


def test_a_file_cut_in_half_or_missing_is_named(coco, tmp_path):
    coco.write_bytes(coco.read_bytes()[: coco.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"dataset_coco\.json: not complete JSON .*; fetch the file again"):
        read_karpathy(coco, IMAGES, "test")
    with pytest.raises(FileNotFoundError, match=r"none\.json not found, expected a JSON file of Karpathy's splits"):
        read_karpathy(tmp_path / "none.json", IMAGES, "test")


def test_the_profiles_on_karpathys_splits_read_them(coco, tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    config = load_profile("coco_karpathy")
    assert [item.image_id for item in read_split(config, config.data.train_split)] == [391896, 391897]
    assert read_split(config, config.data.test_split)[0].path == (
        tmp_path / "coco" / "val2014" / "COCO_val2014_000000391895.jpg"
    )
    flickr = load_profile("flickr30k")
    images = [entry(n, split, f"caption {n}") for n, split in enumerate(("train", "val", "test"))]
    written(tmp_path / "flickr30k" / "dataset_flickr30k.json", images, "flickr30k")
    (tmp_path / "flickr30k" / "flickr30k-images").mkdir()
    splits = (flickr.data.train_split, flickr.data.val_split, flickr.data.test_split)
    assert [item.path.name for split in splits for item in read_split(flickr, split)] == ["0.jpg", "1.jpg", "2.jpg"]
    assert read_split(flickr, "test")[0].path.parent == data_folder(flickr) / "flickr30k-images"


def test_the_run_on_karpathys_splits_is_the_papers_but_for_its_data():
    one, other = load_profile("coco").to_dict(), load_profile("coco_karpathy").to_dict()
    assert all(one[section] == other[section] for section in ("model", "objective", "optim", "train"))
    differing = {name for name in one["data"] if one["data"][name] != other["data"][name]}
    assert differing == {"format", "captions", "images", "test_split"}
