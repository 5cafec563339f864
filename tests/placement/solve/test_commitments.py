"""Commitments: the two-stage program against the newsvendor's rule and brute force."""

import numpy as np
import pytest

from placement.columns import floats
from placement.solve.commitments import Market, best_mix

HOURS = floats(np.r_[np.full(12, 4.0), np.full(12, 10.0)])


def test_commitment_when_a_node_runs_more_hours_than_it_costs_is_made() -> None:
    """At 40 % off a node pays that runs more than 60 % of the hours: four run always, six run half the time."""
    mix = best_mix(Market(1.0, None, 0.0, floats([0.4])), [HOURS], floats([1.0]))

    assert mix.committed.tolist() == pytest.approx([4.0])
    assert mix.usd_per_hour == pytest.approx(4 * 0.6 + 3.0)
    assert mix.all_on_demand_usd_per_hour == pytest.approx(7.0)
    assert mix.regret_usd.tolist() == pytest.approx([0.0])


def test_commitment_over_uncertain_demand_hedges_and_says_its_regret() -> None:
    demand = [floats(np.full(24, n)) for n in (2.0, 6.0, 12.0)]
    market, chance = Market(1.0, None, 0.0, floats([0.5])), floats([0.3, 0.4, 0.3])
    mix = best_mix(market, demand, chance)

    def cost(x: float) -> float:
        return float(sum(p * (0.5 * x + max(d[0] - x, 0.0)) for p, d in zip(chance, demand, strict=True)))

    assert mix.usd_per_hour == pytest.approx(min(cost(x) for x in np.linspace(0, 12, 121)))
    assert mix.committed[0] == pytest.approx(6.0)
    assert mix.regret_usd.tolist() == pytest.approx([2.0, 0.0, 3.0])


def test_spot_when_some_may_be_interrupted_takes_its_part_of_what_is_not_committed() -> None:
    mix = best_mix(Market(1.0, 0.3, 0.5, floats([])), [HOURS], floats([1.0]))

    assert mix.spot == pytest.approx(3.5)
    assert mix.usd_per_hour == pytest.approx(3.5 + 3.5 * 0.3)
