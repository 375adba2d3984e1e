"""The one schema behind every run: frozen dataclasses, overridden by field name, identified by a hash.

Field names are unique over all sections, so an override is just `name=value`.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, get_type_hints

from pydantic import ValidationError

from cliplite_core.config.sections import (
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimConfig,
    TrainConfig,
)


class ConfigError(ValueError):
    """A profile or an override names a field that does not exist, or gives it a value it cannot hold."""


@dataclass(frozen=True)
class Config:
    """One run, complete: everything that can change a weight, and what its models are measured on.

    Example:
        >>> config = Config().override(objective="infonce", seed=1)
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
    # Objective to {field: value} as tuned for it, which a change of objective brings along; "untuned" holds the same
    # fields as they were. Not part of a run: empty in a saved model.
    tuned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False)

    def override(self, **overrides: Any) -> Config:
        """Return a copy with fields replaced by name, whichever section they live in.

        Args:
            **overrides: field name = new value; an `objective` sets what the profile tuned for it, too.

        Raises:
            ConfigError: a name is no field of any section, or a value has the wrong type or range.
        """
        changed: dict[str, dict[str, Any]] = {}
        for name, value in {**self.tuned.get(str(overrides.get("objective")), {}), **overrides}.items():
            if name not in SECTION_OF:
                raise ConfigError(unknown_field(name))
            changed.setdefault(SECTION_OF[name], {})[name] = value
        try:
            config = replace(self, **{s: replace(getattr(self, s), **values) for s, values in changed.items()})
        except ValidationError as error:
            raise ConfigError(_explained(error)) from None
        hidden, heads = config.model.text_hidden, config.model.text_heads
        if hidden % heads and not config.model.text_weights:  # a pretrained BERT has its own
            raise ConfigError(f"text_heads: got {heads}, expected a divisor of text_hidden = {hidden}")
        negatives, pairs = config.objective.negatives, config.train.batch_size
        if negatives is not None and negatives >= pairs:
            raise ConfigError(f"negatives: got {negatives}, expected fewer than batch_size = {pairs}")
        return config

    def to_dict(self) -> dict[str, Any]:
        """Return the nested dictionary that `from_dict` reads."""
        return {name: section for name, section in asdict(self).items() if name != "tuned"}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """Build a config from the form of `to_dict`, checking every field as an override would be."""
        sections = {name: entries for name, entries in values.items() if name != "profile"}
        flat = {name: value for entries in sections.values() for name, value in entries.items()}
        if "prior" not in flat and flat.get("objective") != "jsd":
            flat["negatives"] = None  # before 0.2 these had no choice, and said 1
        return replace(cls(), profile=values["profile"]).override(**flat)

    def hash(self) -> str:
        """Return 12 hexadecimal digits that identify the training: equal but for `evaluation`, equal digits."""
        training = {name: section for name, section in self.to_dict().items() if name != "evaluation"}
        objective = training["objective"]
        for section, name in _NEWER:  # a field that is as it always was leaves the digits as they were
            if training[section][name] == getattr(SECTIONS[section](), name):
                del training[section][name]
        if objective["negatives"] is None or objective["objective"] == "sigmoid":
            objective["negatives"] = 1  # before 0.2 there was a choice for JSD alone
        elif objective["objective"] == "infonce":
            objective["negatives"] = [objective["negatives"]]
        return hashlib.sha256(json.dumps(training, sort_keys=True).encode()).hexdigest()[:12]


SECTIONS = {f.name: f.default_factory for f in fields(Config) if f.name not in ("profile", "tuned")}
SECTION_OF = {f.name: section for section, cls in SECTIONS.items() for f in fields(cls)}
TYPE_OF = {name: hint for cls in SECTIONS.values() for name, hint in get_type_hints(cls).items()}


_NEWER = [  # since 0.2
    *(("data", name) for name in ("val_images", "test_images")),
    *(("model", name) for name in ("frozen", "standardized", "image_dropout")),
    *(("objective", name) for name in ("negative_sum", "prior")),
    *(("train", name) for name in ("keep", "patience", "compile")),
]


def unknown_field(name: str) -> str:
    """Return what is wrong with a field name: its section, if it has another, or the names it may have meant."""
    if name in SECTION_OF:
        return f"field {name!r} belongs in [{SECTION_OF[name]}]"
    close = difflib.get_close_matches(name, SECTION_OF, n=3, cutoff=0.4)
    return f"unknown field {name!r}" + (f"; did you mean {' or '.join(map(repr, close))}?" if close else "")


def _explained(error: ValidationError) -> str:
    """Return pydantic's first finding in one line: name, found, expected."""
    first = error.errors()[0]
    expected = re.sub("^Input should be (?=greater|less)", "a value ", first["msg"]).removeprefix("Input should be ")
    return f"{first['loc'][0]}: got {first['input']!r} ({type(first['input']).__name__}), expected {expected}"
