"""Exported parts as other tools meet them: same names, same shapes, same features."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file
from tiny import CAPTIONS
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerFast, set_seed

from cliplite_core.__main__ import main
from cliplite_core.commands.export import (
    detectron2_name,
    torchvision_state,
    write_detectron2,
    write_torchvision,
    write_transformers,
)
from cliplite_core.data.tokenizer import tokenize
from cliplite_core.encoders import ImageEncoder
from cliplite_core.model import CLIPLite

TEXTS = [*CAPTIONS, "Two café-goers, laughing!"]


def standard(model: CLIPLite, arch: str = "resnet18") -> CLIPLite:
    """A model with a network of torchvision's own, its batch norms no longer as they start."""
    set_seed(1)
    config = model.config.override(image_arch=arch, image_width=64, image_stem="imagenet")
    network = CLIPLite(config, model.tokenizer).to(memory_format=torch.channels_last).train()
    with torch.no_grad():
        network.image_features(images(8))
    return network.eval()


def images(n: int = 2) -> Tensor:
    return torch.randn(n, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def detectron2_resnet50() -> dict[str, tuple[int, ...]]:
    """The tensors of Detectron2's ResNet-50, written down from its architecture and not from torchvision's names."""
    shapes: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, out: int, into: int, kernel: int) -> None:
        shapes[f"{name}.weight"] = (out, into, kernel, kernel)
        shapes.update({f"{name}.norm.{part}": (out,) for part in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{name}.norm.num_batches_tracked"] = ()

    convolution("stem.conv1", 64, 3, 7)
    into = 64
    for stage, blocks, width in ((2, 3, 64), (3, 4, 128), (4, 6, 256), (5, 3, 512)):
        for block in range(blocks):
            name = f"res{stage}.{block}"
            if block == 0:
                convolution(f"{name}.shortcut", 4 * width, into, 1)
            convolution(f"{name}.conv1", width, into, 1)
            convolution(f"{name}.conv2", width, width, 3)
            convolution(f"{name}.conv3", 4 * width, width, 1)
            into = 4 * width
    return shapes


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_torchvision_loads_the_backbone_strictly_and_gives_the_same_features(model, tmp_path, ending):
    trained = standard(model)
    path = write_torchvision(trained, tmp_path / "new" / f"backbone{ending}")
    state = load_file(path) if ending == ".safetensors" else torch.load(path, weights_only=True)
    network = torchvision.models.get_model("resnet18")
    network.fc = nn.Identity()
    network.load_state_dict(state, strict=True)
    torch.testing.assert_close(network.eval()(images()), trained.image_features(images()))
    with_classifier = torchvision.models.get_model("resnet18", num_classes=3)
    loaded = with_classifier.load_state_dict(state, strict=False)
    assert (loaded.missing_keys, loaded.unexpected_keys) == (["fc.weight", "fc.bias"], [])
    assert {file.name for file in path.parent.iterdir()} == {path.name, "backbone.json"}
    about = json.loads(path.with_suffix(".json").read_text())
    assert (about["network"], about["images"]["center_crop"]) == ("resnet18", trained.config.data.image_size)


def test_an_exported_backbone_starts_the_next_training(model, tmp_path):
    trained = standard(model)
    encoder = ImageEncoder("resnet18", weights=str(write_torchvision(trained, tmp_path / "backbone.pth"))).eval()
    before, after = trained.image_encoder.state_dict(), encoder.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    torch.testing.assert_close(encoder(images()), trained.image_features(images()))


def test_every_tensor_of_a_resnet50_has_its_place_in_detectron2():
    with torch.device("meta"):
        state = torchvision.models.resnet50().state_dict()
    renamed = {detectron2_name(name): tuple(t.shape) for name, t in state.items() if not name.startswith("fc.")}
    assert len(renamed) == len(state) - 2, "no two names fall together"
    assert renamed == detectron2_resnet50()


def test_detectron2_finds_what_its_own_conversion_would_have_written(model, tmp_path):
    trained = standard(model)
    content = torch.load(write_detectron2(trained, tmp_path / "backbone.pth"), weights_only=True)
    assert (content["__author__"], content["matching_heuristics"]) == ("torchvision", True)
    original = torchvision_state(trained)
    assert len(content["model"]) == len(original)
    for name, tensor in original.items():
        assert torch.equal(content["model"][detectron2_name(name)], tensor)
    network = torchvision.models.get_model("resnet18")
    network.fc = nn.Identity()
    network.load_state_dict({name: content["model"][detectron2_name(name)] for name in original})
    torch.testing.assert_close(network.eval()(images()), trained.image_features(images()))


def test_a_mobilenet_goes_to_torchvision_but_not_to_detectron2(model, tmp_path):
    trained = standard(model, "mobilenet_v2")
    network = torchvision.models.mobilenet_v2()
    network.classifier = nn.Identity()
    network.load_state_dict(torchvision_state(trained))
    torch.testing.assert_close(network.eval()(images()), trained.image_features(images()))
    with pytest.raises(ValueError, match="image_arch: got 'mobilenet_v2'"):
        write_detectron2(trained, tmp_path / "backbone.pth")


@pytest.mark.parametrize("write", [write_torchvision, write_detectron2])
def test_a_network_that_torchvision_does_not_have_says_why_and_what_to_do(model, tmp_path, write):
    with pytest.raises(ValueError, match="none of torchvision's own networks") as error:
        write(model, tmp_path / "backbone.pth")
    for reason in ("image_arch = 'resnet10'", "image_width = 8", "image_stem = 'small'", "CLIPLite.load"):
        assert reason in str(error.value)
    assert not list(tmp_path.glob("*backbone*"))


@pytest.mark.parametrize(("write", "name"), [(write_torchvision, "b.bin"), (write_detectron2, "b.pkl")])
def test_a_file_name_that_the_tool_would_not_read_is_refused(model, tmp_path, write, name):
    with pytest.raises(ValueError, match=rf"{name}: expected a file name that ends in \.pth"):
        write(standard(model), tmp_path / name)


def test_transformers_loads_the_text_side_and_gives_the_same_output(model, tmp_path):
    path = write_transformers(model, tmp_path / "text")
    bert, tokenizer = AutoModel.from_pretrained(path).eval(), AutoTokenizer.from_pretrained(path)
    assert tokenizer(TEXTS)["input_ids"] == model.tokenizer(TEXTS)["input_ids"]
    assert tokenizer.model_max_length == model.tokenizer.model_max_length
    batch = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    output = bert(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).pooler_output
    torch.testing.assert_close(output, model.text_features(TEXTS))


def test_a_mean_over_tokens_is_the_same_in_transformers(model, tokenizer: PreTrainedTokenizerFast, tmp_path):
    mean = CLIPLite(model.config.override(text_pool="mean"), tokenizer).eval()
    bert = AutoModel.from_pretrained(write_transformers(mean, tmp_path / "text"), add_pooling_layer=False).eval()
    batch = tokenize(tokenizer, TEXTS)
    mask = batch["attention_mask"].unsqueeze(-1).float()
    states = bert(**batch).last_hidden_state
    torch.testing.assert_close((states * mask).sum(dim=1) / mask.sum(dim=1), mean.text_features(TEXTS))


def test_a_directory_with_files_is_never_overwritten(model, tmp_path):
    (tmp_path / "mine").mkdir()
    write_transformers(model, tmp_path / "mine")
    before = sorted(path.name for path in (tmp_path / "mine").iterdir())
    with pytest.raises(ValueError, match="mine exists already; give the name of a new directory"):
        write_transformers(model, tmp_path / "mine")
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == before


def exported(model: CLIPLite, folder: Path, form: str, out: str) -> int:
    standard(model).save(folder / "run" / "model")
    return main(["export", str(folder / "run"), str(folder / out), "--format", form])


@pytest.mark.parametrize(("form", "out"), [("torchvision", "tv.pth"), ("detectron2", "d2.pth"), ("transformers", "t")])
def test_the_command_line_writes_each_format_from_a_run(model, tmp_path, capsys, form, out):
    assert exported(model, tmp_path, form, out) == 0
    assert (tmp_path / out).exists() and str(tmp_path / out) in capsys.readouterr().out


def test_the_command_line_ends_with_the_error_and_no_traceback(model, tmp_path, capsys):
    assert main(["export", str(tmp_path / "none"), str(tmp_path / "b.pth"), "--format", "torchvision"]) == 2
    model.save(tmp_path / "model")
    assert main(["export", str(tmp_path / "model"), str(tmp_path / "b.pth"), "--format", "torchvision"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and all(line.startswith("error: ") for line in errors)


def test_the_help_says_how_to_load_what_was_written(capsys):
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    text = capsys.readouterr().out
    assert all(word in text for word in ("load_state_dict", "PIXEL_MEAN", "AutoTokenizer", "image_width = 64"))
