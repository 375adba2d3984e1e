"""Lists name files of their own folder: a name that leads out of it is refused with the list and the entry."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from web_shards import picture, write_shards

from cliplite_core.__main__ import main
from cliplite_core.data.captions import read_caption_table, read_coco_captions
from cliplite_core.data.flickr_tokens import read_caption_tokens
from cliplite_core.data.images import read_image
from cliplite_core.data.karpathy import read_karpathy
from cliplite_core.data.labelled.boxes import read_instances, read_references
from cliplite_core.data.labelled.inaturalist import read_inaturalist
from cliplite_core.data.shards import read_shards
from cliplite_core.explore.open import open_explorer
from cliplite_core.storage.places import data_root

WITHIN = ["own.jpg", "./own.jpg", "more/own.jpg", "..own.jpg", "a..b.jpg"]
NAMES = {
    "upwards": lambda outside: f"../{outside.name}",
    "far upwards": lambda outside: f"../../../../../..{outside}",
    "down and up": lambda outside: f"more/../../{outside.name}",
    "absolute": str,
    "a link to a file": lambda outside: "link.jpg",
    "through a link to a folder": lambda outside: f"folder/{outside.name}",
}


def put(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def coco(root: Path, name: str) -> object:
    content = {"images": [{"id": 7, "file_name": name}], "annotations": [{"image_id": 7, "caption": "a dog"}]}
    return read_coco_captions(put(root / "list.json", content), root / "images")


def table(root: Path, name: str) -> object:
    return read_caption_table(put(root / "list.csv", f"image,caption\n{name},a dog\n"), root / "images")


def tokens(root: Path, name: str) -> object:
    return read_caption_tokens(put(root / "list.token", f"{name}#0\ta dog\n"), root / "images")


def piped(root: Path, name: str) -> object:
    text = f"image_name| comment_number| comment\n{name}| 0| a dog\n"
    return read_caption_tokens(put(root / "list.csv", text), root / "images")


def karpathy(root: Path, name: str, **more: str) -> object:
    entry = {"filename": name, "split": "train", "sentences": [{"raw": "a dog"}], **more}
    return read_karpathy(put(root / "list.json", {"images": [entry]}), root / "images", "train")


def karpathys_folder(root: Path, name: str) -> object:
    folder, _, file = name.rpartition("/")
    return karpathy(root, file, filepath=folder) if folder else karpathy(root, name)


def instances(root: Path, name: str) -> list:
    content = {
        "images": [{"id": 7, "file_name": name, "width": 24, "height": 20}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 1, 5, 5]}],
        "categories": [{"id": 3, "name": "dog"}],
    }
    return read_instances(put(root / "list.json", content), root / "images")


def references(root: Path, name: str) -> object:
    reference = {"ref_id": 1, "ann_id": 1, "image_id": 7, "split": "val", "sentences": [{"sent": "left dog"}]}
    return read_references(put(root / "refs.json", [reference]), instances(root, name), "val")


def inaturalist(root: Path, name: str) -> object:
    content = {
        "images": [{"id": 7, "file_name": name}],
        "annotations": [{"image_id": 7, "category_id": 3}],
        "categories": [{"id": 3, "name": "dog"}],
    }
    return read_inaturalist(put(root / "images" / "list2018.json", content))[0]


READERS: dict[str, Callable[[Path, str], object]] = {
    "COCO captions": coco,
    "a table": table,
    "Flickr's tokens": tokens,
    "Kaggle's results.csv": piped,
    "Karpathy's file": karpathy,
    "Karpathy's file, by its folder": karpathys_folder,
    "COCO boxes": instances,
    "references": references,
    "iNaturalist": inaturalist,
}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A picture beside the folder of images, which two links within it lead to."""
    path, images = tmp_path / "secret.jpg", tmp_path / "images"
    path.write_bytes(picture(0))
    (images / "more").mkdir(parents=True)
    for name in WITHIN:
        (images / name).write_bytes(picture(1))
    (images / "link.jpg").symlink_to(path)
    (images / "folder").symlink_to(tmp_path, target_is_directory=True)
    return path


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, outside, read, name):
    with pytest.raises(ValueError, match=r"list\S*, (line|image) \S+: found .* leads out of the image folder") as error:
        read(tmp_path, name(outside))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
@pytest.mark.parametrize("name", WITHIN)
def test_a_name_within_the_folder_is_read(tmp_path, outside, read, name):
    assert len(read(tmp_path, name)) == 1


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped"])
def test_members_of_shards_are_read_where_they_are_whatever_they_are_called(tmp_path, name):
    with tarfile.open(tmp_path / "00000.tar", "w") as tar:
        for ending, content in (("jpg", picture(0)), ("txt", b"a dog")):
            member = tarfile.TarInfo(f"{name}.{ending}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    before = {path for path in tmp_path.parent.rglob("*") if "escaped" in path.name}
    (pair,) = read_shards(tmp_path)
    assert read_image(pair.path).shape == (3, 20, 24)
    assert {path for path in tmp_path.parent.rglob("*") if "escaped" in path.name} == before


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_member_that_is_a_link_is_not_followed(tmp_path, outside, kind):
    write_shards(tmp_path / "shards", [2])
    with tarfile.open(tmp_path / "shards" / "00000.tar", "a") as tar:
        link = tarfile.TarInfo("zzz.jpg")
        link.type, link.linkname = kind, str(outside)
        tar.addfile(link)
        caption = tarfile.TarInfo("zzz.txt")
        caption.size = 5
        tar.addfile(caption, io.BytesIO(b"a dog"))
    assert [pair.image_id for pair in read_shards(tmp_path / "shards")] == ["000000000", "000000001"]


# --- a model that somebody sent ------------------------------------------------------------------------------------

ELSEWHERE = {
    "a folder upwards": {"folder": "../elsewhere"},
    "an absolute folder": {"folder": "/etc"},
    "images upwards": {"images": "../../elsewhere"},
    "absolute captions": {"captions": "/etc/passwd"},
    "scenes upwards": {"folder": "../elsewhere", "scenes_train": 4, "scenes_eval": 25},
}


@pytest.mark.parametrize("fields", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_a_model_that_names_data_elsewhere_leads_nobody_there(model, tmp_path, fields):
    model.save(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    content = json.loads(path.read_text())
    content["data"].update(fields)
    put(path, content)
    with pytest.raises(FileNotFoundError, match=r"config\.json: \w+: found .* leads out of the data root"):
        open_explorer("", str(tmp_path / "model"))
    assert not (tmp_path / "elsewhere").exists() and not data_root().exists()


def test_scenes_are_composed_below_the_data_root_alone(tmp_path, capsys):
    assert main(["data", "ready", "smoke", "folder=../elsewhere"]) == 2
    assert "folder: got '../elsewhere', which is not below the data root" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere").exists()
