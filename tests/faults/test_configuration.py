"""Fields, profiles and words that cannot be meant: the field is named, what was found and what was expected."""

from __future__ import annotations

import pytest
from fault import READY, TRAIN, Fault, Own

from cliplite_core.__main__ import main


def fields(*words: str):
    return lambda own: list(words)


def encoded(encoding: str, more: str = ""):
    return lambda own: own.profile.write_bytes((own.profile.read_text() + more).encode(encoding)) and None


def extends(text: str):
    return lambda own: own.profile.write_text(own.profile.read_text().replace('"smoke"', text)) and None


def extends_itself(own: Own) -> None:
    own.profile.write_text(own.profile.read_text().replace('"smoke"', f'"{own.profile}"'))


FIELDS: dict[str, str] = {
    "sead=1": "unknown field 'sead'; did you mean 'seed'",
    "temperature=3": "unknown field 'temperature'",
    "data.seed=1": "unknown field 'data.seed'",
    "seed": "'seed': expected NAME=VALUE",
    "=1": "'=1': expected NAME=VALUE",
    "seed=": "seed: got ''",
    "seed=-1": "seed: got -1",
    "seed=4294967296": "seed: got 4294967296",
    "seed=1.5": "seed: got 1.5",
    "seed=true": "seed: got True",
    "seed=NaN": "seed: got 'NaN'",
    "seed=[1]": r"seed: got \[1\]",
    "score_bias=NaN": "score_bias: got 'NaN'",
    "score_bias=-Infinity": "score_bias: got '-Infinity'",
    "score_bias=1e400": "score_bias: got inf",
    "score_scale=0": "score_scale: got 0",
    "image_width=0": "image_width: got 0",
    "image_width=1000000000000": "image_width: got 1000000000000",
    "image_size=7": "image_size: got 7",
    "image_size=1000000": "image_size: got 1000000",
    "units=1000000000": "units: got 1000000000",
    "text_hidden=1000000000": "text_hidden: got",
    "text_layers=10000000": "text_layers: got",
    "text_heads=3": "text_heads: got 3, expected a divisor of text_hidden = 16",
    "vocab_size=1": "vocab_size: got 1",
    "max_tokens=2": "max_tokens: got 2",
    "batch_size=1": "batch_size: got 1",
    "batch_size=1e3": "batch_size: got 1000.0",
    "batch_size=1000": "batch_size: got 1000, expected at most the 52 images",
    "steps=0": "steps: got 0",
    "checkpoint_every=0": "checkpoint_every: got 0",
    "workers=-1": "workers: got -1",
    "image_lr=1e": "image_lr: got '1e'",
    "image_lr=-1": "image_lr: got -1",
    "clip_norm=NaN": "clip_norm: got 'NaN'",
    "train_fraction=0": "train_fraction: got 0",
    "train_fraction=2": "train_fraction: got 2",
    "train_fraction=0.0001": "train_fraction: got 0.0001, which leaves none of the 52 images of 'train'",
    "val_split=train": "val_split: got 'train', which is trained on; expected a split that is held out",
    "test_split=train": "test_split: got 'train', which is trained on",
    "train_split=val": "val_split: got 'val', which is trained on|test_split: got 'val'",
    "val_images=60": r"val_images, test_images: found 60 \+ 3, expected fewer than all 60 images",
    "crop_scale=0": "crop_scale: got 0",
    "negatives=0": "negatives: got 0",
    "negatives=8": "negatives: got 8, expected fewer than batch_size = 8",
    "prior_weight=1": "prior_weight: got 1",
    "objective=clip": "objective: got 'clip'",
    "format=xml": "format: got 'xml'",
    "precision=half": "precision: got 'half'",
    "image_arch=resnet19": "image_arch: got 'resnet19', expected one of",
    "folder=nothing": "needs files that are not there: .*nothing",
    "captions=nothing.csv": "not there: .*nothing.csv",
    "split_file=nothing.txt": "not there: .*nothing.txt",
    "images=.": "own/train: 52 of 52 images are not there",
    "tokenizer=package:os": "package:os: os is a single module, expected a package",
    "tokenizer=package:nothing": "package:nothing: not installed",
    "tokenizer=package:": "package:: not installed",
    "tokenizer=package:os.path/x": "package:os.path/x: os.path is a single module",
    "tokenizer=package:no.such/x": "package:no.such/x: not installed",
    "tokenizer=package:json/../../x": "package:json/../../x: leads out of the package",
    "tokenizer=package:json/nothing": "package:json/nothing: .* not found",
    "text_weights=package:six": "package:six: six is a single module",
    "text_weights=/nowhere": "text_weights: '/nowhere' is neither a local folder",
    "image_weights=nowhere.pth": "image_weights: 'nowhere.pth'",
}
FAULTS: dict[str, Fault] = {
    "a field given twice": Fault(fields("seed=1", "seed=2"), "seed: given twice, the second time as 'seed=2'"),
    "a run that diverges": Fault(
        fields("optimizer=sgd", "image_lr=1e30", "text_lr=1e30", "clip_norm=0.0", "warmup_steps=0"),
        r"the loss is nan at step \d .*diverged.pt. Lower image_lr",
    ),
    "a profile in Latin-1": Fault(encoded("latin-1", "# Bär\n"), r"mine\.toml: not UTF-8 text .*save it as UTF-8"),
    "a profile in UTF-16": Fault(encoded("utf-16"), r"mine\.toml: not UTF-8 text"),
    "a profile of zeros": Fault(
        lambda own: own.profile.write_bytes(bytes(100)) and None, r"mine\.toml: not valid TOML"
    ),
    "a profile nested deep": Fault(
        lambda own: own.says("x = " + "[" * 9000 + "]" * 9000), r"mine\.toml: not valid TOML"
    ),
    "a profile that extends itself": Fault(extends_itself, "which leads back to itself"),
    "a profile that extends a number": Fault(extends("7"), "extends: got 7, expected the name of a profile"),
    "a profile that extends nothing": Fault(extends('"nothing"'), "unknown profile 'nothing'"),
    "an unknown section": Fault(
        lambda own: own.says("[dat]\nseed = 1\n"), r"unknown section \[dat\]; the sections are"
    ),
    "a field in another section": Fault(lambda own: own.says("seed = 1\n"), r"field 'seed' belongs in \[train\]"),
    "a field written twice": Fault(lambda own: own.says('voc = ""\n'), r"mine\.toml: not valid TOML"),
    "a table of tuned fields for one objective": Fault(
        lambda own: own.says("[tuned.jsd]\nimage_lr = 1.0\n"), r"\[tuned\] has jsd; expected a table for each"
    ),
    "no such profile": Fault(lambda own: own.profile.unlink(), r"unknown profile '.*mine\.toml'; known: cc3m, coco"),
    "an empty word for a profile": Fault(fields(), "unknown profile ''", ("train", "")),
    "a path for a profile": Fault(fields(), r"unknown profile '\.\./smoke'", ("train", "../smoke")),
    "an empty profile for results": Fault(fields(), "unknown profile ''", ("results", "")),
    "no seeds": Fault(fields(), "seeds: got 0", ("results", "smoke", "seeds=0")),
    "negative seeds": Fault(fields(), "seeds: got -1", ("results", "smoke", "seeds=-1")),
    "an unknown parameter of results": Fault(fields(), "unknown parameter 'profil'", ("results", "profil=smoke")),
    "no seeds of a notebook": Fault(fields(), "notebook 'nothing'", ("notebook", "nothing", "seeds=1")),
    "a misspelt parameter": Fault(fields(), "unknown parameter 'sedes'", ("notebook", "04_retrieval", "sedes=1")),
    "an ill-typed parameter": Fault(
        fields(), "'seeds' got '1e-4'|expected int", ("notebook", "04_retrieval", "seeds=1e-4")
    ),
    "an unknown verb": Fault(fields(), "invalid choice: 'trian'|'trian'", ("trian", "smoke")),
    "a side of nothing": Fault(fields(), "side: got 7, expected 64 to", ("data", "prepare", "PROFILE", "--side", "7")),
    "a model that is nowhere": Fault(
        fields(), "nowhere not found", ("export", "nowhere", "x", "--format", "torchvision")
    ),
}
READ: dict[str, Fault] = {
    "a byte order mark": Fault(encoded("utf-8-sig"), "", READY, 0),
    "lines of Windows": Fault(
        lambda own: own.profile.write_bytes(own.profile.read_bytes().replace(b"\n", b"\r\n")) and None, "", READY, 0
    ),
    "a vocabulary smaller than the alphabet": Fault(fields("vocab_size=8"), "", TRAIN, 0),
}


@pytest.mark.parametrize("word", FIELDS)
def test_a_field_that_cannot_be_meant_is_named(met, word):
    met(Fault(fields(word), FIELDS[word]))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_profile_or_a_word_that_cannot_be_meant_is_named(met, fault):
    met(fault)


@pytest.mark.parametrize("fault", READ.values(), ids=READ.keys())
def test_what_other_editors_write_is_read(met, fault):
    met(fault)


@pytest.mark.parametrize(
    ("field", "value"), [("image_width", 512), ("text_hidden", 4096), ("units", 65_536), ("image_size", 4096)]
)
def test_a_size_that_no_memory_holds_is_named_before_anything_is_allocated(met, monkeypatch, field, value):
    monkeypatch.setattr("cliplite_core.storage.memory.machine_memory_gib", lambda: 0.6)
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    met(Fault(fields(f"{field}={value}"), rf"{field}: got {value}, with which this run takes more than \d+ GiB"))


def test_memory_that_runs_out_nevertheless_is_one_line(met, monkeypatch):
    def full(*_: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 3 bytes\nand a trace")

    monkeypatch.setattr("cliplite_core.runs.Trainer.fit", full)
    met(Fault(fields(), "memory ran out .*lower batch_size"))


def test_karpathys_file_needs_no_list_of_splits_beside_it(tmp_path, monkeypatch, capsys):
    (tmp_path / "data/flickr8k/Images").mkdir(parents=True)
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path / "data"))
    words = ["format=karpathy", "captions=dataset_flickr8k.json", "val_split=val", "test_split=test", "people=val"]
    assert main(["data", "ready", "flickr8k", *words]) == 2
    said = capsys.readouterr().err
    assert "dataset_flickr8k.json" in said and "Images.txt" not in said
