"""Caption files as people hand them on: commas, line ends and marks read right, every defect named with its file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cliplite_core.data.captions import CaptionedImage, read_caption_table, read_coco_captions

IMAGES = Path("Images")


def table(folder: Path, content: str | bytes, name: str = "captions.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def coco(folder: Path, **changes: object) -> Path:
    content = {
        "images": [{"id": 7, "file_name": "b.jpg"}, {"id": 3, "file_name": "a.jpg"}, {"id": 5, "file_name": "c.jpg"}],
        "annotations": [
            {"image_id": 3, "caption": "A dog. "},
            {"image_id": 7, "caption": "Two cats"},
            {"image_id": 3, "caption": "A pet"},
        ],
    }
    path = folder / "captions.json"
    path.write_text(json.dumps(content | changes), encoding="utf-8")
    return path


def test_coco_captions_are_gathered_by_image_in_the_order_of_the_image_list(tmp_path):
    assert read_coco_captions(coco(tmp_path), IMAGES) == [
        CaptionedImage(IMAGES / "b.jpg", ("Two cats",), 7),
        CaptionedImage(IMAGES / "a.jpg", ("A dog.", "A pet"), 3),
    ]


def test_a_coco_image_without_a_caption_or_with_blank_ones_is_left_out(tmp_path):
    blank = [{"image_id": 5, "caption": "  "}, {"image_id": 3, "caption": "A dog"}]
    items = read_coco_captions(coco(tmp_path, annotations=blank), IMAGES)
    assert [item.image_id for item in items] == [3]


def test_coco_captions_of_2014_keep_their_long_file_names_and_all_of_six_captions(tmp_path):
    name = "COCO_val2014_000000391895.jpg"
    images = [{"license": 3, "file_name": name, "height": 360, "width": 640, "id": 391895}]
    six = [{"image_id": 391895, "id": 770337 + n, "caption": f"A man number {n}."} for n in range(6)]
    items = read_coco_captions(coco(tmp_path, images=images, annotations=six), Path("val2014"))
    expected = tuple(f"A man number {n}." for n in range(6))
    assert items == [CaptionedImage(Path("val2014") / name, expected, 391895)]


def test_an_export_with_an_image_entry_for_every_caption_is_not_taken_for_many_images(tmp_path):
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}, {"id": 3, "file_name": "a.jpg"}]
    texts = [{"image_id": n, "caption": f"caption {n}"} for n in (3, 1, 2, 99)]
    assert read_coco_captions(coco(tmp_path, images=images, annotations=texts), IMAGES) == [
        CaptionedImage(IMAGES / "a.jpg", ("caption 3", "caption 1"), 1),
        CaptionedImage(IMAGES / "b.jpg", ("caption 2",), 2),
    ]


def test_a_coco_file_cut_in_half_is_named(tmp_path):
    path = coco(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"captions\.json: not complete JSON .*; fetch the file again"):
        read_coco_captions(path, IMAGES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": []}, "'annotations' is missing"),
        ({"annotations": []}, "'images' is missing"),
        ({"images": [{"id": 1}], "annotations": [{"image_id": 1, "caption": "x"}]}, "'file_name' is missing"),
        ({"images": [], "annotations": [{"image_id": 1, "bbox": [0, 0, 1, 1]}]}, "'caption' is missing"),
        ({"images": [], "annotations": [{"image_id": 1, "caption": None}]}, "no COCO captions file"),
        ([], "no COCO captions file"),
    ],
    ids=str,
)
def test_a_file_that_is_no_coco_captions_file_is_named_with_what_is_missing(tmp_path, content, message):
    path = table(tmp_path, json.dumps(content), "instances.json")
    with pytest.raises(ValueError, match=rf"instances\.json: .*{message}"):
        read_coco_captions(path, IMAGES)


@pytest.mark.parametrize("read", [read_coco_captions, read_caption_table])
def test_a_file_that_is_not_there_is_named_with_what_was_expected(tmp_path, read):
    with pytest.raises(FileNotFoundError, match=r"nothing\.here not found, expected a (COCO|CSV)"):
        read(tmp_path / "nothing.here", IMAGES)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "BOM"])
def test_a_table_is_read_whatever_its_line_ends_and_byte_order_mark(tmp_path, newline, mark):
    rows = ["image,caption", 'b.jpg,"A dog, running , fast ."', "a.jpg,Two cats", 'b.jpg,"He said ""sit"""', ""]
    assert read_caption_table(table(tmp_path, mark + newline.join(rows)), IMAGES) == [
        CaptionedImage(IMAGES / "b.jpg", ("A dog, running , fast .", 'He said "sit"'), "b.jpg"),
        CaptionedImage(IMAGES / "a.jpg", ("Two cats",), "a.jpg"),
    ]


def test_captions_that_look_like_missing_values_or_numbers_are_captions(tmp_path):
    path = table(tmp_path, "image,caption\na.jpg,None\na.jpg,NA\na.jpg,12\n")
    assert read_caption_table(path, IMAGES)[0].captions == ("None", "NA", "12")


def test_an_image_with_blank_captions_alone_is_left_out(tmp_path):
    path = table(tmp_path, "image,caption\na.jpg,  \nb.jpg, A dog \n\nc.jpg,\n")
    assert read_caption_table(path, IMAGES) == [CaptionedImage(IMAGES / "b.jpg", ("A dog",), "b.jpg")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "image,caption\na.jpg,A dog\nb.jpg,A dog, running\n",
            r"broken row: line 3 has 3 fields, expected 2; quote captions",
        ),
        ("image,caption\na.jpg,A dog, running\n", r"broken row: line 2 has 3 fields, expected 2; quote captions"),
        ("image,caption\na.jpg,A dog\n\nA cat\n", r"broken row: line 4 has 1 fields, expected 2"),
        (
            'image,caption\na.jpg,A\na.jpg,"A dog\nb.jpg,A cat\n',
            r"broken row: the one that begins in line 3: .*in pairs",
        ),
        ("picture,text\na.jpg,A dog\n", r"found the columns picture, text, expected image,caption in the first line"),
        ("a.jpg,A dog\nb.jpg,A cat\n", r"found the columns a.jpg, A dog, expected image,caption"),
        ("", r"found nothing, expected image,caption in the first line"),
        ("image,caption\na.jpg,A dog\n,A cat\n", r"no image name beside the caption 'A cat'"),
        ("image,caption\na.jpg,A café\n".encode("latin-1"), r"no UTF-8 table with the columns image,caption"),
    ],
    ids=["comma", "first-comma", "one-field", "quote", "columns", "no-header", "empty", "no-name", "latin-1"],
)
def test_a_defect_of_a_table_is_named_with_the_file(tmp_path, content, message):
    with pytest.raises(ValueError, match=rf"captions\.txt: {message}") as error:
        read_caption_table(table(tmp_path, content), IMAGES)
    assert "\n" not in str(error.value)


def test_a_split_file_picks_images_in_its_own_order(tmp_path):
    captions = table(tmp_path, "image,caption\na.jpg,A dog\nb.jpg,A cat\nc.jpg,A cow\n")
    split = table(tmp_path, "c.jpg\r\n\r\na.jpg  \r\n", "train.txt")
    assert [item.image_id for item in read_caption_table(captions, IMAGES, split)] == ["c.jpg", "a.jpg"]


def test_a_split_file_naming_unknown_images_says_how_many_and_which_first(tmp_path):
    captions = table(tmp_path, "image,caption\na.jpg,A dog\nd.jpg,\n")
    split = table(tmp_path, "a.jpg\nz.jpg\nd.jpg\n", "train.txt")
    with pytest.raises(ValueError, match=r"train\.txt: 2 images without a caption in captions\.txt, first 'z\.jpg'"):
        read_caption_table(captions, IMAGES, split)
    with pytest.raises(FileNotFoundError, match=r"dev\.txt not found, expected a list of image names"):
        read_caption_table(captions, IMAGES, tmp_path / "dev.txt")


def test_a_split_file_is_read_with_a_byte_order_mark_names_of_any_script_and_names_given_twice(tmp_path):
    captions = table(tmp_path, "image,caption\nmit Leerzeichen.jpg,A dog\nФото.jpg,A cat\nsub/ü.v2,A cow\n")
    split = table(tmp_path, "\ufeffФото.jpg\r\nmit Leerzeichen.jpg\r\nФото.jpg\r\nsub/ü.v2\r\n", "train.txt")
    items = read_caption_table(captions, IMAGES, split)
    assert [item.image_id for item in items] == ["Фото.jpg", "mit Leerzeichen.jpg", "sub/ü.v2"]
    assert items[2].path == IMAGES / "sub" / "ü.v2"


def test_a_split_file_that_is_no_text_is_named(tmp_path):
    captions = table(tmp_path, "image,caption\na.jpg,A dog\n")
    with pytest.raises(ValueError, match=r"train\.txt: no UTF-8 text .*save it as UTF-8"):
        read_caption_table(captions, IMAGES, table(tmp_path, "é.jpg".encode("latin-1"), "train.txt"))
