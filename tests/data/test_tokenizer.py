"""Captions to ids: cleaned as in the paper, cut to length, and the same vocabulary in every process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tiny import CAPTIONS
from transformers import AutoTokenizer, BertTokenizer

from cliplite_core.config import DataConfig
from cliplite_core.data.tokenizer import (
    caption_normalizer,
    expect_known,
    load_tokenizer,
    new_tokenizer,
    tokenize,
    train_wordpiece,
    unknown_texts,
)
from cliplite_core.encoders import TextEncoder
from cliplite_core.storage import hub


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


EMOJI = ["\U0001f600 \U0001f408", "\U0001f415!", "…"]


def test_captions_that_the_vocabulary_knows_are_passed_over_in_silence(tokenizer, capsys):
    expect_known(tokenizer, CAPTIONS)
    expect_known(tokenizer, [])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("captions", [EMOJI, ["x" * 200] * 3], ids=["emoji alone", "words without end"])
def test_captions_without_any_known_word_are_refused(captions):
    with pytest.raises(
        ValueError, match=r"vocab_size: .* no known word in any of 3 training captions, .*; raise it, or"
    ):
        new_tokenizer(DataConfig(tokenizer="", vocab_size=100), captions)


def test_a_ready_tokenizer_of_another_language_is_refused_by_its_name(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"tokenizer = '.*': found no known word in any of 2 .*'собака на траве'"):
        new_tokenizer(DataConfig(tokenizer=str(tmp_path)), ["собака на траве", "луна"])


def test_a_caption_of_unknown_words_alone_is_told_in_one_line(tokenizer, capsys):
    expect_known(tokenizer, [*CAPTIONS, EMOJI[0]])
    line = capsys.readouterr().err
    assert line.startswith("note: vocab_size: 77 pieces: 0 of ") and line.count("\n") == 1
    assert "1 of 6 captions have no known word, e.g. '\U0001f600 \U0001f408'" in line


def test_captions_of_mostly_unknown_words_are_told_in_one_line(tokenizer, capsys):
    expect_known(tokenizer, ["dog собака на траве", "moon луна ночью"], ready="mine")
    assert capsys.readouterr().err.startswith(
        "note: tokenizer = 'mine': 5 of 7 tokens of the training captions are [UNK]"
    )


def test_texts_of_unknown_words_alone_are_found_and_unknown_tokens_counted(tokenizer):
    assert unknown_texts(tokenizer, ["dog собака", "луна ночью", ""]) == (["луна ночью", ""], 3, 4)
    assert unknown_texts(tokenizer, []) == ([], 0, 0)


def test_of_many_captions_some_are_looked_at(tokenizer, monkeypatch):
    monkeypatch.setattr("cliplite_core.data.tokenizer._LOOKED_AT", 10)
    with pytest.raises(ValueError, match=r"any of 10 training captions, e\.g\. '0'"):
        expect_known(tokenizer, [str(number) for number in range(95)])
    with pytest.raises(ValueError, match="any of 10 training captions"):
        expect_known(tokenizer, [str(number) for number in range(10)])


class NoNetwork:
    """The hub's client on a machine without a network."""

    asked: list[str]

    def model_info(self, name: str, timeout: float) -> None:
        self.asked.append(name)
        raise ConnectionError("Name or service not known")


@pytest.fixture
def offline(monkeypatch, tmp_path):
    NoNetwork.asked = []
    monkeypatch.setattr(hub, "HfApi", NoNetwork)
    return NoNetwork.asked


@pytest.mark.parametrize("field", ["tokenizer", "text_weights"])
def test_without_a_network_the_hub_is_asked_once_and_the_field_named(offline, field):
    expected = rf"{field}: 'nobody/nothing' is neither a local folder nor in the cache, and the hub cannot be reached; "
    with pytest.raises(
        FileNotFoundError, match=rf"{expected}save it where there is a network \(.*\) and set {field} ="
    ):
        load_tokenizer("nobody/nothing", 30) if field == "tokenizer" else TextEncoder(weights="nobody/nothing")
    assert offline == ["nobody/nothing"]


def test_a_folder_is_never_asked_of_the_hub(offline, tmp_path):
    with pytest.raises(ValueError, match=r"tokenizer: .* cannot be read \(.*\); save it there again"):
        load_tokenizer(str(tmp_path), 30)
    assert offline == []


def test_a_path_that_is_nowhere_is_no_name_of_the_hub(offline, monkeypatch, tmp_path):
    monkeypatch.setattr(NoNetwork, "model_info", refuse_name)
    with pytest.raises(FileNotFoundError, match=r"tokenizer: '.*nowhere' is neither a local folder .* no such names; "):
        load_tokenizer(str(tmp_path / "nowhere"), 30)


def refuse_name(self, name: str, timeout: float) -> None:
    raise ValueError(f"Repo id must be in the form 'namespace/name': {name}")  # HFValidationError is one


def test_where_the_hub_must_not_be_asked_it_is_not(offline, monkeypatch):
    monkeypatch.setattr(hub, "is_offline_mode", lambda: True)
    with pytest.raises(FileNotFoundError, match=r"the hub must not be asked \(HF_HUB_OFFLINE\); "):
        load_tokenizer("nobody/nothing", 30)
    assert offline == []
