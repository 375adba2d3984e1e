"""The curve of held-out retrieval: the recall of the model as it is then, and no effect on its weights."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from cliplite_core import runs
from cliplite_core.callbacks import Gallery, gallery_ranks, recall_of
from cliplite_core.data.splits import read_split
from cliplite_core.evaluation.features import embed_split
from cliplite_core.evaluation.retrieval import retrieval_metrics
from cliplite_core.runs import load_run, train
from cliplite_core.storage.logs import read_log


def test_recall_is_logged_from_the_first_to_the_last_step(tiny):
    curve = read_log(train(tiny.override(steps=30)), "retrieval")
    assert list(curve.index) == list(range(0, 31, 3))
    assert set(curve["gallery"]) == {16}
    assert curve["chance R@1"].tolist() == [1 / 16] * 11 and curve["chance R@5"].tolist() == [5 / 16] * 11
    assert ((curve["R@1"] <= curve["R@5"]) & (curve["R@5"] <= curve["R@10"])).all()


def test_the_last_recall_is_that_of_the_finished_model(tiny):
    last = read_log(train(tiny), "retrieval").iloc[-1]
    found = embed_split(load_run(tiny), read_split(tiny, "val"), captions_per_image=1)
    expected = retrieval_metrics(torch.from_numpy(found.images @ found.captions.T), range(16))
    for name in ("R@1", "R@5", "R@10"):
        assert last[name] == (expected["image_to_text"][name] + expected["text_to_image"][name]) / 2


def test_either_critic_can_be_watched(tiny):
    assert len(read_log(train(tiny.override(critic="concat")), "retrieval")) == 7  # six steps and the start


def test_watching_changes_no_weight(tiny, tmp_path, monkeypatch):
    watched = load_file(train(tiny) / "model" / "model.safetensors")
    monkeypatch.setenv("CLIPLITE_RUNS", str(tmp_path / "unwatched"))
    monkeypatch.setattr(runs, "RetrievalCurve", lambda *_, **__: lambda trainer: None)
    monkeypatch.setattr(runs, "ScoreSnapshots", lambda *_, **__: lambda trainer: None)
    unwatched = load_file(train(tiny) / "model" / "model.safetensors")
    assert all(torch.equal(watched[name], unwatched[name]) for name in watched)


def test_recall_among_pairs_is_that_of_the_evaluation_ties_included():
    scores = torch.randn(40, 40, generator=torch.Generator().manual_seed(0)).round(decimals=1)  # rounded: many ties
    found, whole = recall_of(gallery_ranks(scores)), retrieval_metrics(scores, range(40))
    for name, value in found.items():
        assert value == pytest.approx((whole["image_to_text"][name] + whole["text_to_image"][name]) / 2)


def test_one_pair_is_no_gallery(tiny):
    with pytest.raises(ValueError, match="val_split: got 1 images, expected at least 2"):
        Gallery(read_split(tiny, "val")[:1])
