"""The exported encoders in ONNX Runtime: the same embeddings as PyTorch's, for any batch and any length."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from tiny import CAPTIONS, TINY
from torch import Tensor
from transformers import AutoTokenizer, set_seed

from cliplite_core.__main__ import main
from cliplite_core.commands import export_onnx as module
from cliplite_core.commands.export_onnx import onnx_difference, write_onnx
from cliplite_core.model import CLIPLite
from cliplite_core.profiles import load_profile

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")
pytest.importorskip("onnxscript", reason="onnxscript is not installed (extra onnx)")
LONG = "a man rides a red horse on the grass left of two birds and a dog and a cat and the moon " * 3  # is cut off


def images(count: int) -> Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(count))


@pytest.fixture(scope="module")
def trained(tokenizer) -> CLIPLite:
    """A tiny model whose norms and statistics are no longer as they start, frozen encoders standardised."""
    set_seed(0)
    model = CLIPLite(load_profile("smoke", **TINY | {"frozen": True, "text_pool": "mean"}), tokenizer).train()
    with torch.no_grad():
        features = model.image_features(images(8))
        model.standardize["image"].measure(features)
        model.standardize["text"].measure(model.text_features(CAPTIONS))
        model.critic(model.image_features(images(5)), model.text_features(CAPTIONS))  # moves the batch norms
    return model.eval()


@pytest.fixture(scope="module")
def written(trained, tmp_path_factory):
    return write_onnx(trained, tmp_path_factory.mktemp("onnx") / "out")


@pytest.mark.parametrize("texts", [["the moon"], [*CAPTIONS], ["moon", LONG]], ids=["one", "five", "long"])
def test_any_number_of_images_and_texts_of_any_length_gives_what_pytorch_gives(trained, written, texts):
    assert onnx_difference(trained, written, images(len(texts)), texts) < 1e-5


def test_what_was_written_is_all_that_another_program_needs(trained, written):
    notes = json.loads((written / "preprocess.json").read_text())
    tokens = AutoTokenizer.from_pretrained(written / "tokenizer")(list(CAPTIONS), padding=True, return_tensors="np")
    text = onnxruntime.InferenceSession(written / "text.onnx")
    image = onnxruntime.InferenceSession(written / "image.onnx")
    (b,) = text.run(None, {name: tokens[name].astype(np.int64) for name in ("input_ids", "attention_mask")})
    (a,) = image.run(None, {"pixels": images(5).numpy()})
    np.testing.assert_allclose(np.linalg.norm(a, axis=1), 1, rtol=1e-5)
    with torch.no_grad():
        scores = trained.score(images(5), CAPTIONS).numpy()
    np.testing.assert_allclose(notes["score_scale"] * (a * b).sum(axis=1) + notes["score_bias"], scores, atol=1e-3)
    assert notes["image_size"] == 16 and len(notes["mean"]) == 3


def test_an_export_that_disagrees_leaves_nothing_behind(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "onnx_difference", lambda *_: 0.5)
    monkeypatch.setattr(module, "_export", lambda *_: None)
    with pytest.raises(ValueError, match=r"differ from PyTorch's by 5\.0e-01, expected 0\.0001"):
        write_onnx(trained, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_exported_is_told_in_one_line_before_any_work(trained, tokenizer, tmp_path, monkeypatch, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    concat = CLIPLite(trained.config.override(critic="concat", frozen=False), tokenizer)
    for model, out, message in (
        (trained, "full", "full exists already"),
        (concat, "new", "critic: 'concat' has no joint space"),
    ):
        saved = model.save(tmp_path / f"model for {out}")
        assert main(["export", str(saved), str(tmp_path / out), "--format", "onnx"]) == 2
        assert message in capsys.readouterr().err
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(ValueError, match="--format onnx needs onnxscript: pip install onnx onnxruntime onnxscript"):
        write_onnx(trained, tmp_path / "new")
