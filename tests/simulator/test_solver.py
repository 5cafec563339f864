"""The bound that lets what stands stand, and tables that are made when looked at."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fleets import synthetic
from placement.baseline import nearest
from placement.columns import Bools, bools, floats
from placement.fleet import Fleet
from placement.plan import Reason
from placement.problem import Prices, Problem, formulate
from placement.readings import Readings, Snapshot
from placement.routing import Routing
from placement.solve.failover import TableOrder, failover_table
from placement.solve.routing import shadow_prices, solve_routing
from simulator.solver import LazyTable, Solver, lower_bound


def snapshot_of(fleet: Fleet, readings: Readings, routing: Routing) -> Snapshot:
    """Everything is up."""
    whole = np.ones(len(fleet.backends))
    return Snapshot(0.0, readings, routing, bools(whole), floats(whole))


def problem_of(fleet: Fleet, readings: Readings, routing: Routing) -> Problem:
    """With the usual prices."""
    return formulate(fleet, snapshot_of(fleet, readings, routing), Prices())


@pytest.mark.parametrize("seed", range(6))
def test_bound_when_prices_are_the_programs_own_is_the_optimum(seed: int) -> None:
    fleet, readings = synthetic(12, 6, seed)
    problem = problem_of(fleet, readings, nearest(fleet))
    optimum = solve_routing(problem).cost.objective_usd_per_hour

    bound = lower_bound(problem, np.maximum(shadow_prices(problem).capacity_usd, 0.0))

    assert bound <= optimum * (1 + 1e-9)
    assert bound == pytest.approx(optimum, rel=0.03)


@pytest.mark.parametrize("seed", range(6))
def test_bound_when_prices_are_any_never_exceeds_the_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fleet, readings = synthetic(8, 5, seed, utilization=0.9)
    problem = problem_of(fleet, readings, nearest(fleet))

    bound = lower_bound(problem, rng.exponential(1.0, len(fleet.backends)))

    assert bound <= solve_routing(problem).cost.objective_usd_per_hour * (1 + 1e-9), f"seed {seed}"


def test_solver_when_little_changed_keeps_what_stands_with_a_proof() -> None:
    fleet, readings = synthetic(12, 6, 3, utilization=0.3)
    solver = Solver(gap=0.02)
    first = asyncio.run(solver.solve(problem_of(fleet, readings, nearest(fleet))))
    assert first is not None
    near = replace(readings, demand_rps=floats(readings.demand_rps * 1.001))
    far = replace(readings, demand_rps=floats(readings.demand_rps[::-1]))

    kept = asyncio.run(solver.solve(problem_of(fleet, near, first.routing)))
    moved = asyncio.run(solver.solve(problem_of(fleet, far, first.routing)))

    assert kept is not None
    assert kept.reason is Reason.HELD
    assert kept.gap <= 0.02
    assert moved is not None
    assert moved.reason is Reason.SOLVED
    assert (solver.solved, solver.certified) == (2, 1)


def test_lazy_table_when_looked_at_has_the_rows_of_the_eager_one() -> None:
    fleet, readings = synthetic(6, 4, 1)
    routing = solve_routing(problem_of(fleet, readings, nearest(fleet))).routing
    order = TableOrder(fleet, snapshot_of(fleet, readings, routing), routing, Prices())
    lazy, eager = LazyTable(order), failover_table(fleet, order.snapshot, routing, Prices())
    every = np.arange(len(fleet.backends))
    looks: list[tuple[Bools, Bools | None]] = [
        (bools(~loss.dead(fleet)), bools(np.isin(np.arange(6), loss.gateways))) for loss in eager.losses[::3]
    ]
    looks += [(bools(~np.isin(fleet.backends.cluster, (1, 3)) & (every != 0)), None), (bools(every != 0), None)]

    found = [(lazy.row_for(*look), eager.row_for(*look)) for look in looks]

    assert sum(row is not None for _, row in found) > len(looks) / 2
    for made, row in found:
        assert (made is None) == (row is None)
        if made is not None and row is not None:
            assert str(made.loss) == str(row.loss)
            assert made.objective_usd_per_hour == row.objective_usd_per_hour
            assert np.array_equal(made.change.share, row.change.share)
