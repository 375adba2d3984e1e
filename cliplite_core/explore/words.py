"""Words that a model does not know: it sees [UNK] in their place, and what it finds for them means nothing."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerFast

from cliplite_core.data.tokenizer import unknown_texts


def expect_known_words(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> None:
    """Check that a model knows a word or a piece of one in each of several texts.

    Args:
        tokenizer: of the model.
        texts: what is searched for, or names to choose from; few.

    Raises:
        ValueError: a text is nothing but [UNK] to the model; the message shows it.
    """
    if unknown := unknown_texts(tokenizer, texts)[0]:
        raise ValueError(
            f"the model knows no word of {', '.join(map(repr, unknown[:3]))}; expected words of the language that it "
            "was trained on"
        )


def unknown_captions(tokenizer: PreTrainedTokenizerFast, captions: Sequence[str]) -> int:
    """Return how many captions hold no word or piece that a model knows."""
    return len(unknown_texts(tokenizer, captions)[0])
