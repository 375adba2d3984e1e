"""The two encoders: a torchvision network for images, a transformers BERT for captions (paper, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torchvision import models
from torchvision.models import get_model, get_model_weights, list_models
from torchvision.models.mobilenetv2 import MobileNetV2
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from transformers import BertConfig, BertModel

from cliplite_core.storage.hub import read_pretrained
from cliplite_core.storage.packages import weights_source
from cliplite_core.storage.places import data_root
from cliplite_core.storage.weights import WEIGHT_FILES, load_weights, read_weights

_BLOCKS = {
    "resnet10": (BasicBlock, [1, 1, 1, 1]),
    "resnet18": (BasicBlock, [2, 2, 2, 2]),
    "resnet34": (BasicBlock, [3, 4, 6, 3]),
    "resnet50": (Bottleneck, [3, 4, 6, 3]),
    "resnet101": (Bottleneck, [3, 4, 23, 3]),
    "resnet152": (Bottleneck, [3, 8, 36, 3]),
}
BertModel._keys_to_ignore_on_load_unexpected = [r"\bpooler\.", r"^cls\."]  # left out on purpose: nothing to report


class _ScaledResNet(ResNet):
    """torchvision's ResNet with `width` instead of 64 channels in the first stage."""

    def __init__(self, arch: str, width: int) -> None:
        self.width = width
        block, layers = _BLOCKS[arch]
        super().__init__(block, layers, num_classes=1)
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.fc = nn.Linear(8 * width * block.expansion, 1)

    def _make_layer(
        self, block: type[nn.Module], planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        if planes == 64:  # the first of the four stages: torchvision sets 64 input channels before it
            self.inplanes = self.width
        return super()._make_layer(block, planes * self.width // 64, blocks, stride, dilate)


class ImageEncoder(nn.Module):
    """A network without its classifier: images to pooled features (paper, section 3.1: ResNet-50 from scratch).

    Args:
        arch: any torchvision ResNet by name (`resnet18`, `resnet50`, `wide_resnet50_2`, …), `resnet10`, or
            `mobilenet_v2`, which is made for small machines.
        width: channels of a ResNet's first stage; the pooled features have 8 (basic) or 32 (bottleneck) times as many.
        stem: "imagenet" = 7x7/2 convolution + max-pool; "small" = 3x3/2 convolution for images below ~100 px.
        weights: torchvision weights by name, e.g. "IMAGENET1K_V2", or a file (.pth, .safetensors) that holds the state
            dict of that torchvision network, its classifier aside; a relative path starts at the data root,
            "package:NAME/FILE" names a file of an installed Python package. "" = random initialisation.

    Raises:
        FileNotFoundError: there is no such file of weights.
        ValueError: unknown architecture, or a width, stem or weights that do not fit it; the first misfits are named.

    Example:
        >>> import torch
        >>> encoder = ImageEncoder("resnet10", width=16, stem="small")
        >>> encoder(torch.zeros(2, 3, 32, 32)).shape, encoder.feature_map(torch.zeros(2, 3, 32, 32)).shape
        (torch.Size([2, 128]), torch.Size([2, 128, 2, 2]))
    """

    def __init__(self, arch: str = "resnet50", width: int = 64, stem: str = "imagenet", weights: str = "") -> None:
        super().__init__()
        backbone = _build(arch, width, weights)
        if stem == "small" and isinstance(backbone, ResNet):
            backbone.conv1 = nn.Conv2d(3, width, kernel_size=3, stride=2, padding=1, bias=False)
            backbone.maxpool = nn.Identity()
        elif stem != "imagenet":
            known = "'imagenet' or 'small'" if isinstance(backbone, ResNet) else "'imagenet'"
            raise ValueError(f"image_stem: got {stem!r} for {arch}, expected {known}")
        if isinstance(backbone, ResNet):
            self.dim: int = backbone.fc.in_features
            backbone.fc = nn.Identity()
        else:
            self.dim = backbone.last_channel
            backbone.classifier = nn.Identity()
        self.backbone = backbone

    def feature_map(self, images: Tensor) -> Tensor:
        """Return the last convolution map, what Grad-CAM explains: (B, 3, H, W) -> (B, D, h, w), >= 0."""
        net = self.backbone
        if isinstance(net, MobileNetV2):
            return net.features(images)  # shape: (B, 1280, H/32, W/32)
        x = net.maxpool(net.relu(net.bn1(net.conv1(images))))  # shape: (B, width, H/2 or H/4, ·)
        return net.layer4(net.layer3(net.layer2(net.layer1(x))))  # shape: (B, D, h, w)

    def pool(self, feature_map: Tensor) -> Tensor:
        """Return the global average of a map: (B, D, h, w) -> (B, D)."""
        return feature_map.mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Return pooled features: (B, 3, H, W) ImageNet-normalised floats -> (B, D)."""
        return self.pool(self.feature_map(images))


def _build(arch: str, width: int, weights: str) -> ResNet | MobileNetV2:
    standard = {name for name in list_models(models) if "resnet" in name or "resnext" in name} | {"mobilenet_v2"}
    if arch not in standard | set(_BLOCKS):
        raise ValueError(f"image_arch: got {arch!r}, expected one of {', '.join(sorted(standard | set(_BLOCKS)))}")
    if arch in standard and width == 64:
        return _standard(arch, weights)
    if weights:
        raise ValueError(
            f"image_weights: {weights!r} fits torchvision's own networks, not {arch} with image_width = {width}"
        )
    if arch not in _BLOCKS or width % 8:
        raise ValueError(
            f"image_width: got {width} for {arch}, expected 64, or a multiple of 8 for {', '.join(_BLOCKS)}"
        )
    return _ScaledResNet(arch, width)


def _standard(arch: str, weights: str) -> ResNet | MobileNetV2:
    """torchvision's own network, with weights from its server, from a file, or random."""
    if weights.endswith(WEIGHT_FILES):
        network, path = get_model(arch, weights=None), data_root() / weights_source(weights)
        classifier = "fc." if isinstance(network, ResNet) else "classifier."
        load_weights(network, read_weights(path), f"image_weights: {path} for {arch}", ignore=classifier)
        return network
    if weights and weights not in get_model_weights(arch).__members__:
        known = ", ".join([*get_model_weights(arch).__members__, *(f"a file *{ending}" for ending in WEIGHT_FILES)])
        raise ValueError(f"image_weights: got {weights!r} for {arch}, expected one of {known}")
    try:
        return get_model(arch, weights=weights or None)
    except OSError as error:  # a node of a cluster may see no internet
        raise FileNotFoundError(
            f"image_weights: {weights} of {arch} cannot be fetched ({error}); where there is a network, save "
            f"{get_model_weights(arch)[weights].url} and give the file's path instead"
        ) from error


class TextEncoder(nn.Module):
    """A BERT encoder: token ids to one vector per caption (paper, section 3.1: BERT-base, pooler output).

    Args:
        vocab_size: size of the tokenizer's vocabulary.
        layers, hidden, heads: BERT's depth, width and attention heads; the feed-forward layer is 4 x hidden.
        max_tokens: longest caption in tokens.
        weights: directory or hub id of a pretrained BERT, or "package:NAME/FOLDER" in an installed Python package; then
            the sizes above are the checkpoint's own.
        dropout: on hidden states and attention.
        pool: "pooler" = tanh(linear([CLS])); "mean" = mean over the tokens of the caption (sentence encoders).
        bert_config: a ready configuration in place of the sizes, as a saved model brings one.

    Example:
        >>> import torch
        >>> encoder = TextEncoder(vocab_size=100, layers=1, hidden=32, heads=2)
        >>> ids = torch.ones(2, 5, dtype=torch.long)
        >>> encoder({"input_ids": ids, "attention_mask": ids}).shape
        torch.Size([2, 32])
    """

    def __init__(
        self,
        vocab_size: int = 30522,
        layers: int = 12,
        hidden: int = 768,
        heads: int = 12,
        max_tokens: int = 30,
        weights: str = "",
        pool: str = "pooler",
        dropout: float = 0.1,
        bert_config: BertConfig | None = None,
    ) -> None:
        super().__init__()
        if pool not in ("pooler", "mean"):
            raise ValueError(f"text_pool: got {pool!r}, expected 'pooler' or 'mean'")
        layer = {"add_pooling_layer": pool == "pooler"}
        if bert_config is None and weights:
            self.bert = read_pretrained(BertModel.from_pretrained, weights, "text_weights", **layer)
        else:
            bert_config = bert_config or BertConfig(
                vocab_size=vocab_size,
                num_hidden_layers=layers,
                hidden_size=hidden,
                num_attention_heads=heads,
                intermediate_size=4 * hidden,
                max_position_embeddings=max(64, max_tokens),
                hidden_dropout_prob=dropout,
                attention_probs_dropout_prob=dropout,
            )
            self.bert = BertModel(bert_config, **layer)
        self.dim: int = self.bert.config.hidden_size

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """Return one vector per caption.

        Args:
            tokens: `input_ids` and `attention_mask`, both int64 of shape (B, L).

        Returns:
            (B, E) floats; in (-1, 1) for the pooler.
        """
        output = self.bert(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
        if self.bert.pooler is not None:
            return output.pooler_output  # shape: (B, E)
        mask = tokens["attention_mask"].unsqueeze(-1).to(output.last_hidden_state.dtype)  # shape: (B, L, 1)
        return (output.last_hidden_state * mask).sum(dim=1) / mask.sum(dim=1)  # shape: (B, E)
