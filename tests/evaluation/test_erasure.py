import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from cliplite_core.evaluation.erasure import LeaceEraser, group_masks


def planted(n=600, dims=12, seed=0):
    """Correlated features of very different scales, in which three of the axes know the label."""
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(n) < 0.3, "woman", "man")
    features = rng.normal(size=(n, dims)) @ rng.normal(size=(dims, dims)) * np.geomspace(0.1, 10, dims)
    features[:, :3] += np.outer(labels == "woman", [0.2, -0.5, 1.0])
    return features + 5, labels


def brute_force(features, labels):
    """Minimise E|r(x) - x|² over affine r with Cov(r(x), z) = 0, row by row as a constrained least-squares problem."""
    x = features - features.mean(0)
    z = np.stack([labels == name for name in np.unique(labels)[1:]], axis=1).astype(float)
    covariance = x.T @ x / len(x)
    crossed = x.T @ (z - z.mean(0)) / len(x)
    dims, constraints = crossed.shape
    # Stationarity and constraint of min_a (a - e)ᵀ C (a - e) subject to crossedᵀ a = 0, for all unit vectors e at once.
    system = np.block([[covariance, crossed], [crossed.T, np.zeros((constraints, constraints))]])
    rows = np.linalg.solve(system, np.concatenate([covariance, np.zeros((constraints, dims))]))[:dims]
    return features.mean(0) + x @ rows


def project_mean_difference(features, labels):
    difference = features[labels == "man"].mean(0) - features[labels == "woman"].mean(0)
    difference /= np.linalg.norm(difference)
    return features - np.outer((features - features.mean(0)) @ difference, difference)


def test_erased_groups_have_the_same_mean():
    features, labels = planted()
    erased = LeaceEraser.fit(features, labels)(features)
    np.testing.assert_allclose(erased[labels == "man"].mean(0), erased[labels == "woman"].mean(0), atol=1e-5)
    assert np.abs(features[labels == "man"].mean(0) - features[labels == "woman"].mean(0)).max() > 0.3


def test_a_linear_probe_on_the_erased_features_is_a_constant():
    features, labels = planted()
    erased = LeaceEraser.fit(features, labels)(features)

    def accuracy(x):
        probe = LogisticRegression(C=1e4, class_weight="balanced", max_iter=5000).fit(x / x.std(0), labels)
        return balanced_accuracy_score(labels, probe.predict(x / x.std(0)))

    assert accuracy(features) > 0.6
    assert accuracy(erased) == pytest.approx(0.5, abs=0.02)


def test_the_eraser_is_the_least_change_that_erases():
    features, labels = planted()
    np.testing.assert_allclose(LeaceEraser.fit(features, labels)(features), brute_force(features, labels), atol=1e-8)


def test_three_groups_are_erased_together():
    features, labels = planted()
    labels = np.where(features[:, 5] > features[:, 5].mean() + 2, "child", labels)
    eraser = LeaceEraser.fit(features, labels)
    means = [eraser(features)[labels == name].mean(0) for name in ("man", "woman", "child")]
    np.testing.assert_allclose(means, np.tile(features.mean(0), (3, 1)), atol=1e-5)
    np.testing.assert_allclose(eraser(features), brute_force(features, labels), atol=1e-8)
    assert np.linalg.matrix_rank(eraser.projection, tol=1e-8) == 2


def test_features_move_less_than_by_projecting_off_the_mean_difference():
    features, labels = planted()
    leace = np.square(LeaceEraser.fit(features, labels)(features) - features).sum()
    plain = np.square(project_mean_difference(features, labels) - features).sum()
    assert 0 < leace < 0.9 * plain


def test_erasing_twice_changes_nothing_more():
    features, labels = planted()
    eraser = LeaceEraser.fit(features, labels)
    np.testing.assert_allclose(eraser(eraser(features)), eraser(features), atol=1e-8)


def test_features_without_variance_or_in_copies_are_no_trouble():
    features, labels = planted()
    features = np.concatenate([features, features[:, :4], np.full((len(features), 1), 3.0)], axis=1)
    erased = LeaceEraser.fit(features, labels)(features)
    np.testing.assert_allclose(erased[labels == "man"].mean(0), erased[labels == "woman"].mean(0), atol=1e-5)
    np.testing.assert_allclose(erased[:, -1], 3.0)
    np.testing.assert_allclose(erased[:, :4], erased[:, 12:16], atol=1e-8)


def test_unlabelled_items_take_no_part_in_the_fit_but_can_be_erased():
    features, labels = planted()
    some = np.array([*labels[:400], *[None] * 200], dtype=object)
    with_unlabelled, without = LeaceEraser.fit(features, some), LeaceEraser.fit(features[:400], labels[:400])
    np.testing.assert_array_equal(with_unlabelled(features), without(features))


def test_float32_features_stay_float32_and_are_erased_as_well():
    features, labels = planted()
    erased = LeaceEraser.fit(features.astype(np.float32), labels)(features.astype(np.float32))
    assert erased.dtype == np.float32
    np.testing.assert_allclose(erased[labels == "man"].mean(0), erased[labels == "woman"].mean(0), atol=1e-4)


def test_labels_may_be_a_list_an_array_or_a_tensor():
    expected = {0: [True, False, True], 1: [False, True, False]}
    for labels in ([0, 1, 0], np.array([0, 1, 0]), torch.tensor([0, 1, 0])):
        assert {name: mask.tolist() for name, mask in group_masks(labels).items()} == expected


def test_one_group_is_an_error_that_says_which():
    with pytest.raises(ValueError, match=r"found the groups \['man'\]"):
        group_masks(["man", None, "man"])
