"""The tick benchmark says what it is said to say, at a size that takes no time."""

import numpy as np
import pytest

from benchmarks.instances import synthetic
from benchmarks.tick import measure, moved_demand
from placement.solve.ticks import STALE


def test_measure_of_ticks_and_a_loss_stays_certified() -> None:
    found = measure(200, 12, 0, 2)

    assert 0 <= float(found["tick_true_gap"] or 0) <= float(found["tick_certified_gap"] or 1) <= STALE
    assert float(found["tick_by_source_certified_gap"] or 1) <= STALE
    assert 0 <= float(found["region_loss_true_gap"] or 0) <= float(found["region_loss_certified_gap"] or 1) <= 2 * STALE
    assert float(found["region_loss_stale_gap"] or 0) > STALE


@pytest.mark.parametrize("by_source", [False, True])
def test_moved_demand_moves_those_services_and_no_others(by_source: bool) -> None:
    problem = synthetic(60, 8)
    moved = np.arange(60) < 6

    today = moved_demand(problem, moved, np.random.default_rng(0), by_source=by_source)

    changed = today.demands.rps != problem.demands.rps
    np.testing.assert_array_equal(changed, moved[problem.demands.service])
    total = [np.bincount(each.demands.service, each.demands.rps, 60) for each in (problem, today)]
    np.testing.assert_allclose(
        today.losses.survive_rps / problem.losses.survive_rps, (total[1] / total[0])[problem.losses.service]
    )
