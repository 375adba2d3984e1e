"""CLIPLite: two encoders and a critic, saved as safetensors + JSON and loaded without unpickling anything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import BertConfig, PreTrainedTokenizerFast

from cliplite_core.config import Config
from cliplite_core.critic import ConcatCritic, DotCritic
from cliplite_core.data.tokenizer import tokenize
from cliplite_core.data.transforms import eval_transform
from cliplite_core.encoders import ImageEncoder, TextEncoder
from cliplite_core.objectives import OBJECTIVE_STARTS
from cliplite_core.storage.parts import NOTES, ModelParts, read_parts
from cliplite_core.storage.saved_tokenizer import read_tokenizer, vocabulary_digest
from cliplite_core.storage.weights import expect_shapes, find_model, load_weights, read_weights, write_weights

Captions = Sequence[str] | Mapping[str, Tensor]


class Standardize(nn.Module):
    """Shift and scale features by fixed statistics, so that every dimension of a frozen encoder weighs alike.

    Args:
        dim: width of the features.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))

    def measure(self, features: Tensor) -> None:
        """Take the statistics of the training split's features, (N, dim); what never varies is shifted alone."""
        deviation, mean = torch.std_mean(features, dim=0)
        self.mean.copy_(mean)
        self.deviation.copy_(deviation.where(deviation > 1e-5 * (1 + mean.abs()), 1.0))

    def forward(self, features: Tensor) -> Tensor:
        """Return (features - mean) / deviation, (B, dim)."""
        return (features - self.mean) / self.deviation


class CLIPLite(nn.Module):
    """Image encoder f, text encoder g and critic T (paper, figure 2).

    Args:
        config: the run's configuration; its `model`, `objective` and `data` sections shape the network.
        tokenizer: turns captions into ids; its vocabulary sizes the text encoder.
        bert_config: the text encoder's own configuration, when a saved model brings one.

    Attributes:
        image_encoder, text_encoder, critic, tokenizer, config: the parts.
        preprocess: image (PIL or uint8 (3, H, W)) -> float32 (3, S, S), as the image encoder expects it.
    """

    def __init__(
        self, config: Config, tokenizer: PreTrainedTokenizerFast, bert_config: BertConfig | None = None
    ) -> None:
        super().__init__()
        m = config.model
        self.config, self.tokenizer = config, tokenizer
        self.preprocess = eval_transform(config.data.image_size)
        self.image_encoder = ImageEncoder(m.image_arch, m.image_width, m.image_stem, m.image_weights)
        self.text_encoder = TextEncoder(
            vocab_size=len(tokenizer),
            layers=m.text_layers,
            hidden=m.text_hidden,
            heads=m.text_heads,
            max_tokens=config.data.max_tokens,
            weights=m.text_weights,
            pool=m.text_pool,
            dropout=m.text_dropout,
            bert_config=bert_config,
        )
        image_dim, text_dim = self.image_encoder.dim, self.text_encoder.dim
        self.standardize = nn.ModuleDict()
        if m.frozen:
            self.image_encoder.requires_grad_(False)
            self.text_encoder.requires_grad_(False)
        if m.frozen or m.standardized:
            self.standardize = nn.ModuleDict({"image": Standardize(image_dim), "text": Standardize(text_dim)})
        if m.critic == "concat":
            self.critic = ConcatCritic(image_dim, text_dim)
        else:
            start = OBJECTIVE_STARTS[config.objective.objective]
            scale = start.score_scale if m.score_scale is None else m.score_scale
            bias = start.score_bias if m.score_bias is None else m.score_bias
            self.critic = DotCritic(image_dim, text_dim, m.units, scale, bias)

    @property
    def device(self) -> torch.device:
        """The device the weights are on."""
        return next(self.parameters()).device

    def image_features(self, images: Tensor) -> Tensor:
        """Return what the critic sees of images: pooled backbone features, of frozen encoders standardised.

        Args:
            images: (B, 3, S, S), or the image encoder's output where it was computed before, (B, image_dim).

        Returns:
            (B, image_dim).
        """
        images = images.to(self.device)
        features = images if images.ndim == 2 else self.image_encoder(images)
        return self.standardize["image"](features) if self.standardize else features

    def text_features(self, captions: Captions) -> Tensor:
        """Return what the critic sees of captions: the text encoder's output, of a frozen one standardised.

        Args:
            captions: B captions, or their tokens; or the encoder's output computed before: {"features": (B, text_dim)}.

        Returns:
            (B, text_dim).
        """
        tokens = captions if isinstance(captions, Mapping) else tokenize(self.tokenizer, captions)
        tokens = {name: ids.to(self.device) for name, ids in tokens.items()}
        features = tokens["features"] if "features" in tokens else self.text_encoder(tokens)
        return self.standardize["text"](features) if self.standardize else features

    def encode_image(self, images: Tensor) -> Tensor:
        """Return image embeddings in the joint space: (B, 3, S, S) -> (B, units) float32, L2-normalised.

        Raises:
            TypeError: the model has a concat critic, which has no joint space.
        """
        return self._dot_critic().project_image(self.image_features(images))

    def encode_text(self, captions: Captions) -> Tensor:
        """Return caption embeddings in the joint space: B captions or tokens -> (B, units) float32, L2-normalised.

        Raises:
            TypeError: the model has a concat critic, which has no joint space.
        """
        return self._dot_critic().project_text(self.text_features(captions))

    def score(self, images: Tensor, captions: Captions) -> Tensor:
        """Return the critic's scores T(x_i, y_i) of aligned pairs: B images, B captions -> (B,) float32."""
        return self.critic(self.image_features(images), self.text_features(captions))

    def _dot_critic(self) -> DotCritic:
        if not isinstance(self.critic, DotCritic):
            raise TypeError(
                "critic: 'concat' has no joint space; use model.critic.pairwise on features, or critic = 'dot'"
            )
        return self.critic

    def save(self, directory: str | Path) -> Path:
        """Write model.safetensors, config.json, the text encoder's config and the tokenizer.

        Args:
            directory: created if needed.

        Returns:
            The directory.
        """
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        write_weights(directory / "model.safetensors", self.state_dict())
        content = self.config.to_dict() | {NOTES: {"vocabulary": vocabulary_digest(self.tokenizer)}}
        (directory / "config.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        self.text_encoder.bert.config.save_pretrained(directory / "text")
        self.tokenizer.save_pretrained(directory / "tokenizer")
        return directory

    @classmethod
    def load(cls, source: str | Path, revision: str | None = None) -> CLIPLite:
        """Read what `save` wrote; the model comes back in evaluation mode, on the CPU.

        Args:
            source: a directory written by `save`, the run directory around it, or a hub id `OWNER/NAME`.
            revision: branch, tag or commit on the hub. None = its main branch.

        Raises:
            FileNotFoundError: there is no such model here or on the hub, or a part is missing; the message names it.
            ValueError: a part is broken or does not fit the others; the message names the file and the field or the
                first tensors. A directory may come from anywhere: nothing in it is run, and nothing is allocated before
                its sizes were found to be those of its tensors.
        """
        directory = find_model(source, revision)
        parts = read_parts(directory)
        tokenizer = read_tokenizer(directory / "tokenizer", parts)
        path = directory / "model.safetensors"
        claimed = f"{directory / 'config.json'}: {parts.claims()}: {path}"
        with torch.device("meta"):  # shapes without memory
            expect_shapes(cls._blank(directory, parts, tokenizer), parts.shapes, claimed)
        model = cls._blank(directory, parts, tokenizer)
        load_weights(model, read_weights(path), str(path))
        model.config = parts.config
        return model.eval()

    @classmethod
    def _blank(cls, directory: Path, parts: ModelParts, tokenizer: PreTrainedTokenizerFast) -> CLIPLite:
        # The saved weights are complete: what they were initialised from need not exist here.
        config = parts.config.override(image_weights="")
        try:
            return cls(config, tokenizer, BertConfig(**parts.text))
        except (ValueError, TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"{directory / 'config.json'}: makes no network: {reason:.300}") from error
