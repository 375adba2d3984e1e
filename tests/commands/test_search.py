"""Searching and naming as a shell meets them: paths and cosines, a sheet to look at, one line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_root import write_photo

from cliplite_core.__main__ import main
from cliplite_core.evaluation.zero_shot import class_embeddings, load_prompts
from cliplite_core.explore.embed import embed_images, embed_texts, load_searchable


@pytest.fixture
def saved(model, tmp_path) -> str:
    return str(model.save(tmp_path / "model"))


@pytest.fixture
def photos(tmp_path) -> Path:
    """Seven photos in a folder with a blank."""
    folder = tmp_path / "my photos"
    for number in range(7):
        write_photo(folder / f"{number}.jpg", (40, 30), seed=number)
    return folder


def found(printed: str) -> list[tuple[float, str]]:
    lines = [line for line in printed.splitlines() if not line.startswith("drawn")]
    return [(float(line[:6]), line[8:]) for line in lines]


def test_the_first_search_of_a_folder_embeds_it_and_prints_what_a_plain_sort_finds(saved, photos, capsys):
    assert main(["search", saved, "a red dog", f"images={photos}", "k=3"]) == 0
    printed = capsys.readouterr()
    model, paths = load_searchable(saved), sorted(photos.iterdir())
    cosines = embed_images(model, paths)[0] @ embed_texts(model, ["a red dog"])[0]
    order = np.argsort(-cosines)[:3]
    assert [path for _, path in found(printed.out)] == [str(paths[row]) for row in order]
    np.testing.assert_allclose([cosine for cosine, _ in found(printed.out)], cosines[order], atol=2e-3)
    assert "7 images" in printed.err and "7 looked at now" in printed.err


def test_an_image_finds_itself_first_and_the_folder_is_the_one_indexed_last(saved, photos, capsys):
    assert main(["index", saved, str(photos)]) == 0
    assert capsys.readouterr().out == f"7 images in {photos}, 7 looked at now\n"
    assert main(["search", saved, "k=2", "--image", str(photos / "4.jpg")]) == 0
    printed = capsys.readouterr()
    cosine, path = found(printed.out)[0]
    assert path == str(photos / "4.jpg") and cosine == pytest.approx(1, abs=2e-3) and printed.err == ""


def test_added_and_deleted_photos_are_noticed(saved, photos, capsys):
    main(["index", saved, str(photos)])
    (photos / "0.jpg").unlink()
    write_photo(photos / "new.jpg", (40, 30), seed=40)
    capsys.readouterr()
    assert main(["search", saved, "a dog", f"images={photos}", "k=100"]) == 0
    printed = capsys.readouterr()
    names = sorted(Path(path).name for _, path in found(printed.out))
    assert (
        names == ["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg", "6.jpg", "new.jpg"] and "1 looked at now" in printed.err
    )


def test_images_that_cannot_be_read_are_counted_and_named(saved, photos, capsys):
    for number in range(12):
        (photos / f"broken{number:02}.jpg").write_text("no picture")
    assert main(["index", saved, str(photos)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "12 cannot be read:" and lines[2].startswith("  broken00.jpg: cannot be decoded")
    assert len(lines) == 13 and lines[-1] == "  … and 2 more"


@pytest.mark.parametrize("ending", ["png", "jpg", "pdf"])
def test_a_sheet_shows_what_was_found(saved, photos, tmp_path, ending, capsys):
    sheet = tmp_path / "out" / f"sheet.{ending}"
    assert main(["search", saved, "5 $ for a dog", f"images={photos}", "--sheet", str(sheet)]) == 0
    assert f"drawn: {sheet}" in capsys.readouterr().out and [path.name for path in sheet.parent.iterdir()] == [
        sheet.name
    ]
    if ending != "pdf":
        assert np.asarray(Image.open(sheet).convert("L")).std() > 10, "photos, not an empty page"


def test_names_are_ranked_by_the_cosine_with_their_prompts(saved, photos, capsys):
    names = ["cat", "red dog", "moon"]
    assert main(["name", saved, str(photos / "2.jpg"), *names, "prompts=paper"]) == 0
    model = load_searchable(saved)
    words = class_embeddings(model.encode_text, names, load_prompts()[0]["paper"])
    cosines = words @ embed_images(model, [photos / "2.jpg"])[0][0]
    expected = [f"{cosines[row]:6.3f}  {names[row]}" for row in np.argsort(-cosines)]
    assert capsys.readouterr().out.splitlines() == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["index", "MODEL", "none"], "none not found; expected a folder of images"),
        (["index", "none", "PHOTOS"], "none not found; expected a directory written by CLIPLite.save"),
        (["search", "MODEL", "a dog"], "no folder was indexed with this model yet; name one: images=FOLDER"),
        (["search", "MODEL"], "expected either WORDS"),
        (["search", "MODEL", "images=PHOTOS"], "expected either WORDS"),
        (["search", "MODEL", " "], "expected either WORDS"),
        (["search", "MODEL", "a dog", "--image", "PHOTOS/1.jpg"], "expected either WORDS"),
        (["search", "MODEL", "a dog", "k=0", "images=PHOTOS"], "k: got 0"),
        (["search", "MODEL", "a dog", "k=ten", "images=PHOTOS"], "'k' got 'ten', expected int"),
        (["search", "MODEL", "a dog", "image=x"], "unknown parameter 'image'; there are: images, k, approximate"),
        (["search", "MODEL", "a dog", "approximate=maybe", "images=PHOTOS"], "approximate: got 'maybe'"),
        (["search", "MODEL", "a dog", "images=PHOTOS", "--sheet", "x.gif"], "--sheet: x.gif: expected a file name"),
        (["search", "MODEL", "images=PHOTOS", "--image", "none.jpg"], "none.jpg: is not there"),
        (["name", "MODEL", "PHOTOS/1.jpg", "cat"], "got 1 names, expected at least two"),
        (["name", "MODEL", "PHOTOS/1.jpg", "cat", ""], "none of them empty"),
        (["name", "MODEL", "PHOTOS/1.jpg", "cat", "cat"], "['cat'] occur more than once"),
        (["name", "MODEL", "PHOTOS/9.jpg", "cat", "dog"], "9.jpg: is not there"),
        (["name", "MODEL", "PHOTOS/1.jpg", "cat", "dog", "prompts=mine"], "prompts: got 'mine', expected one of paper"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(words, message, saved, photos, capsys):
    given = [word.replace("MODEL", saved).replace("PHOTOS", str(photos)) for word in words]
    assert main(given) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_words_may_hold_an_equals_sign_that_is_no_parameter(saved, photos, capsys):
    assert main(["search", saved, "E=mc² on a board", f"images={photos}"]) == 0
    assert len(found(capsys.readouterr().out)) == 7
