"""What a model directory says of itself, held against the tensors it brings before anything is built or allocated.

A size counts only if the header of `model.safetensors`, which the file's length vouches for, has a tensor of that size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import BertConfig

from cliplite_core.config import Config
from cliplite_core.storage.untrusted import Shapes, read_header, read_json, refuse

NOTES = "saved_with"  # in config.json, beside the sections of the run
MOST_LAYERS = 256  # of BERT, as in a run's configuration
# Those of BERT's kin; others have weights of their own, or look for a kernel.
ACTIVATIONS = ("gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "quick_gelu")
ACTIVATIONS += ("relu", "silu", "swish", "mish", "tanh")

_BERT = "text_encoder.bert."
_WORDS, _POSITIONS = f"{_BERT}embeddings.word_embeddings.weight", f"{_BERT}embeddings.position_embeddings.weight"
_STEM, _JOINT = "image_encoder.backbone.conv1.weight", "critic.image_block.shortcut.weight"
# Field of text/config.json -> the tensor that has this size, and on which axis.
_TEXT_SIZES = {
    "vocab_size": (_WORDS, 0),
    "hidden_size": (_WORDS, 1),
    "max_position_embeddings": (_POSITIONS, 0),
    "type_vocab_size": (f"{_BERT}embeddings.token_type_embeddings.weight", 0),
    "intermediate_size": (f"{_BERT}encoder.layer.0.intermediate.dense.weight", 0),
}
_TEXT_SHARES = ("hidden_dropout_prob", "attention_probs_dropout_prob", "layer_norm_eps", "initializer_range")
# Field of config.json -> the same; a mobilenet_v2 has no such stem, a concat critic no such shortcut.
_SIZES = {"image_width": (_STEM, 0), "units": (_JOINT, 0)}
# Field of config.json -> the tensor that is there for this value alone.
_PRESENT = {
    "critic": ("dot", _JOINT),
    "text_pool": ("pooler", f"{_BERT}pooler.dense.weight"),
    "frozen": (True, "standardize.image.mean"),
}


@dataclass(frozen=True)
class ModelParts:
    """A model directory that agrees with itself, as far as can be said without its tokenizer and its weights.

    Attributes:
        config: of the run.
        text: BERT's configuration, field to value, of the fields that shape the network and no others.
        shapes: tensor name to shape.
        notes: what `CLIPLite.save` noted in `config.json` beside the run; empty in older models.
    """

    config: Config
    text: dict[str, Any]
    shapes: Shapes
    notes: Mapping[str, str]

    def claims(self) -> str:
        """Return the fields of `config.json` that shape the network and show in no single tensor."""
        run = {**vars(self.config.model), **vars(self.config.objective)}
        return ", ".join(f"{name} = {run[name]!r}" for name in ("image_arch", "image_stem", "objective", "score_bias"))


def read_parts(directory: Path) -> ModelParts:
    """Read both configurations and the header of the weights: kilobytes, whatever they claim.

    Args:
        directory: as `find_model` returns it.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is broken, or a field is out of range or disagrees with the tensors; one line names both.
    """
    shapes = read_header(directory / "model.safetensors")
    path = directory / "config.json"
    content = read_json(path)
    notes = content.pop(NOTES, {})
    config = _read_config(path, content)
    text = _read_text(directory / "text" / "config.json", shapes)
    _expect_agreement(path, vars(config.model), text, shapes)
    return ModelParts(config, text, shapes, notes if isinstance(notes, dict) else {})


def _read_config(path: Path, content: dict[str, Any]) -> Config:
    wrong = next((name for name in content if name != "profile" and not isinstance(content[name], dict)), None)
    try:
        if wrong or "profile" not in content:
            raise ValueError(f"{wrong} is no section of fields" if wrong else "profile is missing")
        config = Config.from_dict(content)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: no configuration of CLIPLite.save: {reason:.300}") from None
    if not isinstance(config.profile, str) or not _is_name(config.profile):
        refuse(path, "profile", config.profile, "a profile's name")
    return config


def _is_name(profile: str) -> bool:
    """Whether folders of results and runs that are named so lie where all others do."""
    plain = Path(profile).name == profile and profile.isprintable() and len(profile) < 200
    return plain and bool(profile.removesuffix(".toml").strip("."))


def _read_text(path: Path, shapes: Shapes) -> dict[str, Any]:
    """Read BERT's configuration; what else it may hold (code to fetch, another attention) is not looked at."""
    content = BertConfig().to_dict() | read_json(path)
    text = {name: content.get(name) for name in ("hidden_act", "num_attention_heads", "pad_token_id")}
    for name in ("is_decoder", "add_cross_attention"):
        if content.get(name):
            refuse(path, name, content[name], "false")
    sizes = {name: shapes.get(tensor, ()) for name, (tensor, _) in _TEXT_SIZES.items()}
    sizes = {name: shape[_TEXT_SIZES[name][1]] for name, shape in sizes.items() if len(shape) == 2}
    layer = f"{_BERT}encoder.layer."
    sizes["num_hidden_layers"] = len({name.removeprefix(layer).split(".")[0] for name in shapes if layer in name})
    for name in ("num_hidden_layers", *_TEXT_SIZES):
        if name not in sizes:
            refuse(path.parents[1] / "model.safetensors", _TEXT_SIZES[name][0], None, "a tensor of two axes")
        text[name] = content.get(name)
        _expect(path, name, text[name], sizes[name])
    if sizes["num_hidden_layers"] > MOST_LAYERS:
        refuse(path, "num_hidden_layers", sizes["num_hidden_layers"], f"at most {MOST_LAYERS}")
    for name in _TEXT_SHARES:
        text[name] = content.get(name)
        if type(text[name]) not in (int, float) or not 0 <= text[name] < 1:
            refuse(path, name, text[name], "a number from 0 to 1")
    heads, hidden, pad = text["num_attention_heads"], sizes["hidden_size"], text["pad_token_id"]
    if type(heads) is not int or heads < 1 or hidden % heads:
        refuse(path, "num_attention_heads", heads, f"a divisor of hidden_size = {hidden}")
    if text["hidden_act"] not in ACTIVATIONS:
        refuse(path, "hidden_act", text["hidden_act"], f"one of {', '.join(ACTIVATIONS)}")
    if pad is not None and (type(pad) is not int or not 0 <= pad < sizes["vocab_size"]):
        refuse(path, "pad_token_id", pad, f"an id below vocab_size = {sizes['vocab_size']}")
    return text


def _expect_agreement(path: Path, model: Mapping[str, Any], text: Mapping[str, Any], shapes: Shapes) -> None:
    """Hold a run's fields against the tensors and, where they shaped it, against BERT's own configuration."""
    shown = {
        **model,
        "frozen": model["frozen"] or model["standardized"],
    }  # either shows the critic standardised features
    for name, (value, tensor) in _PRESENT.items():
        if (shown[name] == value) != (tensor in shapes):
            has = "has" if tensor in shapes else "lacks"
            refuse(path, name, model[name], f"another value: model.safetensors {has} {tensor}")
    for name, (tensor, axis) in _SIZES.items():
        if len(shapes.get(tensor, ())) > axis:
            _expect(path, name, model[name], shapes[tensor][axis])
    if not model["text_weights"]:  # a pretrained BERT brings its own sizes
        for name, own in ("layers", "num_hidden_layers"), ("hidden", "hidden_size"), ("heads", "num_attention_heads"):
            _expect(path, f"text_{name}", model[f"text_{name}"], text[own], "text/config.json")


def _expect(path: Path, field: str, found: Any, expected: int, source: str = "model.safetensors") -> None:
    if type(found) is not int or found != expected:
        refuse(path, field, found, f"{expected} as in {source}")
