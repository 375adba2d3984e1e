"""Pairs for training: any picture file decodes or is named, and every draw follows (seed, epoch, index) alone."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from cliplite_core.data import pairs as module
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.images import read_image, upright_size
from cliplite_core.data.pairs import CaptionPairs, PairBatches, pair_loader
from cliplite_core.data.transforms import swap_sides

RED, ORIENTATION = (220, 30, 40), 0x0112


def saved(folder: Path, image: Image.Image, name: str, **options: object) -> Path:
    image.save(folder / name, **options)
    return folder / name


def noise(side: int = 16, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def items(tmp_path) -> list[CaptionedImage]:
    """Ten noise pictures with three captions each."""
    return [
        CaptionedImage(
            saved(tmp_path, noise(20, seed=n), f"{n}.png"),
            tuple(f"caption {k} left of picture {n}" for k in range(3)),
            n,
        )
        for n in range(10)
    ]


def pairs(items: list[CaptionedImage], config, seed: int = 0, **fields: object) -> CaptionPairs:
    return CaptionPairs(items, config.override(**fields).data, seed)


# --- decoding -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "name"), [("RGB", "a.png"), ("CMYK", "a.jpg"), ("P", "a.gif"), ("RGBA", "a.webp")])
def test_every_colour_mode_decodes_to_the_same_colour(tmp_path, mode, name):
    path = saved(tmp_path, Image.new("RGB", (6, 4), RED).convert(mode), name)
    image = read_image(path)
    assert image.shape == (3, 4, 6) and image.dtype == torch.uint8
    assert (image.float().mean(dim=(1, 2)) - torch.tensor(RED)).abs().max() < 8


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_greyscale_decodes_to_three_equal_channels(tmp_path, mode):
    image = read_image(saved(tmp_path, Image.new("L", (4, 4), 255).convert(mode), "grey.png"))
    assert torch.equal(image, torch.full((3, 4, 4), 255, dtype=torch.uint8))


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bits_keep_their_brightness(tmp_path, name):
    levels = np.array([[0, 16384], [32768, 65535]], dtype=np.uint16)
    image = read_image(saved(tmp_path, Image.fromarray(levels), name))
    assert image[0].tolist() == [[0, 64], [128, 255]]
    assert torch.equal(image[0], image[1]) and torch.equal(image[0], image[2])


def test_transparency_lies_on_white(tmp_path):
    clear = Image.new("RGBA", (4, 4), (*RED, 0))
    clear.putpixel((0, 0), (*RED, 255))
    image = read_image(saved(tmp_path, clear, "a.png"))
    assert image[:, 0, 0].tolist() == list(RED) and image[:, 3, 3].tolist() == [255] * 3


def test_a_transparent_palette_colour_lies_on_white(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([*RED, 0, 0, 255])
    palette.putdata([0, 1])
    image = read_image(saved(tmp_path, palette, "a.png", transparency=1))
    assert image[:, 0].T.tolist() == [list(RED), [255] * 3]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright_as_its_exif_tag_says(tmp_path, orientation):
    stored = noise(8).crop((0, 0, 8, 6))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    found = read_image(saved(tmp_path, stored, "a.png", exif=exif)).permute(1, 2, 0).numpy()
    assert upright_size(tmp_path / "a.png") == found.shape[:2]
    pixels = np.asarray(stored)
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    upright = {1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}
    rows, columns = upright[orientation]
    assert np.array_equal(found, pixels[::rows, ::columns])


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "bmp"])
def test_a_file_cut_short_is_named(tmp_path, suffix):
    path = saved(tmp_path, noise(64), f"half.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"half\.{suffix}: cannot be decoded .*; replace the file or drop its row"):
        read_image(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"<!DOCTYPE html><html><body>404 Not Found</body></html>", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"],
)
def test_a_file_that_is_no_picture_is_named(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.jpg: cannot be decoded as an image"):
        read_image(tmp_path / "a.jpg")


def test_a_picture_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.jpg not found, though the caption file names it"):
        read_image(tmp_path / "a.jpg")


# --- what an item is ----------------------------------------------------------------------------------------------


def test_an_item_follows_seed_epoch_and_index_and_nothing_else(items, tiny):
    first = pairs(items, tiny)
    image, caption = first[2, 5]
    torch.manual_seed(99)
    first[0, 1]
    again = first[2, 5]
    assert torch.equal(image, again[0]) and caption == again[1]
    others = [first[3, 5], first[2, 6], pairs(items, tiny, seed=1)[2, 5]]
    assert all(not torch.equal(image, other) for other, _ in others)


def test_drawing_an_item_leaves_the_global_generator_alone(items, tiny):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    pairs(items, tiny, color_jitter=0.4)[0, 0]
    assert torch.equal(torch.rand(4), expected)


def test_each_of_an_images_captions_is_drawn_as_often_as_the_others(items, tiny):
    dataset = pairs(items, tiny)
    drawn = [dataset[epoch, 4][1] for epoch in range(300)]
    assert set(drawn) == set(items[4].captions)
    assert min(drawn.count(caption) for caption in items[4].captions) > 70


def test_one_epoch_draws_for_each_item_on_its_own(items, tiny):
    dataset = pairs([items[0]] * 40, tiny)
    drawn = [dataset[0, index] for index in range(40)]
    assert {caption for _, caption in drawn} == set(items[0].captions)
    assert len({image.numpy().tobytes() for image, _ in drawn}) > 30


def test_flipping_mirrors_the_picture_and_swaps_the_sides_in_its_caption(tmp_path, tiny):
    halves = Image.new("RGB", (20, 20), "black")
    halves.paste("white", (10, 0, 20, 20))
    item = CaptionedImage(saved(tmp_path, halves, "a.png"), ("white is right of black",), "a")
    dataset = pairs([item], tiny, flip=True, crop_scale=1.0, color_jitter=0.0)
    flipped = 0
    for epoch in range(60):
        image, caption = dataset[epoch, 0]
        white_is_right = image[:, :, -2:].mean() > image[:, :, :2].mean()
        assert caption == (item.captions[0] if white_is_right else swap_sides(item.captions[0]))
        flipped += not white_is_right
    assert 15 < flipped < 45
    unflipped = pairs([item], tiny, flip=False)
    assert all(unflipped[epoch, 0][1] == item.captions[0] for epoch in range(20))


def test_keeping_decoded_pictures_changes_nothing_but_the_reading(items, tiny):
    kept, fresh = pairs(items, tiny, cache_images=True), pairs(items, tiny, cache_images=False)
    for key in [(0, 3), (1, 3), (0, 3)]:
        assert torch.equal(kept[key][0], fresh[key][0])
    items[3].path.unlink()
    assert kept[2, 3][0].shape == (3, 16, 16)
    with pytest.raises(FileNotFoundError):
        fresh[2, 3]


@pytest.mark.parametrize("keep", [True, False])
def test_mirroring_what_is_cut_out_is_cutting_out_of_the_mirror_image(items, tiny, keep):
    """Pictures that are no large JPEGs look as they always did: not a weight of a published training may move."""
    dataset = pairs(items, tiny, flip=True, color_jitter=0.4, cache_images=keep)
    for epoch, index in itertools.product(range(4), range(10)):
        rng = np.random.default_rng([0, epoch, index])
        rng.integers(3)
        image = read_image(items[index].path)
        image = image.flip(-1) if rng.random() < 0.5 else image
        torch.manual_seed(int(rng.integers(2**31)))
        expected = dataset.transform(image)
        assert torch.equal(dataset[epoch, index][0], expected)


def photo(folder: Path, width: int = 640, height: int = 480, **options: object) -> Path:
    """Shapes with sharp edges under grain, as a camera would save them."""
    rng = np.random.default_rng(0)
    shapes = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((width, height), 0)
    grain = np.asarray(shapes.filter(ImageFilter.GaussianBlur(1))) + rng.normal(0, 4, (height, width, 3))
    return saved(folder, Image.fromarray(grain.clip(0, 255).astype(np.uint8)), "photo.jpg", quality=90, **options)


@pytest.mark.parametrize("shrink", [1, 2, 4, 8])
def test_a_jpeg_may_be_shrunk_while_decoded_and_another_format_is_read_whole(tmp_path, shrink):
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # lies on its side
    image = read_image(photo(tmp_path, 643, 480, exif=exif), shrink)
    assert image.shape == (3, -(-643 // shrink), 480 // shrink)
    path = saved(tmp_path, noise(20), "a.png")
    assert torch.equal(read_image(path, shrink), read_image(path))


@pytest.mark.parametrize(("side", "shrunk"), [(300, 1), (200, 2), (100, 4), (50, 8)])
def test_a_photo_shrunk_while_decoded_differs_by_a_few_levels_of_255(tmp_path, tiny, side, shrunk, monkeypatch):
    asked = []
    item = CaptionedImage(photo(tmp_path), ("a caption",), 0)
    monkeypatch.setattr(module, "read_image", lambda path, by=1: asked.append(by) or read_image(path, by))
    fields = {"image_size": side, "crop_scale": 0.9, "color_jitter": 0.0, "flip": True}
    kept, fresh = pairs([item], tiny, cache_images=True, **fields), pairs([item], tiny, cache_images=False, **fields)
    levels = 255 * torch.tensor((0.229, 0.224, 0.225))[:, None, None]  # of a unit of what the network sees
    apart = [((kept[epoch, 0][0] - fresh[epoch, 0][0]).abs() * levels).mean() for epoch in range(8)]
    assert shrunk in asked[1:]
    # A crop moves by half a shrunken pixel at most, and these edges are hard; another place would be 60 levels off.
    assert max(apart) < 9 if shrunk > 1 else max(apart) == 0, apart


# --- in which order -----------------------------------------------------------------------------------------------


def first_batches(n: int, **fields: int) -> list[list[tuple[int, int]]]:
    return list(itertools.islice(PairBatches(**{"size": 10, "batch_size": 3, "seed": 0} | fields), n))


def test_an_epoch_shows_every_item_at_most_once_in_an_order_of_its_own():
    batches = first_batches(9)
    assert [batch[0][0] for batch in batches] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    for epoch in range(3):
        indices = [index for batch in batches[3 * epoch : 3 * epoch + 3] for _, index in batch]
        assert len(set(indices)) == 9 and set(indices) <= set(range(10))
    assert [index for _, index in batches[0]] != [index for _, index in batches[3]]
    assert batches == first_batches(9) != first_batches(9, seed=1)


@pytest.mark.parametrize("start", [1, 2, 3, 4, 6, 11])
def test_starting_at_a_step_is_skipping_the_steps_before_it(start):
    assert first_batches(8, start=start) == first_batches(start + 8)[start:]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_each_batch_out_among_them(world):
    whole = first_batches(7, batch_size=6)
    parts = [first_batches(7, batch_size=6, rank=rank, world=world) for rank in range(world)]
    for step, batch in enumerate(whole):
        shares = [part[step] for part in parts]
        assert {len(share) for share in shares} == {6 // world}
        # Gathering interleaves the processes: item 0 of each, then item 1 of each.
        assert [item for row in zip(*shares, strict=True) for item in row] == batch


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 2}, "batch_size: got 3, expected at most the 2 images of the training split"),
        ({"world": 2}, "batch_size: got 3, expected a multiple of the 2 processes"),
    ],
)
def test_a_batch_that_cannot_be_filled_or_shared_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        first_batches(1, **fields)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_number_of_workers_changes_no_batch(items, tiny, tokenizer, workers):
    dataset, order = pairs(items, tiny, flip=True, color_jitter=0.4), PairBatches(10, 4, seed=0)
    loader = iter(pair_loader(dataset, order, tokenizer, workers))
    for keys, (images, tokens) in zip(itertools.islice(order, 5), loader, strict=False):
        expected = [dataset[key] for key in keys]
        assert torch.equal(images, torch.stack([image for image, _ in expected]))
        texts = tokenizer([caption for _, caption in expected], padding=True, return_tensors="pt")
        assert torch.equal(tokens["input_ids"], texts["input_ids"])
        assert torch.equal(tokens["attention_mask"], texts["attention_mask"])


def test_what_workers_need_can_be_sent_to_them_where_processes_are_not_forked(items, tiny, tokenizer):
    dataset = pairs(items, tiny, cache_images=True)
    loader = pair_loader(dataset, PairBatches(10, 4, seed=0), tokenizer)
    sent, collate = pickle.loads(pickle.dumps((loader.dataset, loader.collate_fn)))
    images, _ = collate([sent[0, 1], sent[0, 2]])
    assert torch.equal(images, torch.stack([dataset[0, 1][0], dataset[0, 2][0]]))
