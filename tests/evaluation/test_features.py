"""Feature extraction: order, modes, labels dropped, bad outputs named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from cliplite_core.evaluation.features import evaluating, extract


class Encoder(nn.Module):
    """Batch norm and dropout: two layers whose output depends on the mode."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(4), nn.Dropout(0.5)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.drop(self.norm(inputs))

    def lengths(self, texts: list[str]) -> torch.Tensor:
        return torch.tensor([[len(text)] for text in texts])


def test_features_keep_the_order_of_the_items_whatever_the_batch_size():
    images = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    for batch_size in (1, 3, 10, 64):
        assert np.array_equal(extract(lambda x: x * 2, list(images), batch_size), (images * 2).numpy())


def test_a_training_network_is_run_in_eval_mode_and_given_back_as_it_was():
    encoder = Encoder().train()
    encoder.drop.eval()  # a part frozen by its owner must stay frozen
    statistics = encoder.norm.running_mean.clone()
    images = torch.randn(10, 4, generator=torch.Generator().manual_seed(0)) + 5
    features = extract(encoder, list(images), batch_size=4)
    assert np.allclose(features, images / (1 + encoder.norm.eps) ** 0.5, atol=1e-6)  # fresh statistics: mean 0, var 1
    assert torch.equal(encoder.norm.running_mean, statistics)
    assert (encoder.training, encoder.norm.training, encoder.drop.training) == (True, True, False)


def test_modes_come_back_even_when_the_network_fails():
    encoder = Encoder().train()
    with pytest.raises(RuntimeError), evaluating(encoder):
        raise RuntimeError("out of memory")
    assert encoder.training and encoder.norm.training


def test_labels_of_a_data_set_are_left_aside():
    images = torch.arange(6.0).reshape(3, 2)
    features = extract(nn.Identity(), TensorDataset(images, torch.tensor([7, 8, 9])), batch_size=2)
    assert np.array_equal(features, images.numpy())


def test_texts_reach_a_bound_method_as_a_list_of_strings():
    features = extract(Encoder().lengths, ["a", "bcd", ""], batch_size=2)
    assert features.dtype == np.float32
    assert features.tolist() == [[1.0], [3.0], [0.0]]


def test_no_gradient_graph_is_kept():
    seen = []
    layer = nn.Linear(2, 2)

    def remember(inputs: torch.Tensor) -> torch.Tensor:
        seen.append(layer(inputs))
        return seen[-1]

    extract(remember, [torch.ones(2)])
    assert not seen[0].requires_grad


def test_bad_outputs_are_named():
    images = [torch.ones(2), torch.full((2,), torch.nan)]
    with pytest.raises(ValueError, match="items 1 to 1 gave NaN"):
        extract(nn.Identity(), images, batch_size=1)
    with pytest.raises(ValueError, match=r"expected \(2, D\)"):
        extract(lambda x: x.sum(), [torch.ones(2)] * 2)
    with pytest.raises(ValueError, match="found none"):
        extract(nn.Identity(), [])
