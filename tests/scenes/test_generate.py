from __future__ import annotations

import hashlib
import json
from itertools import combinations
from pathlib import Path

import pytest

from cliplite_core.scenes import generate as scenes
from cliplite_core.scenes.generate import generate
from cliplite_core.scenes.spec import SceneSpec

TINY = {
    "train": 30,
    "val": 4,
    "test": 10,
    "novel": 4,
    "people": 24,
    "voc_trainval": 20,
    "single_train": 1,
    "single_val": 1,
    "shift": 1,
}


def fingerprint(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("data") / "scenes", **TINY)


def test_two_generations_are_the_same_to_the_byte(root, tmp_path):
    assert fingerprint(root) == fingerprint(generate(tmp_path / "again", **TINY))


def test_another_seed_gives_other_pictures(root, tmp_path):
    other = fingerprint(generate(tmp_path / "other", **TINY, seed=1))
    assert other["train/000001.jpg"] != fingerprint(root)["train/000001.jpg"]


def test_a_smaller_set_is_the_beginning_of_a_larger_one(root, tmp_path):
    small = generate(tmp_path / "small", **TINY | {"train": 12, "voc_trainval": 5})
    large, found = fingerprint(root), fingerprint(small)
    pictures = [name for name in found if name.endswith(".jpg")]
    assert len(pictures) > 100
    assert all(found[name] == large[name] for name in pictures)
    captions = read(small / "annotations" / "captions_train.json")["annotations"]
    assert captions == read(root / "annotations" / "captions_train.json")["annotations"][: 5 * 12]


def test_no_picture_of_the_voc_view_is_one_that_is_trained_on(root):
    listed = (root / "VOCdevkit" / "VOC2007" / "ImageSets" / "Main" / "trainval.txt").read_text().split()
    found = fingerprint(root)
    trained = {digest for name, digest in found.items() if name.startswith("train/")}
    assert len(listed) == 20
    assert trained.isdisjoint(found[f"VOCdevkit/VOC2007/JPEGImages/{name}.jpg"] for name in listed)


def test_a_finished_set_is_left_alone(root):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert generate(root, **TINY) == root
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}


def test_a_set_made_differently_is_not_overwritten_and_the_difference_is_named(root):
    with pytest.raises(FileExistsError, match=r"train: found 30, expected 31.*delete that folder"):
        generate(root, **TINY | {"train": 31})


def test_a_set_made_from_other_tables_is_not_taken_for_this_one(root, tmp_path):
    recipe = read(root / "spec.json") | {"vocabulary": "of another day"}
    (tmp_path / "spec.json").write_text(json.dumps(recipe), encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"made differently \(vocabulary\)"):
        generate(tmp_path, **TINY)


def test_a_folder_of_something_else_is_not_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"no spec\.json"):
        generate(tmp_path, **TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_interrupted_run_leaves_no_set_and_the_next_run_ends_well(root, tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    target = tmp_path / "scenes"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(scenes, "write_voc", interrupt)
        generate(target, **TINY)
    assert not target.exists()
    generate(target, **TINY)
    assert fingerprint(target) == fingerprint(root)
    assert [path.name for path in tmp_path.iterdir()] == ["scenes"]


def test_an_empty_folder_is_filled(tmp_path):
    sizes = dict.fromkeys(TINY, 0) | {"train": 2}
    assert len(list((generate(tmp_path, **sizes) / "train").iterdir())) == 2


def test_heldout_pairs_share_scenes_in_the_split_novel_alone(root):
    heldout = {tuple(pair) for pair in read(root / "spec.json")["heldout_pairs"]}
    for split in ("train", "val", "test", "novel"):
        instances = read(root / "annotations" / f"instances_{split}.json")
        names = {category["id"]: category["name"] for category in instances["categories"]}
        shown = {image["id"]: set() for image in instances["images"]}
        for annotation in instances["annotations"]:
            shown[annotation["image_id"]].add(names[annotation["category_id"]])
        for kinds in shown.values():
            pairs = set(combinations(sorted(kinds), 2))
            if split == "novel":
                assert len(pairs) == 1
                assert pairs <= heldout
            else:
                assert not pairs & heldout


def test_the_truth_about_people_is_kept_and_balanced_in_their_split(root):
    people = read(root / "annotations" / "instances_people.json")["images"]
    assert len({(image["gender"], image["activity"]) for image in people}) == 24
    train = read(root / "annotations" / "instances_train.json")
    with_person = {a["image_id"] for a in train["annotations"] if a["category_id"] == 25}
    assert with_person == {image["id"] for image in train["images"] if image["gender"]}


def test_the_bias_is_planted_in_train_and_val_only(monkeypatch, tmp_path):
    asked = {}

    def note(rng, heldout, person_fraction, correlation):
        asked[len(asked)] = correlation
        return draw(rng, heldout, person_fraction, correlation)

    draw = scenes.contents.draw_scene
    monkeypatch.setattr(scenes.contents, "draw_scene", note)
    generate(tmp_path, **dict.fromkeys(TINY, 0) | {"train": 2, "val": 1, "test": 1}, gender_correlation=0.9)
    assert list(asked.values()) == [0.9, 0.9, 0.9, 0.5]


def test_the_licences_travel_with_the_pictures(root):
    text = (root / "ATTRIBUTION.txt").read_text(encoding="utf-8")
    assert "Twemoji, CC-BY 4.0" in text
    assert "OpenMoji, CC BY-SA 4.0" in text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"train": -1}, r"SceneSpec\.train is -1, expected 0 to 99999"),
        ({"canvas": 8}, r"SceneSpec\.canvas is 8"),
        ({"person_fraction": 1.5}, r"SceneSpec\.person_fraction is 1\.5, expected 0 to 1"),
        ({"heldout_fraction": 0.0}, r"SceneSpec\.novel is 300 .* holds out no pair"),
    ],
)
def test_values_out_of_range_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        SceneSpec(**fields)


@pytest.mark.parametrize(
    ("fields", "message"), [({"train": 4.5}, r"SceneSpec\.train is 4\.5, expected int"), ({"trian": 4}, "trian")]
)
def test_wrong_types_and_misspelt_fields_are_named(fields, message):
    with pytest.raises(TypeError, match=message):
        SceneSpec(**fields)
