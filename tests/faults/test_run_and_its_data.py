"""A run belongs to its data: nothing trained on other data is returned or gone on from; broken state is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from fault import contents
from PIL import Image
from small_pairs import words, write_pairs
from torchvision.models import get_model
from transformers import BertConfig, BertModel, set_seed

from cliplite_core.__main__ import main
from cliplite_core.data.record import data_record, expect_mending, read_record
from cliplite_core.data.splits import read_split
from cliplite_core.data.tokenizer import train_wordpiece
from cliplite_core.runs import load_run, train
from cliplite_core.storage.logs import read_log, read_summary
from cliplite_core.storage.places import data_root, run_directory
from cliplite_core.trainer import NonFiniteLoss, Trainer


@pytest.fixture
def own(tiny, tmp_path, monkeypatch):
    """The tiny scenes as somebody's own data, which nothing composes again."""
    shutil.copytree(data_root() / "tiny", tmp_path / "data" / "tiny")
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path / "data"))
    return tiny.override(scenes_train=0, scenes_eval=0)


def annotations(split: str = "train") -> Path:
    return data_root() / "tiny" / "annotations" / f"captions_{split}.json"


def edit(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def one_caption(content: dict) -> None:
    content["annotations"][0]["caption"] = "something else"


def captions_to_other_images(content: dict) -> None:
    first, last = content["annotations"][0], content["annotations"][-1]
    first["image_id"], last["image_id"] = last["image_id"], first["image_id"]


def fewer_images(content: dict) -> None:
    gone = content["images"].pop()["id"]
    content["annotations"] = [entry for entry in content["annotations"] if entry["image_id"] != gone]


def new_word(content: dict) -> None:
    content["annotations"][0]["caption"] = (
        "zyxwv zyxwv zyxwv"  # the vocabulary changes, and with it the weights' shapes
    )


def repaint(path: Path) -> None:
    Image.new("RGB", Image.open(path).size, "red").save(path)


def every_image() -> None:
    for path in (data_root() / "tiny" / "train").glob("*.jpg"):
        repaint(path)


def one_image() -> None:
    repaint(sorted((data_root() / "tiny" / "train").glob("*.jpg"))[3])


CHANGES = {
    "one caption": lambda: edit(annotations(), one_caption),
    "captions handed to other images": lambda: edit(annotations(), captions_to_other_images),
    "an image less": lambda: edit(annotations(), fewer_images),
    "a new word": lambda: edit(annotations(), new_word),
    "every image": every_image,
    "one image": one_image,
    "a validation caption": lambda: edit(annotations("val"), one_caption),
}
every_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())


def killed_at(config, step: int, monkeypatch) -> Path:
    """A run whose process ended at a step, as if killed."""
    train_step = Trainer._train_step

    def until(trainer, batch):
        if trainer.step == step:
            raise KeyboardInterrupt
        return train_step(trainer, batch)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "_train_step", until)
        train(config)
    return run_directory(config)


@every_change
def test_a_finished_run_is_trained_again_when_its_data_changed(own, capsys, change):
    directory = train(own)
    before = (directory / "model" / "model.safetensors").read_bytes()
    change()
    assert train(own) == directory
    said = capsys.readouterr().err
    assert said.count("the data changed: ") == 1 and "former/" in said
    assert (directory / "former" / "model" / "model.safetensors").read_bytes() == before
    assert read_record(directory) == data_record(own)
    assert train(own) == directory and capsys.readouterr().err == "", "the new run belongs to the new data"


@every_change
def test_an_interrupted_run_starts_anew_when_its_data_changed(own, monkeypatch, capsys, change):
    killed_at(own, 5, monkeypatch)
    change()
    assert read_summary(train(own))["resumed_from"] == 0
    assert "the data changed: " in capsys.readouterr().err


def test_an_interrupted_run_goes_on_when_nothing_changed(own, monkeypatch, capsys):
    killed_at(own, 5, monkeypatch)
    assert read_summary(train(own))["resumed_from"] == 3
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("what", ["tokenizer", "text weights", "image weights"])
def test_a_run_from_files_of_weights_is_trained_again_when_these_change(tiny, tmp_path, capsys, what):
    set_seed(1)
    bert = BertModel(
        BertConfig(vocab_size=77, hidden_size=16, num_hidden_layers=1, num_attention_heads=4, intermediate_size=32)
    )
    bert.save_pretrained(tmp_path / "text")
    train_wordpiece(["a red dog on the grass"], 77).save_pretrained(tmp_path / "text")
    torch.save(get_model("mobilenet_v2").state_dict(), tmp_path / "image.pth")
    fields = {
        "tokenizer": {"tokenizer": str(tmp_path / "text")},
        "text weights": {"tokenizer": str(tmp_path / "text"), "text_weights": str(tmp_path / "text")},
        "image weights": {
            "image_arch": "mobilenet_v2", "image_width": 64, "image_stem": "imagenet",
            "image_weights": str(tmp_path / "image.pth"),
        },
    }[what]  # fmt: skip
    config = tiny.override(**fields, steps=1, checkpoint_every=1)
    directory = train(config)
    train(config)
    assert "changed" not in capsys.readouterr().err
    if what == "tokenizer":
        train_wordpiece(["a blue cat on the grass"], 77).save_pretrained(tmp_path / "text")
    elif what == "text weights":
        with torch.no_grad():
            bert.embeddings.word_embeddings.weight[5] += 1
        bert.save_pretrained(tmp_path / "text")  # as large as before
    else:
        torch.save(get_model("mobilenet_v2").state_dict(), tmp_path / "image.pth")
    assert train(config) == directory
    said = capsys.readouterr().err
    assert "the data changed: " in said and f"{what} (" in said


def test_a_finished_run_is_used_where_its_data_is_gone(own):
    directory = train(own)
    shutil.rmtree(data_root() / "tiny")
    assert train(own) == directory


def test_moving_the_data_elsewhere_changes_nothing(own, tmp_path, monkeypatch, capsys):
    directory = train(own)
    shutil.move(data_root(), tmp_path / "moved")
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path / "moved"))
    assert train(own) == directory and capsys.readouterr().err == ""


def test_a_run_of_an_earlier_version_has_no_record_and_is_kept(own, capsys):
    directory = train(own)
    (directory / "data.json").unlink()
    assert train(own) == directory and capsys.readouterr().err == ""


def test_a_record_of_another_format_is_not_compared(own, capsys):
    directory = train(own)
    record = {part: "other digits" for part in read_record(directory)} | {"format": "0"}
    (directory / "data.json").write_text(json.dumps(record))
    assert train(own) == directory and capsys.readouterr().err == ""
    assert read_record(directory) == data_record(own)


def test_an_image_that_is_mended_is_no_change_but_its_caption_is(own):
    directory = train(own)
    expect_mending(directory)
    assert set(read_record(directory)) == {"format", "training captions", "validation captions"}


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'{"seconds": 3'])
def test_a_summary_cut_short_by_a_power_cut_is_named_and_the_run_trained_again(tiny, capsys, left):
    directory = train(tiny)
    (directory / "run.json").write_bytes(left)
    train(tiny)
    assert "run.json is cut short or broken" in capsys.readouterr().err
    assert read_summary(directory)["seconds"] > 0


def test_a_missing_model_beside_a_finished_summary_is_noticed(tiny, capsys):
    directory = train(tiny)
    shutil.rmtree(directory / "model")
    assert load_run(tiny) is not None
    assert "model" in capsys.readouterr().err


@pytest.mark.parametrize("left", [b"", b"PK\x03\x04", "half"])
def test_a_broken_checkpoint_is_set_aside_and_the_one_before_it_used(tiny, monkeypatch, capsys, left):
    config = tiny.override(checkpoint_every=1)
    directory = killed_at(config, 5, monkeypatch)
    state = directory / "state.pt"
    state.write_bytes(state.read_bytes()[: state.stat().st_size // 2] if left == "half" else left)
    assert read_summary(train(config))["resumed_from"] == 4
    assert capsys.readouterr().err.count("is broken") == 1


def test_a_checkpoint_with_code_in_it_is_not_run(tiny, tmp_path, monkeypatch, capsys):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    directory = killed_at(tiny, 5, monkeypatch)
    torch.save({"step": 3, "pretraining": Trap(), "optimizer": {}, "schedule": {}}, directory / "state.pt")
    train(tiny)
    assert not (tmp_path / "sprung").exists() and "is broken" in capsys.readouterr().err


def test_going_on_from_the_checkpoint_before_ends_in_the_same_bits(tiny, tmp_path, monkeypatch):
    config = tiny.override(checkpoint_every=1)
    directory = killed_at(config, 5, monkeypatch)
    (directory / "state.pt").write_bytes(b"")
    resumed = (train(config) / "model" / "model.safetensors").read_bytes()
    monkeypatch.setenv("CLIPLITE_RUNS", str(tmp_path / "unbroken"))
    assert (train(config) / "model" / "model.safetensors").read_bytes() == resumed


@pytest.mark.parametrize("garbage", ["{", "\x00" * 40, '"a string"', '{"kind": "train"}', "[1, 2]"])
def test_a_garbled_line_of_the_log_costs_that_line_alone(tiny, monkeypatch, garbage):
    directory = killed_at(tiny, 5, monkeypatch)
    log = directory / "log.jsonl"
    log.write_text(garbage + "\n" + log.read_text(encoding="utf-8"), encoding="utf-8")
    train(tiny)
    assert list(read_log(directory).index) == [1, 2, 3, 4, 5, 6]


def test_a_diverging_run_names_its_step_and_leaves_its_state(tiny):
    with pytest.raises(NonFiniteLoss, match="step"):
        train(tiny.override(optimizer="sgd", image_lr=1e30, text_lr=1e30, clip_norm=0.0, warmup_steps=0))
    assert read_split(tiny, "train")


@pytest.mark.parametrize(
    ("field", "weights", "see"),
    [
        ("image_weights", "no.pth", "no.pth not found"),
        ("image_weights", "package:no_such_package/no.pth", "not installed"),
        ("text_weights", "package:no_such_package/no", "not installed"),
    ],
)
def test_a_finished_fit_stays_where_it_is_if_the_weights_for_another_are_not_there(
    field, weights, see, tmp_path, capsys
):
    captions, photos = map(str, write_pairs(tmp_path))
    fit = ["fit", captions, photos, str(tmp_path / "mine"), "epochs=2"]
    assert main([*fit, *words()]) == 0
    before = contents(tmp_path / "mine")
    capsys.readouterr()
    assert main([*fit, *words(image_arch="resnet18", image_width=64, **{field: weights})]) == 2
    said = capsys.readouterr().err
    assert see in said and said.count("\n") == 1, said
    assert contents(tmp_path / "mine") == before
    assert main([*fit, *words()]) == 0 and capsys.readouterr().out.startswith("finished: ")
