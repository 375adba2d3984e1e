"""Whether an exported encoder, loaded by the library it is meant for, still says what the model's encoder says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torchvision.models import get_model
from transformers import AutoModel, AutoTokenizer

from cliplite_core.data.images import read_image
from cliplite_core.data.tokenizer import tokenize
from cliplite_core.model import CLIPLite


@torch.no_grad()
def torchvision_difference(model: CLIPLite, path: str | Path, images: Sequence[Path]) -> float:
    """Return the largest difference between the features torchvision computes and those of the model's image encoder.

    Args:
        model: what was exported, in evaluation mode, on the CPU.
        path: the state dict that `cliplite export --format torchvision` wrote as `.pth`. It is loaded strictly, into
            the network without its classifier.
        images: B image files.

    Raises:
        RuntimeError: a tensor is missing, or there is one too many.
    """
    network = get_model(model.config.model.image_arch)
    classifier = "fc" if hasattr(network, "fc") else "classifier"  # of ResNets; of MobileNetV2
    setattr(network, classifier, nn.Identity())
    network.load_state_dict(torch.load(path, weights_only=True))
    pixels = torch.stack([model.preprocess(read_image(image)) for image in images])  # shape: (B, 3, S, S)
    return float((network.eval()(pixels) - model.image_encoder(pixels)).abs().max())


@torch.no_grad()
def transformers_difference(model: CLIPLite, folder: str | Path, texts: Sequence[str]) -> float:
    """Return the largest difference between the features transformers computes and those of the model's text encoder.

    Args:
        model: what was exported, in evaluation mode, on the CPU.
        folder: what `cliplite export --format transformers` wrote: text encoder and tokenizer.
        texts: B texts.
    """
    with_pooler = model.config.model.text_pool == "pooler"
    bert = AutoModel.from_pretrained(folder, add_pooling_layer=with_pooler).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
    states = bert(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    mask = tokens["attention_mask"].unsqueeze(-1)  # shape: (B, L, 1)
    mean = (states.last_hidden_state * mask).sum(dim=1) / mask.sum(dim=1)  # shape: (B, hidden)
    features = states.pooler_output if with_pooler else mean
    return float((features - model.text_encoder(tokenize(model.tokenizer, list(texts)))).abs().max())
