"""Frozen encoders: features computed once train the critic as if the encoders ran every time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cliplite_core.data.frozen import encode_by_length, encode_parts, feature_batches
from cliplite_core.data.images import read_image
from cliplite_core.data.pairs import PairBatches
from cliplite_core.data.splits import read_split
from cliplite_core.data.tokenizer import tokenize
from cliplite_core.evaluation.features import captions_of, embed_split
from cliplite_core.evaluation.quality import measure_quality
from cliplite_core.evaluation.retrieval import retrieval_metrics_from_embeddings
from cliplite_core.frozen import encode_once
from cliplite_core.model import CLIPLite, Standardize
from cliplite_core.runs import load_run, new_pretraining, train
from cliplite_core.storage.features import cached_rows
from cliplite_core.storage.logs import read_log
from cliplite_core.trainer import Trainer

VECTORS = ("images", "captions", "caption_to_image")


@pytest.fixture
def frozen(tiny):
    return tiny.override(frozen=True, image_prior=False, optimizer="sgd", image_lr=0.05, text_lr=0.05)


def test_training_on_cached_features_equals_training_with_encoders_that_do_not_learn(frozen, tmp_path):
    images = read_split(frozen, "train")
    cached = load_run(frozen)
    training = new_pretraining(frozen, images)
    model = training.model
    model.image_encoder.eval(), model.text_encoder.eval()
    pixels = torch.stack([model.preprocess(read_image(item.path)) for item in images])
    with torch.no_grad():
        model.standardize["image"].measure(model.image_encoder(pixels))
        texts = [caption for item in images for caption in item.captions]
        model.standardize["text"].measure(model.text_encoder(tokenize(model.tokenizer, texts)))
    counts = [len(item.captions) for item in images]
    rows = np.arange(len(texts), dtype=np.float32)[
        :, None
    ]  # in place of features: the row, so that we see who is drawn
    ids = np.arange(len(images), dtype=np.float32)[:, None]

    def batches(start):
        order = PairBatches(len(images), frozen.train.batch_size, frozen.train.seed, start)
        for chosen, captions in feature_batches(ids, rows, counts, order):
            drawn = [texts[int(row)] for row in captions["features"][:, 0]]
            yield pixels[chosen[:, 0].long()], tokenize(model.tokenizer, drawn)

    def hold(trainer):
        model.image_encoder.eval(), model.text_encoder.eval()

    Trainer(training, batches, frozen, tmp_path / "by hand", [hold]).fit()
    assert cached.state_dict().keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(cached.state_dict()[name], tensor, rtol=1e-5, atol=1e-5, msg=name)


def test_the_encoders_of_a_frozen_run_are_those_it_began_with(frozen):
    before, after = new_pretraining(frozen, read_split(frozen, "train")).model, load_run(frozen)
    for part in ("image_encoder", "text_encoder"):
        for name, tensor in getattr(before, part).state_dict().items():
            assert torch.equal(tensor, getattr(after, part).state_dict()[name]), name
    assert not torch.equal(before.critic.scale, after.critic.scale)


def test_a_saved_frozen_model_embeds_new_images_as_it_did_its_cached_features(frozen, tmp_path):
    items = read_split(frozen, "val")
    model = load_run(frozen)
    again = CLIPLite.load(model.save(tmp_path / "model"))
    pixels = torch.stack([again.preprocess(read_image(item.path)) for item in items])
    pictures, _ = encode_once(model, items)
    with torch.no_grad():
        expected = model.encode_image(torch.from_numpy(np.array(pictures)))
        torch.testing.assert_close(again.encode_image(pixels), expected, rtol=1e-5, atol=1e-5)


def test_recall_is_watched_on_held_out_and_on_training_images(frozen):
    directory = train(frozen)
    assert len(read_log(directory, "retrieval")) == len(read_log(directory, "retrieval_train")) == 7
    assert set(read_log(directory, "retrieval_train")["gallery"]) == {16}


def test_features_are_computed_once_for_all_seeds_and_anew_for_another_size_or_changed_images(frozen, tmp_path):
    def files():
        return {path.name for path in (tmp_path / "runs" / "features").glob("*.npy")}

    train(frozen.override(steps=1))
    once = files()
    train(frozen.override(steps=2))
    assert files() == once and len(once) == 4  # images and captions of two splits
    train(frozen.override(steps=1, image_size=24))
    assert len(files()) == 6  # the images again


def test_each_image_gets_one_of_its_own_captions_and_each_is_drawn_as_often():
    counts, drawn = [1, 3, 2], np.zeros(6)
    owner = np.repeat(np.arange(3), counts)
    order = PairBatches(3, 3, seed=0)
    batches = feature_batches(np.arange(3.0)[:, None], np.arange(6.0)[:, None], counts, order)
    for _, (images, captions) in zip(range(3000), batches, strict=False):
        rows = captions["features"][:, 0].long().numpy()
        assert (owner[rows] == images[:, 0].long().numpy()).all()
        np.add.at(drawn, rows, 1)
    assert (
        drawn[:1].tolist() == [3000]
        and np.allclose(drawn[1:4], 1000, atol=120)
        and np.allclose(drawn[4:], 1500, atol=150)
    )


def test_a_resumed_run_draws_what_it_would_have_drawn():
    def drawn(start, count):
        order = PairBatches(8, 2, seed=1, start=start)
        batches = feature_batches(np.arange(8.0)[:, None], np.arange(24.0)[:, None], [3] * 8, order)
        return [(x.tolist(), y["features"].tolist()) for _, (x, y) in zip(range(count), batches, strict=False)]

    assert drawn(0, 9)[5:] == drawn(5, 4)


def test_computing_goes_on_after_a_kill_where_it_was(tmp_path):
    path, asked = tmp_path / "f.npy", []

    def compute(rows, until=10**9):
        if rows.start >= until:
            raise KeyboardInterrupt
        asked.append(rows.start)
        return np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] * [1, 2]

    with pytest.raises(KeyboardInterrupt):
        cached_rows(path, 200, lambda rows: compute(rows, until=100), "rows", chunk=4)
    assert not path.exists()
    found = cached_rows(path, 200, compute, "rows", chunk=4)
    np.testing.assert_array_equal(found, np.arange(200)[:, None] * np.array([1, 2]))
    assert len(asked) < 100 / 4 + 200 / 4 and asked[25] == 64  # not from the start again
    asked.clear()
    cached_rows(path, 200, compute, "rows", chunk=4)
    assert asked == []


def test_standardised_features_have_mean_zero_and_deviation_one():
    features = 3 + 2 * torch.randn(1000, 4, generator=torch.Generator().manual_seed(0))
    features[:, 3] = 5.0  # a dimension that never varies must not become infinite
    standardize = Standardize(4)
    standardize.measure(features)
    out = standardize(features)
    torch.testing.assert_close(out.mean(dim=0), torch.zeros(4), rtol=0, atol=1e-4)
    torch.testing.assert_close(out[:, :3].std(dim=0), torch.ones(3))
    assert torch.isfinite(out).all()


def test_a_frozen_model_is_measured_on_its_cached_features_as_on_the_images(frozen):
    model, items = load_run(frozen), read_split(frozen, "val")
    cached, texts = embed_split(model, items, captions_per_image=2), captions_of(items, 2)[0]
    pixels = torch.stack([model.preprocess(read_image(item.path)) for item in items])
    with torch.no_grad():
        np.testing.assert_allclose(cached.images, model.encode_image(pixels).numpy(), atol=1e-5)
        np.testing.assert_allclose(cached.captions, model.encode_text(texts).numpy(), atol=1e-5)
    assert cached.texts == texts and len(cached.caption_to_image) == len(texts)
    bare = frozen.override(zero_shot="", voc="", probe="")
    found = retrieval_metrics_from_embeddings(*(getattr(embed_split(model, items), part) for part in VECTORS))
    expected = np.mean([found[way]["R@5"] for way in ("image_to_text", "text_to_image")])
    assert measure_quality(model, bare)["validation"] == pytest.approx(100 * expected, abs=1e-3)


def test_captions_of_like_lengths_go_together_and_come_back_in_their_order(frozen):
    model = new_pretraining(frozen, read_split(frozen, "train")).model.eval()
    texts = [" ".join(["cat", "dog", "sun"][: 1 + number % 3] * (1 + number % 5)) for number in range(21)]
    tokens, widths = tokenize(model.tokenizer, texts), []

    def encode(part):
        widths.append(part["input_ids"].shape[1])
        return model.text_encoder(part)

    with torch.no_grad():
        found = encode_by_length(encode, tokens)
        alone = torch.cat([model.text_encoder(tokenize(model.tokenizer, [text])) for text in texts])
    torch.testing.assert_close(found, alone, rtol=1e-5, atol=1e-5)
    assert widths == sorted(widths) and widths[0] < widths[-1] == tokens["input_ids"].shape[1]


def test_images_encoded_a_few_at_a_time_are_those_encoded_at_once(frozen):
    model = new_pretraining(frozen, read_split(frozen, "train")).model.eval()
    pixels = torch.randn(19, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(
            encode_parts(model.image_encoder, pixels), model.image_encoder(pixels), rtol=1e-4, atol=1e-5
        )
