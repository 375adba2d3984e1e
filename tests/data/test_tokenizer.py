"""Captions to ids: cleaned as in the paper, cut to length, and the same vocabulary in every process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import CAPTIONS
from transformers import AutoTokenizer, BertTokenizer

from cliplite_core.data.tokenizer import caption_normalizer, load_tokenizer, tokenize, train_wordpiece


@pytest.mark.parametrize(
    ("caption", "clean"),
    [
        ("Two CAFÉ-goers, laughing!", "two cafe goers laughing"),
        ("  a man's dog  ", "a man s dog"),
        ("Zoë & naïve — 50% “off”…", "zoe naive 50 off"),
        ("...", ""),
    ],
)
def test_captions_lose_case_accents_and_punctuation(caption, clean):
    assert " ".join(caption_normalizer().normalize_str(caption).split()) == clean


def test_the_vocabulary_is_the_same_in_every_process(tokenizer):
    source = (
        "import json, sys; from cliplite_core.data.tokenizer import train_wordpiece\n"
        f"print(json.dumps(train_wordpiece({CAPTIONS!r}, 100).get_vocab()))"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == tokenizer.get_vocab()
    assert train_wordpiece(iter(CAPTIONS), 100).get_vocab() == tokenizer.get_vocab()


def test_the_vocabulary_is_not_larger_than_asked_and_numbered_without_gaps():
    vocabulary = train_wordpiece(CAPTIONS, 60).get_vocab()
    assert sorted(vocabulary.values()) == list(range(60))
    assert [vocabulary[name] for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")] == [0, 1, 2, 3, 4]


def test_known_words_become_pieces_between_cls_and_sep_and_unknown_letters_unk(tokenizer):
    ids = tokenizer("A dog, 7 cats")["input_ids"]
    pieces = tokenizer.convert_ids_to_tokens(ids)
    assert pieces[0] == "[CLS]" and pieces[-1] == "[SEP]" and "[UNK]" in pieces
    assert "".join(piece.removeprefix("##") for piece in pieces[1:-1]) == "adog[UNK]cats"


def test_a_piece_written_in_a_caption_is_text_and_no_piece(tokenizer):
    assert tokenizer.tokenize("##a ##b") == tokenizer.tokenize("a b")


def test_captions_are_padded_to_the_longest_and_cut_to_max_tokens():
    tokenizer = train_wordpiece(CAPTIONS, 100, max_tokens=6)
    batch = tokenize(tokenizer, ["moon", "a dog and a moon on the grass " * 9])
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, 6)
    short, long = batch["attention_mask"].sum(dim=1).tolist()
    assert short < long == 6
    assert batch["input_ids"][1, 0] == tokenizer.cls_token_id and batch["input_ids"][1, -1] == tokenizer.sep_token_id
    assert set(batch["input_ids"][0, short:].tolist()) == {tokenizer.pad_token_id}
    assert set(batch) == {"input_ids", "attention_mask"}


def test_a_trained_tokenizer_survives_saving(tmp_path):
    tokenizer = train_wordpiece(CAPTIONS, 100, max_tokens=9)
    tokenizer.save_pretrained(tmp_path)
    for again in (AutoTokenizer.from_pretrained(tmp_path), load_tokenizer(str(tmp_path), max_tokens=9)):
        assert again.model_max_length == 9
        for caption in (*CAPTIONS, "Café, unseen!", "a " * 40):
            assert again(caption, truncation=True)["input_ids"] == tokenizer(caption, truncation=True)["input_ids"]


def test_a_ready_bert_tokenizer_gets_the_papers_clean_up_in_front(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "two", "cafe", "goers", "laughing", ",", "-", "!"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    BertTokenizer.from_pretrained(tmp_path).save_pretrained(tmp_path)
    tokenizer = load_tokenizer(str(tmp_path), max_tokens=5)
    assert tokenizer.tokenize("Two café-goers, laughing!") == ["two", "cafe", "goers", "laughing"]
    assert tokenize(tokenizer, ["two two two two two", "two"])["input_ids"].tolist() == [
        [2, 5, 5, 5, 3],
        [2, 5, 3, 0, 0],
    ]


def test_training_on_no_captions_raises():
    with pytest.raises(ValueError, match="no captions to train the tokenizer on"):
        train_wordpiece([], 100)
