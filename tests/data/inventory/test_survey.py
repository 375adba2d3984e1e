"""A look at the pairs: captions are counted, sizes are upright, broken files are listed, copies are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.inventory.survey import (
    Survey,
    count_captions,
    near_duplicates,
    read_pairs,
    shared_captions,
    survey,
)
from cliplite_core.profiles import load_profile

ORIENTATION, QUARTER_TURN = 0x0112, 6


def picture(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Smooth colour noise: like a photo, large shapes and few edges."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)


def saved(folder: Path, **pictures: Image.Image) -> list[CaptionedImage]:
    folder.mkdir(exist_ok=True)
    items = []
    for name, image in pictures.items():
        path = folder / f"{name}.{'png' if image.mode in ('RGBA', 'P', 'I;16') else 'jpg'}"
        image.save(path, exif=image.getexif())
        items.append(CaptionedImage(path, ("a thing",), path.name))
    return items


def slow_duplicates(held_out: Survey, training: Survey, least: float) -> list[tuple[int, int]]:
    """The definition, a pair at a time."""
    pairs = []
    for row, a in enumerate(held_out.edges):
        values = [np.corrcoef(a, b)[0, 1] for b in training.edges]
        if max(values) >= least:
            pairs.append((held_out.table["row"][row], training.table["row"][int(np.argmax(values))]))
    return sorted(pairs)


def test_sizes_are_those_of_the_upright_picture(tmp_path):
    turned = picture(1)
    turned.getexif()[ORIENTATION] = QUARTER_TURN  # as phones write portraits
    items = saved(tmp_path, flat=picture(0), turned=turned, clear=picture(2, (40, 30)).convert("RGBA"))
    table = survey(items, limit=10).table
    assert table[["width", "height"]].to_numpy().tolist() == [[320, 240], [240, 320], [40, 30]]
    assert list(table["image_id"]) == ["flat.jpg", "turned.jpg", "clear.png"]
    assert set(table["problem"]) == {""}


def test_a_turned_picture_is_compared_upright(tmp_path):
    lying = picture(1)
    turned = lying.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[ORIENTATION] = QUARTER_TURN
    seen = survey(saved(tmp_path, lying=lying, turned=turned), limit=2)
    assert seen.edges[0] @ seen.edges[1] > 0.9


def test_files_that_cannot_be_read_are_listed_and_stop_nothing(tmp_path):
    items = saved(tmp_path, whole=picture(0), cut=picture(1), text=picture(2), gone=picture(3), late=picture(4))
    items[1].path.write_bytes(items[1].path.read_bytes()[:2000])
    items[2].path.write_text("<html>404</html>")
    items[3].path.unlink()
    seen = survey(items, limit=10)
    assert list(seen.table["problem"]) == ["", "cannot be decoded", "cannot be decoded", "not there", ""]
    assert list(seen.table["width"]) == [320, 0, 0, 0, 320]
    assert not seen.edges[1:4].any() and sorted(near_duplicates(seen, seen)["held_out"]) == [0, 4]


def test_of_many_images_a_sample_is_looked_at_the_same_for_a_seed(tmp_path):
    items = saved(tmp_path, **{f"p{i}": picture(i, (24, 16)) for i in range(20)})
    first, second = survey(items, limit=5), survey(items, limit=5)
    assert list(first.table["row"]) == list(second.table["row"]) == sorted(set(first.table["row"]))
    assert [items[row].image_id for row in first.table["row"]] == list(first.table["image_id"])
    assert list(survey(items, limit=5, seed=1).table["row"]) != list(first.table["row"])
    assert np.array_equal(survey(items, limit=20, workers=2).edges, survey(items, limit=20).edges)


def test_one_photo_in_other_sizes_qualities_and_formats_is_found_and_other_photos_are_not(tmp_path):
    original = picture(0, (640, 480))
    held_out = saved(tmp_path / "held out", same=original, other=picture(1))
    training = saved(
        tmp_path / "training", a=picture(2), small=original.resize((200, 150)), b=picture(3), png=original.convert("P")
    )
    training[1].path.write_bytes(b"")
    original.resize((200, 150)).save(training[1].path, quality=30)
    found = near_duplicates(survey(held_out, 10), survey(training, 10))
    assert len(found) == 1 and found["held_out"][0] == 0 and found["training"][0] in (1, 3)
    assert found["correlation"][0] > 0.95


def test_the_pairs_are_those_of_the_definition_most_similar_first():
    rng = np.random.default_rng(0)

    def seen(count: int) -> Survey:
        vectors = rng.normal(size=(count, 4)).astype(np.float32)  # few dimensions: many are alike
        vectors -= vectors.mean(axis=1, keepdims=True)
        rows = np.arange(count) * 3
        return Survey(pd.DataFrame({"row": rows}), vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    held_out, training = seen(270), seen(40)  # more than one block
    found = near_duplicates(held_out, training, least=0.97)
    assert 20 < len(found) < 270
    assert sorted(zip(found["held_out"], found["training"], strict=True)) == slow_duplicates(held_out, training, 0.97)
    assert found["correlation"].is_monotonic_decreasing


def test_pictures_of_one_colour_are_no_duplicates_of_anything(tmp_path):
    plain = saved(tmp_path, red=Image.new("RGB", (30, 30), "red"), blue=Image.new("RGB", (30, 30), "blue"))
    seen = survey(plain, 10)
    assert len(near_duplicates(seen, seen)) == 0


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16"])
def test_every_kind_of_picture_can_be_compared(tmp_path, mode):
    image = picture(0).convert("L").convert("I").convert("I;16") if mode == "I;16" else picture(0).convert(mode)
    seen = survey(saved(tmp_path, one=image), 1)
    assert list(seen.table["problem"]) == [""] and seen.edges.shape == (1, 480)


def captioned(*captions: tuple[str, ...]) -> list[CaptionedImage]:
    return [CaptionedImage(Path(f"{number}.jpg"), texts, f"{number}.jpg") for number, texts in enumerate(captions)]


def test_captions_and_their_words_are_counted_per_split():
    counted = count_captions({"train": captioned(("a red cat", "a cat"), ("a dog",)), "test": captioned(("cats",))})
    assert counted.to_dict("records") == [
        {"split": "train", "images": 2, "captions": 3, "words": pytest.approx(7 / 3)},
        {"split": "test", "images": 1, "captions": 1, "words": 1},
    ]


def test_a_caption_is_shared_by_images_and_not_by_two_spellings_of_one_image():
    assert shared_captions({"train": captioned(("A cat", "a cat"), ("a dog",)), "test": captioned(("A dog",))}) == 2 / 3


def test_a_split_of_too_few_images_stops_before_any_work_and_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    (tmp_path / "own/images").mkdir(parents=True)
    names = [f"{number}.jpg" for number in range(120)]  # 5 % of them for validation are too few
    (tmp_path / "own/captions.csv").write_text("image,caption\n" + "".join(f"{name},a cat\n" for name in names))
    with pytest.raises(ValueError, match=r"split 'val': .* expected at least 10"):
        read_pairs(load_profile("own"))
