"""Own captions and pictures that are not as they should be: named in one line, or read and counted, never dropped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from fault import CHECK, READY, TRAIN, Fault, Own

from cliplite_core.__main__ import main


def header(text: str):
    return lambda own: own.rows(lambda lines: [text, *lines[1:]])


def row(text: str):
    return lambda own: own.first(text)


def written(content: bytes):
    return lambda own: own.table.write_bytes(content)


def encoded(encoding: str):
    return lambda own: own.table.write_bytes(own.table.read_text(encoding="utf-8").encode(encoding))


def column_twice(own: Own) -> None:
    own.rows(lambda lines: ["image,caption,caption", *(f"{line},other words" for line in lines[1:])])


def every(change):
    return lambda own: own.rows(lambda lines: [lines[0], *map(change, lines[1:])])


def pictures(change):
    """All of them, as a short run does not look at each."""
    return lambda own: [change(path) for path in sorted((own.folder / "images").iterdir())] and None


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def folder_for_a_picture(own: Own) -> None:
    (own.folder / "images" / "001.png").unlink()
    (own.folder / "images" / "001.png").mkdir()


def link_for_a_picture(own: Own) -> None:
    (own.folder / "images" / "001.png").unlink()
    (own.folder / "images" / "001.png").symlink_to(own.folder / "nowhere.png")


def folder_for_a_table(own: Own) -> None:
    own.table.unlink()
    own.table.mkdir()


def lists(**names: list[str]):
    """Lists of the splits, and the field that names them."""

    def write(own: Own) -> list[str]:
        for split, listed in names.items():
            (own.folder / f"{split}.txt").write_text("\n".join(listed) + "\n")
        return ["split_file={split}.txt"]

    return write


def one_list(own: Own) -> list[str]:
    (own.folder / "list.txt").write_text("\n".join(ALL[:40]))
    return ["split_file=list.txt"]


def two_of_one_stem(own: Own) -> list[str]:
    shutil.copy(own.folder / "images" / "001.png", own.folder / "images" / "001.jpg")
    own.rows(lambda rows: [*rows, "001.jpg,a dog"])
    return lists(train=[name.removesuffix(".png") for name in ALL[:40]], val=ALL[40:50], test=ALL[50:])(own)


ALL = [f"{number:03d}.png" for number in range(60)]
NO_TABLE = r"captions\.csv: no UTF-8 table"
LOST = r"own/train: 1 of \d+ images are not there, such as "

FAULTS: dict[str, Fault] = {
    # The table as a whole.
    "two columns caption": Fault(column_twice, r"captions\.csv: found 2 columns caption, expected one"),
    "two columns image": Fault(header("image,caption,image"), r"captions\.csv: found 2 columns image"),
    "capitals in the header": Fault(
        header("Image,Caption"), "found the columns Image, Caption, expected image,caption"
    ),
    "a blank in the header": Fault(header("image, caption"), "expected image,caption"),
    "semicolons": Fault(header("image;caption"), "found the columns image;caption"),
    "no header": Fault(lambda own: own.rows(lambda lines: lines[1:]), "expected image,caption in the first line"),
    "an empty file": Fault(written(b""), r"captions\.csv: found nothing, expected image,caption"),
    "a header alone": Fault(written(b"image,caption\n"), r"captions\.csv: no image with a caption"),
    "zeros, as after a power cut": Fault(written(bytes(4096)), r"captions\.csv"),
    "Latin-1": Fault(lambda own: own.table.write_bytes("image,caption\n000.png,Bär\n".encode("latin-1")), NO_TABLE),
    "UTF-16": Fault(encoded("utf-16"), NO_TABLE),
    "a folder in its place": Fault(folder_for_a_table, r"captions\.csv not found, expected a CSV file"),
    "no table": Fault(lambda own: own.table.unlink(), "needs files that are not there: .*captions.csv"),
    "no folder of images": Fault(lambda own: shutil.rmtree(own.folder / "images"), "not there: .*images; set CLIPLITE"),
    # Its rows.
    "a quote left open": Fault(row('000.png,"a dog'), "broken row: the one that begins in line 2"),
    "a comma in a caption": Fault(row("000.png,a dog, a cat"), "line 2 has 3 fields, expected 2; quote captions"),
    "a field too few": Fault(row("000.png"), "line 2 has 1 fields"),
    "a caption without an image": Fault(row(",a dog"), "no image name beside the caption 'a dog'"),
    "a caption of 200,000 letters": Fault(row("000.png," + "x" * 200_000), "line 2 has a field of more than 131,072"),
    "a name that is not there": Fault(row("nöthing.png,a dog"), LOST + "own/images/nöthing.png"),
    "the same, by data ready": Fault(row("no.png,a dog"), LOST, READY),
    "a name with a null character": Fault(row("0\0.png,a dog"), LOST + r"'own/images/0\\x00\.png'"),
    "a name of 5,000 letters": Fault(row("n" * 5000 + ".png,a dog"), LOST + "own/images/nnn"),
    "a blank behind a name": Fault(row("000.png ,a dog"), r"images are not there, such as own/images/000\.png "),
    "names without ending": Fault(
        every(lambda line: line.replace(".png", "")), r"own/images/\d+\.png is there: give the names as the files have"
    ),
    "names with their folder": Fault(every(lambda line: f"images/{line}"), r"own/images/\d+\.png is there"),
    "names of Windows": Fault(every(lambda line: f"images\\{line}"), "images are not there"),
    "an emoji for every caption": Fault(
        every(lambda line: line.split(",")[0] + ",😀🎉"), "vocab_size: .* found no known word in any of"
    ),
    "five images": Fault(lambda own: own.rows(lambda rows: rows[:11]), "no image with .* set val_images and test_imag"),
    # Lists of its splits.
    "one list for all splits": Fault(one_list, "test_split: 40 of the 40 images of 'test' are trained on, such as"),
    "a list to tune on that is trained on": Fault(
        lists(train=ALL[:40], val=ALL[:10], test=ALL[40:]), "val_split: 10 of the 10 images of 'val' are trained on"
    ),
    "a name in a list that two images share": Fault(two_of_one_stem, "train.txt: '001' is the name of 2 images"),
    "an empty list": Fault(lists(train=ALL[:40], val=[], test=ALL[40:]), "no image with a caption in the split 'val'"),
    "a list of names that nothing has": Fault(
        lists(train=["x.png"], val=ALL[:9], test=ALL[9:]), "train.txt: 1 images without a caption .* 'x.png'"
    ),
    # The pictures.
    "an empty picture": Fault(pictures(lambda path: path.write_bytes(b"")), r"\.png: cannot be decoded as an image"),
    "half a picture": Fault(pictures(half), r"\.png: cannot be decoded as an image"),
    "a web page": Fault(
        pictures(lambda path: path.write_text("<!DOCTYPE html>")), r"\.png: cannot be decoded as an image"
    ),
    "a script": Fault(
        pictures(lambda path: path.write_text("#!/bin/sh\ntouch x\n")), r"\.png: cannot be decoded as an image"
    ),
    "a folder in place of a picture": Fault(folder_for_a_picture, r"001\.png"),
    "a link that leads nowhere": Fault(link_for_a_picture, r"001\.png"),
}

READ: dict[str, Fault] = {
    "nothing wrong": Fault(lambda own: None, "", status=0),
    "a byte order mark": Fault(encoded("utf-8-sig"), "", status=0),
    "lines of Windows": Fault(
        lambda own: own.table.write_bytes(own.table.read_bytes().replace(b"\n", b"\r\n")), "", status=0
    ),
    "rows given twice": Fault(lambda own: own.rows(lambda lines: [*lines, *lines[1:]]), "", status=0),
    "a caption of 10,000 words": Fault(row("000.png," + "a dog " * 5000), "", status=0),
    "a null character in a caption": Fault(row("000.png,a\0dog"), "", status=0),
    "an emoji in a caption": Fault(row("000.png,a 🐕 dog"), "", status=0),
    "a quoted line break": Fault(row('000.png,"a dog\non the grass"'), "", status=0),
    "empty captions": Fault(
        every(lambda line: line if line[0:3] != "002" else "002.png, "),
        r"own/captions\.csv: left out: empty captions \(2\), image files without a caption \(1\), .*002\.png",
        status=0,
    ),
    "files that no row names": Fault(
        lambda own: shutil.copy(own.folder / "images" / "000.png", own.folder / "images" / "extra.png"),
        r"left out: image files without a caption \(1\), such as own/images/extra\.png",
        status=0,
    ),
    "images in two lists": Fault(
        lists(train=ALL[:40], val=ALL[35:50], test=ALL[50:]),
        r"val_split: 5 of the 15 images of 'val' are trained on, such as own/images/035\.png; take them off one",
        status=0,
    ),
    "a folder of them": Fault(
        lambda own: shutil.copytree(own.folder / "images", own.folder / "images" / "more"),
        r"left out: image files without a caption \(60\)",
        status=0,
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_what_cannot_be_trained_on_is_named_in_one_line(met, fault):
    met(fault)


@pytest.mark.parametrize("fault", READ.values(), ids=READ.keys())
def test_what_can_be_trained_on_is_and_what_is_left_out_is_counted(met, fault):
    met(fault)


@pytest.mark.parametrize("words", [TRAIN, READY, CHECK], ids=["train", "ready", "check"])
def test_every_command_that_reads_the_data_says_what_it_leaves_out(met, words):
    met(Fault(row("000.png,"), r"left out: empty captions \(1\)", words, status=0))


@pytest.mark.parametrize("name", ["two columns caption", "names without ending", "half a picture", "UTF-16"])
def test_check_lists_what_is_wrong_and_invents_nothing(own_data, capsys, name):
    own, _ = own_data
    FAULTS[name].do(own)
    assert main(["data", "check", str(own.profile), "--workers", "0"]) == 1
    said = capsys.readouterr().out
    assert "in two splits" not in said and ("captions.csv" in said or ".png" in said)


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may read everything")
def test_a_picture_that_may_not_be_read_is_named(met):
    met(Fault(lambda own: (own.folder / "images" / "001.png").chmod(0), r"001\.png"))
