from dataclasses import replace

import numpy as np
import pytest

from placement.columns import floats
from placement.losses import domains
from placement.problem import Prices, Problem, formulate
from placement.readings import Readings
from placement.solve.linear import solve
from placement.solve.resilience import _program, standby
from placement.standby import covering, pairs, raw_usd, service_demand
from placement.workloads import SURVIVE_UTILIZATION
from simulator.trio import declared, trio
from tests.placement.fleets import problem_of, snapshot_of


def trio_problem() -> Problem:
    """Three like clusters, each a region of its own."""
    fleet = trio()
    return formulate(fleet, snapshot_of(fleet, declared(fleet)), Prices())


def test_standby_of_three_equal_clusters_is_the_textbook_half_more() -> None:
    problem = trio_problem()

    found = standby(problem)

    assert found.overhead_bound_ratio == pytest.approx(1.5 / SURVIVE_UTILIZATION - 1), "N / (N - 1), N = 3"
    demand = service_demand(problem)
    paid = problem.capacity_rps.sum()
    assert found.overhead_ratio == pytest.approx(paid / demand.sum() - 1, rel=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_standby_prices_rise_with_the_losses_to_outlive(seed: int) -> None:
    found = standby(problem_of(seed, services=6, clusters=7))

    assert 0 < found.today_usd_per_hour <= found.n1_usd_per_hour <= found.n2_usd_per_hour
    assert found.resilience_usd_per_hour >= 0
    assert found.second_usd_per_hour >= 0


@pytest.mark.parametrize("seed", range(4))
def test_price_of_the_last_percent_is_what_a_hundredth_less_demand_in_the_loss_rows_saves(seed: int) -> None:
    problem = problem_of(seed, services=5, clusters=5)
    rows, _ = covering(problem, domains(problem.fleet))
    price = raw_usd(problem)
    step = 1e-4
    less = np.where(rows.loss >= 0, rows.least_rps * (1 - step), rows.least_rps)
    saved = solve(_program(problem, rows, price)).objective
    saved -= solve(_program(problem, replace(rows, least_rps=floats(less)), price)).objective

    assert standby(problem).last_percent_usd_per_hour == pytest.approx(saved / step * 0.01, rel=1e-3, abs=1e-9)


def test_standby_names_what_no_money_can_outlive() -> None:
    fleet = trio()
    one = Readings(0.0, declared(fleet).demand_rps, *(floats(np.ones(6)) for _ in range(3)))
    problem = formulate(fleet, snapshot_of(fleet, one), Prices())
    only_fra = np.zeros_like(fleet.allowed)
    only_fra[:, 1] = True
    problem = replace(problem, fleet=replace(fleet, allowed=only_fra))

    assert standby(problem).unsurvivable == ("front: cluster fra", "back: cluster fra")


def test_pairs_of_domains_leave_out_what_is_within_another_and_the_whole_fleet() -> None:
    problem = problem_of(1, clusters=7)

    for both in pairs(problem):
        assert not both.clusters.all()
    assert len({both.clusters.tobytes() for both in pairs(problem)}) == len(pairs(problem))
