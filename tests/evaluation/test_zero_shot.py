"""Prompts, class embeddings and zero-shot naming."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cliplite_core.data.labelled.boxes import BoxedImage
from cliplite_core.evaluation import zero_shot
from cliplite_core.evaluation.zero_shot import (
    class_embeddings,
    fill_template,
    load_prompts,
    name_images,
    name_pairs,
    pairs_of,
    read_class_sets,
    scenes_of_two,
    zero_shot_metrics,
)

PROMPTS = Path(__file__).parents[2] / "data" / "prompts.json"


def letter_counts(texts: list[str]) -> torch.Tensor:
    """A text encoder one can compute by hand: how often a, b, c, ... occur."""
    return torch.tensor([[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]).float()


def write(path: Path, content: object, indent: int | None = None) -> Path:
    path.write_text(json.dumps(content, indent=indent), encoding="utf-8")
    return path


def test_the_shipped_prompts_hold_the_papers_own_and_an_ensemble():
    prompts, digest = load_prompts(PROMPTS)
    assert prompts["paper"] == ["a picture of a {}."]
    assert len(prompts["ensemble"]) == len(set(prompts["ensemble"])) >= 7
    assert len(digest) == 64


def test_the_hash_follows_the_prompts_and_nothing_else(tmp_path):
    base = load_prompts(write(tmp_path / "a.json", {"x": ["a {}"], "y": ["b {}"]}))[1]
    same = {"description": "new words", "y": ["b {}"], "x": ["a {}"]}
    assert load_prompts(write(tmp_path / "b.json", same, indent=4))[1] == base
    assert load_prompts(write(tmp_path / "c.json", {"x": ["a  {}"], "y": ["b {}"]}))[1] != base


@pytest.mark.parametrize("templates", [[], "a {}", ["no place"], ["{} and {}"], [3]])
def test_a_broken_prompt_set_is_named(tmp_path, templates):
    with pytest.raises(ValueError, match="'mine'"):
        load_prompts(write(tmp_path / "prompts.json", {"paper": ["a {}"], "mine": templates}))


def test_a_missing_prompt_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        load_prompts(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("name", "article"),
    [
        ("apple", "an"),
        ("dog", "a"),
        ("Owl", "an"),
        ("umbrella", "an"),
        ("unicorn", "a"),
        ("euro banknote", "a"),
        ("one-piece swimsuit", "a"),
        ("onion", "an"),
        ("hourglass", "an"),
        ("house", "a"),
    ],
)
def test_the_article_follows_the_sound_only_where_the_template_asks(name, article):
    assert fill_template("a picture of a(n) {}.", name) == f"a picture of {article} {name}."
    assert fill_template("a picture of a {}.", name) == f"a picture of a {name}."


def test_class_embeddings_agree_with_a_plain_loop():
    names, templates = ["cat", "ice cream", "dog"], ["a {}", "some pictures of a(n) {}.", "{}"]
    expected = []
    for name in names:
        each = [letter_counts([fill_template(template, name)])[0].numpy() for template in templates]
        mean = sum(vector / np.linalg.norm(vector) for vector in each) / len(each)
        expected.append(mean / np.linalg.norm(mean))
    assert class_embeddings(letter_counts, names, templates) == pytest.approx(np.array(expected), abs=1e-6)


def test_class_embeddings_are_unit_vectors_in_class_order():
    names = ["zebra", "ant", "bee"]
    embeddings = class_embeddings(letter_counts, names, ["{}", "a photo of {}"])
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1, abs=1e-6)
    reverse = class_embeddings(letter_counts, names[::-1], ["{}", "a photo of {}"])
    assert np.array_equal(embeddings, reverse[::-1])


def test_a_class_named_twice_is_refused():
    with pytest.raises(ValueError, match="'bat'"):
        class_embeddings(letter_counts, ["bat", "ball", "bat"], ["{}"])


def test_images_are_named_by_cosine_so_their_length_does_not_matter():
    rng = np.random.default_rng(0)
    classes = np.eye(12, 16)
    labels = rng.integers(0, 12, size=100)
    images = classes[labels] + 0.3 * rng.normal(size=(100, 16))
    metrics = zero_shot_metrics(images, classes, labels)
    correct = sum(
        max(range(12), key=lambda c: image @ classes[c] / np.linalg.norm(image)) == label
        for image, label in zip(images, labels, strict=True)
    )
    assert metrics["top1"] == correct / 100
    assert 0.5 < metrics["top1"] < 1
    stretched = zero_shot_metrics(images * rng.uniform(0.1, 10, size=(100, 1)), classes, labels)
    assert np.array_equal(stretched["confusion"], metrics["confusion"])


def test_an_embedding_without_direction_stops_the_evaluation():
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="length zero"):
        zero_shot_metrics(np.zeros((1, 3)), np.eye(3), [0])


# --- the sets of a profile, by every prompt ------------------------------------------------------------------------


def test_sets_that_may_be_missing_are_left_out_and_the_first_must_be_there(tiny, tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / "set" / name).mkdir(parents=True)
        grey(tmp_path / "set" / name, [1, 2])
    there = str(tmp_path / "set")
    fields = {"zero_shot": there, "zero_shot_shift": "not/there", "zero_shot_more": ["nor/there", there]}
    config = tiny.override(**fields, skip_missing=True)
    sets = read_class_sets(config)
    assert list(sets) == ["in distribution", there]
    images, labels, classes = sets["in distribution"]
    assert (len(images), labels.tolist(), classes) == (4, [0, 0, 1, 1], ["ant", "bee"])
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_class_sets(config.override(zero_shot="nowhere"))


class SeesNames:
    """A model whose images are grey values, each the row of a text it knows; it embeds them as that text."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def preprocess(self, image: torch.Tensor) -> torch.Tensor:
        return image.float()

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        return letter_counts([self.texts[int(image[0, 0, 0])] for image in images])

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        return letter_counts(texts)


def grey(folder: Path, values: list[int]) -> list[Path]:
    for row, value in enumerate(values):
        Image.new("RGB", (2, 2), (value, value, value)).save(folder / f"{row}.png")
    return [folder / f"{row}.png" for row in range(len(values))]


def test_every_set_is_named_by_every_prompt(tmp_path):
    classes, seen, labels = ["zebra", "ant", "bee"], [0, 1, 2, 1], np.array([0, 1, 2, 2])
    sets = {"mine": (grey(tmp_path, seen), labels, classes)}
    found = name_images(SeesNames(classes), sets, {"bare": ["{}"], "doubled": ["{}{}"]})
    assert list(found) == [("mine", "bare"), ("mine", "doubled")]
    for named in found.values():
        assert named["top1"] == 0.75 and named["predictions"].tolist() == seen


# --- two things at once ---------------------------------------------------------------------------------------------


def boxed(path: str, *names: str) -> BoxedImage:
    return BoxedImage(Path(path), 0, 8, 8, torch.zeros(len(names), 4), tuple(range(len(names))), names)


def test_scenes_of_just_two_things_are_compared_as_many_of_each(tiny, monkeypatch):
    pairs = pairs_of(["ant", "bee", "cat"])
    splits = {
        "test": [boxed("a", "bee", "ant"), boxed("b", "ant"), boxed("c", "cat", "ant"), boxed("d", "ant", "bee")],
        "new": [
            boxed("e", "cat", "bee"),
            boxed("f", "bee", "cat"),
            boxed("g", "ant", "a man"),
            boxed("h", "ant", "ant"),
        ],
    }
    monkeypatch.setattr(zero_shot, "read_boxes", lambda _boxes, _images, split: splits[split])
    groups = scenes_of_two(tiny.override(novel_split="new"), ["cat", "ant", "bee"])
    named = {group: [(str(path), pairs[pair]) for path, pair in scenes] for group, scenes in groups.items()}
    assert named == {
        "seen compositions": [("a", ("ant", "bee")), ("d", ("ant", "bee"))],  # the first and the last of three
        "novel compositions": [("e", ("bee", "cat")), ("f", ("bee", "cat"))],
    }
    assert scenes_of_two(tiny, ["ant", "bee"]) == {}  # a profile without such scenes


def test_a_pair_counts_wholly_or_by_one_of_its_things(tmp_path):
    things = ["zzz", "mmm", "qqq", "xxx"]
    pairs = pairs_of(things)
    model = SeesNames([f"{b} and a {a}" for a, b in pairs])  # the order of the two must not matter
    right, half, wrong = (pairs.index(pair) for pair in (("mmm", "qqq"), ("mmm", "xxx"), ("xxx", "zzz")))
    scenes = [(path, right) for path in grey(tmp_path, [right, half, wrong, right])]
    found = name_pairs(model, scenes, things, ["a {}"])
    assert (found["top1"], found["one of the two"], found["n"]) == (0.5, 0.75, 4)
    shares = [len({*one} & {*two}) > 0 for one in pairs for two in pairs]
    assert found["chance"] == {"top1": 1 / 6, "top5": 5 / 6, "one of the two": pytest.approx(np.mean(shares))}
