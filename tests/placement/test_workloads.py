from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fleets import synthetic
from placement.columns import floats, ints
from placement.fleet import Fleet
from placement.readings import Readings
from placement.solve.assignment import solve_relaxation
from placement.solve.place import place
from placement.workloads import PlacingPrices, Workloads, assignment_problem
from tests.placement.fleets import snapshot_of


def fleet_of(seed: int) -> tuple[Fleet, Readings, Workloads]:
    """A synthetic fleet whose services take vCPU and memory, with room for all."""
    fleet, readings = synthetic(4, 4, seed)
    services, sites = len(fleet.services), len(fleet.sites.service)
    workloads = Workloads(
        resources=floats(np.tile([2.0, 4.0, 0.0, 0.0], (services, 1))),
        survive_ratio=floats(np.full(services, 0.7)),
        spread_max=floats(np.ones(services)),
        standing=ints(np.ones(sites)),
        replicas_min=ints(np.zeros(sites)),
        replicas_max=ints(np.full(sites, 500)),
    )
    return fleet, readings, workloads


@pytest.mark.parametrize("seed", range(4))
def test_place_of_a_fleet_with_calls_is_whole_fits_and_is_above_its_bound(seed: int) -> None:
    fleet, readings, workloads = fleet_of(seed)
    problem = assignment_problem(fleet, workloads, snapshot_of(fleet, readings), PlacingPrices())

    placed = place(problem)

    replicas = placed.assignment.replicas
    assert np.array_equal(replicas, np.rint(replicas)), f"seed {seed}"
    assert (problem.pool_use(replicas) <= problem.capacity + 1e-9).all(), f"seed {seed}"
    assert placed.assignment.gap >= -1e-6, f"seed {seed}"
    assert placed.bound_kind == "integer"
    assert placed.assignment.gap <= 0.02, f"seed {seed}"


def test_assignment_problem_of_an_unguarded_service_has_no_loss_rows_for_it() -> None:
    fleet, readings, workloads = fleet_of(0)
    unguarded = replace(workloads, survive_ratio=floats([0.0, 0.7, 0.7, 0.7]))

    problem = assignment_problem(fleet, unguarded, snapshot_of(fleet, readings), PlacingPrices())

    assert 0 not in problem.losses.service
    assert len(problem.losses)


def test_assignment_problem_keeps_only_the_cheapest_candidates() -> None:
    fleet, readings, workloads = fleet_of(1)

    problem = assignment_problem(fleet, workloads, snapshot_of(fleet, readings), PlacingPrices(candidates=1))

    assert np.bincount(problem.routes.demand).max() == 1


def test_relaxation_of_a_surviving_fleet_costs_more_than_of_one_that_need_not() -> None:
    fleet, readings, workloads = fleet_of(2)
    snapshot = snapshot_of(fleet, readings)
    careless = replace(workloads, survive_ratio=floats(np.zeros(4)))

    safe = solve_relaxation(assignment_problem(fleet, workloads, snapshot, PlacingPrices()))
    cheap = solve_relaxation(assignment_problem(fleet, careless, snapshot, PlacingPrices()))

    assert safe.objective_usd_per_hour >= cheap.objective_usd_per_hour
