"""The cost of an objective is measured on the very bound that training maximises, and fitted as it should be."""

import numpy as np
import pytest

from cliplite_core.evaluation.cost import fit_exponent, objective_cost

MATRIX_512 = 4 * 512 * 512 / 2**20  # MiB of one matrix of all scores


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_an_exact_power_law_gives_its_exponent(power):
    sizes = [16, 64, 256, 1024]
    assert fit_exponent(sizes, [3e-5 * size**power for size in sizes]) == pytest.approx(power)


def test_small_batches_with_their_fixed_costs_do_not_bend_the_fit():
    sizes = [2, 4, 8, 256, 1024, 4096]
    assert fit_exponent(sizes, [1.0, 1.0, 1.0, 256.0, 1024.0, 4096.0]) == pytest.approx(1.0)


def test_memory_of_one_negative_grows_with_the_batch_and_that_of_all_pairs_with_its_square():
    sizes = (128, 256, 512)
    for objective, power in (("jsd", 1.0), ("infonce", 2.0), ("sigmoid", 2.0)):
        mib = [objective_cost(objective, size, units=8, least=0.0)["mib"] for size in sizes]
        assert np.polyfit(np.log(sizes), np.log(mib), 1)[0] == pytest.approx(power, abs=0.15), (objective, mib)


def test_all_pairs_hold_at_least_the_matrix_of_scores_and_its_gradient():
    cost = objective_cost("infonce", 512, units=8, least=0.0)
    assert 2 * MATRIX_512 < cost["mib"] < 8 * MATRIX_512 and cost["seconds"] > 0
