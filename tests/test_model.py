"""The model: what it embeds and scores, and that saving keeps every bit and pickles nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from transformers import BertConfig, BertModel, BertTokenizer, PreTrainedTokenizerFast

from cliplite_core.critic import ConcatCritic
from cliplite_core.data.tokenizer import load_tokenizer, tokenize
from cliplite_core.model import CLIPLite

TEXTS = ["a red dog", "two birds on the grass", "the moon"]


def images(n: int = 3) -> Tensor:
    return torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def bert_directory(folder: Path, words: str) -> str:
    """A pretrained BERT and its tokenizer as they are distributed, only small."""
    folder.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words.split()]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    sizes = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    BertModel(BertConfig(vocab_size=len(vocabulary), **sizes)).save_pretrained(folder)
    return str(folder)


def same_weights(a: CLIPLite, b: CLIPLite) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_embeddings_have_unit_length_and_their_scaled_cosine_is_the_score(model):
    a, b = model.encode_image(images()), model.encode_text(TEXTS)
    assert a.shape == b.shape == (3, 16)
    assert a.dtype == b.dtype == torch.float32
    torch.testing.assert_close(a.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(b.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(model.score(images(), TEXTS), (a * b).sum(dim=1) / 0.07, rtol=0, atol=1e-5)


def test_captions_may_come_as_strings_or_as_tokens(model):
    assert torch.equal(model.encode_text(TEXTS), model.encode_text(tokenize(model.tokenizer, TEXTS)))


def test_saving_keeps_every_bit_and_pickles_nothing(model, tmp_path):
    loaded = CLIPLite.load(model.save(tmp_path / "model"))
    assert not loaded.training
    assert same_weights(model, loaded)
    assert loaded.config == model.config
    assert loaded.tokenizer(TEXTS)["input_ids"] == model.tokenizer(TEXTS)["input_ids"]
    assert torch.equal(loaded.score(images(), TEXTS), model.score(images(), TEXTS))
    files = [path for path in (tmp_path / "model").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".txt"}


def test_all_files_of_a_saved_model_may_be_read_alike(model, tmp_path):
    model.save(tmp_path)
    assert len({path.stat().st_mode for path in tmp_path.rglob("*") if path.is_file()}) == 1


def test_loading_draws_as_many_random_numbers_as_building(model, tmp_path):
    model.save(tmp_path)
    torch.manual_seed(0), CLIPLite(model.config, model.tokenizer)
    expected = torch.rand(1)
    torch.manual_seed(0), CLIPLite.load(tmp_path)
    assert torch.equal(torch.rand(1), expected)  # checked on the device "meta" beforehand, which draws none


def test_a_model_without_a_note_of_its_vocabulary_loads_as_older_ones_do(model, tmp_path):
    model.save(tmp_path)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    assert same_weights(model, CLIPLite.load(tmp_path))


def test_a_model_trained_in_channels_last_saves_the_same_weights(model, tmp_path):
    model.to(memory_format=torch.channels_last)
    assert same_weights(model, CLIPLite.load(model.save(tmp_path)))


@pytest.mark.parametrize("part", ["config.json", "model.safetensors", "text", "tokenizer"])
def test_a_missing_part_is_named(model, tmp_path, part):
    model.save(tmp_path)
    path = tmp_path / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(FileNotFoundError, match=rf"{part} not found; a model directory is written by"):
        CLIPLite.load(tmp_path)


@pytest.mark.parametrize(
    "fields",
    [
        {"text_pool": "mean"},
        {"critic": "concat"},
        {"objective": "sigmoid"},
        {"image_arch": "resnet18", "image_width": 16},
    ],
    ids=str,
)
def test_every_variant_comes_back_as_it_was(model, tokenizer, tmp_path, fields):
    variant = CLIPLite(model.config.override(**fields), tokenizer).eval()
    loaded = CLIPLite.load(variant.save(tmp_path))
    assert same_weights(variant, loaded) and loaded.config == variant.config
    assert torch.equal(loaded.score(images(), TEXTS), variant.score(images(), TEXTS))


def test_what_a_model_was_initialised_from_need_not_exist_where_it_is_loaded(model, tmp_path):
    source = bert_directory(tmp_path / "bert", "a red dog two birds on the grass moon")
    config = model.config.override(text_weights=source, tokenizer=source)
    pretrained = CLIPLite(config, load_tokenizer(source, max_tokens=12)).eval()
    assert pretrained.text_encoder.dim == 12
    pretrained.save(tmp_path / "model")
    shutil.rmtree(source)
    loaded = CLIPLite.load(tmp_path / "model")
    assert same_weights(pretrained, loaded) and loaded.config == config


def test_a_pretrained_text_encoder_may_have_rows_to_spare_and_other_special_pieces(model, tmp_path):
    source = bert_directory(tmp_path / "bert", "a red dog two birds on the grass moon")
    own = load_tokenizer(source, max_tokens=12)
    spare = PreTrainedTokenizerFast(tokenizer_object=own.backend_tokenizer, model_max_length=12, pad_token="moon")
    sizes = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    BertModel(BertConfig(vocab_size=len(own) + 8, **sizes)).save_pretrained(source)
    padded = CLIPLite(model.config.override(text_weights=source), spare).eval()
    loaded = CLIPLite.load(padded.save(tmp_path / "model"))
    assert torch.equal(loaded.encode_text(TEXTS), padded.encode_text(TEXTS))


def test_a_ready_tokenizer_cleans_captions_alike_before_and_after_saving(model, tmp_path):
    source = bert_directory(tmp_path / "bert", "two cafe goers laughing , - !")
    tokenizer = load_tokenizer(source, max_tokens=12)
    loaded = CLIPLite.load(CLIPLite(model.config, tokenizer).save(tmp_path / "model"))
    text = "Two café-goers, laughing!"
    assert tokenizer.tokenize(text) == loaded.tokenizer.tokenize(text) == ["two", "cafe", "goers", "laughing"]
    assert loaded.tokenizer.model_max_length == 12


def test_a_concat_critic_has_no_joint_space_but_scores_all_pairs(model, tokenizer):
    concat = CLIPLite(model.config.override(critic="concat"), tokenizer).eval()
    assert isinstance(concat.critic, ConcatCritic)
    with pytest.raises(TypeError, match=r"'concat' has no joint space; use model\.critic\.pairwise"):
        concat.encode_image(images())
    with pytest.raises(TypeError, match="'concat' has no joint space"):
        concat.encode_text(TEXTS)
    scores = concat.critic.pairwise(concat.image_features(images()), concat.text_features(TEXTS))
    assert scores.shape == (3, 3)
    torch.testing.assert_close(scores.diagonal(), concat.score(images(), TEXTS), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "scale", "bias"),
    [
        ({"objective": "jsd"}, 1 / 0.07, None),
        ({"objective": "infonce"}, 1 / 0.07, None),
        ({"objective": "sigmoid"}, 10, -10),
        ({"objective": "sigmoid", "score_scale": 5, "score_bias": 0}, 5, 0),
        ({"objective": "jsd", "score_bias": -2}, 1 / 0.07, -2),
    ],
)
def test_the_score_starts_as_the_objectives_paper_has_it_unless_told(model, tokenizer, fields, scale, bias):
    critic = CLIPLite(model.config.override(**fields), tokenizer).critic
    assert critic.scale.item() == pytest.approx(scale)
    assert critic.bias is None if bias is None else critic.bias.item() == bias


def test_the_paper_has_the_papers_critic(tokenizer, model):
    with torch.device("meta"):
        critic = CLIPLite(model.config.override(image_arch="resnet50", image_width=64, units=2048), tokenizer).critic
    assert critic.image_block.shortcut.weight.shape == (2048, 2048)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK"])
def test_preprocess_takes_any_picture_to_what_the_encoder_expects(model, mode):
    picture = Image.new("RGB", (40, 24), (200, 30, 90)).convert(mode)
    tensor = model.preprocess(picture)
    assert tensor.shape == (3, 16, 16) and tensor.dtype == torch.float32
    expected = model.preprocess(picture.convert("RGB"))
    torch.testing.assert_close(tensor, expected)


def test_the_saved_configuration_is_json_a_person_can_read(model, tmp_path):
    model.save(tmp_path)
    content = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert content["profile"] == "smoke" and content["model"]["units"] == 16
