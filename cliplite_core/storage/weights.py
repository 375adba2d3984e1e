"""Weights from elsewhere: a file of named tensors into a network, a saved model by directory or hub id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

WEIGHT_FILES = (".safetensors", ".pth", ".pt")
MODEL_PARTS = ("config.json", "model.safetensors", "text", "tokenizer")  # what CLIPLite.save writes
_HUB_ID = r"[\w-][\w.-]*/[\w-][\w.-]*"
_SHOWN = 3  # differences an error names


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict without unpickling code: safetensors, or a PyTorch file with `weights_only=True`.

    Args:
        path: a `.safetensors`, `.pth` or `.pt` file. Training scripts often wrap the state dict as `{"state_dict": …}`
            or `{"model": …}`, and `DataParallel` puts `module.` before every name: both are taken off.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is broken, or holds something else than named tensors.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} not found; expected a state dict, one of {', '.join(WEIGHT_FILES)}")
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"{path}: not a file of tensors alone ({reason}); save it with torch.save(network.state_dict(), …)"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path}: found {type(content).__name__}, expected a state dict: tensors by name")
    return {name.removeprefix("module."): tensor for name, tensor in content.items()}


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], source: str, ignore: str | None = None) -> None:
    """Copy tensors into a network, or say which do not fit before any is copied.

    Args:
        network: receives the weights.
        weights: tensors by name; the step counters of batch norm (`num_batches_tracked`) may be missing.
        source: what the error calls them, e.g. the file.
        ignore: names that start with this are left as they are, in the network and in `weights`. None = none.

    Raises:
        ValueError: a tensor is missing, unknown or of another shape; the message names the first ones.

    Example:
        >>> load_weights(nn.Linear(3, 2), {"weight": torch.zeros(2, 4)}, "old.pth")
        Traceback (most recent call last):
        ValueError: old.pth does not fit: 2 tensors differ: weight: found (2, 4), expected (2, 3); bias: missing
    """
    expect_shapes(network, {name: tuple(tensor.shape) for name, tensor in weights.items()}, source, ignore)
    network.load_state_dict(
        {name: tensor for name, tensor in weights.items() if ignore is None or not name.startswith(ignore)},
        strict=False,
    )


def expect_shapes(
    network: nn.Module, found: Mapping[str, tuple[int, ...]], source: str, ignore: str | None = None
) -> None:
    """Hold the shapes of tensors against a network, which may be one on the device "meta", without memory.

    Args:
        network: to receive the weights.
        found: tensor name to shape.
        source, ignore: as `load_weights`.

    Raises:
        ValueError: as `load_weights`.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    differences = []
    for name in dict.fromkeys([*expected, *found]):
        if ignore is not None and name.startswith(ignore):
            continue
        if name not in found:
            if not name.endswith(".num_batches_tracked"):  # files from before PyTorch 0.4.1 have none
                differences.append(f"{name}: missing")
        elif name not in expected:
            differences.append(f"{name}: found {found[name]}, expected no such tensor")
        elif found[name] != expected[name]:
            differences.append(f"{name}: found {found[name]}, expected {expected[name]}")
    if differences:
        more = "; …" if len(differences) > _SHOWN else ""
        raise ValueError(
            f"{source} does not fit: {len(differences)} tensors differ: {'; '.join(differences[:_SHOWN])}{more}"
        )


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write a `.safetensors` file that may be read by whom its neighbours may be: safetensors' own has mode 0600.

    Args:
        path: the file.
        weights: tensors by name, on any device.
    """
    path.touch()
    mode = path.stat().st_mode  # as the umask has it
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)
    path.chmod(mode)


def find_model(source: str | Path, revision: str | None = None) -> Path:
    """Return the directory of a saved model, fetched from the Hugging Face hub if need be.

    Args:
        source: a directory written by `CLIPLite.save`, the run directory around it, or a hub id `OWNER/NAME`.
        revision: branch, tag or commit on the hub. None = its main branch.

    Returns:
        A directory with every part of a model.

    Raises:
        FileNotFoundError: there is no such directory and the hub does not give it, or a part is missing.
    """
    directory = Path(source)
    if not directory.exists():
        directory = _from_hub(str(source), revision)
    elif (directory / "model").is_dir():
        directory = directory / "model"
    for name in MODEL_PARTS:
        if not (directory / name).exists():
            raise FileNotFoundError(f"{directory / name} not found; a model directory is written by CLIPLite.save")
    return directory


def _from_hub(name: str, revision: str | None) -> Path:
    if not re.fullmatch(_HUB_ID, name):
        raise FileNotFoundError(
            f"{name} not found; expected a directory written by CLIPLite.save, or a hub id OWNER/NAME"
        )
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[*MODEL_PARTS, "text/*", "tokenizer/*"]))
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"{name!r} is no directory here, and the hub gave no model of that name (offline, private, or misspelt?): "
            f"{type(error).__name__}; online, fetch it once with: hf download {name}"
        ) from error
