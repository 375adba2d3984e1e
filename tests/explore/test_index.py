"""The index of a folder: what is embedded when, what is dropped and reported, and what a kill or a neighbour leaves."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from small_root import write_photo

from cliplite_core.data.images import read_image
from cliplite_core.explore import index as module
from cliplite_core.explore.embed import embed_texts, load_searchable
from cliplite_core.explore.index import image_files, index_path, latest_index, update_index
from cliplite_core.model import CLIPLite


@pytest.fixture
def folder(tmp_path) -> Path:
    """Five photos, two of them below, with a blank and an umlaut in their names."""
    photos = tmp_path / "photos"
    for number, name in enumerate(("a.jpg", "b.JPG", "c.png", "deep/er/d e.jpg", "deep/ü.jpg")):
        write_photo(photos / name, (40, 30 + number), seed=number)
    return photos


@pytest.fixture
def looked_at(monkeypatch) -> list[str]:
    """Names of the images that were embedded, in order."""
    seen: list[str] = []
    embed = module.embed_images

    def noted(model, paths):
        seen.extend(path.name for path in paths)
        return embed(model, paths)

    monkeypatch.setattr(module, "embed_images", noted)
    return seen


def one_by_one(model: CLIPLite, paths: list[Path]) -> np.ndarray:
    with torch.no_grad():
        return torch.cat([model.encode_image(model.preprocess(read_image(path))[None]) for path in paths]).numpy()


def test_every_image_is_there_as_the_model_sees_it_alone(model, folder):
    index = update_index(model, folder)
    assert index.names == ["a.jpg", "b.JPG", "c.png", "deep/er/d e.jpg", "deep/ü.jpg"]
    assert (index.folder, len(index), index.broken, index.embedded) == (folder.resolve(), 5, {}, 5)
    assert index.embeddings.dtype == np.float16
    np.testing.assert_allclose(index.embeddings, one_by_one(model, index.paths), atol=1e-3)


def test_search_gives_the_order_of_a_plain_sort(model, folder):
    index, queries = update_index(model, folder), embed_texts(model, ["a red dog", "the moon"])
    rows, cosines = index.search(queries, 3)
    products = queries @ index.embeddings.astype(np.float32).T
    np.testing.assert_array_equal(rows, np.argsort(-products, axis=1, kind="stable")[:, :3])
    np.testing.assert_allclose(cosines, -np.sort(-products, axis=1)[:, :3], rtol=1e-6)


def test_only_what_is_new_or_changed_is_embedded_and_what_is_gone_is_dropped(model, folder, looked_at):
    update_index(model, folder)
    looked_at.clear()
    assert update_index(model, folder).embedded == 0 and looked_at == []
    write_photo(folder / "new.jpg", (40, 30), seed=7)
    write_photo(folder / "a.jpg", (50, 30), seed=8)
    (folder / "c.png").unlink()
    index = update_index(model, folder)
    assert sorted(looked_at) == ["a.jpg", "new.jpg"] and index.embedded == 2
    assert index.names == ["a.jpg", "b.JPG", "deep/er/d e.jpg", "deep/ü.jpg", "new.jpg"]
    np.testing.assert_allclose(index.embeddings, one_by_one(model, index.paths), atol=1e-3)
    kept = sorted(path.suffix for path in index.path.parent.iterdir())
    assert kept == [".json", ".lock", ".npy"], "what is no longer needed is no longer there"


def test_a_file_of_the_same_size_and_another_time_counts_as_changed(model, folder, looked_at):
    update_index(model, folder)
    looked_at.clear()
    os.utime(folder / "a.jpg", ns=(1, 1))
    update_index(model, folder)
    assert looked_at == ["a.jpg"]


def test_other_weights_have_an_index_of_their_own(model, folder, looked_at):
    before = update_index(model, folder)
    with torch.no_grad():
        model.critic.temperature += 0.1
    looked_at.clear()
    assert update_index(model, folder).path != before.path and len(looked_at) == 5


def test_what_cannot_be_read_is_named_with_the_reason_and_tried_again_once_it_changes(model, folder, looked_at):
    (folder / "cut.jpg").write_bytes((folder / "a.jpg").read_bytes()[:400])
    (folder / "text.png").write_text("no picture")
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    index = update_index(model, folder)
    assert len(index) == 5 and sorted(index.broken) == ["cut.jpg", "gone.jpg", "text.png"]
    assert "cannot be decoded as an image" in index.broken["text.png"] and index.broken["gone.jpg"].startswith("is not")
    assert all("\n" not in why and str(folder) not in why.partition("(")[0] for why in index.broken.values())
    looked_at.clear()
    assert update_index(model, folder).broken == index.broken and looked_at == []
    write_photo(folder / "cut.jpg", (40, 30), seed=9)
    (folder / "gone.jpg").unlink()
    again = update_index(model, folder)
    assert sorted(again.broken) == ["text.png"] and "cut.jpg" in again.names
    np.testing.assert_allclose(again.embeddings, one_by_one(model, again.paths), atol=1e-3)


def test_a_folder_of_broken_images_alone_is_reported_and_not_searched(model, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("no picture")
    for _ in range(2):
        index = update_index(model, tmp_path / "photos")
        assert len(index) == 0 and list(index.broken) == ["a.jpg"]
    with pytest.raises(ValueError, match="no image that can be read"):
        index.search(embed_texts(model, ["a dog"]), 1)


def test_a_killed_update_goes_on_where_it_was(model, folder, monkeypatch, looked_at):
    monkeypatch.setattr(module, "BATCH", 1)
    counted = module.embed_images

    def killed(model, paths):
        if len(looked_at) == 20:
            raise KeyboardInterrupt
        return counted(model, paths)

    monkeypatch.setattr(module, "embed_images", killed)
    for number in range(20):
        write_photo(folder / f"{number:02}.jpg", (40, 30), seed=50 + number)
    with pytest.raises(KeyboardInterrupt):
        update_index(model, folder)
    assert not index_path(model, folder).exists(), "half an index is no index"
    monkeypatch.setattr(module, "embed_images", counted)
    looked_at.clear()
    index = update_index(model, folder)
    assert len(looked_at) == 25 - 16, "progress is kept every sixteen batches"
    np.testing.assert_allclose(index.embeddings, one_by_one(model, index.paths), atol=1e-3)


def test_a_list_cut_short_is_made_anew(model, folder):
    index = update_index(model, folder)
    index.path.write_text(index.path.read_text()[:50])
    assert update_index(model, folder).names == index.names


def test_two_at_once_wait_for_each_other_and_embed_once(model, folder, looked_at):
    found = []
    threads = [threading.Thread(target=lambda: found.append(update_index(model, folder))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looked_at) == 5 and sorted(index.embedded for index in found) == [0, 0, 5]


def test_a_killed_process_leaves_no_lock_behind(model, folder, tmp_path):
    model.save(tmp_path / "model")
    code = (
        "import os, sys; from cliplite_core.explore import index\n"
        "from cliplite_core.model import CLIPLite\n"
        "index.embed_images = lambda *_: os._exit(9)\n"
        "index.update_index(CLIPLite.load(sys.argv[1]), sys.argv[2])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "model"), str(folder)])
    assert done.returncode == 9
    assert len(update_index(load_searchable(tmp_path / "model"), folder)) == 5


def test_approximate_search_finds_the_same_first_image_and_follows_the_folder(model, folder):
    pytest.importorskip("faiss", reason="faiss-cpu is not installed (extra faiss)")
    for number in range(60):
        write_photo(folder / f"{number:02}.jpg", (40, 30), seed=50 + number)
    index = update_index(model, folder)
    queries = index.embeddings[:1].astype(np.float32)
    assert index.search(queries, 1, approximate=True)[0].tolist() == [[0]] == index.search(queries, 1)[0].tolist()
    (folder / "00.jpg").unlink()
    again = update_index(model, folder)
    rows, _ = again.search(queries, 1, approximate=True)
    assert again.names[rows[0, 0]] != "00.jpg" and len(list(again.path.parent.glob("*.faiss"))) == 1


def test_hidden_files_and_files_that_are_no_images_are_not_listed(folder):
    for name in (".hidden.jpg", ".thumbnails/a.jpg", "notes.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    assert len(image_files(folder)) == 5


def test_a_folder_that_is_not_there_and_one_without_images_are_told_in_one_line(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="none not found; expected a folder of images"):
        update_index(model, tmp_path / "none")
    with pytest.raises(ValueError, match=r"no image in it or below it, expected files \*\.jpg"):
        update_index(model, tmp_path)


def test_the_folder_looked_at_last_is_known(model, folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="images=FOLDER"):
        latest_index(model)
    write_photo(tmp_path / "others" / "a.jpg", (40, 30), seed=1)
    for where in (folder, tmp_path / "others", folder):
        update_index(model, where)
    assert latest_index(model) == folder.resolve()


def test_a_model_without_a_joint_space_says_so(model, tokenizer, tmp_path):
    concat = CLIPLite(model.config.override(critic="concat"), tokenizer)
    with pytest.raises(ValueError, match="critic = 'concat' has no joint space"):
        load_searchable(concat.save(tmp_path / "model"))


def test_a_model_that_has_embedded_can_still_learn(model, folder):
    update_index(model, folder)
    model.encode_image(torch.rand(2, 3, 16, 16)).sum().backward()
    assert all(weight.grad is not None for weight in model.image_encoder.parameters())
