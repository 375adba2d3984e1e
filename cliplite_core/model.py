"""CLIPLite: two encoders and a critic, saved as safetensors + JSON and loaded without unpickling anything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoTokenizer, BertConfig, PreTrainedTokenizerFast

from cliplite_core.config import Config
from cliplite_core.critic import ConcatCritic, DotCritic
from cliplite_core.data.tokenizer import tokenize
from cliplite_core.data.transforms import eval_transform
from cliplite_core.encoders import ImageEncoder, TextEncoder
from cliplite_core.objectives import OBJECTIVE_STARTS
from cliplite_core.storage.weights import find_model, load_weights, read_weights

Captions = Sequence[str] | Mapping[str, Tensor]


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
        """Returns pooled backbone features, what linear probes use: (B, 3, S, S) -> (B, image_dim)."""
        return self.image_encoder(images.to(self.device))

    def text_features(self, captions: Captions) -> Tensor:
        """Returns the text encoder's output: B captions, or their tokens, -> (B, text_dim)."""
        tokens = captions if isinstance(captions, Mapping) else tokenize(self.tokenizer, captions)
        return self.text_encoder({name: ids.to(self.device) for name, ids in tokens.items()})

    def encode_image(self, images: Tensor) -> Tensor:
        """Returns image embeddings in the joint space: (B, 3, S, S) -> (B, units) float32, L2-normalised.

        Raises:
            TypeError: the model has a concat critic, which has no joint space.
        """
        return self._dot_critic().project_image(self.image_features(images))

    def encode_text(self, captions: Captions) -> Tensor:
        """Returns caption embeddings in the joint space: B captions or tokens -> (B, units) float32, L2-normalised.

        Raises:
            TypeError: the model has a concat critic, which has no joint space.
        """
        return self._dot_critic().project_text(self.text_features(captions))

    def score(self, images: Tensor, captions: Captions) -> Tensor:
        """Returns the critic's scores T(x_i, y_i) of aligned pairs: B images, B captions -> (B,) float32."""
        return self.critic(self.image_features(images), self.text_features(captions))

    def _dot_critic(self) -> DotCritic:
        if not isinstance(self.critic, DotCritic):
            raise TypeError(
                "critic: 'concat' has no joint space; use model.critic.pairwise on features, or critic = 'dot'"
            )
        return self.critic

    def save(self, directory: str | Path) -> Path:
        """Writes model.safetensors, config.json, the text encoder's config and the tokenizer.

        Args:
            directory: created if needed.

        Returns:
            The directory.
        """
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: tensor.contiguous() for name, tensor in self.state_dict().items()}, directory / "model.safetensors"
        )
        (directory / "config.json").write_text(json.dumps(self.config.to_dict(), indent=2) + "\n", encoding="utf-8")
        self.text_encoder.bert.config.save_pretrained(directory / "text")
        self.tokenizer.save_pretrained(directory / "tokenizer")
        return directory

    @classmethod
    def load(cls, source: str | Path, revision: str | None = None) -> CLIPLite:
        """Reads what `save` wrote; the model comes back in evaluation mode, on the CPU.

        Args:
            source: a directory written by `save`, the run directory around it, or a hub id `OWNER/NAME`.
            revision: branch, tag or commit on the hub. None = its main branch.

        Raises:
            FileNotFoundError: there is no such model here or on the hub, or a part is missing; the message names it.
            ValueError: a part is broken or does not fit the others; the message names the field or the first tensors.
        """
        directory = find_model(source, revision)
        try:
            config = Config.from_dict(json.loads((directory / "config.json").read_text(encoding="utf-8")))
        except (ValueError, KeyError, AttributeError) as error:
            raise ValueError(f"{directory / 'config.json'}: no configuration of CLIPLite.save: {error}") from error
        # The saved weights are complete: what they were initialised from need not exist here.
        blank = config.override(image_weights="")
        bert_config = BertConfig.from_pretrained(directory / "text")
        model = cls(blank, AutoTokenizer.from_pretrained(directory / "tokenizer"), bert_config)
        path = directory / "model.safetensors"
        load_weights(model, read_weights(path), str(path))
        model.config = config
        return model.eval()
