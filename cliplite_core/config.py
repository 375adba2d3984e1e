"""The one schema behind every run: frozen dataclasses whose defaults are the paper's own values.

A profile is a TOML file that says only what differs from its parent, so the laptop run and the cluster run read as one
config with a few lines changed. Field names are unique over all sections: an override is just `name=value`.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

PROFILES = Path(__file__).parent / "profiles"


class ConfigError(ValueError):
    """A profile or an override names a field that does not exist, or gives it a value it cannot hold."""


@dataclass(frozen=True)
class DataConfig:
    """Which image–text pairs, where they lie below the data root, and how they are cut and tokenised."""

    # Folder below the data root (`data/`, or $CLIPLITE_DATA) that holds the set.
    folder: str = "coco"
    # Caption format: "coco" = COCO captions JSON, "csv" = a table with the columns image,caption, "karpathy" =
    # Karpathy's JSON of COCO, Flickr8k or Flickr30k, "tokens" = Flickr's NAME#NUMBER<TAB>CAPTION, or results.csv.
    format: Literal["coco", "csv", "karpathy", "tokens"] = "coco"
    # Caption file below `folder`; {split} stands for the split's name.
    captions: str = "annotations/captions_{split}2017.json"
    # Image folder below `folder`; {split} stands for the split's name.
    images: str = "{split}2017"
    # For one caption file over all splits: the file that lists a split's images. "" = split by a hash of the file name,
    # 90 % to train, 5 % to tune and 5 % to report. Unused with "karpathy", whose file says the splits.
    split_file: str = ""
    # Names of the splits to train on, to tune on, and to report.
    train_split: str = "train"
    val_split: str = "val"
    test_split: str = "val"
    # Only for the embedded scenes: how many to compose per split. 0 = the set is not generated.
    scenes_train: int = 0
    scenes_eval: int = 0
    # Share of the training images used, in (0, 1] (paper's data ablation: .10, .25, .50, .75).
    train_fraction: float = 1.0
    # Side of the square the encoder sees, in pixels.
    image_size: int = 224
    # Smallest area share of the random resized crop, in (0, 1].
    crop_scale: float = 0.2
    # Strength of the colour jitter in brightness, contrast and saturation; hue gets a quarter of it. 0 = off.
    color_jitter: float = 0.4
    # Flip images at random, with left and right swapped in the caption (as VirTex does).
    flip: bool = False
    # Longest caption in tokens, [CLS] and [SEP] included.
    max_tokens: int = 30
    # Size of the WordPiece vocabulary trained on the captions; unused where `tokenizer` names one.
    vocab_size: int = 30522
    # Directory or hub id of a ready tokenizer, or "package:NAME/FOLDER". "" = train one on the training captions.
    tokenizer: str = "bert-base-uncased"
    # Keep decoded images in memory: right for sets of a few hundred MiB, wrong for COCO.
    cache_images: bool = False
    # Loader processes beside the training process. 0 = load in the training process.
    workers: int = 8


@dataclass(frozen=True)
class ModelConfig:
    """The two encoders and the critic."""

    # Any torchvision ResNet by name, "resnet10" (one basic block a stage), or "mobilenet_v2".
    image_arch: str = "resnet50"
    # Channels of the first stage; torchvision's networks have 64.
    image_width: int = 64
    # "imagenet" = 7x7/2 convolution and max-pool; "small" = 3x3/2 convolution, for images below ~100 px.
    image_stem: Literal["imagenet", "small"] = "imagenet"
    # torchvision weights to start from ("IMAGENET1K_V2"), or a file of them below the data root ("resnet50.pth",
    # .safetensors) or in an installed Python package ("package:NAME/FILE"). "" = from scratch.
    image_weights: str = ""
    # BERT's depth, width and heads, when built from scratch.
    text_layers: int = 12
    text_hidden: int = 768
    text_heads: int = 12
    # BERT's dropout, on hidden states and attention, when built from scratch.
    text_dropout: float = 0.1
    # Directory or hub id of a pretrained BERT, or "package:NAME/FOLDER". "" = from scratch.
    text_weights: str = ""
    # "pooler" = BERT's pooler over [CLS] (the paper); "mean" = mean over tokens (sentence encoders).
    text_pool: Literal["pooler", "mean"] = "pooler"
    # "dot" = projections and inner product (the paper); "concat" = MLP on the concatenation (ablation).
    critic: Literal["dot", "concat"] = "dot"
    # Width of the joint space of the dot critic.
    units: int = 2048
    # exp(t) at the start. None = as the objective's own paper starts it.
    score_scale: float | None = None
    # Learned offset of the score at the start. None = as the objective's own paper has it (JSD, InfoNCE: no offset).
    score_bias: float | None = None


@dataclass(frozen=True)
class ObjectiveConfig:
    """What is maximised."""

    # "jsd" = CLIP-Lite, "infonce" = CLIP, "sigmoid" = SigLIP.
    objective: Literal["jsd", "infonce", "sigmoid"] = "jsd"
    # Negative captions per image for "jsd": k = the captions of the next k items of the batch. 1 = the paper.
    negatives: int = 1
    # Weight w of prior matching in (1 - w)·(-bound) + w·prior, in [0, 1). None = the objective's own paper.
    prior_weight: float | None = None
    # Match the pooled image features (and the text features) to uniform noise.
    image_prior: bool = True
    text_prior: bool = False


@dataclass(frozen=True)
class OptimConfig:
    """Optimiser and schedule: linear warm-up, then cosine to zero."""

    # "sgd" = the paper, "adamw" = short runs on little data.
    optimizer: Literal["sgd", "adamw"] = "sgd"
    # Peak learning rate of the image encoder.
    image_lr: float = 0.2
    # Peak learning rate of the text encoder and the critic.
    text_lr: float = 1e-3
    # Momentum of SGD.
    momentum: float = 0.9
    # L2 (sgd) or decoupled (adamw) decay; none on norms and biases of the text side and of the critic.
    weight_decay: float = 1e-4
    # Lookahead: every k steps the slow weights move by alpha towards the fast ones. k = 0: off.
    lookahead_k: int = 5
    lookahead_alpha: float = 0.5
    # Steps of linear warm-up.
    warmup_steps: int = 10_000
    # Total gradient norm is clipped to this. 0 = never.
    clip_norm: float = 10.0


@dataclass(frozen=True)
class TrainConfig:
    """Length, batch and seed of one training run."""

    # Optimiser steps.
    steps: int = 250_000
    # Pairs per step, over all processes.
    batch_size: int = 1024
    # Seed of weights, data order, crops, caption choice and noise.
    seed: int = 0
    # Steps between two checkpoints.
    checkpoint_every: int = 2_000
    # Steps between two lines of the log.
    log_every: int = 50
    # "auto" = bfloat16 autocast on GPUs that have it, float32 elsewhere.
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


@dataclass(frozen=True)
class EvaluationConfig:
    """What the trained models are measured on: paths below the data root. "" = the profile does not measure it."""

    # Zero-shot naming (05): a set's folder and its split as one path, in any layout that `read_classes` knows; one with
    # a natural shift; and further ones, separated by commas.
    zero_shot: str = "cifar10/test"
    zero_shot_shift: str = ""
    zero_shot_more: str = ""
    # The split of `boxes` whose scenes pair things that no training scene shows together (05).
    novel_split: str = ""
    # Multi-label linear classification: a VOCdevkit year (02).
    voc: str = "VOCdevkit/VOC2007"
    # Single-label linear classification and finetuning: a set's folder, in any layout that `read_classes` knows, with
    # the split `train` and this one to test on (03).
    probe: str = "imagenet"
    probe_test_split: str = "val"
    # At most this many training images there, the same share of each class. 0 = all, as in the paper.
    probe_images: int = 0
    # Grounding: COCO instances and their images, or the folder of Tiny ImageNet; {split} stands for the split (06).
    boxes: str = "coco/annotations/instances_{split}2017.json"
    box_images: str = "coco/{split}2017"
    # Splits of the boxes to tune on and to report. "" = as of the captions.
    box_dev_split: str = ""
    box_test_split: str = ""
    # Referring expressions (06): a JSON list or RefCOCO's pickle, their own boxes and images ("" = those above), and
    # the splits to report, separated by commas ("" = box_test_split).
    refs: str = ""
    ref_boxes: str = ""
    ref_images: str = ""
    ref_splits: str = ""
    # Bias removal (07): a COCO captions file on images of people, and the images; or a split of the profile's captions.
    people: str = "coco/annotations/captions_val2017.json"
    people_images: str = "coco/val2017"
    # Leave out, with a line that says so, what is named here but not below the data root, instead of stopping.
    skip_missing: bool = False


@dataclass(frozen=True)
class Config:
    """One run, complete: everything that can change a weight, and what its models are measured on.

    Example:
        >>> config = load_profile("scenes", objective="infonce", seed=1)
        >>> config.objective.objective, config.train.seed
        ('infonce', 1)
    """

    profile: str = "coco"
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    # What each objective was tuned to, so that a change of `objective` brings its own learning rate along: objective to
    # {field: value}; "untuned" holds the same fields as they were. Not part of a run: empty in a saved model.
    tuned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False)

    def override(self, **overrides: Any) -> Config:
        """Returns a copy with fields replaced by name, whichever section they live in.

        Args:
            **overrides: field name = new value; an `objective` sets what the profile tuned for it, too.

        Raises:
            ConfigError: a name is no field of any section, or a value has the wrong type or range.
        """
        changed: dict[str, dict[str, Any]] = {}
        for name, value in {**self.tuned.get(str(overrides.get("objective")), {}), **overrides}.items():
            if name not in _SECTION_OF:
                raise ConfigError(_unknown(name))
            changed.setdefault(_SECTION_OF[name], {})[name] = _checked(name, value)
        config = replace(self, **{s: replace(getattr(self, s), **values) for s, values in changed.items()})
        _check_ranges(config)
        return config

    def to_dict(self) -> dict[str, Any]:
        """Returns the nested dictionary that `from_dict` reads."""
        return {name: section for name, section in asdict(self).items() if name != "tuned"}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """Builds a config from `to_dict`'s form, checking every field as an override would be."""
        sections = {name: entries for name, entries in values.items() if name != "profile"}
        flat = {name: value for entries in sections.values() for name, value in entries.items()}
        return replace(cls(), profile=values["profile"]).override(**flat)

    def hash(self) -> str:
        """Returns 12 hexadecimal digits that identify the training: equal but for `evaluation`, equal digits."""
        training = {name: section for name, section in self.to_dict().items() if name != "evaluation"}
        return hashlib.sha256(json.dumps(training, sort_keys=True).encode()).hexdigest()[:12]


_SECTIONS = {f.name: f.default_factory for f in fields(Config) if f.name not in ("profile", "tuned")}
_SECTION_OF = {f.name: section for section, cls in _SECTIONS.items() for f in fields(cls)}
_TYPE_OF = {name: hint for cls in _SECTIONS.values() for name, hint in get_type_hints(cls).items()}
_AT_LEAST = {
    "batch_size": 2, "steps": 1, "negatives": 1, "image_size": 8, "image_width": 8, "max_tokens": 3, "log_every": 1,
    "checkpoint_every": 1, "units": 1, "text_layers": 1, "text_hidden": 1, "text_heads": 1, "vocab_size": 6,
    "warmup_steps": 0, "workers": 0, "seed": 0, "lookahead_k": 0, "clip_norm": 0, "weight_decay": 0, "image_lr": 0,
    "text_lr": 0, "color_jitter": 0, "scenes_train": 0, "scenes_eval": 0, "probe_images": 0,
}  # fmt: skip
_SHARES = ("train_fraction", "crop_scale", "lookahead_alpha")  # in (0, 1]
_BELOW_ONE = ("prior_weight", "momentum", "text_dropout")  # in [0, 1)


def load_profile(name: str, **overrides: Any) -> Config:
    """Loads a profile by name, or from a TOML file of one's own, with fields overridden by name.

    Args:
        name: one of `profile_names()`, or the path of a `.toml` file; a file may start with `extends = "scenes"`.
        **overrides: any field of any section, e.g. `objective="infonce", seed=1, batch_size=64`.

    Returns:
        The frozen configuration.

    Raises:
        ConfigError: unknown profile, unknown field, wrong type or value out of range; the message names the field.
    """
    config = replace(_read(name), profile=Path(name).stem)
    return config.override(**{"objective": config.objective.objective} | overrides)


def profile_names() -> list[str]:
    """Returns the names of the profiles that come with the package."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))


def _read(name: str) -> Config:
    path = Path(name) if name.endswith(".toml") else PROFILES / f"{name}.toml"
    if not path.is_file():
        raise ConfigError(f"unknown profile {name!r}; known: {', '.join(profile_names())}, or the path of a .toml file")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    parent, tuned = values.pop("extends", None), values.pop("tuned", {})
    changed: dict[str, Any] = {}
    for section, entries in values.items():
        if section not in _SECTIONS or not isinstance(entries, dict):
            raise ConfigError(f"{path}: unknown section [{section}]; the sections are: {', '.join(_SECTIONS)}")
        for key in entries:
            if _SECTION_OF.get(key) != section:
                raise ConfigError(f"{path}, [{section}]: {_unknown(key)}")
        changed |= entries
    config = Config() if parent is None else _parent(path, parent)
    kept = {name: {k: v for k, v in table.items() if k not in changed} for name, table in config.tuned.items()}
    config = replace(config, tuned=kept).override(**changed)  # what is set here was not tuned by the parent
    return _with_tuned(path, config, tuned) if tuned else config


def _with_tuned(path: Path, config: Config, tuned: dict[str, Any]) -> Config:
    """Adds the tables [tuned.OBJECTIVE]; each sets the same fields, so that every change of objective is complete."""
    objectives = get_args(_TYPE_OF["objective"])
    if sorted(tuned) != sorted(objectives) or not all(isinstance(table, dict) for table in tuned.values()):
        raise ConfigError(
            f"{path}: [tuned] has {', '.join(tuned)}; expected a table for each of {', '.join(objectives)}"
        )
    names = [sorted(table) for table in tuned.values()]
    if any(own != names[0] for own in names):
        raise ConfigError(f"{path}: the tables of [tuned] set different fields: {names}; expected the same in each")
    for objective, table in tuned.items():
        config.override(**table, objective=objective)  # names and values are checked here
    untuned = {name: getattr(getattr(config, _SECTION_OF[name]), name) for name in names[0]}
    return replace(config, tuned={**tuned, "untuned": untuned})


def _parent(path: Path, name: Any) -> Config:
    if not isinstance(name, str):
        raise ConfigError(f"{path}: extends: got {name!r}, expected the name of a profile or the path of a .toml file")
    name = str(path.parent / name) if name.endswith(".toml") else name  # beside the file, wherever Python was started
    try:
        return _read(name)
    except RecursionError:
        raise ConfigError(f"{path}: extends {name!r}, which leads back to itself") from None


def _unknown(name: str) -> str:
    if name in _SECTION_OF:
        return f"field {name!r} belongs in [{_SECTION_OF[name]}]"
    close = difflib.get_close_matches(name, _SECTION_OF, n=3, cutoff=0.4)
    return f"unknown field {name!r}" + (f"; did you mean {' or '.join(map(repr, close))}?" if close else "")


def _checked(name: str, value: Any) -> Any:
    hint = _TYPE_OF[name]
    if get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
        raise ConfigError(f"{name}: got {value!r}, expected one of {', '.join(map(repr, get_args(hint)))}")
    allowed = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if float in allowed and type(value) is int:
        return float(value)
    if type(value) not in allowed:  # type(), not isinstance: True is no integer here
        expected = " or ".join("None" if t is type(None) else t.__name__ for t in allowed)
        raise ConfigError(f"{name}: got {value!r} ({type(value).__name__}), expected {expected}")
    return value


def _check_ranges(config: Config) -> None:
    values = {name: getattr(getattr(config, section), name) for name, section in _SECTION_OF.items()}
    for name, least in _AT_LEAST.items():
        if not least <= values[name] < math.inf:
            raise ConfigError(f"{name}: got {values[name]}, expected at least {least}")
    for name in _SHARES:
        if not 0 < values[name] <= 1:
            raise ConfigError(f"{name}: got {values[name]}, expected a share in (0, 1]")
    for name in _BELOW_ONE:
        if values[name] is not None and not 0 <= values[name] < 1:
            raise ConfigError(f"{name}: got {values[name]}, expected a value in [0, 1)")
    if values["score_scale"] is not None and not 0 < values["score_scale"] <= 100:
        raise ConfigError(f"score_scale: got {values['score_scale']}, expected a value in (0, 100]")
    if values["negatives"] >= values["batch_size"]:
        raise ConfigError(
            f"negatives: got {values['negatives']}, expected fewer than batch_size = {values['batch_size']}"
        )
