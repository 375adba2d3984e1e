"""A caption file from somewhere must not make a model of pictures that lie elsewhere on the machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cliplite_core.data.captions import read_caption_table, read_coco_captions
from cliplite_core.data.flickr_tokens import read_caption_tokens
from cliplite_core.data.karpathy import read_karpathy


@pytest.fixture
def images(tmp_path) -> Path:
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for path in (folder / "a.jpg", folder / "sub/b.jpg", tmp_path / "secret.jpg", tmp_path / "elsewhere/c.jpg"):
        path.touch()
    (folder / "inner.jpg").symlink_to("sub/b.jpg")
    (folder / "outer.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "away").symlink_to(tmp_path / "elsewhere")
    return folder


def as_table(folder: Path, images: Path, name: str):
    path = folder / "captions.csv"
    path.write_text(f"image,caption\na.jpg,fine\n{name},a secret\n", encoding="utf-8")
    return read_caption_table(path, images)


def as_tokens(folder: Path, images: Path, name: str):
    path = folder / "captions.token"
    path.write_text(f"a.jpg#0\tfine\n{name}#0\ta secret\n", encoding="utf-8")
    return read_caption_tokens(path, images)


def as_coco(folder: Path, images: Path, name: str):
    path = folder / "captions.json"
    entries = [{"id": 1, "file_name": "a.jpg"}, {"id": 7, "file_name": name}]
    texts = [{"image_id": number, "caption": "text"} for number in (1, 7)]
    path.write_text(json.dumps({"images": entries, "annotations": texts}), encoding="utf-8")
    return read_coco_captions(path, images)


def as_karpathy(folder: Path, images: Path, name: str):
    path, sentences = folder / "dataset.json", [{"raw": "text"}]
    entries = [
        {"filename": file, "cocoid": n, "split": "train", "sentences": sentences}
        for n, file in ((1, "a.jpg"), (7, name))
    ]
    path.write_text(json.dumps({"images": entries}), encoding="utf-8")
    return read_karpathy(path, images, "train")


WHERE = {as_table: "line 3", as_tokens: "line 2", as_coco: "image 7", as_karpathy: "image 7"}
every_format = pytest.mark.parametrize("read", WHERE, ids=lambda read: read.__name__)


@every_format
@pytest.mark.parametrize(
    "name", ["../secret.jpg", "sub/../../secret.jpg", "{root}/secret.jpg", "outer.jpg", "away/c.jpg"]
)
def test_a_file_outside_the_image_folder_is_refused_by_row_and_name(read, name, images, tmp_path):
    name = name.format(root=tmp_path)
    with pytest.raises(ValueError) as refused:
        read(tmp_path, images, name)
    message = str(refused.value)
    assert name in message and WHERE[read] in message and str(images) in message and "\n" not in message


@every_format
@pytest.mark.parametrize("name", ["sub/b.jpg", "inner.jpg", "./sub/b.jpg", "b..jpg", "not there.jpg"])
def test_a_file_below_the_folder_is_read_whether_or_not_it_is_there(read, name, images, tmp_path):
    items = read(tmp_path, images, name)
    assert [item.path for item in items] == [images / "a.jpg", images / name]


@every_format
def test_an_image_folder_that_is_itself_a_link_is_as_good_as_any(read, images, tmp_path):
    linked = tmp_path / "linked"
    linked.symlink_to(images)
    items = read(tmp_path, linked, "sub/b.jpg")
    assert items[1].path == linked / "sub/b.jpg"
