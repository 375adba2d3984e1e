"""Miniature copies of the public sets of labels and boxes, laid out as their owners distribute them."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from python2 import dumps_arrays
from torchvision.datasets import CIFAR10, CIFAR100

from cliplite_core.data.labelled.labels import LabelledImages
from cliplite_core.data.labelled.read import read_boxes, read_class_splits, read_classes
from cliplite_core.data.labelled.wordnet import class_names, imagenet_names

TENCH, GOLDFISH, CRANE = "n01440764", "n01443537", "n03126707"  # classes 0, 1 and 517 of ImageNet


def save_image(path: Path, mode: str = "RGB", side: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (side, side)).save(path)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def names_of(images: list[Path]) -> list[str]:
    return [path.name for path in images]


def test_readable_class_folders_name_their_classes_with_spaces(tmp_path):
    save_image(tmp_path / "test" / "ice_cream" / "b.jpg")
    save_image(tmp_path / "test" / "café" / "ä.png")
    images, labels, names = read_classes(tmp_path / "test")
    assert (names_of(images), labels.tolist(), names) == (["ä.png", "b.jpg"], [0, 1], ["café", "ice cream"])


# ImageNet -------------------------------------------------------------------------------------------------------------


def test_the_thousand_names_belong_to_their_ids_and_are_all_different():
    names = imagenet_names()
    assert list(names) == sorted(names) and len(set(names.values())) == 1000
    assert (names[TENCH], names[CRANE], names["n02012849"]) == ("tench", "crane", "crane bird")
    assert [list(names.values())[number] for number in (1, 281, 517, 999)] == [
        "goldfish", "tabby", "crane", "toilet tissue"
    ]  # fmt: skip


def test_folders_by_wordnet_id_are_named_in_words_and_grey_photos_are_read(tmp_path):
    save_image(tmp_path / "val" / GOLDFISH / "ILSVRC2012_val_00000002.JPEG", mode="L")
    save_image(tmp_path / "val" / TENCH / "ILSVRC2012_val_00000001.JPEG", mode="CMYK")
    images, labels, names = read_classes(tmp_path / "val")
    assert (labels.tolist(), names) == ([0, 1], ["tench", "goldfish"])
    data = LabelledImages(images, labels, torch.nn.Identity())
    assert [image.shape for image, _ in data] == [(3, 8, 8)] * 2


def test_imagenet_a_is_named_among_its_own_classes_and_its_readme_is_no_class(tmp_path):
    save_image(tmp_path / "imagenet-a" / CRANE / "0.001_a _ b_0.99.jpg")
    save_image(tmp_path / "imagenet-a" / GOLDFISH / "0.0003_x.jpg")
    write(tmp_path / "imagenet-a" / "README.txt", f"{GOLDFISH} goldfish\n{CRANE} crane\n")
    _, labels, names = read_classes(tmp_path / "imagenet-a")
    assert (labels.tolist(), names) == ([0, 1], ["goldfish", "crane"])


def test_imagenet_v2_folders_are_class_numbers_and_not_words(tmp_path):
    root = tmp_path / "imagenetv2-matched-frequency-format-val"
    photo = save_image(tmp_path / "a.jpeg").read_bytes()
    for number in range(1000):
        (root / str(number)).mkdir(parents=True)
        (root / str(number) / f"photo-{number}.jpeg").write_bytes(photo)
    images, labels, names = read_classes(root)
    assert labels.tolist() == list(range(1000))  # ImageFolder alone gives class 2 the number 112
    assert images[2].name == "photo-2.jpeg" and names[517] == "crane"


def test_ids_outside_imagenet_need_a_list_of_words(tmp_path):
    save_image(tmp_path / "train" / "n99999999" / "a.JPEG")
    save_image(tmp_path / "train" / TENCH / "a.JPEG")
    with pytest.raises(
        FileNotFoundError, match=r"no names for 1 classes .* such as n99999999; put WordNet's words.txt"
    ):
        read_classes(tmp_path / "train")
    write(tmp_path / "words.txt", "n99999999\tcafé, coffeehouse\r\nn01440764\tTinca tinca\r\n")
    assert read_classes(tmp_path / "train")[2] == ["tench", "café"]
    assert class_names(["n99999999"], tmp_path) == ["café"]


@pytest.fixture
def kaggle(tmp_path) -> Path:
    save_image(tmp_path / "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000001.JPEG")
    save_image(tmp_path / "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000002.JPEG", mode="L")
    solution = f"ImageId,PredictionString\r\nILSVRC2012_val_00000002,{CRANE} 85 1 499 272 {CRANE} 0 0 9 9 \r\n"
    write(tmp_path / "LOC_val_solution.csv", solution + f"ILSVRC2012_val_00000001,{GOLDFISH} 8 1 49 27 \r\n")
    return tmp_path


def test_kaggles_flat_validation_set_finds_its_labels(kaggle):
    images, labels, names = read_classes(kaggle / "val")
    assert names_of(images) == ["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG"]
    assert (labels.tolist(), names[1], len(names)) == ([1, 517], "goldfish", 1000)


def test_kaggles_images_and_list_are_missed_by_name(kaggle):
    (kaggle / "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000001.JPEG").unlink()
    with pytest.raises(FileNotFoundError, match="1 of the 2 images are missing, first ILSVRC2012_val_00000001"):
        read_classes(kaggle / "val")
    write(kaggle / "LOC_val_solution.csv", "ImageId,PredictionString\nILSVRC2012_val_00000002,\n")
    with pytest.raises(ValueError, match=r"LOC_val_solution.csv: \[''\] are none of ImageNet's"):
        read_classes(kaggle / "val")
    (kaggle / "LOC_val_solution.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"LOC_val_solution\.csv not found; it is part of Kaggle's"):
        read_classes(kaggle / "val")


def test_an_archive_that_was_not_unpacked_is_named(tmp_path):
    write(tmp_path / "ILSVRC2012_img_val.tar", "")
    with pytest.raises(
        FileNotFoundError, match=r"unpack ILSVRC2012_img_val.tar first: torchvision.datasets.ImageNet\("
    ):
        read_classes(tmp_path / "val")
    with pytest.raises(FileNotFoundError, match="elsewhere/val: no such folder, and no layout of CIFAR"):
        read_classes(tmp_path / "elsewhere" / "val")


def test_splits_with_other_classes_are_refused_and_a_class_is_named(tmp_path):
    for path in ("train/cat", "train/dog", "val/cat", "val/owl"):
        save_image(tmp_path / path / "a.jpg")
    assert list(read_class_splits(train=tmp_path / "train", val=tmp_path / "train")) == ["train", "val"]
    with pytest.raises(ValueError, match=r"train and .*val: 2 classes are only in one of them, such as 'dog'"):
        read_class_splits(train=tmp_path / "train", val=tmp_path / "val")


# CIFAR ----------------------------------------------------------------------------------------------------------------


def digest(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def cifar(tmp_path, monkeypatch) -> Path:
    """Both sets with 3 images a file; torchvision is told their checksums in place of the published ones."""
    pixels = np.random.default_rng(0).integers(0, 256, size=(3, 3072), dtype=np.uint8)
    ten, hundred = tmp_path / "cifar10" / CIFAR10.base_folder, tmp_path / CIFAR100.base_folder
    for folder in (ten, hundred):
        folder.mkdir(parents=True)
    for file in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]:
        entry = {"batch_label": file, "labels": [1, 0, 1], "data": pixels, "filenames": ["a.png", "b.png", "c.png"]}
        (ten / file).write_bytes(dumps_arrays(entry))
    (ten / "batches.meta").write_bytes(dumps_arrays({"label_names": ["airplane", "automobile"], "num_vis": 3072}))
    for file in ("train", "test"):
        entry = {"fine_labels": [0, 1, 0], "coarse_labels": [0, 0, 0], "data": pixels}
        (hundred / file).write_bytes(dumps_arrays(entry))
    (hundred / "meta").write_bytes(dumps_arrays({"fine_label_names": ["aquarium_fish", "apple"]}))
    for kind, folder in ((CIFAR10, ten), (CIFAR100, hundred)):
        for files in ("train_list", "test_list"):
            known = [[file, digest(folder / file)] for file, _ in getattr(kind, files)]
            monkeypatch.setattr(kind, files, known)
        monkeypatch.setattr(kind, "meta", kind.meta | {"md5": digest(folder / kind.meta["filename"])})
    return tmp_path


def test_cifar_10_comes_as_pictures_wherever_its_binaries_were_unpacked(cifar):
    images, labels, names = read_classes(cifar / "cifar10" / "test")
    assert (images.shape, images.dtype, labels.tolist()) == ((3, 32, 32, 3), np.uint8, [1, 0, 1])
    assert names == ["airplane", "automobile"]
    pixels = np.random.default_rng(0).integers(0, 256, size=(3, 3072), dtype=np.uint8)
    red_first = pixels[1].reshape(3, 32, 32)  # 1024 red bytes, row by row, then green, then blue
    image, label = LabelledImages(images, labels, torch.nn.Identity())[1]
    assert np.array_equal(image, red_first) and label == 0
    again, *_ = read_classes(cifar / "cifar10" / "cifar-10-batches-py" / "train")
    assert again.shape == (15, 32, 32, 3)
    with pytest.raises(ValueError, match="no split 'val'; CIFAR has 'train' and 'test'"):
        read_classes(cifar / "cifar10" / "val")


def test_cifar_100_has_its_fine_labels(cifar):
    _, labels, names = read_classes(cifar / "cifar-100-python" / "test")
    assert (labels.tolist(), names) == ([0, 1, 0], ["aquarium fish", "apple"])


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("file", ["test_batch", "batches.meta"])
def test_a_cifar_file_of_other_bytes_is_refused_before_it_is_unpickled(cifar, tmp_path, file):
    (cifar / "cifar10" / "cifar-10-batches-py" / file).write_bytes(pickle.dumps(Touch(tmp_path / "ran")))
    with pytest.raises(ValueError, match="a file is missing or differs from the published one; unpack cifar-10-python"):
        read_classes(cifar / "cifar10" / "test")
    assert not (tmp_path / "ran").exists()


# Tiny ImageNet --------------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny_imagenet(tmp_path) -> Path:
    root = tmp_path / "tiny-imagenet-200"
    write(root / "wnids.txt", f"{CRANE}\n{GOLDFISH}\n")
    write(root / "words.txt", f"{GOLDFISH}\tgoldfish, Carassius auratus\r\n{CRANE}\tcrane\nn00001740\tentity\n")
    for wnid, boxes in ((CRANE, "0\t10\t63\t58"), (GOLDFISH, "14\t2\t54\t49")):
        lines = [f"{wnid}_{number}.JPEG\t{boxes}" for number in (10, 2)]
        write(root / "train" / wnid / f"{wnid}_boxes.txt", "\r\n".join(lines))
        for number in (10, 2):
            save_image(root / "train" / wnid / "images" / f"{wnid}_{number}.JPEG", mode="L", side=64)
    lines = f"val_1.JPEG\t{CRANE}\t0\t0\t63\t63\nval_0.JPEG\t{GOLDFISH}\t5\t7\t5\t20\n"
    write(root / "val" / "val_annotations.txt", lines)
    for number in (0, 1):
        save_image(root / "val" / "images" / f"val_{number}.JPEG", side=64)
    save_image(root / "test" / "images" / "test_0.JPEG", side=64)
    return root


def test_tiny_imagenet_has_the_same_classes_in_both_splits(tiny_imagenet):
    sets = read_class_splits(train=tiny_imagenet / "train", val=tiny_imagenet / "val")
    images, labels, names = sets["train"]
    assert names == ["goldfish", "crane"]
    assert names_of(images) == [f"{wnid}_{n}.JPEG" for wnid in (GOLDFISH, CRANE) for n in (10, 2)]
    assert labels.tolist() == [0, 0, 1, 1]
    images, labels, _ = sets["val"]
    assert (names_of(images), labels.tolist()) == (["val_1.JPEG", "val_0.JPEG"], [1, 0])
    assert LabelledImages(images, labels, torch.nn.Identity())[0][0].shape == (3, 64, 64)


def test_the_last_row_and_column_belong_to_a_tiny_imagenet_box(tiny_imagenet):
    whole, thin = read_boxes(tiny_imagenet, tiny_imagenet, "val")
    assert (whole.boxes.tolist(), whole.category_names) == ([[0, 0, 64, 64]], ("crane",))
    assert (thin.boxes.tolist(), thin.width, thin.height) == ([[5, 7, 6, 21]], 64, 64)
    train = read_boxes(tiny_imagenet, tiny_imagenet, "train")
    assert train[0].boxes.tolist() == [[14, 2, 55, 50]]
    assert [image.path for image in train] == read_classes(tiny_imagenet / "train")[0]
    assert len({image.image_id for image in train}) == 4


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("val/val_annotations.txt", "val_1.JPEG\tn03126707\t0\t0\t63\n", r"txt:1: found .* 6 fields ending in x1 y1"),
        ("val/val_annotations.txt", "val_1.JPEG\tn03126707\t0\t0\t-1\t9\n", r"txt:1: found"),
        ("val/val_annotations.txt", "val_1.JPEG\tn00001740\t0\t0\t6\t9\n", r"\['n00001740'\] are not in wnids.txt"),
        ("val/val_annotations.txt", "val_7.JPEG\tn03126707\t0\t0\t6\t9\n", r"1 of the 1 images .* first val_7.JPEG"),
        ("words.txt", "n03126707\tcrane\n", r"words.txt: no name for \['n01443537'\]"),
    ],
)
def test_a_broken_tiny_imagenet_list_is_named(tiny_imagenet, file, text, message):
    write(tiny_imagenet / file, text)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_classes(tiny_imagenet / "val")


def test_missing_parts_of_tiny_imagenet_are_named(tiny_imagenet):
    with pytest.raises(ValueError, match="split 'test' has no labels there; expected 'train' or 'val'"):
        read_classes(tiny_imagenet / "test")
    write(tiny_imagenet / "train" / CRANE / f"{CRANE}_boxes.txt", "\n")
    with pytest.raises(ValueError, match=f"the class {CRANE} has no image"):
        read_classes(tiny_imagenet / "train")
    (tiny_imagenet / "val" / "val_annotations.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"val_annotations.txt not found; unpack tiny-imagenet-200.zip again"):
        read_classes(tiny_imagenet / "val")


# iNaturalist ----------------------------------------------------------------------------------------------------------


def inaturalist(**changed) -> dict:
    files = ["train_val2018/Aves/2761/b.jpg", "train_val2018/Plantae/7477/é.jpg"]
    return {
        "images": [{"id": number, "file_name": file} for number, file in zip((9, 4), files, strict=True)],
        "annotations": [{"id": 1, "image_id": 4, "category_id": 7477}, {"id": 2, "image_id": 9, "category_id": 2761}],
        "categories": [{"id": number, "name": str(number)} for number in (7477, 100, 2761)],
    } | changed


def write_inaturalist(root: Path, **changed) -> Path:
    content = inaturalist(**changed)
    for file in ("train_val2018/Aves/2761/b.jpg", "train_val2018/Plantae/7477/é.jpg"):
        save_image(root / file)
    return write(root / "val2018.json", json.dumps(content))


def test_inaturalist_labels_count_all_categories_in_the_order_of_their_ids(tmp_path):
    write_inaturalist(tmp_path)
    images, labels, names = read_classes(tmp_path / "val")
    assert (names_of(images), labels.tolist(), names) == (["b.jpg", "é.jpg"], [1, 2], ["100", "2761", "7477"])
    species = [
        {"id": 100, "name": "Abaeis nicippe"},
        {"id": 2761, "name": "Aix sponsa"},
        {"id": 7477, "name": "Zea mays"},
    ]
    write(tmp_path / "categories.json", json.dumps(species))
    assert read_classes(tmp_path / "val2018")[2] == ["Abaeis nicippe", "Aix sponsa", "Zea mays"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"annotations": [{"image_id": 4, "category_id": 7477}]}, "1 images have no label, such as 9"),
        ({"annotations": [{"image_id": 4, "category_id": 1}]}, "image 4 is of category 1, unknown"),
        ({"annotations": [{"image_id": 4, "category_id": n} for n in (100, 2761)]}, "image 4 has several labels"),
        ({"images": []}, "any image not found"),
        ({"images": [{"id": 4, "file_name": "no.jpg"}]}, "no.jpg not found; unpack train_val2018.tar.gz beside"),
    ],
)
def test_a_broken_inaturalist_list_is_named(tmp_path, changed, message):
    write_inaturalist(tmp_path, **changed)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_classes(tmp_path / "val")


def test_an_inaturalist_list_without_labels_or_cut_short_is_named(tmp_path):
    write(tmp_path / "val2018.json", json.dumps({"images": []}))
    with pytest.raises(ValueError, match=r"val2018.json: found no annotations, categories; test lists have no labels"):
        read_classes(tmp_path / "val")
    write(tmp_path / "val2018.json", '{"images": [')
    with pytest.raises(ValueError, match=r"val2018.json: not complete JSON"):
        read_classes(tmp_path / "val")


# Boxes ----------------------------------------------------------------------------------------------------------------


def test_coco_boxes_are_read_for_the_split_asked_for_and_cut_to_the_image(tmp_path):
    content = {
        "images": [{"id": 3, "file_name": "3.jpg", "width": 20, "height": 10}],
        "annotations": [{"id": 5, "image_id": 3, "category_id": 1, "bbox": [15, 5, 6, 5]}],
        "categories": [{"id": 1, "name": "dog"}],
    }
    write(tmp_path / "instances_val2017.json", json.dumps(content))
    (image,) = read_boxes(tmp_path / "instances_{split}2017.json", tmp_path / "{split}2017", "val")
    assert (image.boxes.tolist(), image.path) == ([[15, 5, 20, 10]], tmp_path / "val2017" / "3.jpg")
    content["annotations"][0]["bbox"] = [21, 0, 5, 5]
    write(tmp_path / "instances_val2017.json", json.dumps(content))
    with pytest.raises(
        ValueError, match=r"instances_val2017.json: annotation 5 of 3.jpg .* outside the image of 20 x 10"
    ):
        read_boxes(tmp_path / "instances_{split}2017.json", tmp_path / "{split}2017", "val")
