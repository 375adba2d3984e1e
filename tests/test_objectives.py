"""The bounds as functions of scores: against loops, at their limits, and where scores are extreme."""

from __future__ import annotations

import math

import pytest
import torch

from cliplite_core.objectives import OBJECTIVE_STARTS, infonce_bound, jsd_bound, prior_matching_loss, sigmoid_bound

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def log_sigmoid(t: float) -> float:
    return -math.log1p(math.exp(-t)) if t > 0 else t - math.log1p(math.exp(t))


def random_scores(*shape: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("k", [None, 1, 3])
def test_jsd_bound_is_the_equation_summed_term_by_term(k):
    positive = random_scores(5)
    negative = random_scores(5, seed=1) if k is None else random_scores(5, k, seed=1)
    joint = sum(log_sigmoid(t) for t in positive.tolist()) / 5  # -softplus(-T) = log sigmoid(T)
    marginals = [log_sigmoid(-t) for t in negative.flatten().tolist()]
    expected = joint + sum(marginals) / len(marginals)
    assert jsd_bound(positive, negative).item() == pytest.approx(expected, abs=1e-6)


def test_jsd_bound_runs_from_minus_two_log_two_for_a_blind_critic_to_zero_for_a_perfect_one():
    blind = jsd_bound(torch.zeros(3), torch.zeros(3)).item()
    assert blind == pytest.approx(-2 * math.log(2))
    assert jsd_bound(torch.full((3,), 50.0), torch.full((3,), -50.0)).item() == pytest.approx(0, abs=1e-6)
    assert jsd_bound(torch.full((3,), -5.0), torch.full((3,), 5.0)).item() < blind


def test_infonce_bound_is_the_mean_log_probability_of_the_true_pair_in_its_row_and_column():
    scores = random_scores(4, 4)
    total = 0.0
    for i in range(4):
        row = sum(math.exp(scores[i, j].item()) for j in range(4))
        column = sum(math.exp(scores[j, i].item()) for j in range(4))
        total += math.log(math.exp(scores[i, i].item()) / row) + math.log(math.exp(scores[i, i].item()) / column)
    assert infonce_bound(scores).item() == pytest.approx(math.log(4) + total / 8, abs=1e-5)


@pytest.mark.parametrize("size", [2, 7, 64])
def test_infonce_bound_never_exceeds_log_b_and_a_perfect_critic_reaches_it(size):
    for seed in range(20):
        assert infonce_bound(10 * random_scores(size, size, seed=seed)).item() <= math.log(size) + 1e-5
    assert infonce_bound(100 * torch.eye(size)).item() == pytest.approx(math.log(size))
    assert infonce_bound(torch.zeros(size, size)).item() == pytest.approx(0, abs=1e-6)


def test_infonce_bound_sees_rows_and_columns_alike():
    scores = random_scores(6, 6)
    assert infonce_bound(scores).item() == pytest.approx(infonce_bound(scores.T).item())


def test_sigmoid_bound_sums_over_captions_and_averages_over_images():
    scores = random_scores(4, 4)
    total = sum(log_sigmoid((1 if i == j else -1) * scores[i, j].item()) for i in range(4) for j in range(4))
    assert sigmoid_bound(scores).item() == pytest.approx(total / 4, abs=1e-5)


def test_sigmoid_and_jsd_agree_on_two_pairs_where_the_sum_over_negatives_has_one_term():
    scores = random_scores(2, 2)
    jsd = jsd_bound(scores.diagonal(), scores.roll(-1, dims=1).diagonal())
    assert sigmoid_bound(scores).item() == pytest.approx(jsd.item())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("value", [1e4, -1e4])
def test_every_bound_and_its_gradient_are_finite_for_extreme_scores(dtype, value):
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0])
    vector = (value * signs).to(dtype).requires_grad_()
    matrix = (value * torch.outer(signs, torch.ones(4))).to(dtype).requires_grad_()
    bounds = {
        "jsd": jsd_bound(vector, vector.flip(0)),
        "jsd, many negatives": jsd_bound(vector, matrix),
        "infonce": infonce_bound(matrix),
        "sigmoid": sigmoid_bound(matrix),
        "prior": prior_matching_loss(vector, vector),
    }
    for name, bound in bounds.items():
        assert bound.dtype == torch.float32, name
        assert torch.isfinite(bound), name
        gradients = torch.autograd.grad(bound, (vector, matrix), allow_unused=True, retain_graph=True)
        found = [gradient for gradient in gradients if gradient is not None]
        assert found and all(torch.isfinite(gradient).all() for gradient in found), name


def test_a_saturated_wrong_score_still_has_a_gradient():
    positive = torch.full((2,), -1e4, requires_grad=True)
    jsd_bound(positive, torch.zeros(2)).backward()
    assert positive.grad.tolist() == [0.5, 0.5]


def test_a_batch_of_one_raises_and_says_why():
    for bound in (lambda: jsd_bound(torch.zeros(1), torch.zeros(1)), *(
        lambda f=f: f(torch.zeros(1, 1)) for f in (infonce_bound, sigmoid_bound)
    )):  # fmt: skip
        with pytest.raises(ValueError, match="got a batch of 1, expected at least 2"):
            bound()


@pytest.mark.parametrize(
    ("positive", "negative"),
    [((4,), (3,)), ((4, 1), (4,)), ((4,), (4, 2, 2)), ((4,), (2, 4)), ((4,), (4, 0)), ((), ())],
)
def test_jsd_bound_names_shapes_that_do_not_belong_together(positive, negative):
    with pytest.raises(ValueError, match="expected"):
        jsd_bound(torch.zeros(positive), torch.zeros(negative))


@pytest.mark.parametrize("bound", [infonce_bound, sigmoid_bound])
@pytest.mark.parametrize("shape", [(3, 4), (4,), (2, 2, 2)])
def test_matrix_bounds_name_a_shape_that_is_not_square(bound, shape):
    with pytest.raises(ValueError, match=r"scores: got shape .* expected \(B, B\)"):
        bound(torch.zeros(shape))


def test_prior_matching_is_the_released_formula_where_that_is_finite():
    noise, features = random_scores(50), random_scores(50, seed=1)
    released = -(torch.log(torch.sigmoid(noise)).mean() + torch.log(1 - torch.sigmoid(features)).mean())
    assert prior_matching_loss(noise, features).item() == pytest.approx(released.item(), abs=1e-5)


def test_prior_matching_stays_exact_where_the_released_formula_overflows():
    logits = torch.tensor([-1e4, 1e4])
    assert torch.isinf(torch.log(1 - torch.sigmoid(logits))).any()
    assert prior_matching_loss(logits, logits).item() == 1e4  # half of each batch is wrong by 1e4


def test_the_papers_objective_starts_as_the_paper_and_the_baselines_as_theirs():
    assert OBJECTIVE_STARTS["jsd"].prior_weight == 0.1
    assert OBJECTIVE_STARTS["infonce"].prior_weight == OBJECTIVE_STARTS["sigmoid"].prior_weight == 0
    assert OBJECTIVE_STARTS["jsd"].score_scale == OBJECTIVE_STARTS["infonce"].score_scale == 1 / 0.07
    assert (OBJECTIVE_STARTS["sigmoid"].score_scale, OBJECTIVE_STARTS["sigmoid"].score_bias) == (10, -10)
