"""The cost of an objective is measured on the very bound that training maximises, and fitted as it should be."""

import numpy as np
import pandas as pd
import pytest

from cliplite_core.evaluation.cost import (
    EXPONENTS,
    MEMORY,
    TIME,
    exponents,
    fit_exponent,
    objective_cost,
    objective_costs,
)

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


def test_a_table_of_costs_has_a_line_per_objective_and_batch_size():
    costs = objective_costs([2, 4], objectives=["jsd"])
    assert costs.index.tolist() == [("jsd", 2), ("jsd", 4)] and list(costs) == [TIME, MEMORY]
    assert (costs > 0).all(axis=None)


def test_each_objective_and_each_kind_of_cost_has_its_own_exponent():
    index = pd.MultiIndex.from_product([["infonce", "jsd"], [2, 4, 8]], names=["objective", "batch_size"])
    costs = pd.DataFrame({TIME: [4.0, 16.0, 64.0, 2.0, 4.0, 8.0], MEMORY: [1.0] * 6}, index=index)
    powers = exponents(costs)
    assert powers.index.tolist() == ["infonce", "jsd"] and list(powers) == list(EXPONENTS.values())
    assert powers["exponent of seconds"].tolist() == pytest.approx([2.0, 1.0])
    assert powers["exponent of mib"].tolist() == pytest.approx([0.0, 0.0], abs=1e-9)
