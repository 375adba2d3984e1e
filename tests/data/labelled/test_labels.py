"""VOC lists, class folders and label fractions from real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cliplite_core.data.labelled.labels import LabelledImages, label_fraction, read_image_folder, read_voc_labels


def save_image(path: Path, colour: tuple[int, int, int] = (0, 0, 0)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)


@pytest.fixture
def devkit(tmp_path) -> Path:
    """Three images, two classes, laid out as VOC2007 is."""
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "dog_trainval.txt").write_bytes(b"000005 -1\r\n000009  1\r\n000007  0\r\n")
    (lists / "cat_trainval.txt").write_bytes(b"000009 -1\n000005  1\n000007 -1\n")
    (lists / "cat_train.txt").write_text("000005  1\n")
    (lists / "trainval.txt").write_text("000005\n000009\n000007\n")
    for name in ("000005", "000007", "000009"):
        save_image(tmp_path / "JPEGImages" / f"{name}.jpg")
    return tmp_path


def test_voc_lists_become_one_row_per_image_and_one_sorted_column_per_class(devkit):
    paths, labels, names = read_voc_labels(devkit, "trainval")
    assert names == ["cat", "dog"]
    by_image = {path.name: row.tolist() for path, row in zip(paths, labels, strict=True)}
    assert by_image == {"000005.jpg": [1, -1], "000009.jpg": [-1, 1], "000007.jpg": [-1, 0]}
    assert labels.dtype == np.int8


def test_image_sets_whose_names_end_alike_are_kept_apart(devkit):
    paths, labels, names = read_voc_labels(devkit, "train")
    assert ([path.stem for path in paths], labels.tolist(), names) == (["000005"], [[1]], ["cat"])


def test_all_missing_images_are_listed(devkit):
    for name in ("000005", "000007"):
        (devkit / "JPEGImages" / f"{name}.jpg").unlink()
    with pytest.raises(FileNotFoundError, match="2 of the 3 images of trainval are missing: 000005, 000007") as error:
        read_voc_labels(str(devkit), "trainval")
    assert "000009" not in str(error.value)


def test_a_folder_without_lists_says_which_folder_is_meant(devkit):
    with pytest.raises(FileNotFoundError, match="VOCdevkit/VOC2007"):
        read_voc_labels(devkit / "JPEGImages", "trainval")


@pytest.mark.parametrize("line", ["000005 2", "000005", "000005 1 1"])
def test_a_broken_line_is_named_with_its_number(devkit, line):
    (devkit / "ImageSets" / "Main" / "dog_trainval.txt").write_text(f"000009 1\n\n{line}\n")
    with pytest.raises(ValueError, match=r"dog_trainval\.txt:3"):
        read_voc_labels(devkit, "trainval")


def test_lists_that_name_different_images_are_refused(devkit):
    (devkit / "ImageSets" / "Main" / "dog_trainval.txt").write_text("000005 1\n000009 1\n")
    with pytest.raises(ValueError, match=r"dog_trainval\.txt: 1 images differ from cat_trainval.txt, such as 000007"):
        read_voc_labels(devkit, "trainval")


def test_an_empty_list_is_refused(devkit):
    (devkit / "ImageSets" / "Main" / "cat_trainval.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"cat_trainval\.txt: the list is empty"):
        read_voc_labels(devkit, "trainval")


def test_class_folders_become_sorted_class_indices(tmp_path):
    for name in ("owl/b.png", "owl/a.png", "ant/z.jpg"):
        save_image(tmp_path / name)
    (tmp_path / "README.txt").write_text("not a class")
    paths, labels, names = read_image_folder(tmp_path)
    assert names == ["ant", "owl"]
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "ant/z.jpg",
        "owl/a.png",
        "owl/b.png",
    ]
    assert labels.tolist() == [0, 1, 1]


def test_an_empty_class_folder_is_named(tmp_path):
    save_image(tmp_path / "owl" / "a.png")
    (tmp_path / "heron").mkdir()
    with pytest.raises(FileNotFoundError, match="1 of 2 class folders hold no image: heron; fill them, or delete"):
        read_image_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="elsewhere: no such folder"):
        read_image_folder(tmp_path / "elsewhere")


def test_labelled_images_decode_and_transform_in_order(tmp_path):
    save_image(tmp_path / "red.png", (255, 0, 0))
    save_image(tmp_path / "blue.png", (0, 0, 255))
    data = LabelledImages([tmp_path / "red.png", tmp_path / "blue.png"], np.array([4, 2]), lambda image: image / 255)
    image, label = data[1]
    assert len(data) == 2 and label == 2 and image.shape == (3, 8, 8)
    assert torch.equal(image[:, 0, 0], torch.tensor([0.0, 0.0, 1.0]))
    with pytest.raises(ValueError, match="labels: expected one for each of the 1 images"):
        LabelledImages([tmp_path / "red.png"], [1, 2], torch.nn.Identity())


def test_labelled_arrays_give_what_the_same_picture_as_a_file_gives(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, size=(2, 8, 6, 3), dtype=np.uint8)
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    arrays = LabelledImages(pixels, [3, 1], torch.nn.Identity())
    files = LabelledImages([tmp_path / "0.png", tmp_path / "1.png"], [3, 1], torch.nn.Identity())
    for (from_array, label), (from_file, same_label) in zip(arrays, files, strict=True):
        assert torch.equal(from_array, from_file) and label == same_label


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_the_grey_and_cmyk_jpegs_of_imagenet_come_as_three_channels(tmp_path, mode):
    Image.new(mode, (8, 6)).save(tmp_path / "a.JPEG")
    image, _ = LabelledImages([tmp_path / "a.JPEG"], [0], torch.nn.Identity())[0]
    assert (image.shape, image.dtype) == ((3, 6, 8), torch.uint8)


@pytest.mark.parametrize("fraction", [0.001, 0.01, 0.1, 0.5, 1.0])
def test_a_label_fraction_keeps_each_class_in_proportion_and_none_is_lost(fraction):
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [500, 100, 1]))
    kept = label_fraction(labels, fraction, seed=0)
    assert len(set(kept)) == len(kept)
    assert np.bincount(labels[kept]).tolist() == [max(1, round(fraction * n)) for n in (500, 100, 1)]


def test_label_fractions_of_one_seed_are_nested_and_seeds_differ():
    labels = np.repeat(np.arange(5), 40)
    small, large = (label_fraction(labels, fraction, seed=1) for fraction in (0.1, 0.5))
    assert set(small) < set(large)
    assert not np.array_equal(small, label_fraction(labels, 0.1, seed=2))
    assert np.array_equal(small, label_fraction(labels, 0.1, seed=1))


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5])
def test_an_impossible_fraction_is_refused(fraction):
    with pytest.raises(ValueError, match="fraction"):
        label_fraction([0, 1], fraction, seed=0)
