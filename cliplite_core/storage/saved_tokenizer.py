"""The tokenizer of a model directory: built from its two JSON files alone, held against the embedding it feeds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from cliplite_core.storage.parts import ModelParts
from cliplite_core.storage.untrusted import expect_file, read_json, refuse

SPECIAL = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token", "bos_token", "eos_token")


def vocabulary_digest(tokenizer: PreTrainedTokenizerFast | Tokenizer) -> str:
    """Return 16 hexadecimal digits that identify a vocabulary: every piece and its id."""
    return hashlib.sha256(json.dumps(sorted(tokenizer.get_vocab().items())).encode()).hexdigest()[:16]


def read_tokenizer(folder: Path, parts: ModelParts) -> PreTrainedTokenizerFast:
    """Read the tokenizer of a saved model; classes, code and further files that it may name are not looked at.

    Args:
        folder: holds `tokenizer.json` and `tokenizer_config.json`.
        parts: the model's other parts; its embedding has a row per id.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is broken, or the tokenizer is another model's: ids and embedding, or the vocabulary and the
            one noted in config.json, differ.
    """
    path, rows = folder / "tokenizer.json", parts.text["vocab_size"]
    settings = _settings(folder / "tokenizer_config.json", parts.text["max_position_embeddings"])
    expect_file(path, 2**20 + 256 * rows)  # two to three times what a vocabulary of so many pieces takes
    backend = _attempt(path, Tokenizer.from_file, str(path))
    vocabulary = backend.get_vocab()
    own = "" if parts.config.model.text_weights else "exactly "  # a pretrained BERT may have rows to spare
    if len(vocabulary) > rows or (own and len(vocabulary) < rows):
        refuse(path, "vocabulary", len(vocabulary), f"{own or 'at most '}{rows} pieces, the rows of the embedding")
    if max(vocabulary.values(), default=0) >= rows:
        refuse(path, "vocabulary", max(vocabulary.values()), f"ids below {rows}, the rows of the embedding")
    noted = parts.notes.get("vocabulary")
    if noted is not None and vocabulary_digest(backend) != noted:
        refuse(path, "vocabulary", vocabulary_digest(backend), f"{noted}, the one that this model was trained with")
    for name in SPECIAL:
        if name in settings and settings[name] not in vocabulary:  # it would be added, with an id of its own
            refuse(folder / "tokenizer_config.json", name, settings[name], "a piece of tokenizer.json")
    tokenizer = _attempt(path, lambda: PreTrainedTokenizerFast(tokenizer_object=backend, **settings))
    # What surrounds a caption may have ids of its own, and any letter may stand for no piece.
    probe = _attempt(path, lambda: tokenizer(["a", "", "\U00010380", "a " * 999], padding=True, truncation=True))
    highest, longest = max(map(max, probe["input_ids"])), len(probe["input_ids"][0])
    if highest >= rows:
        refuse(path, "post_processor", highest, f"ids below {rows}, the rows of the embedding")
    if longest > settings["model_max_length"]:
        refuse(path, "post_processor", longest, f"at most {settings['model_max_length']} tokens")
    return tokenizer


def _settings(path: Path, positions: int) -> dict[str, Any]:
    """Read special tokens, the longest caption, and on which side captions are padded and cut."""
    content = read_json(path)
    settings: dict[str, Any] = {"model_max_length": content.get("model_max_length")}
    longest = settings["model_max_length"]
    if type(longest) is not int or not 3 <= longest <= positions:
        refuse(path, "model_max_length", longest, f"3 to {positions:,} tokens, as max_position_embeddings has it")
    for name in SPECIAL:
        token = content.get(name)
        token = token.get("content") if isinstance(token, dict) else token  # an AddedToken, as transformers 4 has it
        if token is not None or name == "pad_token":
            settings[name] = token
            if not isinstance(token, str):
                refuse(path, name, token, "a piece of tokenizer.json")
    for name in ("padding_side", "truncation_side"):
        if content.get(name) in ("left", "right"):
            settings[name] = content[name]
    return settings


def _attempt(path: Path, build: Any, *arguments: Any) -> Any:
    """Call the tokenizers library, whose Rust raises bare Exceptions, and panics that are not even those."""
    try:
        return build(*arguments)
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: no tokenizer of CLIPLite.save ({reason:.200}); save the model again") from None
