"""A trained model's parts in the formats other tools load: torchvision, Detectron2, transformers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models import list_models

from cliplite_core.model import CLIPLite


def torchvision_state(model: CLIPLite) -> dict[str, Tensor]:
    """Returns the image encoder's weights under torchvision's names, without the classifier.

    Args:
        model: a trained model.

    Returns:
        Tensors by name, contiguous, on the CPU. They load strictly into `torchvision.models.get_model(image_arch)` once
        its `fc` (of `mobilenet_v2`: its `classifier`) is a `torch.nn.Identity()`, and with `strict=False` beside a new
        one.

    Raises:
        ValueError: the network is none of torchvision's own; the message names the fields that differ.
    """
    m, reasons = model.config.model, []
    if m.image_arch not in list_models():
        reasons.append(f"image_arch = {m.image_arch!r} is none of its networks")
    if m.image_width != 64:
        reasons.append(f"image_width = {m.image_width}, where it has 64")
    if m.image_stem != "imagenet":
        reasons.append(f"image_stem = {m.image_stem!r}, where it has 'imagenet'")
    if reasons:
        raise ValueError(
            f"the image encoder is none of torchvision's own networks: {'; '.join(reasons)}. "
            "Load it with CLIPLite.load, or train with image_arch = 'resnet18' (34, 50, …), image_width = 64, "
            "image_stem = 'imagenet'"
        )
    # Weights trained in channels_last lie otherwise in memory than torchvision's.
    state = model.image_encoder.backbone.state_dict()
    return {name: tensor.cpu().contiguous() for name, tensor in state.items()}


def detectron2_name(name: str) -> str:
    """Renames a tensor of torchvision's ResNet as Detectron2 calls it.

    The rule is Detectron2's own, `tools/convert-torchvision-to-d2.py`
    (https://github.com/facebookresearch/detectron2/blob/main/tools/convert-torchvision-to-d2.py).

    Args:
        name: a name from torchvision's state dict.

    Example:
        >>> [detectron2_name(name) for name in ("bn1.bias", "layer1.0.conv2.weight", "layer4.0.downsample.1.weight")]
        ['stem.conv1.norm.bias', 'res2.0.conv2.weight', 'res5.0.shortcut.norm.weight']
    """
    if not name.startswith("layer"):
        name = f"stem.{name}"
    for stage in (1, 2, 3, 4):
        name = name.replace(f"layer{stage}", f"res{stage + 1}")
    for number in (1, 2, 3):
        name = name.replace(f"bn{number}", f"conv{number}.norm")
    return name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")


def write_torchvision(model: CLIPLite, out: str | Path) -> Path:
    """Writes the image encoder as a torchvision state dict.

    Args:
        model: a trained model.
        out: the file, `.pth` (for `torch.load`) or `.safetensors`.

    Returns:
        The file's path.

    Raises:
        ValueError: another ending, or as `torchvision_state`.
    """
    state, out = torchvision_state(model), Path(out)
    if out.suffix == ".safetensors":
        return _replaced(out, lambda path: save_file(state, path))
    return _replaced(_with_suffix(out, (".pth", ".safetensors")), lambda path: torch.save(state, path))


def write_detectron2(model: CLIPLite, out: str | Path) -> Path:
    """Writes the image encoder as a checkpoint for Detectron2's `MODEL.WEIGHTS`.

    The content is that of Detectron2's own conversion, in a `.pth` of tensors instead of a pickle of arrays: its
    `DetectionCheckpointer` reads both, and a file of tensors can be read by `torch.load(…, weights_only=True)` and does
    not depend on the version of numpy. The config then needs what that conversion says, as the pixels here are RGB:
    `MODEL.PIXEL_MEAN: [123.675, 116.280, 103.530]`, `MODEL.PIXEL_STD: [58.395, 57.120, 57.375]`, `INPUT.FORMAT: "RGB"`,
    `MODEL.RESNETS.STRIDE_IN_1X1: False`, and the network's `MODEL.RESNETS.DEPTH`.

    Args:
        model: a trained model.
        out: the file, `.pth`.

    Returns:
        The file's path.

    Raises:
        ValueError: another ending, a network that Detectron2 lacks, or as `torchvision_state`.
    """
    if "resnet" not in model.config.model.image_arch:
        raise ValueError(f"image_arch: got {model.config.model.image_arch!r}; Detectron2's backbones are ResNets")
    state = {detectron2_name(name): tensor for name, tensor in torchvision_state(model).items()}
    content = {"model": state, "__author__": "torchvision", "matching_heuristics": True}
    return _replaced(_with_suffix(Path(out), (".pth",)), lambda path: torch.save(content, path))


def write_transformers(model: CLIPLite, out: str | Path) -> Path:
    """Writes the text encoder and its tokenizer as one directory for `AutoModel` and `AutoTokenizer`.

    A model with `text_pool = "mean"` has no pooler: `AutoModel` makes up a random one and says so; ask it for
    `add_pooling_layer=False` and average `last_hidden_state` over the attention mask.

    Args:
        model: a trained model.
        out: the directory; must not exist, or be empty.

    Returns:
        The directory's path.

    Raises:
        ValueError: the directory holds files already.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists already; give the name of a new directory")

    def write(path: Path) -> None:
        model.text_encoder.bert.save_pretrained(path)
        model.tokenizer.save_pretrained(path)

    return _replaced(out, write)


FORMATS = {"torchvision": write_torchvision, "detectron2": write_detectron2, "transformers": write_transformers}


def _with_suffix(out: Path, known: tuple[str, ...]) -> Path:
    if out.suffix not in known:
        raise ValueError(f"{out}: expected a file name that ends in {' or '.join(known)}")
    return out


def _replaced(out: Path, write: Callable[[Path], None]) -> Path:
    """Writes beside the target and renames, so that a reader or a kill never meets half of it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    write(temporary)
    if out.is_dir():
        out.rmdir()  # an empty one: Windows renames over nothing that exists
    os.replace(temporary, out)
    return out
