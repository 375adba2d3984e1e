"""`status`: what is there is counted, what is not is named, and where to get it stands beside."""

from __future__ import annotations

import json

import pytest

from cliplite_core.__main__ import main
from cliplite_core.data.images import read_image
from cliplite_core.data.inventory.known_sets import known_sets
from cliplite_core.data.inventory.needs import needs
from cliplite_core.data.inventory.status import status
from cliplite_core.data.presence import lost_images
from cliplite_core.profiles import load_profile, profile_names


def states(profile: str) -> dict[str, str]:
    return {part.need.key: part.state for part in status(load_profile(profile))}


def test_parts_are_counted_and_several_notebooks_name_one_part_once(profile):
    parts = {part.need.key: part for part in status(load_profile(profile))}
    train = parts["coco/annotations/captions_train2017.json"]
    assert train.counts == {"images": 4, "captions": 20}
    assert train.expected == {"images": 118_287, "captions": 591_753}
    val = parts["coco/annotations/captions_val2017.json"]  # tuned on, reported, and the photos of people
    assert val.need.notebooks == ("00", "01", "04", "07", "11")
    assert parts["coco/annotations/instances_val2017.json"].counts == {"images": 2}
    assert parts["tiere und dinge/test"].counts == {"images": 4, "classes": 2}
    assert parts["tiere und dinge/test"].need.notebooks == ("03", "05", "07")
    assert parts["refcoco/refs.json val"].state == "found"


def test_the_size_on_disk_is_that_of_the_images_and_their_list(profile, root):
    parts = {part.need.key: part for part in status(load_profile(profile))}
    files = [*(root / "coco/val2017").iterdir(), root / "coco/annotations/captions_val2017.json"]
    assert parts["coco/annotations/captions_val2017.json"].size == sum(file.stat().st_size for file in files)


def test_fewer_than_the_complete_set_is_incomplete_and_ones_own_set_is_found(profile):
    assert states(profile)["coco/annotations/captions_train2017.json"] == "incomplete"
    assert states(profile)["tiere und dinge/train"] == "found"


def test_an_image_that_is_missing_is_counted_and_named(profile, root):
    (root / "coco/train2017/grün.jpg").unlink()
    part = next(part for part in status(load_profile(profile)) if "captions_train" in part.need.key)
    assert (part.state, part.counts["images"]) == ("incomplete", 3)
    assert part.note == "1 of 4 images are not there, such as coco/train2017/grün.jpg"


@pytest.mark.parametrize("written", ["{}", "images/{}.jpg"])
def test_names_without_ending_or_with_their_folder_are_lost_images_with_the_cause(written, tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    (tmp_path / "own/images").mkdir(parents=True)
    for name in ("a", "b", "c"):
        (tmp_path / f"own/images/{name}.jpg").touch()
    named = [tmp_path / "own/images" / written.format(name) for name in ("a", "b", "c")]
    lost = lost_images(named)
    assert lost.startswith(f"3 of 3 images are not there, such as own/images/{written.format('a')}")
    assert lost.endswith("; own/images/a.jpg is there: give the names as the files have them")
    assert lost_images(sorted((tmp_path / "own/images").iterdir())) == ""


def test_a_missing_list_says_nothing_about_the_other_splits(profile, root):
    (root / "coco/annotations/captions_val2017.json").unlink()
    parts = {part.need.key: part for part in status(load_profile(profile))}
    assert parts["coco/annotations/captions_train2017.json"].counts["images"] == 4
    assert parts["coco/annotations/captions_val2017.json"].note == "not there: coco/annotations/captions_val2017.json"


def test_a_list_cut_in_half_is_unreadable_and_the_rest_of_the_table_stands(profile, root):
    path = root / "coco/annotations/captions_val2017.json"
    path.write_bytes(path.read_bytes()[:150])
    parts = {part.need.key: part for part in status(load_profile(profile))}
    part = parts["coco/annotations/captions_val2017.json"]
    assert part.state == "unreadable"
    assert part.note.startswith("not complete JSON")
    assert parts["tiere und dinge/test"].state == "found"


def test_no_image_is_decoded(profile, root, monkeypatch):
    for path in root.rglob("*.jpg"):
        path.write_bytes(b"no image at all")
    monkeypatch.setattr("PIL.Image.open", lambda *_: pytest.fail("an image was opened"))
    assert states(profile)["tiere und dinge/train"] == "found"
    with pytest.raises(BaseException, match="an image was opened"):
        read_image(path)


def test_sets_that_a_profile_does_without_are_left_out_and_do_not_fail(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    (tmp_path / "own/images").mkdir(parents=True)
    rows = [f"{number}.jpg,a caption" for number in range(99)]
    (tmp_path / "own/captions.csv").write_text("\n".join(["image,caption", *rows]) + "\n")
    for row in rows:
        (tmp_path / "own/images" / row.split(",")[0]).touch()
    assert main(["data", "status", "own_scratch"]) == 0
    output = capsys.readouterr().out
    assert "your own" in output and "left out" in output
    (tmp_path / "own/images/7.jpg").unlink()
    assert main(["data", "status", "own_scratch"]) == 1
    assert "own/images/7.jpg" in capsys.readouterr().out


def test_composed_scenes_are_found_and_looking_composes_nothing(tiny, tmp_path, monkeypatch):
    assert {part.state for part in status(tiny) if part.need.kind != "classes"} == {"found"}
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path / "empty"))
    assert {part.state for part in status(load_profile("smoke"))} == {"missing"}
    assert not (tmp_path / "empty").exists()


def test_the_table_is_aligned_and_says_where_to_get_what_is_missing(profile, root, capsys):
    assert main(["data", "status", profile]) == 1
    output = capsys.readouterr().out
    table = [line for line in output.split("\n\n")[1].splitlines() if line]
    assert {len(line) for line in table[1:2]} == {max(map(len, table))} and max(map(len, table)) <= 125
    assert "4 / 118,287" in output and "20 / 591,753" in output and "https://cocodataset.org/#download" in output
    assert output.startswith(f"profile small below {root}\n")


def test_without_a_profile_every_known_set_is_listed(tmp_path, capsys):
    assert main(["data", "status", "--root", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    for known in known_sets():
        assert known.title in output and known.url in output


def test_another_root_can_be_named(profile, tmp_path, capsys):
    assert main(["data", "status", profile, "--root", str(tmp_path / "elsewhere")]) == 1
    assert "found" not in capsys.readouterr().out.replace("not found", "")


@pytest.mark.parametrize("known", known_sets(), ids=lambda known: known.title)
def test_every_count_of_a_known_set_belongs_to_a_part_that_a_profile_reads(known):
    assert set(known.expect) <= {need.key for need in known.needs}
    assert all(set(counts) <= {"images", "captions", "classes"} for counts in known.expect.values())
    assert known.needs and known.url and known.terms


@pytest.mark.parametrize("name", profile_names())
def test_every_part_of_every_profile_has_a_list_or_folder_and_a_notebook(name):
    parts = needs(load_profile(name))
    assert all(need.folders and need.notebooks for need in parts)
    assert len({need.key for need in parts}) == len(parts)


def test_the_papers_profile_names_only_sets_that_are_known():
    keys = {key for known in known_sets() for key in known.expect}
    assert {need.key for need in needs(load_profile("coco"))} <= keys


def test_an_unknown_profile_is_an_error_and_no_finding(capsys):
    assert main(["data", "status", "cocoa"]) == 2
    assert "unknown profile 'cocoa'" in capsys.readouterr().err


def test_sets_in_distributed_layouts_are_counted_by_their_own_lists(tmp_path, monkeypatch):
    root = tmp_path / "tiny-imagenet-200"
    (root / "val/images").mkdir(parents=True)
    (root / "wnids.txt").write_text("n1\nn2\n")
    (root / "words.txt").write_text("n1\tcat\nn2\tdog\n")
    rows = [f"val_{n}.JPEG\tn{1 + n % 2}\t0\t0\t63\t63" for n in range(6)]
    (root / "val/val_annotations.txt").write_text("\n".join(rows) + "\n")
    for row in rows:
        (root / "val/images" / row.split("\t")[0]).touch()
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path))
    part = next(part for part in status() if part.need.key == "tiny-imagenet-200/val")
    assert part.counts == {"images": 6, "classes": 2}
    assert part.expected["images"] == 10_000 and part.state == "incomplete"


def test_references_have_no_count_of_images(profile, root):
    part = next(part for part in status(load_profile(profile)) if part.need.kind == "references")
    assert part.counts == {}
    assert json.loads((root / "refcoco/refs.json").read_text())[0]["split"] == part.need.split
