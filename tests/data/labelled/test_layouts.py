"""What is there and what is not, seen from names alone, and the notebooks that are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from cliplite_core.data.inventory.needs import available, missing_data
from cliplite_core.data.labelled.layouts import class_layout
from cliplite_core.profiles import load_profile

ROOT = Path(__file__).resolve().parents[3]


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("files", "path", "layout"),
    [
        (["cifar10/test/cat/1.jpg"], "cifar10/test", "folders"),
        (["cifar10/cifar-10-batches-py/test_batch"], "cifar10/test", "cifar"),
        (["cifar10/cifar-10-batches-py/test_batch", "cifar10/test/cat/1.jpg"], "cifar10/test", "folders"),
        (["cifar-100-python/test"], "cifar-100-python/test", "cifar"),
        (["tiny-imagenet-200/wnids.txt"], "tiny-imagenet-200/val", "tiny-imagenet"),
        (["inat/val2018.json"], "inat/val", "inaturalist"),
        (["inat/val2018.json"], "inat/val2018", "inaturalist"),
        (["inat/train2018.json"], "inat/val", None),
        (["mine/val.json", "mine/val/cat/1.jpg"], "mine/val", "folders"),
        (["imagenet/ILSVRC/Data/CLS-LOC/val/1.JPEG"], "imagenet/val", "kaggle-imagenet"),
        (["imagenet/val/n01440764/1.JPEG"], "imagenet/val", "folders"),
        (["imagenet-a/README.txt"], "imagenet-a", "folders"),
        (["imagenet-a/README.txt"], "imagenet-b", None),
        (["cifar-10-batches-py/test_batch"], "imagenet-a", None),
    ],
)
def test_a_layout_is_recognised_by_what_its_owners_put_there(tmp_path, files, path, layout):
    touch(*(tmp_path / file for file in files))
    assert class_layout(tmp_path / path) == layout


def test_what_flickr8k_could_measure_on_is_missed_until_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    config = load_profile("flickr8k")
    missing = missing_data(config)
    assert {"03", "05", "06"} <= set(missing) and "07" not in missing  # people: a split of the captions themselves
    assert missing["03"] == tmp_path / "tiny-imagenet-200" / "train"
    tiny = tmp_path / "tiny-imagenet-200"
    touch(tiny / "wnids.txt", tiny / "words.txt", tiny / "train/n1/images/1.JPEG", tiny / "val/val_annotations.txt")
    touch(tmp_path / "cifar10" / "test" / "cat" / "1.jpg")
    assert not {"03", "05", "06"} & set(missing_data(config))


def test_a_profile_that_skips_what_is_missing_keeps_the_rest_and_its_training(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    touch(tmp_path / "cifar10" / "test" / "cat" / "1.jpg", tmp_path / "shift" / "cat" / "1.jpg")
    config = load_profile("flickr8k", zero_shot_shift="shift", zero_shot_more=["imagenet-a", "cifar10/test"])
    where = available(config).evaluation
    assert (where.zero_shot, where.zero_shot_shift) == ("cifar10/test", "shift")
    assert where.zero_shot_more == ("cifar10/test",)
    assert (where.probe, where.boxes, where.voc, where.people) == ("", "", "", "dev")
    assert available(config).hash() == config.hash()
    strict = config.override(skip_missing=False)
    assert available(strict) == strict


def test_expressions_may_be_missing_where_boxes_are_not(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    config = load_profile("coco", skip_missing=True)
    touch(*(tmp_path / f"coco/annotations/instances_{split}2017.json" for split in ("train", "val")))
    touch(*(tmp_path / f"coco/{split}2017/1.jpg" for split in ("train", "val")))
    assert available(config).evaluation.boxes and available(config).evaluation.refs == ""
    touch(tmp_path / "refcoco+/refs(unc).p", tmp_path / "refcoco+/instances.json", tmp_path / "coco/train2014/1.jpg")
    assert available(config).evaluation.refs == config.evaluation.refs


def test_boxes_are_looked_for_in_the_splits_that_are_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    config = load_profile("coco", box_dev_split="train", box_test_split="val")
    touch(tmp_path / "coco/annotations/instances_val2017.json")
    assert missing_data(config)["06"] == tmp_path / "coco/annotations/instances_train2017.json"
    assert missing_data(config)["07"] == tmp_path / "coco/annotations/captions_val2017.json"
