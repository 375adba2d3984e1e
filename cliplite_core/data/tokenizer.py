"""Captions to token ids: a WordPiece tokenizer trained on the captions, or a ready one by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from cliplite_core.storage.weights import weights_source

SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def caption_normalizer() -> normalizers.Normalizer:
    """Returns the paper's caption clean-up: lower case, accents stripped, punctuation to blanks.

    Example:
        >>> caption_normalizer().normalize_str("Two café-goers, laughing!").split()
        ['two', 'cafe', 'goers', 'laughing']
    """
    steps = [normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()]
    return normalizers.Sequence([*steps, normalizers.Replace(Regex(r"[\p{P}\p{S}]+"), " "), normalizers.Strip()])


def train_wordpiece(captions: Iterable[str], vocab_size: int, max_tokens: int = 30) -> PreTrainedTokenizerFast:
    """Trains a WordPiece tokenizer, BERT's kind, on captions; the same captions give the same vocabulary.

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
    """Loads a ready tokenizer with the paper's caption clean-up in front of its own.

    Args:
        name: directory or hub id, e.g. "bert-base-uncased", or "package:NAME/FOLDER" in an installed Python package.
        max_tokens: captions are cut to this many tokens.

    Returns:
        A tokenizer that `transformers` saves and loads.
    """
    ready = AutoTokenizer.from_pretrained(weights_source(name))
    backend = ready.backend_tokenizer
    own = [backend.normalizer] if backend.normalizer else []
    backend.normalizer = normalizers.Sequence([caption_normalizer(), *own])
    # Not `ready` itself: a saved BertTokenizer comes back with BERT's own normalizer alone.
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=max_tokens, **ready.special_tokens_map)


def tokenize(tokenizer: PreTrainedTokenizerFast, captions: Sequence[str]) -> dict[str, Tensor]:
    """Returns `input_ids` and `attention_mask` of the captions: (B, L) int64, L <= the tokenizer's max_tokens."""
    encoded = tokenizer(list(captions), padding=True, truncation=True, return_tensors="pt")
    return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
