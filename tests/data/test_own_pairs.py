"""The third user: a CSV and a folder of images, and no split lists."""

import csv

from PIL import Image

from cliplite_core.data.splits import read_split
from cliplite_core.data.transforms import eval_transform
from cliplite_core.profiles import load_profile


def write_pairs(root, count):
    (root / "own" / "images").mkdir(parents=True, exist_ok=True)
    with (root / "own" / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption"])
        for i in range(count):
            Image.new("RGB", (40, 30), (i % 256, 0, 0)).save(root / "own" / "images" / f"photo {i}.png")
            rows.writerow([f"photo {i}.png", f"a thing, number {i}"])


def names(config, split):
    return {item.image_id for item in read_split(config, split)}


def test_a_table_without_split_lists_is_split_once_and_for_all(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    config = load_profile("own")
    write_pairs(tmp_path, 300)
    splits = {split: names(config, split) for split in ("train", "val", "test")}
    assert sum(map(len, splits.values())) == 300 and len(set.union(*splits.values())) == 300, "each image in one split"
    assert len(splits["train"]) > 240 and splits["val"] and splits["test"]
    write_pairs(tmp_path, 400)
    assert all(splits[split] <= names(config, split) for split in splits), "more images move none between splits"


def test_own_images_with_blanks_in_their_names_reach_the_encoder(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    write_pairs(tmp_path, 20)
    item = read_split(load_profile("own"), "train")[0]
    assert eval_transform(16)(Image.open(item.path)).shape == (3, 16, 16)
