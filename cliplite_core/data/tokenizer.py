"""Captions to token ids: a WordPiece tokenizer trained on the captions, or a ready one by name."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from cliplite_core.config import DataConfig
from cliplite_core.storage.hub import read_pretrained

SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
_LOOKED_AT = 50_000  # captions that are held against the vocabulary


def new_tokenizer(data: DataConfig, captions: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a run: the ready one that its configuration names, or one trained on its captions.

    Args:
        data: names the tokenizer, or the size of its vocabulary.
        captions: the training captions, at least one.

    Raises:
        FileNotFoundError: as `load_tokenizer`.
        ValueError: as `load_tokenizer`, `train_wordpiece` and `expect_known`.
    """
    if data.tokenizer:
        tokenizer = load_tokenizer(data.tokenizer, data.max_tokens)
    else:
        tokenizer = train_wordpiece(captions, data.vocab_size, data.max_tokens)
    expect_known(tokenizer, captions, data.tokenizer)
    return tokenizer


def expect_known(tokenizer: PreTrainedTokenizerFast, captions: Sequence[str], ready: str = "") -> None:
    """Check that captions are more than [UNK] to a tokenizer; say on stderr where some, or most of their tokens, are.

    Args:
        tokenizer: of a run.
        captions: what the run trains on; at most 50,000 are looked at, spread over them all.
        ready: the ready tokenizer's name. "" = it was trained on these captions.

    Raises:
        ValueError: no caption has a token of the vocabulary.
    """
    captions = captions[:: -(-len(captions) // _LOOKED_AT) or 1]
    without, unknown, tokens = unknown_texts(tokenizer, captions)
    field = f"tokenizer = {ready!r}" if ready else f"vocab_size: {len(tokenizer):,} pieces"
    mend = "choose one of the captions' language" if ready else "raise it, or write captions in words"
    if captions and len(without) == len(captions):
        raise ValueError(
            f"{field}: found no known word in any of {len(captions):,} training captions, e.g. {without[0]!r:.60}, "
            f"expected words or pieces of the vocabulary; {mend}"
        )
    if without or 2 * unknown > tokens:
        example = f", e.g. {without[0]!r:.60}" if without else ""
        print(
            f"note: {field}: {unknown:,} of {tokens:,} tokens of the training captions are [UNK], "
            f"{len(without):,} of {len(captions):,} captions have no known word{example}; {mend}",
            file=sys.stderr,
            flush=True,
        )


def unknown_texts(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> tuple[list[str], int, int]:
    """Return the texts that are nothing but [UNK] to a tokenizer, and of all texts how many tokens are, of how many."""
    encoded = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"] if texts else []
    without = [text for text, ids in zip(texts, encoded, strict=True) if {*ids} <= {tokenizer.unk_token_id}]
    return without, sum(ids.count(tokenizer.unk_token_id) for ids in encoded), sum(map(len, encoded))


def caption_normalizer() -> normalizers.Normalizer:
    """Return the paper's caption clean-up: lower case, accents stripped, punctuation to blanks.

    Example:
        >>> caption_normalizer().normalize_str("Two café-goers, laughing!").split()
        ['two', 'cafe', 'goers', 'laughing']
    """
    steps = [normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()]
    return normalizers.Sequence([*steps, normalizers.Replace(Regex(r"[\p{P}\p{S}]+"), " "), normalizers.Strip()])


def train_wordpiece(captions: Iterable[str], vocab_size: int, max_tokens: int = 30) -> PreTrainedTokenizerFast:
    """Train a WordPiece tokenizer, BERT's kind, on captions; the same captions give the same vocabulary.

    Args:
        captions: the training captions.
        vocab_size: size of the vocabulary, the five special tokens included.
        max_tokens: captions are cut to this many tokens, [CLS] and [SEP] included.

    Returns:
        A tokenizer that `transformers` saves and loads.

    Raises:
        ValueError: there is no caption.
    """
    captions = list(captions)
    if not captions:
        raise ValueError("no captions to train the tokenizer on")
    trained = _blank_wordpiece()
    # The trainer numbers the pieces "##x" in the order of a randomly seeded hash map and breaks ties by number:
    # announced beforehand, they get the same numbers in every process.
    letters = sorted(set("".join(map(trained.normalizer.normalize_str, captions))))
    pieces = [f"##{letter}" for letter in letters if not letter.isspace()]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, special_tokens=[*SPECIAL.values(), *pieces], show_progress=False
    )
    trained.train_from_iterator(captions, trainer)
    tokenizer = _blank_wordpiece(trained.get_vocab())  # without the announced pieces among its special tokens
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", sep), ("[CLS]", cls))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=max_tokens, **SPECIAL)


def _blank_wordpiece(vocabulary: dict[str, int] | None = None) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = caption_normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def load_tokenizer(name: str, max_tokens: int) -> PreTrainedTokenizerFast:
    """Load a ready tokenizer with the paper's caption clean-up in front of its own.

    Args:
        name: directory or hub id, e.g. "bert-base-uncased", or "package:NAME/FOLDER" in an installed Python package.
        max_tokens: captions are cut to this many tokens.

    Returns:
        A tokenizer that `transformers` saves and loads.

    Raises:
        FileNotFoundError: there is no such folder here, in the cache or on the hub, or the hub cannot be reached.
        ValueError: the folder holds no tokenizer.
    """
    ready = read_pretrained(AutoTokenizer.from_pretrained, name, "tokenizer")
    backend = ready.backend_tokenizer
    own = [backend.normalizer] if backend.normalizer else []
    backend.normalizer = normalizers.Sequence([caption_normalizer(), *own])
    # Not `ready` itself: a saved BertTokenizer comes back with BERT's own normalizer alone.
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=max_tokens, **ready.special_tokens_map)


def tokenize(tokenizer: PreTrainedTokenizerFast, captions: Sequence[str]) -> dict[str, Tensor]:
    """Return `input_ids` and `attention_mask` of the captions: (B, L) int64, L <= the tokenizer's max_tokens."""
    encoded = tokenizer(list(captions), padding=True, truncation=True, return_tensors="pt")
    return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
