"""Critics: the released weights map onto ours, and scoring all pairs is scoring each pair."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cliplite_core.critic import ConcatCritic, DotCritic, PriorDiscriminator, ProjectionBlock


class ReleasedBlock(nn.Module):
    """The released projection block, written down from its parameter names."""

    def __init__(self, dim: int, units: int) -> None:
        super().__init__()
        self.feature_nonlinear = nn.Sequential(
            nn.Linear(dim, units, bias=False), nn.BatchNorm1d(units), nn.ReLU(), nn.Linear(units, units)
        )
        self.feature_shortcut = nn.Linear(dim, units)
        self.feature_block_ln = nn.LayerNorm(units)

    def forward(self, x: Tensor) -> Tensor:
        return self.feature_block_ln(self.feature_nonlinear(x) + self.feature_shortcut(x))


class ReleasedCritic(nn.Module):
    def __init__(self, image_dim: int, text_dim: int, units: int) -> None:
        super().__init__()
        self.img_block, self.text_block = ReleasedBlock(image_dim, units), ReleasedBlock(text_dim, units)
        self.temperature = nn.Parameter(torch.ones([]) * math.log(1 / 0.07))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        a, b = F.normalize(self.img_block(x), dim=-1), F.normalize(self.text_block(y), dim=-1)
        return torch.einsum("nd,nd->n", a, b) * self.temperature.exp()


class ReleasedPrior(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.l0, self.l1, self.l2 = nn.Linear(dim, 1000), nn.Linear(1000, 200), nn.Linear(200, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.l2(F.relu(self.l1(F.relu(self.l0(x))))))


def trained_release() -> ReleasedCritic:
    torch.manual_seed(0)
    released = ReleasedCritic(image_dim=12, text_dim=7, units=20)
    with torch.no_grad():
        for value in released.state_dict().values():  # weights, and the running statistics of batch norm
            if value.is_floating_point():
                value.add_(0.3 * torch.rand_like(value))
    return released


def features(n: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 12, generator=generator), torch.randn(n, 7, generator=generator)


def critics() -> list[nn.Module]:
    torch.manual_seed(0)
    return [DotCritic(12, 7, units=20), DotCritic(12, 7, units=20, bias=-3.0), ConcatCritic(12, 7, hidden=16)]


every_critic = pytest.mark.parametrize("critic", critics(), ids=["dot", "dot with bias", "concat"])


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_released_weights_give_the_released_scores(training):
    released, ours = trained_release().train(training), DotCritic(12, 7, units=20).train(training)
    ours.load_released(released.state_dict())
    x, y = features(9)
    torch.testing.assert_close(ours(x, y), released(x, y), rtol=0, atol=1e-5)
    rolled = torch.cat((y[1:], y[:1]))
    torch.testing.assert_close(ours(x, rolled), released(x, rolled), rtol=0, atol=1e-5)


def test_released_weights_of_another_shape_or_name_are_refused():
    state = trained_release().state_dict()
    with pytest.raises(RuntimeError, match="size mismatch"):
        DotCritic(12, 7, units=24).load_released(state)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        DotCritic(12, 7, units=20).load_released(state | {"visual_d.temperature": torch.zeros(())})
    del state["img_block.feature_shortcut.bias"]
    with pytest.raises(RuntimeError, match=r"Missing key.*image_block.shortcut.bias"):
        DotCritic(12, 7, units=20).load_released(state)


def test_released_prior_weights_load_as_they_are_and_give_the_released_probabilities():
    torch.manual_seed(0)
    released, ours = ReleasedPrior(12), PriorDiscriminator(12)
    ours.load_state_dict(released.state_dict())
    x, _ = features(9)
    torch.testing.assert_close(torch.sigmoid(ours(x)), released(x).squeeze(-1), rtol=0, atol=1e-6)


@every_critic
def test_the_diagonal_of_all_pairs_is_the_aligned_scores(critic):
    x, y = features(6)
    torch.testing.assert_close(critic.eval().pairwise(x, y).diagonal(), critic(x, y), rtol=0, atol=1e-5)
    torch.testing.assert_close(critic.train().pairwise(x, y).diagonal(), critic(x, y), rtol=0, atol=1e-5)


@every_critic
def test_scoring_all_pairs_is_scoring_each_pair(critic):
    critic.eval()
    x, y = features(4)[0], features(3, seed=2)[1]
    scores = critic.pairwise(x, y)
    assert scores.shape == (4, 3)
    for i in range(4):
        for j in range(3):
            torch.testing.assert_close(scores[i, j], critic(x[i : i + 1], y[j : j + 1])[0], rtol=0, atol=1e-5)


@every_critic
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_scores_are_float32_whatever_the_encoders_give(critic, dtype):
    x, y = (z.to(dtype) for z in features(4))
    assert critic(x, y).dtype == critic.pairwise(x, y).dtype == torch.float32


@every_critic
def test_wrong_shapes_are_named(critic):
    x, y = features(4)
    with pytest.raises(ValueError, match="4 images for 3 captions"):
        critic(x, y[:3])
    with pytest.raises(ValueError, match=r"text_features: got shape \(4, 12\), expected \(·, 7\)"):
        critic(x, x)
    with pytest.raises(ValueError, match=r"image_features: got shape \(12,\)"):
        critic.pairwise(x[0], y)


def test_projections_have_unit_length_and_their_scaled_cosine_is_the_score():
    critic = critics()[1].eval()
    x, y = features(5)
    a, b = critic.project_image(x), critic.project_text(y)
    assert a.shape == b.shape == (5, 20)
    torch.testing.assert_close(a.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(b.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(critic(x, y), F.cosine_similarity(a, b) / 0.07 - 3, rtol=0, atol=1e-5)


def test_the_scale_starts_as_asked_is_learned_and_never_exceeds_100():
    critic = DotCritic(12, 7, units=20)
    assert critic.scale.item() == pytest.approx(1 / 0.07, rel=1e-6)
    critic(*features(4)).sum().backward()
    assert critic.temperature.grad.abs() > 0
    with torch.no_grad():
        critic.temperature.fill_(50.0)
    assert critic.scale.item() == pytest.approx(100, rel=1e-6)
    assert critic(*features(4)).abs().max() <= 100.001


@pytest.mark.parametrize("scale", [0.0, -1.0, 101.0])
def test_a_scale_out_of_range_is_named(scale):
    with pytest.raises(ValueError, match="score_scale: got"):
        DotCritic(12, 7, units=20, scale=scale)


def test_without_a_bias_the_critic_has_the_released_parameters_and_no_more():
    assert "bias" not in DotCritic(12, 7, units=20).state_dict()
    assert DotCritic(12, 7, units=20, bias=-10.0).state_dict()["bias"].item() == -10


@pytest.mark.parametrize(("dim", "units"), [(6, 10), (10, 6)])
def test_the_shortcut_starts_as_a_noisy_copy(dim, units):
    weight = ProjectionBlock(dim, units).shortcut.weight
    assert weight.shape == (units, dim)
    assert torch.equal(weight.diagonal(), torch.ones(min(dim, units)))
    off = weight[~torch.eye(units, dim, dtype=torch.bool)]
    assert off.abs().max() <= 0.01 and off.std() > 0.004


def test_the_concat_critic_is_an_mlp_on_both_features():
    critic = critics()[2]
    x, y = features(3)
    h = torch.cat([x, y], dim=1)
    for layer in (critic.l0, critic.l1):
        h = (h @ layer.weight.T + layer.bias).clamp(min=0)
    torch.testing.assert_close(critic(x, y), (h @ critic.l2.weight.T + critic.l2.bias)[:, 0])
    assert [critic.l0.out_features, ConcatCritic(12, 7).l0.out_features] == [16, 512]
