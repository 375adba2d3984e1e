"""From a profile to its images: what is missing is listed, fractions nest, the data command counts."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from cliplite_core.__main__ import main
from cliplite_core.config import Config
from cliplite_core.data.splits import data_folder, read_people, read_split
from cliplite_core.profiles import load_profile
from cliplite_core.scenes.generate import compose_scenes
from cliplite_core.storage.places import data_root, definition, published_directory, results_directory, run_directory


@pytest.fixture
def flickr8k(tmp_path, monkeypatch) -> Path:
    """The layout of Kaggle's Flickr8k with ten images, their files empty."""
    folder = tmp_path / "sets" / "flickr8k"
    (folder / "Images").mkdir(parents=True)
    names = [f"{number}.jpg" for number in range(10)]
    for name in names:
        (folder / "Images" / name).touch()
    rows = [f'{name},"caption {n}, of {name}"' for name in names for n in range(5)]
    (folder / "captions.txt").write_text("\n".join(["image,caption", *rows]) + "\n")
    for split, chosen in {"train": names[:6], "dev": names[6:8], "test": names[8:]}.items():
        (folder / f"Flickr_8k.{split}Images.txt").write_text("\n".join(chosen) + "\n")
    monkeypatch.setenv("CLIPLITE_DATA", str(folder.parent))
    return folder


def names(config: Config, split: str) -> list[str]:
    return [image.path.name for image in read_split(config, split)]


def test_the_scenes_are_composed_once_and_read_by_the_coco_reader(tiny):
    folder = data_folder(tiny)
    compose_scenes(tiny)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    train, test = read_split(tiny, "train"), read_split(tiny, "test")
    assert (len(train), len(test)) == (48, 16)
    assert all(image.path.is_file() and 1 <= len(image.captions) <= 5 for image in train + test)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_scenes_that_are_not_composed_yet_are_named_with_the_command_that_does_it(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"not composed yet(.|\n)*cliplite data ready smoke"):
        read_split(load_profile("smoke"), "train")


def test_flickr8k_is_read_as_kaggle_lays_it_out(flickr8k):
    config = load_profile("flickr8k")
    assert names(config, "dev") == ["6.jpg", "7.jpg"]
    image = read_split(config, "train")[0]
    assert image.path == flickr8k / "Images" / "0.jpg"
    assert image.captions == tuple(f"caption {n}, of 0.jpg" for n in range(5))


def test_a_table_without_split_lists_is_split_by_name_so_that_new_images_move_no_others(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    (tmp_path / "own" / "images").mkdir(parents=True)
    config = load_profile("own")

    def split(count: int) -> dict[str, set[str]]:
        rows = [f"{number}.jpg,a caption" for number in range(count)]
        (tmp_path / "own" / "captions.csv").write_text("\n".join(["image,caption", *rows]) + "\n")
        return {name: set(names(config, name)) for name in ("train", "val", "test")}

    small, large = split(300), split(600)
    assert sorted(name for part in large.values() for name in part) == sorted(f"{n}.jpg" for n in range(600))
    assert len(large["train"]) == pytest.approx(540, abs=25) and min(len(part) for part in large.values()) >= 15
    assert all(small[name] < large[name] for name in small)


def test_a_split_of_given_sizes_has_them_exactly_and_leaves_out_no_image(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    (tmp_path / "own" / "images").mkdir(parents=True)
    (tmp_path / "own" / "captions.csv").write_text("image,caption\n" + "".join(f"{n}.jpg,a\n" for n in range(300)))
    config = load_profile("own", val_images=30, test_images=60)
    parts = {name: set(names(config, name)) for name in ("train", "val", "test")}
    assert [len(parts[name]) for name in parts] == [210, 30, 60] and len(set.union(*parts.values())) == 300
    with pytest.raises(ValueError, match=r"val_images, test_images: found 200 \+ 100"):
        read_split(config.override(val_images=200, test_images=100), "train")


@pytest.fixture
def own_coco(tmp_path, monkeypatch) -> Config:
    """Pairs of one's own in one COCO captions file, with ids that say nothing, and a list for one split."""
    folder = tmp_path / "Meine Daten ü" / "own"
    (folder / "images").mkdir(parents=True)
    images = [{"id": 7000 + n, "file_name": f"photo {n}.jpg"} for n in range(300)]
    captions = [{"image_id": image["id"], "caption": "a caption"} for image in images]
    content = json.dumps({"images": images, "annotations": captions})
    (folder / "captions.json").write_text(content, encoding="utf-8-sig")  # as some editors on Windows save it
    (folder / "train.txt").write_text("photo 2.jpg\nphoto 1\n")
    monkeypatch.setenv("CLIPLITE_DATA", str(folder.parent))
    return load_profile("own", format="coco", captions="captions.json")


def test_one_coco_file_without_splits_is_split_by_file_name_as_a_table_is(own_coco):
    parts = {split: names(own_coco, split) for split in ("train", "val", "test")}
    assert sorted(name for part in parts.values() for name in part) == sorted(f"photo {n}.jpg" for n in range(300))
    rows = "".join(f"photo {n}.jpg,a caption\n" for n in range(300))
    (data_root() / "own" / "captions.csv").write_text(f"image,caption\n{rows}")
    assert parts == {split: names(load_profile("own"), split) for split in parts}


def test_one_coco_file_is_split_by_lists_of_file_names_with_or_without_endings(own_coco):
    config = own_coco.override(split_file="{split}.txt", val_split="train", test_split="train")
    assert names(config, "train") == ["photo 2.jpg", "photo 1.jpg"]


def test_a_table_for_every_split_is_not_split_further(flickr8k):
    rows = "".join(f"{n}.jpg,a caption\n" for n in range(10))
    for split in ("train", "dev"):
        (flickr8k / f"{split}.csv").write_text(f"image,caption\n{rows}")
    assert len(names(load_profile("flickr8k", captions="{split}.csv", split_file=""), "train")) == 10


def test_a_split_that_has_no_images_or_that_nobody_knows_is_named(flickr8k, own_coco, monkeypatch):
    with pytest.raises(ValueError, match=r"split 'dev': expected one of train, val, test"):
        read_split(own_coco, "dev")
    monkeypatch.setenv("CLIPLITE_DATA", str(flickr8k.parent))
    (flickr8k / "Flickr_8k.devImages.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"captions\.txt: no image with a caption in the split 'dev'"):
        read_split(load_profile("flickr8k"), "dev")


def test_other_braces_in_a_file_name_are_part_of_the_name(flickr8k):
    config = load_profile("flickr8k", captions="captions{1}.txt", images="Images")
    with pytest.raises(FileNotFoundError, match=r"captions\{1\}\.txt"):
        read_split(config, "train")


def test_people_are_a_split_of_the_captions_where_the_profile_says_so(flickr8k):
    config = load_profile("flickr8k", people="dev")
    assert read_people(config) == read_split(config, "dev")
    with pytest.raises(ValueError, match=r"people: profile 'flickr8k' names none, expected a COCO captions JSON or a"):
        read_people(config.override(people=""))


def test_people_are_a_coco_file_of_their_own_where_the_profile_names_one(flickr8k):
    config = load_profile("flickr8k", people="faces/captions.json", people_images="faces/photos")
    with pytest.raises(FileNotFoundError, match=r"captions\.json not found, expected a COCO captions JSON file"):
        read_people(config)
    content = {"images": [{"id": 3, "file_name": "a.jpg"}], "annotations": [{"image_id": 3, "caption": "A man"}]}
    (data_root() / "faces").mkdir()
    (data_root() / "faces" / "captions.json").write_text(json.dumps(content))
    assert [image.path for image in read_people(config)] == [data_root() / "faces" / "photos" / "a.jpg"]


def test_a_file_of_people_without_any_is_named(tiny):  # so few scenes have no share of people
    config = tiny.override(people="tiny/annotations/captions_people.json", people_images="tiny/people")
    with pytest.raises(ValueError, match=r"captions_people\.json: no image with a caption"):
        read_people(config)


@pytest.mark.parametrize(
    ("profile", "files"),
    [
        ("flickr8k", ["captions.txt", "Images", "Flickr_8k.trainImages.txt", "Flickr_8k.devImages.txt"]),
        ("coco", ["annotations/captions_train2017.json", "annotations/captions_val2017.json", "train2017", "val2017"]),
    ],
)
def test_a_missing_data_folder_is_a_list_of_what_is_needed_and_where_to_say_so(profile, files):
    with pytest.raises(FileNotFoundError) as error:
        data_folder(load_profile(profile))
    message = str(error.value)
    assert all(str(data_root() / profile / file) in message for file in files)
    assert "CLIPLITE_DATA" in str(error.value) and "data/README.md" in str(error.value)


def test_only_what_is_missing_is_listed(flickr8k):
    (flickr8k / "captions.txt").unlink()
    with pytest.raises(FileNotFoundError) as error:
        data_folder(load_profile("flickr8k"))
    assert f"not there: {flickr8k / 'captions.txt'}; set" in str(error.value)


def test_training_fractions_are_nested_random_and_in_the_order_of_the_set(tiny):
    everything = names(tiny, "train")
    fractions = [names(tiny.override(train_fraction=share), "train") for share in (0.1, 0.25, 0.5, 0.75, 1.0)]
    assert [len(fraction) for fraction in fractions] == [5, 12, 24, 36, 48]
    for smaller, larger in pairwise(fractions):
        assert set(smaller) < set(larger)
    for fraction in fractions:
        assert fraction == [name for name in everything if name in set(fraction)]
    assert fractions[2] != everything[:24]
    assert fractions[2] == names(tiny.override(train_fraction=0.5), "train")
    assert fractions[2] != names(tiny.override(train_fraction=0.5, seed=1), "train")


def test_only_the_training_split_is_cut(tiny):
    assert len(read_split(tiny.override(train_fraction=0.1), "val")) == 16


def test_a_folder_that_holds_other_scenes_is_not_overwritten(tiny):
    with pytest.raises(FileExistsError, match=r"train: found 48, expected 40"):
        compose_scenes(tiny.override(scenes_train=40))


def test_places_follow_the_environment_and_a_changed_run_its_own_folder(tiny, tmp_path):
    assert results_directory("smoke") == tmp_path / "results" / "smoke"
    directory = run_directory(tiny)
    assert directory.parent == tmp_path / "runs" / "smoke"
    assert directory.name == f"jsd-seed0-{tiny.hash()}"
    assert run_directory(tiny.override(image_lr=0.5)) != directory


def test_without_the_environment_places_are_the_projects(monkeypatch):
    for name in ("DATA", "RUNS", "RESULTS"):
        monkeypatch.delenv(f"CLIPLITE_{name}")
    project = Path(__file__).resolve().parents[2]
    assert data_root() == project / "data"
    assert results_directory("smoke") == project / "results" / "local" / "smoke"
    assert published_directory("smoke") == project / "results" / "smoke"
    assert run_directory(load_profile("smoke")).parent == project / "runs" / "smoke"


def test_a_definition_that_is_not_there_is_named():
    assert definition("prompts.json").is_file()
    with pytest.raises(FileNotFoundError, match=r"prompt\.json not found; it comes with a checkout"):
        definition("prompt.json")


def test_the_data_command_counts_images_and_captions(flickr8k, capsys):
    assert main(["data", "ready", "flickr8k"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["flickr8k/train", "6", "images", "30", "captions"],
        ["flickr8k/dev", "2", "images", "10", "captions"],
    ]


def test_the_data_command_says_when_photos_are_not_there(flickr8k, capsys):
    for path in (flickr8k / "Images").iterdir():
        path.unlink()
    assert main(["data", "ready", "flickr8k"]) == 2
    assert "6 of 6 images are not there" in capsys.readouterr().err


def test_the_data_command_ends_with_the_error_and_no_traceback(flickr8k, capsys):
    shutil.rmtree(flickr8k)
    assert main(["data", "ready", "flickr8k"]) == 2
    assert "error: profile 'flickr8k' needs files that are not there" in capsys.readouterr().err
    assert main(["data", "ready", "flikr8k"]) == 2
    assert "unknown profile 'flikr8k'" in capsys.readouterr().err
