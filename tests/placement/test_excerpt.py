"""What an excerpt says of a loss is what the whole says."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement.columns import bools, floats
from placement.cost import evaluate, loads
from placement.demand import total_demand
from placement.excerpt import Excerpts
from placement.failover import Row
from placement.losses import after, losses
from placement.patch import applied
from placement.problem import Prices, Problem
from placement.readings import Readings, Snapshot
from placement.solve.failover import TableOrder, study_of
from placement.solve.routing import solve_routing
from tests.placement.fleets import tiered

SOLVED_RATIO, SPILT_RATIO = 0.01, 1e-3
"""What more a routing may cost for which few others move."""


def order_over(problem: Problem) -> TableOrder:
    """A refresh of a fleet that stands on its optimum; everything is measured, up and warm."""
    fleet, every = problem.fleet, np.ones(len(problem.capacity_rps))
    readings = Readings(0.0, problem.external_rps, problem.capacity_rps, floats(every), floats(0 * every))
    snapshot = Snapshot(0.0, readings, problem.standing, bools(every), floats(every))
    order = TableOrder(fleet, snapshot, problem.standing, Prices())
    begun = study_of(order).problem
    routing = solve_routing(begun).routing
    whole_rps = total_demand(fleet, begun.external_rps, routing)
    measured = replace(snapshot, readings=replace(readings, demand_rps=floats(whole_rps)))
    return replace(order, snapshot=measured, routing=routing)


@settings(max_examples=3, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(3, 5), st.integers(3, 4), st.floats(0.2, 0.9), st.booleans())
def test_row_of_any_loss_from_an_excerpt_is_as_good_as_that_of_the_whole(
    seed: int, services: int, clusters: int, load: float, solve: bool
) -> None:
    order = order_over(tiered(seed, services, clusters, load))
    study, words = study_of(order), f"seed {seed}, {services} x {clusters}, load {load}"
    problem, room = study.problem, study.scopes.spare_rps

    for one, other in zip(*(rows_of(replace(order, cut_from_flows=n), solve) for n in (10**9, 0)), strict=True):
        said = f"{words}: {one.loss}"
        left, routing = after(problem, one.loss), applied(problem.standing, other.change)
        cost, made = evaluate(left, routing), loads(left, routing)
        assert other.objective_usd_per_hour == pytest.approx(cost.objective_usd_per_hour, rel=1e-6, abs=1e-6), said
        assert other.usd_per_hour == pytest.approx(cost.billed_usd_per_hour, rel=1e-6, abs=1e-6), said
        assert other.shed_rps == pytest.approx(made.shed_rps.sum(), rel=1e-6, abs=1e-3), said
        assert (made.backend_rps <= room * (1 + 1e-6) + 0.05).all(), said
        most = one.objective_usd_per_hour * (1.0 + (SOLVED_RATIO if solve else SPILT_RATIO)) + 0.01
        assert other.objective_usd_per_hour <= most, said


def rows_of(order: TableOrder, solve: bool) -> list[Row]:
    """Of every single loss, by the spill or solved."""
    study = study_of(order)
    return [study.row(loss, solve=solve) for loss in losses(order.fleet)]


@pytest.mark.parametrize("seed", range(4))
def test_excerpt_of_a_loss_holds_what_stands_on_it_and_few_others(seed: int) -> None:
    problem = tiered(seed, 9, 8, 0.4)
    excerpts, fleet = Excerpts(problem), problem.fleet

    for loss in losses(fleet):
        flows = excerpts.touched(loss)
        on = problem.backend_of(problem.standing.row, problem.standing.column)
        assert np.isin(problem.standing.row[np.isin(on, loss.backends)], flows).all(), str(loss)
        if loss.kind == "tier":
            services = set(fleet.flows.service[flows].tolist())
            label = fleet.applications()
            assert len({int(label[s]) for s in services}) <= 1, "it concerns one application"
