"""Flickr's numbered captions as the authors and Kaggle distribute them, with the quirks that these files have."""

from __future__ import annotations

from pathlib import Path

import pytest

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.flickr_tokens import read_caption_tokens
from cliplite_core.data.splits import read_split
from cliplite_core.profiles import load_profile

IMAGES = Path("Images")
DOG, CHILD = "1000268201_693b08cb0e.jpg", "1001773457_577c3a7d70.jpg"
TOKENS = [
    f'{DOG}#0\tA child , in a "pink dress , climbs stairs .',
    f"{DOG}#1\tA girl going into a wooden building .",
    "2258277193_586949ec62.jpg.1#0\tpeople waiting for the subway",
    f"{CHILD}#0\tA dog | a #1 dog\x85 and 2 cats .  ",
    "2258277193_586949ec62.jpg.1#1\tsome people looking out windows",
    f"{CHILD}#1\t ",
]
TABLE = [
    "image_name| comment_number| comment",
    '1000092795.jpg| 0| Two young guys with shaggy "hair , look .',
    "1000092795.jpg| 1| Two men",
    "2199200615.jpg| 3| A dog runs on the green grass .",
    "2199200615.jpg| 4   A dog runs across the grass .",
]


def written(folder: Path, lines: list[str], name: str = "Flickr8k.token.txt", newline: str = "\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes((newline.join(lines) + newline).encode())
    return folder / name


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_token_file_is_read_with_loose_quotes_and_without_the_image_it_lacks(tmp_path, newline):
    assert read_caption_tokens(written(tmp_path, TOKENS, newline=newline), IMAGES) == [
        CaptionedImage(
            IMAGES / DOG,
            ('A child , in a "pink dress , climbs stairs .', "A girl going into a wooden building ."),
            DOG,
        ),
        CaptionedImage(IMAGES / CHILD, ("A dog | a #1 dog\x85 and 2 cats .",), CHILD),
    ]


def test_kaggles_table_of_flickr30k_is_read_with_its_row_that_lacks_a_bar(tmp_path):
    assert read_caption_tokens(written(tmp_path, TABLE, "results.csv"), IMAGES) == [
        CaptionedImage(
            IMAGES / "1000092795.jpg", ('Two young guys with shaggy "hair , look .', "Two men"), "1000092795.jpg"
        ),
        CaptionedImage(
            IMAGES / "2199200615.jpg",
            ("A dog runs on the green grass .", "A dog runs across the grass ."),
            "2199200615.jpg",
        ),
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*TOKENS, f"{DOG}#2"], rf"line 7: found '{DOG}#2', expected NAME#NUMBER<TAB>CAPTION"),
        ([TOKENS[0], "", "a.jpg 0 A dog"], r"line 3: found 'a\.jpg 0 A dog', expected NAME#NUMBER<TAB>CAPTION"),
        (["<!DOCTYPE html>", "<html>"], r"line 1: found '<!DOCTYPE html>', expected NAME#NUMBER"),
        ([*TABLE, "1000092795.jpg| two| A dog"], r"line 6: found '1000092795\.jpg\| two\| A dog', expected NAME\| NUM"),
    ],
    ids=["cut short", "other columns", "web page", "no number"],
)
def test_a_broken_line_is_named_with_its_number_and_what_was_expected(tmp_path, lines, message):
    with pytest.raises(ValueError, match=rf"Flickr8k\.token\.txt: {message}"):
        read_caption_tokens(written(tmp_path, lines), IMAGES)


def test_a_token_file_that_is_missing_or_no_text_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.token not found, expected a token file of Flickr8k or"):
        read_caption_tokens(tmp_path / "none.token", IMAGES)
    (tmp_path / "a.token").write_bytes(b"\x1f\x8b\x08\x00\xff\xfe")
    with pytest.raises(ValueError, match=r"a\.token: no UTF-8 text"):
        read_caption_tokens(tmp_path / "a.token", IMAGES)


def test_flickr8k_is_read_as_its_authors_lay_it_out(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    folder = tmp_path / "flickr8k"
    (folder / "Flicker8k_Dataset").mkdir(parents=True)
    written(folder, TOKENS)
    written(folder, [CHILD, DOG, CHILD], "Flickr_8k.trainImages.txt", newline="\r\n")
    written(folder, [DOG], "Flickr_8k.devImages.txt")
    config = load_profile("flickr8k", format="tokens", captions="Flickr8k.token.txt", images="Flicker8k_Dataset")
    assert [item.image_id for item in read_split(config, "train")] == [CHILD, DOG], "a name given twice counts once"
    assert read_split(config, "dev")[0].path == folder / "Flicker8k_Dataset" / DOG


def test_flickr30k_is_read_with_the_lists_of_entities_that_leave_endings_out(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    folder = tmp_path / "flickr30k"
    (folder / "flickr30k-images").mkdir(parents=True)
    written(folder, TABLE, "results.csv")
    for split, name in {"train": "2199200615", "val": "1000092795", "test": "36979"}.items():
        written(folder, [name], f"{split}.txt")
    config = load_profile("flickr30k", format="tokens", captions="results.csv", split_file="{split}.txt")
    assert [item.image_id for item in read_split(config, "train")] == ["2199200615.jpg"]
    with pytest.raises(ValueError, match=r"test\.txt: 1 images without a caption in results\.csv, first '36979'"):
        read_split(config, "test")
