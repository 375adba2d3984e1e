"""Both encoders with the critic's projections as ONNX: images and texts to embeddings, without PyTorch."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from cliplite_core.data.tokenizer import tokenize
from cliplite_core.data.transforms import IMAGENET_MEAN, IMAGENET_STD
from cliplite_core.storage.files import replacing

if TYPE_CHECKING:
    from cliplite_core.model import CLIPLite

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
TOLERANCE = 1e-4  # between a coordinate of PyTorch's embedding and one of ONNX Runtime's
EXAMPLE = [
    "a dog",
    "two dogs run along a beach",
    "a man in a red shirt",
]  # of several lengths, for padding


class _Encoder(nn.Module):
    """One of the model's two functions as a module, which is what can be exported."""

    def __init__(self, model: CLIPLite, encode: Callable[..., Tensor]) -> None:
        super().__init__()
        self.model, self.encode = model, encode

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.encode(*inputs)


def write_onnx(model: CLIPLite, out: str | Path) -> Path:
    """Write a folder with `image.onnx`, `text.onnx`, the tokenizer and `preprocess.json`, and check them.

    Args:
        model: a trained model with a dot critic, in evaluation mode.
        out: the folder; must not exist, or be empty.

    Returns:
        The folder's path. `image.onnx` takes `pixels`, (B, 3, S, S) float32, `text.onnx` takes `input_ids` and
        `attention_mask`, (B, L) int64; both give `embeddings`, (B, units) float32 unit vectors, for any B and L.

    Raises:
        ValueError: the critic is no dot critic, a package is missing, the folder holds files, or ONNX Runtime's
            embeddings differ from PyTorch's by more than 1e-4; then nothing is left behind.
    """
    out = Path(out)
    if model.config.model.critic != "dot":
        raise ValueError("critic: 'concat' has no joint space to export embeddings of, expected critic = 'dot'")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists already; give the name of a new directory")
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise ValueError(f"--format onnx needs {', '.join(missing)}: pip install {' '.join(PACKAGES)}")
    side = model.config.data.image_size
    pixels = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(0))
    tokens = tokenize(model.tokenizer, EXAMPLE)
    texts = _Encoder(model, lambda ids, mask: model.encode_text({"input_ids": ids, "attention_mask": mask}))
    batch, length = torch.export.Dim("batch"), torch.export.Dim.DYNAMIC
    with replacing(out) as temporary:
        temporary.mkdir()
        _export(_Encoder(model, model.encode_image), {"pixels": pixels}, {0: batch}, temporary / "image.onnx")
        _export(texts, tokens, {0: batch, 1: length}, temporary / "text.onnx")
        model.tokenizer.save_pretrained(temporary / "tokenizer")
        (temporary / "preprocess.json").write_text(json.dumps(_preprocess(model), indent=2) + "\n", encoding="utf-8")
        difference = onnx_difference(model, temporary, pixels[:2], EXAMPLE[:2])
        if not difference <= TOLERANCE:
            raise ValueError(f"{out}: embeddings differ from PyTorch's by {difference:.1e}, expected {TOLERANCE:g}")
    return out


def onnx_difference(model: CLIPLite, folder: str | Path, pixels: Tensor, texts: list[str]) -> float:
    """Return the largest difference between a coordinate that ONNX Runtime computes and the model's.

    Args:
        model: what was exported, in evaluation mode, on the CPU.
        folder: what `write_onnx` wrote.
        pixels: (B, 3, S, S) preprocessed images, of any B.
        texts: of any number and length.
    """
    import onnxruntime

    def embeddings(name: str, inputs: Mapping[str, Tensor]) -> np.ndarray:
        session = onnxruntime.InferenceSession(Path(folder) / name, providers=["CPUExecutionProvider"])
        return session.run(["embeddings"], {key: value.numpy() for key, value in inputs.items()})[0]

    with torch.inference_mode():
        expected = model.encode_image(pixels), model.encode_text(texts)
    found = embeddings("image.onnx", {"pixels": pixels}), embeddings("text.onnx", tokenize(model.tokenizer, texts))
    return max(float(np.abs(a - b.numpy()).max()) for a, b in zip(found, expected, strict=True))


def _export(encoder: nn.Module, inputs: Mapping[str, Tensor], dynamic: dict[int, Any], path: Path) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own, about its dependencies
        torch.onnx.export(
            encoder.eval(),
            tuple(inputs.values()),
            path,
            input_names=list(inputs),
            output_names=["embeddings"],
            dynamic_shapes=(tuple(dynamic for _ in inputs),),  # of `*inputs`
            external_data=False,
            verbose=False,
        )


def _preprocess(model: CLIPLite) -> dict[str, Any]:
    """Return what else is to be known: how pixels are prepared, and how a cosine becomes the critic's score."""
    bias = model.critic.bias
    return {
        "image_size": model.config.data.image_size,
        "resize": "shorter side to image_size, bilinear with antialiasing, then the centre square; RGB in [0, 1]",
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "max_tokens": model.config.data.max_tokens,
        "score": "score_scale * cosine + score_bias",
        "score_scale": model.critic.scale.item(),
        "score_bias": 0.0 if bias is None else bias.item(),
    }
