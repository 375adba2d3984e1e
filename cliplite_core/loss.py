"""One training step's forward pass: from a batch of pairs to the paper's equation 5, for any objective."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed.nn.functional as collective
from torch import Tensor, nn
from torch.func import functional_call

from cliplite_core.critic import PriorDiscriminator
from cliplite_core.model import CLIPLite
from cliplite_core.objectives import OBJECTIVE_STARTS, fooling_loss, objective_bound, prior_matching_loss


class Pretraining(nn.Module):
    """A model with its objective: loss = (1 - w)·(-bound) + w·(prior matching).

    Encoders run under the caller's autocast; critic, bound and priors always in float32. With several processes the
    features are gathered (with gradient), so the objective sees the global batch however many processes share it.

    Args:
        model: encoders and critic; its config says which bound, how many negatives and which priors.
    """

    def __init__(self, model: CLIPLite) -> None:
        super().__init__()
        self.model, self.objective = model, model.config.objective
        weight = self.objective.prior_weight
        self.prior_weight = OBJECTIVE_STARTS[self.objective.objective].prior_weight if weight is None else weight
        priors = {}
        if self.prior_weight and self.objective.image_prior:
            priors["image"] = PriorDiscriminator(model.image_encoder.dim)
        if self.prior_weight and self.objective.text_prior:
            priors["text"] = PriorDiscriminator(model.text_encoder.dim)
        self.priors = nn.ModuleDict(priors)
        self.dropout = nn.Dropout(model.config.model.image_dropout)

    def forward(self, images: Tensor, tokens: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss of one batch and what it is made of.

        Args:
            images: (B, 3, S, S) float32.
            tokens: `input_ids` and `attention_mask`, (B, L) int64.

        Returns:
            Scalars `loss`, `bound`, `prior`, and the detached scores `positive`, `negative`, each (B,), float32.
        """
        x, y = self.dropout(self.model.image_features(images)), self.model.text_features(tokens)
        with torch.autocast(x.device.type, enabled=False):
            x, y = gather(x.float()), gather(y.float())  # shape: (global B, D), (global B, E)
            bound, positive, negative = self.bound(x, y)
            prior = sum((self._prior(name, z) for name, z in (("image", x), ("text", y))), start=x.new_zeros(()))
            loss = (1 - self.prior_weight) * -bound + self.prior_weight * prior
        return {
            "loss": loss,
            "bound": bound.detach(),
            "prior": prior.detach(),
            "positive": positive.detach(),
            "negative": negative.detach(),
        }

    def bound(self, image_features: Tensor, text_features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the objective's bound with the scores of true pairs and of pairs rolled by one.

        Args:
            image_features: (B, D). text_features: (B, E).

        Returns:
            Scalar bound, (B,) positive scores, (B,) scores of each image with the next item's caption.
        """
        a, b = self.model.critic.embed(image_features, text_features)
        return objective_bound(self.model.critic, a, b, self.objective)

    def _prior(self, name: str, features: Tensor) -> Tensor:
        if name not in self.priors:
            return features.new_zeros(())
        discriminator, noise = self.priors[name], torch.rand_like(features)
        if self.objective.prior == "released":
            return prior_matching_loss(discriminator(noise), discriminator(features))
        squashed = features.sigmoid()  # into (0, 1), where the noise lives
        fixed = {key: weight.detach() for key, weight in discriminator.named_parameters()}
        fooling = fooling_loss(functional_call(discriminator, fixed, squashed))
        matching = prior_matching_loss(discriminator(noise), discriminator(squashed.detach()))
        return matching + fooling - fooling.detach()  # reads as the discriminator's loss: 2 log 2 where all is matched


def gather(features: Tensor) -> Tensor:
    """Gather features over processes with gradient, in the order of the global batch; alone, returns them as they are.

    Every process computes the loss of the whole batch, so the gradients that DistributedDataParallel averages are the
    gradients of one process on one big batch (batch norm of the encoders aside).

    Args:
        features: (B / world, D); process r holds the items r, r + world, … of the batch.

    Returns:
        (B, D).
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return features
    return torch.stack(collective.all_gather(features), dim=1).flatten(0, 1)  # shape: (B / world, world, D) -> (B, D)
