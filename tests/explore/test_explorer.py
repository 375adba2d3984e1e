"""What the page asks a model, beside the plain computation of the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_root import write_photo
from tiny import CAPTIONS

from cliplite_core.data.images import read_image
from cliplite_core.evaluation.heat import heat_cells, upsample
from cliplite_core.explore.embed import embed_images, embed_texts
from cliplite_core.explore.explorer import FINER, Explorer, heated, thumbnail
from cliplite_core.explore.index import update_index
from cliplite_core.explore.open import open_explorer
from cliplite_core.scenes.generate import compose_scenes


@pytest.fixture
def photos(tmp_path) -> list[Path]:
    paths = [tmp_path / "photos" / f"{number}.jpg" for number in range(6)]
    for number, path in enumerate(paths):
        write_photo(path, (48, 32), seed=number)
    return paths


@pytest.fixture
def explorer(model, photos) -> Explorer:
    return Explorer(model, update_index(model, photos[0].parent), CAPTIONS)


def test_pictures_for_words_are_those_of_the_largest_cosines(explorer, photos, model):
    cosines = embed_images(model, photos)[0] @ embed_texts(model, ["a cat"])[0]
    found = explorer.pictures("a cat", 4)
    assert [path for path, _ in found] == [photos[row] for row in np.argsort(-cosines)[:4]]
    np.testing.assert_allclose([cosine for _, cosine in found], -np.sort(-cosines)[:4], atol=2e-3)


def test_a_picture_is_most_like_itself(explorer, photos):
    assert explorer.pictures_like(photos[3], 2)[0] == (photos[3], pytest.approx(1, abs=2e-3))


def test_a_picture_is_described_by_the_nearest_sentences(explorer, photos, model):
    cosines = embed_texts(model, CAPTIONS) @ embed_images(model, [photos[2]])[0][0]
    assert [text for text, _ in explorer.describe(photos[2], 3)] == [CAPTIONS[row] for row in np.argsort(-cosines)[:3]]


def test_heat_is_that_of_the_grounding_experiment_on_a_file_that_lies_as_it_is_shown(explorer, photos, model):
    heat = explorer.heat(photos[1], "a dog")
    (cells,) = heat_cells(model, [photos[1]], ["a dog"], FINER * model.config.data.image_size)
    expected = upsample(cells[None], heat.shape)[0]
    assert heat.shape == (32, 48) == tuple(expected.shape)
    assert np.abs(heat - expected.numpy()).mean() < 0.1  # squeezed to a square in one step there, in another here


def test_heat_lies_upright_over_a_photo_that_a_phone_turned(explorer, photos):
    turned = Image.open(photos[0])
    exif = turned.getexif()
    exif[0x0112] = 6  # to be shown turned by a quarter
    turned.save(photos[0].with_name("turned.jpg"), exif=exif)
    assert explorer.heat(photos[0].with_name("turned.jpg"), "a dog").shape == (48, 32)
    assert thumbnail(photos[0].with_name("turned.jpg"), 24).size == (16, 24)


def test_hot_places_are_coloured_and_cold_ones_stay_mostly_as_they_are():
    grey = Image.new("RGB", (40, 40), (120, 120, 120))
    heat = np.zeros((4, 4), dtype=np.float32)
    heat[:2, :2] = 1
    shown = np.asarray(heated(grey, heat)).astype(int)
    assert np.ptp(shown[4, 4]) > 20 and np.ptp(shown[36, 36]) < 8  # colour where it is hot, none where it is not
    assert np.asarray(heated(grey, np.zeros((4, 4), np.float32))).max() <= 120


def test_a_deleted_picture_is_told_in_one_line(explorer, photos):
    photos[0].unlink()
    with pytest.raises(ValueError, match=r"0\.jpg: is not there"):
        explorer.describe(photos[0], 1)


def test_a_models_own_data_is_shown_where_no_folder_is_named(tiny, model, tmp_path):
    compose_scenes(tiny)
    explorer = open_explorer("coco", str(model.save(tmp_path / "model")))  # the profile is not looked at
    assert len(explorer.index) == 16 and explorer.index.folder.name == "test"
    assert 16 <= len(explorer.sentences) <= 80 and len(set(explorer.sentences)) == len(explorer.sentences)


def test_sentences_are_ones_own_the_splits_or_everyday_ones(model, photos, tmp_path):
    saved, folder = str(model.save(tmp_path / "model")), str(photos[0].parent)
    everyday = open_explorer("smoke", saved, folder).sentences  # no scenes were composed here
    assert "a dog runs on the grass" in everyday and len(everyday) > 50
    (tmp_path / "mine.txt").write_text("\ufeffein Hund 🐕\n\nein Hund 🐕\n two cats \n", encoding="utf-8")
    assert open_explorer("smoke", saved, folder, str(tmp_path / "mine.txt")).sentences == ["ein Hund 🐕", "two cats"]
    with pytest.raises(FileNotFoundError, match=r"none\.txt not found; expected a text file"):
        open_explorer("smoke", saved, folder, str(tmp_path / "none.txt"))
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ValueError, match="no sentence, expected one per line"):
        open_explorer("smoke", saved, folder, str(tmp_path / "empty.txt"))


def test_a_finished_run_is_not_needed_for_a_picture_to_be_read_as_the_model_reads_it(explorer, photos, model):
    with torch.no_grad():
        alone = model.encode_image(model.preprocess(read_image(photos[5]))[None]).numpy()
    np.testing.assert_allclose(embed_images(model, photos)[0][5:], alone, atol=1e-5)
