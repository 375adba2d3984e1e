"""Write a trained image or text encoder as other tools load it: torchvision, Detectron2, transformers, ONNX."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cliplite_core.storage.files import replacing, write_text

if TYPE_CHECKING:
    from torch import Tensor

    from cliplite_core.model import CLIPLite

EPILOG = """
torchvision   the image encoder, for torchvision.models: OUT is a file, .pth or .safetensors; beside it a .json says
              which network it is, and which images it takes
                  network = torchvision.models.get_model("resnet18"); network.fc = torch.nn.Identity()
                  (of mobilenet_v2: network.classifier = torch.nn.Identity())
                  network.load_state_dict(torch.load("out.pth", weights_only=True))
detectron2    the image encoder, for MODEL.WEIGHTS: OUT is a file, .pth; besides, the config needs
                  MODEL: {PIXEL_MEAN: [123.675, 116.280, 103.530], PIXEL_STD: [58.395, 57.120, 57.375],
                          RESNETS: {DEPTH: 18, STRIDE_IN_1X1: False}}
                  INPUT: {FORMAT: "RGB"}
transformers  the text encoder and its tokenizer: OUT is a new directory
                  transformers.AutoModel.from_pretrained("out"), transformers.AutoTokenizer.from_pretrained("out")
onnx          both encoders with the critic's projections: OUT is a new directory; needs onnx, onnxruntime, onnxscript
                  session = onnxruntime.InferenceSession("out/image.onnx")    # text.onnx: input_ids, attention_mask
                  (embeddings,) = session.run(None, {"pixels": pixels})    # (B, 3, S, S) -> (B, units), unit length

The first two need a network that torchvision has: image_width = 64, image_stem = "imagenet" and no resnet10.
Images are scaled to [0, 1] and normalised by ImageNet's mean and deviation. The whole model, critic included, is the
directory `model` of a run: copy it, and load it with CLIPLite.load.

example:
  cliplite export runs/scenes/jsd-seed0-3f0c6b1d9a52 backbone.pth --format torchvision"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `export` takes: a model, where to write, and the format."""
    parser.add_argument("model", metavar="RUN", help="run directory, directory of CLIPLite.save, or hub id OWNER/NAME")
    parser.add_argument("out", metavar="OUT", help="file or directory to write, see below")
    parser.add_argument("--format", choices=FORMATS, required=True)
    parser.epilog = EPILOG


def run(options: argparse.Namespace) -> int:
    """Write one part of a model in one format, and print where."""
    from cliplite_core.model import CLIPLite

    print("written:", FORMATS[options.format](CLIPLite.load(options.model), options.out))
    return 0


def torchvision_state(model: CLIPLite) -> dict[str, Tensor]:
    """Return the image encoder's weights under torchvision's names, without the classifier.

    Args:
        model: a trained model.

    Returns:
        Tensors by name, contiguous, on the CPU. They load strictly into `torchvision.models.get_model(image_arch)` once
        its `fc` (of `mobilenet_v2`: its `classifier`) is a `torch.nn.Identity()`, and with `strict=False` beside a new
        one.

    Raises:
        ValueError: the network is none of torchvision's own; the message names the fields that differ.
    """
    from torchvision.models import list_models

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
    """Rename a tensor of torchvision's ResNet as Detectron2 calls it.

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
    """Write the image encoder as a torchvision state dict, and beside it a JSON file that says what images it takes.

    Args:
        model: a trained model.
        out: the file, `.pth` (for `torch.load`) or `.safetensors`.

    Returns:
        The file's path.

    Raises:
        ValueError: another ending, or as `torchvision_state`.
    """
    import torch

    from cliplite_core.data.transforms import IMAGENET_MEAN, IMAGENET_STD
    from cliplite_core.storage.weights import write_weights

    out = _with_suffix(Path(out), (".pth", ".safetensors"))
    state = torchvision_state(model)
    with replacing(out) as temporary:
        write_weights(temporary, state) if out.suffix == ".safetensors" else torch.save(state, temporary)
    images = {"resize_shorter_side": model.config.data.image_size, "center_crop": model.config.data.image_size}
    images |= {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    about = {"network": model.config.model.image_arch, "images": images}
    write_text(out.with_suffix(".json"), json.dumps(about, indent=1) + "\n")
    return out


def write_detectron2(model: CLIPLite, out: str | Path) -> Path:
    """Write the image encoder as a checkpoint for Detectron2's `MODEL.WEIGHTS`.

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
    import torch

    if "resnet" not in model.config.model.image_arch:
        raise ValueError(f"image_arch: got {model.config.model.image_arch!r}; Detectron2's backbones are ResNets")
    state = {detectron2_name(name): tensor for name, tensor in torchvision_state(model).items()}
    content = {"model": state, "__author__": "torchvision", "matching_heuristics": True}
    out = _with_suffix(Path(out), (".pth",))
    with replacing(out) as temporary:
        torch.save(content, temporary)
    return out


def write_transformers(model: CLIPLite, out: str | Path) -> Path:
    """Write the text encoder and its tokenizer as one directory for `AutoModel` and `AutoTokenizer`.

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
    with replacing(out) as temporary:
        model.text_encoder.bert.save_pretrained(temporary)
        model.tokenizer.save_pretrained(temporary)
    return out


def write_onnx(model: CLIPLite, out: str | Path) -> Path:
    """Write both encoders as ONNX, see `export_onnx.write_onnx`; what that needs is imported here alone."""
    from cliplite_core.commands import export_onnx

    return export_onnx.write_onnx(model, out)


FORMATS = {
    "torchvision": write_torchvision,
    "detectron2": write_detectron2,
    "transformers": write_transformers,
    "onnx": write_onnx,
}


def write_all(model: CLIPLite, folder: Path, images: Sequence[Path], texts: Sequence[str]) -> str:
    """Export for every tool, and hold what it computes from the files against the model's own features.

    Args:
        model: a trained model, in evaluation mode, on the CPU.
        folder: of the exports; what was in it is removed.
        images: image files to compare on.
        texts: likewise.

    Returns:
        A line per tool: the largest difference, or why there is nothing for it.
    """
    from cliplite_core.evaluation.exported import torchvision_difference, transformers_difference

    shutil.rmtree(folder, ignore_errors=True)
    lines = [f"transformers: {transformers_difference(model, write_transformers(model, folder / 'text'), texts):.0e}"]
    try:
        lines.append(
            f"torchvision: {torchvision_difference(model, write_torchvision(model, folder / 'image.pth'), images):.0e}"
        )
        lines.append(f"detectron2: the same weights as {write_detectron2(model, folder / 'detectron2.pth').name}")
    except ValueError as error:
        lines.append(f"no more, as {str(error).split('. ')[0]}")
    return "\n".join(lines)


def _with_suffix(out: Path, known: tuple[str, ...]) -> Path:
    if out.suffix not in known:
        raise ValueError(f"{out}: expected a file name that ends in {' or '.join(known)}")
    return out
