"""A model directory is untrusted input: refused in one line, at once and within memory, or loaded to the bit."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cliplite_core.data.tokenizer import train_wordpiece
from cliplite_core.model import CLIPLite
from cliplite_core.storage.places import PROJECT

HUGE, DEEP = 10**12, 100_000
WORDS = "text_encoder.bert.embeddings.word_embeddings.weight"
Change = Callable[[Path], object]


def fields(name: str, **values: object) -> Change:
    """Set fields of a JSON file; "a__b" is field b of section a."""

    def change(directory: Path) -> None:
        content = json.loads((directory / name).read_text(encoding="utf-8"))
        for key, value in values.items():
            *sections, field = key.split("__")
            place = content
            for section in sections:
                place = place[section]
            place[field] = value
        (directory / name).write_text(json.dumps(content), encoding="utf-8")

    return change


def config(**values: object) -> Change:
    return fields("config.json", **{name if name == "profile" else f"model__{name}": v for name, v in values.items()})


def text(**values: object) -> Change:
    return fields("text/config.json", **values)


def pieces(**values: object) -> Change:
    return fields("tokenizer/tokenizer.json", **values)


def settings(**values: object) -> Change:
    return fields("tokenizer/tokenizer_config.json", **values)


def content(name: str, text: bytes) -> Change:
    return lambda directory: (directory / name).write_bytes(text)


def header(shape: list[int], size: int) -> Change:
    entry = {WORDS: {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}
    written = json.dumps(entry).encode()
    return content("model.safetensors", struct.pack("<Q", len(written)) + written)


def tensors(change: Callable[[dict], object]) -> Change:
    def apply(directory: Path) -> None:
        state = load_file(directory / "model.safetensors")
        change(state)
        save_file(state, directory / "model.safetensors")  # and no note of the vocabulary, as in older models

    return apply


def tokenizer_of(captions: list[str], size: int) -> Change:
    return lambda directory: train_wordpiece(captions, size).save_pretrained(directory / "tokenizer")


def without_last_piece(directory: Path) -> None:
    path = directory / "tokenizer" / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary.pop(max(vocabulary, key=vocabulary.get))
    path.write_text(json.dumps(content))


def with_mark(name: str) -> Change:
    return lambda directory: (directory / name).write_bytes(b"\xef\xbb\xbf" + (directory / name).read_bytes())


def pipe(directory: Path) -> None:
    (directory / "config.json").unlink()
    os.mkfifo(directory / "config.json")


def other_order(directory: Path) -> None:
    """A tokenizer as large as the model's, whose pieces have other ids."""
    path = directory / "tokenizer" / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    first, second = sorted(vocabulary, key=vocabulary.get)[-2:]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    path.write_text(json.dumps(content))


REFUSED: dict[str, tuple[Change, str]] = {
    "a width no memory holds": (config(image_width=8000), r"config\.json: .*image_width: got 8000"),
    "a width of 8e9": (config(image_width=8e9), r"config\.json: .*image_width"),
    "a width that the tensors have not": (config(image_width=4096), "image_width: found 4096, expected 8 as in model"),
    "a width of text": (config(image_width="64"), "image_width"),
    "a trillion units": (config(units=HUGE), "config.json: .*units: got 1000000000000"),
    "units that the tensors have not": (config(units=65536), "units: found 65536, expected 16 as in model.safetensors"),
    "negative units": (config(units=-1), "config.json: .*units"),
    "units of a long list": (config(units=[1] * DEEP), "config.json: .*units"),
    "another architecture": (config(image_arch="resnet152"), "config.json: image_arch = 'resnet152', .* does not fit"),
    "an unknown architecture": (config(image_arch="../resnet"), r"config.json: .*image_arch: got '\.\./resnet'"),
    "an architecture of one width": (config(image_arch="mobilenet_v2"), "config.json: .*image_width: got 8"),
    "the other stem": (config(image_stem="imagenet"), "config.json: .*image_stem = 'imagenet', .* does not fit"),
    "the other critic": (config(critic="concat"), "config.json: critic: found 'concat'"),
    "the other pooling": (config(text_pool="mean"), "config.json: text_pool: found 'mean'"),
    "frozen encoders": (config(frozen=True), "config.json: frozen: found True"),
    "a layer more": (config(text_layers=3), "config.json: text_layers: found 3, expected 1 as in text/config.json"),
    "a profile upwards": (config(profile="../../outside"), r"config.json: profile: found '../../outside'"),
    "an absolute profile": (config(profile="/etc"), "config.json: profile"),
    "a profile of dots": (config(profile=".."), "config.json: profile"),
    "a file of dots": (config(profile="...toml"), "config.json: profile"),
    "a profile that is a number": (config(profile=7), "config.json: profile: found 7, expected a profile's name"),
    "a profile that is a list": (config(profile=["a"]), "config.json: profile"),
    "an empty profile": (config(profile=""), "config.json: profile"),
    "a section that is null": (fields("config.json", model=None), "config.json: .*model is no section"),
    "ten million layers": (text(num_hidden_layers=10**7), "text/config.json: num_hidden_layers: found 10000000, exp"),
    "a hidden size of 1e9": (text(hidden_size=10**9), "text/config.json: hidden_size"),
    "a vocabulary of 1e12": (text(vocab_size=HUGE), "text/config.json: vocab_size"),
    "a negative vocabulary": (text(vocab_size=-1), "text/config.json: vocab_size: found -1"),
    "a vocabulary of true": (text(vocab_size=True), "text/config.json: vocab_size"),
    "a feed-forward of 1e9": (text(intermediate_size=10**9), "text/config.json: intermediate_size"),
    "1e9 positions": (text(max_position_embeddings=10**9), "text/config.json: max_position_embeddings"),
    "an unknown activation": (text(hidden_act="os.system"), "text/config.json: hidden_act: found 'os.system'"),
    "an activation that is a list": (text(hidden_act=["gelu"]), "text/config.json: hidden_act"),
    "heads that do not divide": (text(num_attention_heads=5), "text/config.json: num_attention_heads: found 5"),
    "no heads": (text(num_attention_heads=0), "text/config.json: num_attention_heads"),
    "other heads than the run's": (text(num_attention_heads=8), "config.json: text_heads"),
    "a dropout of 7": (text(hidden_dropout_prob=7), "text/config.json: hidden_dropout_prob"),
    "an epsilon of text": (text(layer_norm_eps="x"), "text/config.json: layer_norm_eps"),
    "padding beyond the vocabulary": (text(pad_token_id=10**9), "text/config.json: pad_token_id"),
    "a decoder": (text(is_decoder=True), "text/config.json: is_decoder"),
    "a number that is none": (text(layer_norm_eps=float("nan")), "text/config.json: .*found NaN"),
    "config.json deep": (content("config.json", b"[" * DEEP + b"]" * DEEP), "config.json: .*nested too deep"),
    "text/config.json deep": (content("text/config.json", b'{"a":' * DEEP), "config.json: .*nested too deep"),
    "tokenizer.json deep": (content("tokenizer/tokenizer.json", b"[" * DEEP), "tokenizer.json"),
    "its settings deep": (content("tokenizer/tokenizer_config.json", b'{"a":' * DEEP), "tokenizer_config.json: .*deep"),
    "config.json null": (content("config.json", b"null"), "config.json: .*expected a JSON object"),
    "text/config.json null": (content("text/config.json", b"null"), "config.json: .*expected a JSON object"),
    "tokenizer.json null": (content("tokenizer/tokenizer.json", b"null"), "tokenizer.json"),
    "its settings null": (content("tokenizer/tokenizer_config.json", b"null"), "tokenizer_config.json"),
    "config.json with a mark": (with_mark("config.json"), "config.json: .*BOM"),
    "tokenizer.json with a mark": (with_mark("tokenizer/tokenizer.json"), "tokenizer.json"),
    "config.json of other bytes": (content("config.json", b"\xff\xfe{"), "config.json: .*utf-8"),
    "config.json of 2 MiB": (content("config.json", b" " * 2**21), "config.json: found 2097152, expected at most"),
    "a number of 5,000 digits": (content("config.json", b'{"profile": %s}' % (b"9" * 5000)), "config.json: "),
    "another model's tokenizer, larger": (tokenizer_of([*"abcdefghijklmnopqrstuvwxyz", *"äöüß"], 120), "ary: found"),
    "another model's tokenizer, smaller": (tokenizer_of(["a b"], 20), "tokenizer.json: vocabulary: found"),
    "another model's tokenizer, as large": (other_order, "tokenizer.json: vocabulary: found"),
    "a piece less": (without_last_piece, "tokenizer.json: vocabulary: found 76, expected exactly 77 pieces"),
    "a piece that is nowhere": (settings(pad_token="<nowhere>"), "tokenizer_config.json: pad_token: found '<nowhere>'"),
    "no padding": (settings(pad_token=None), "tokenizer_config.json: pad_token"),
    "endless captions": (settings(model_max_length=10**30), "tokenizer_config.json: model_max_length"),
    "captions of 2 tokens": (settings(model_max_length=2), "tokenizer_config.json: model_max_length: found 2"),
    "an id beyond the embedding": (pieces(model__vocab__a=10**6), "tokenizer.json: vocabulary: found 1000000, expect"),
    "an id of 1e12": (pieces(model__vocab__a=HUGE), "tokenizer.json: "),
    "a start beyond the embedding": (pieces(post_processor__cls=["[CLS]", 10**6]), "post_processor: found 1000000"),
    "no piece for unknown letters": (pieces(model__unk_token="nothing"), "tokenizer.json: .*Missing"),
    "a tokenizer of 20 MiB": (content("tokenizer/tokenizer.json", b" " * 20 * 2**20), "tokenizer.json: found 20971520"),
    "rows that cost no byte": (header([HUGE, 0], 0), "model.safetensors: .*no empty axis"),
    "rows beyond the file": (header([HUGE, 16], 64 * HUGE), "model.safetensors: not a file of tensors alone"),
    "more rows than numbers": (header([2**40, 2**40], 0), "model.safetensors: not a file of tensors alone"),
    "a header without end": (content("model.safetensors", struct.pack("<Q", 2**60)), "model.safetensors: not a file"),
    "a long header": (content("model.safetensors", struct.pack("<Q", 2**24) + b" " * 2**25), "header: found 16777216"),
    "weights that are a pickle": (lambda d: torch.save({}, d / "model.safetensors"), "model.safetensors: not a file"),
    "a tensor less": (tensors(lambda state: state.pop("critic.temperature")), "critic.temperature: missing"),
    "a tensor more": (tensors(lambda state: state.update(x=torch.ones(1))), "x: found .*, expected no such tensor"),
    "no embedding": (tensors(lambda state: state.pop(WORDS)), f"model.safetensors: {WORDS}: found None"),
}


@pytest.mark.parametrize(("change", "line"), REFUSED.values(), ids=REFUSED.keys())
def test_a_model_that_is_not_what_it_says_is_refused_in_one_line(model, tmp_path, monkeypatch, change, line):
    change(model.save(tmp_path))
    monkeypatch.setattr("cliplite_core.model.read_weights", None)  # no tensor is read before
    with pytest.raises(ValueError, match=line) as error:
        CLIPLite.load(tmp_path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 1000


def test_a_pipe_in_place_of_a_file_is_not_waited_for(model, tmp_path):
    pipe(model.save(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"config\.json not found"):
        CLIPLite.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        settings(auto_map={"AutoTokenizer": ["evil.Tokenizer", None]}, tokenizer_class="evil.Tokenizer"),
        settings(tokenizer_file="/etc/passwd", extra_special_tokens=["<a>"]),
        text(auto_map={"AutoModel": "evil.Model"}, _attn_implementation="somebody/kernel", attn_implementation="x/y"),
        config(text_weights="", image_weights="/no/such/file.pth"),
        config(profile="it's mine; $(touch x) – ü"),
    ],
)
def test_what_leads_elsewhere_is_not_followed(model, tmp_path, change):
    change(model.save(tmp_path))
    loaded = CLIPLite.load(tmp_path)
    assert torch.equal(loaded.encode_text(["a red dog"]), model.encode_text(["a red dog"]))
    assert loaded.text_encoder.bert.config._attn_implementation == model.text_encoder.bert.config._attn_implementation


MEASURE = """
import json, sys, time
from cliplite_core.model import CLIPLite
for directory in sys.argv[1:]:
    open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew
    started = time.perf_counter()
    try:
        CLIPLite.load(directory)
        line = ""
    except ValueError as error:
        line = str(error)
    peak = next(int(row.split()[1]) for row in open("/proc/self/status") if row.startswith("VmHWM")) / 2**10
    print(json.dumps([time.perf_counter() - started, peak, line]))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads Linux's own account of memory")
def test_every_refusal_takes_less_than_a_second_and_a_gibibyte(model, tmp_path):
    model.save(tmp_path / "model")
    copies = [shutil.copytree(tmp_path / "model", tmp_path / str(number)) for number in range(len(REFUSED))]
    for copy, (change, _) in zip(copies, REFUSED.values(), strict=True):
        change(copy)
    command = [sys.executable, "-c", MEASURE, *map(str, [tmp_path / "model", *copies])]  # the whole one: to warm up
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    rows = [json.loads(row) for row in done.stdout.splitlines()][1:]
    for name, (seconds, peak, line) in zip(REFUSED, rows, strict=True):
        assert line and seconds < 1 and peak < 1024, f"{name}: {seconds:.2f} s, {peak:.0f} MiB, {line}"
