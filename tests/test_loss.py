"""A training step's forward pass: the right pairs, the right bound, the right weights of its terms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from cliplite_core.critic import ConcatCritic, DotCritic
from cliplite_core.data.tokenizer import tokenize
from cliplite_core.loss import Pretraining, gather
from cliplite_core.model import CLIPLite
from cliplite_core.objectives import infonce_bound, jsd_bound, prior_matching_loss, rolled_scores, sigmoid_bound

TEXTS = ["a red dog", "two birds on the grass", "the moon", "a man rides a horse", "a dog and a moon"]


def images(n: int = 5) -> Tensor:
    return torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def pretraining(model, tokenizer):
    def build(**fields: object) -> Pretraining:
        torch.manual_seed(0)
        return Pretraining(CLIPLite(model.config.override(**fields), tokenizer)).eval()

    return build


def embedded(kind: type, n: int) -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    critic = kind(3, 2, 8).eval()
    return critic, *critic.embed(torch.randn(n, 3), torch.randn(n, 2))


def step(pretraining: Pretraining, n: int = 5) -> dict[str, Tensor]:
    return pretraining(images(n), tokenize(pretraining.model.tokenizer, TEXTS[:n]))


def all_scores(pretraining: Pretraining) -> Tensor:
    model = pretraining.model
    return model.critic.pairwise(model.image_features(images()), model.text_features(TEXTS))


def test_the_negative_of_an_image_is_the_caption_of_the_next_item_and_the_last_ones_is_the_first():
    critic, a, b = embedded(DotCritic, 4)
    scores = critic.cross(a, b)
    expected = torch.stack([scores[0, 1], scores[1, 2], scores[2, 3], scores[3, 0]])
    torch.testing.assert_close(rolled_scores(critic, a, b, 1)[:, 0], expected)


@pytest.mark.parametrize("kind", [DotCritic, ConcatCritic])
def test_k_negatives_are_rolls_by_one_to_k_and_all_of_them_are_every_other_pair(kind):
    critic, a, b = embedded(kind, 5)
    scores = critic.cross(a, b)
    for k in range(1, 5):
        expected = torch.stack([scores[i, (i + j) % 5] for i in range(5) for j in range(1, k + 1)]).view(5, k)
        torch.testing.assert_close(rolled_scores(critic, a, b, k), expected, rtol=0, atol=1e-5)
    everything = rolled_scores(critic, a, b, 4).flatten().sort().values
    torch.testing.assert_close(everything, scores[~torch.eye(5, dtype=torch.bool)].sort().values)


@pytest.mark.parametrize("k", [0, 5, -1])
def test_a_batch_without_k_other_captions_is_named(k):
    critic, a, b = embedded(DotCritic, 5)
    with pytest.raises(ValueError, match=rf"negatives: got {k} for a batch of 5, expected 1 … 4"):
        rolled_scores(critic, a, b, k)


@pytest.mark.parametrize("objective", ["jsd", "infonce", "sigmoid"])
@pytest.mark.parametrize("critic", ["dot", "concat"])
def test_each_objective_is_its_bound_of_the_scores_of_the_batch(pretraining, objective, critic):
    training = pretraining(objective=objective, critic=critic)
    output, scores = step(training), all_scores(training)
    expected = {
        "jsd": jsd_bound(scores.diagonal(), scores.roll(-1, dims=1).diagonal()),
        "infonce": infonce_bound(scores),
        "sigmoid": sigmoid_bound(scores),
    }[objective]
    torch.testing.assert_close(output["bound"], expected.detach(), rtol=0, atol=1e-5)
    torch.testing.assert_close(output["positive"], scores.diagonal().detach(), rtol=0, atol=1e-5)
    torch.testing.assert_close(output["negative"], scores.roll(-1, dims=1).diagonal().detach(), rtol=0, atol=1e-5)


def test_with_k_negatives_the_marginals_are_averaged_over_all_of_them(pretraining):
    training = pretraining(negatives=4)
    output, scores = step(training), all_scores(training)
    others = scores[~torch.eye(5, dtype=torch.bool)].view(5, 4)
    torch.testing.assert_close(output["bound"], jsd_bound(scores.diagonal(), others).detach(), rtol=0, atol=1e-5)


def test_the_loss_weighs_the_bound_against_prior_matching_of_both_modalities(pretraining):
    training = pretraining(text_prior=True)
    torch.manual_seed(7)
    output = step(training)
    torch.manual_seed(7)  # the same noise
    x, y = training.model.image_features(images()), training.model.text_features(TEXTS)
    expected = sum(
        prior_matching_loss(training.priors[name](torch.rand_like(z)), training.priors[name](z))
        for name, z in (("image", x), ("text", y))
    )
    torch.testing.assert_close(output["prior"], expected.detach())
    torch.testing.assert_close(output["loss"], -0.9 * output["bound"] + 0.1 * expected)
    assert output["loss"].requires_grad and not any(
        output[name].requires_grad for name in ("bound", "prior", "positive")
    )


@pytest.mark.parametrize(
    ("fields", "weight", "priors"),
    [
        ({"objective": "jsd"}, 0.1, ["image"]),
        ({"objective": "jsd", "text_prior": True}, 0.1, ["image", "text"]),
        ({"objective": "jsd", "image_prior": False}, 0.1, []),
        ({"objective": "jsd", "prior_weight": 0.0}, 0.0, []),
        ({"objective": "infonce"}, 0.0, []),
        ({"objective": "sigmoid", "prior_weight": 0.3}, 0.3, ["image"]),
    ],
    ids=str,
)
def test_priors_are_matched_as_the_objectives_paper_has_it_unless_told(pretraining, fields, weight, priors):
    training = pretraining(**fields)
    assert (training.prior_weight, sorted(training.priors)) == (weight, priors)
    output = step(training)
    assert (output["prior"] > 0) == bool(priors)
    torch.testing.assert_close(output["loss"], -(1 - weight) * output["bound"] + weight * output["prior"])


@pytest.mark.parametrize("objective", ["jsd", "infonce", "sigmoid"])
def test_a_batch_of_one_raises(pretraining, objective):
    with pytest.raises(ValueError, match="batch of 1"):
        step(pretraining(objective=objective), n=1)


@pytest.mark.parametrize("objective", ["jsd", "infonce", "sigmoid"])
def test_every_parameter_gets_a_finite_gradient(pretraining, objective):
    training = pretraining(objective=objective, text_prior=True).train()
    step(training)["loss"].backward()
    for name, parameter in training.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


def test_under_bfloat16_autocast_critic_and_loss_stay_in_float32(pretraining):
    training = pretraining(text_prior=True)
    kinds = {}
    training.model.image_encoder.register_forward_hook(lambda *call: kinds.update(encoder=call[2].dtype))
    training.model.critic.image_block.register_forward_hook(lambda *call: kinds.update(critic=call[2].dtype))
    training.priors["image"].register_forward_hook(lambda *call: kinds.update(prior=call[2].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        output = step(training)
    assert kinds == {"encoder": torch.bfloat16, "critic": torch.float32, "prior": torch.float32}
    assert all(value.dtype == torch.float32 and torch.isfinite(value).all() for value in output.values())
    assert output["bound"].item() == pytest.approx(step(training)["bound"].item(), abs=0.5)


def test_alone_gathering_returns_the_features_as_they_are():
    features = torch.randn(3, 2)
    assert gather(features) is features


@pytest.mark.parametrize("kind", [DotCritic, ConcatCritic])
def test_the_images_of_the_next_items_are_scored_with_each_caption(kind):
    critic, a, b = embedded(kind, 5)
    scores = critic.cross(a, b)
    for k in (1, 2, 4):
        expected = torch.stack([scores[(i + j) % 5, i] for i in range(5) for j in range(1, k + 1)]).view(5, k)
        torch.testing.assert_close(rolled_scores(critic, a, b, k, of_images=True), expected, rtol=0, atol=1e-5)


def test_infonce_with_all_other_items_as_negatives_is_the_full_infonce(pretraining):
    few, full = (step(pretraining(objective="infonce", negatives=k)) for k in (4, None))
    torch.testing.assert_close(few["bound"], full["bound"], rtol=0, atol=1e-5)
    torch.testing.assert_close(few["negative"], full["negative"], rtol=0, atol=1e-5)


def test_jsd_summed_over_all_other_items_is_the_sigmoid_loss_on_the_same_scores(pretraining):
    training = pretraining(negatives=4, negative_sum=True)
    scores = all_scores(training)
    torch.testing.assert_close(step(training)["bound"], sigmoid_bound(scores).detach(), rtol=0, atol=1e-4)


def from_uniform(features: Tensor) -> float:
    """Kolmogorov's distance of features in (0, 1) from the uniform distribution, the largest over dimensions."""
    ordered, steps = features.sort(dim=0).values, torch.linspace(0, 1, len(features))[:, None]
    return (ordered - steps).abs().max().item()


@pytest.mark.parametrize("prior", ["released", "adversarial"])
def test_only_the_adversarial_prior_moves_features_towards_the_noise(pretraining, prior):
    # The truth is known: x is normal, so the map that matches x to uniform noise is its distribution function.
    training = pretraining(prior=prior).train()
    torch.manual_seed(0)
    encoder, discriminator = (
        nn.Linear(1, 1),
        nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0)),
    )
    nn.init.constant_(encoder.weight, 0.3), nn.init.constant_(encoder.bias, 2.0)  # all features near 0.88
    training.priors = nn.ModuleDict({"image": discriminator})
    x = torch.randn(512, 1)
    before = from_uniform(encoder(x).sigmoid().detach())
    optimizer = torch.optim.Adam([*encoder.parameters(), *discriminator.parameters()], lr=1e-2)
    for _ in range(1500):
        optimizer.zero_grad()
        loss = training._prior("image", encoder(x))
        loss.backward()
        optimizer.step()
    after = from_uniform(encoder(x).sigmoid().detach())
    if prior == "adversarial":
        assert after < 0.2 < before and loss.item() == pytest.approx(2 * math.log(2), abs=0.15)
    else:
        assert after > before and loss.item() < 0.1  # the term vanishes while the features flee from the noise


def test_a_few_steps_raise_the_bound(pretraining):
    training = pretraining().train()
    optimizer = torch.optim.AdamW(training.parameters(), lr=3e-3)
    for _ in range(40):
        output = step(training)
        optimizer.zero_grad()
        output["loss"].backward()
        optimizer.step()
    assert output["bound"] > -0.5 > -2 * math.log(2)


def test_image_dropout_hides_image_features_while_training_and_never_afterwards(pretraining):
    plain, dropping = pretraining(), pretraining(image_dropout=0.5)
    assert torch.equal(step(dropping)["positive"], step(plain)["positive"]), "evaluation sees all of them"
    seen, bound = [], dropping.bound
    dropping.bound = lambda x, y: seen.extend([x, y]) or bound(x, y)
    step(dropping.train())
    assert 0.2 < (seen[0] == 0).double().mean() < 0.8
    assert not (seen[1] == 0).any()
