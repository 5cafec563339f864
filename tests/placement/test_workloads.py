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


@pytest.mark.parametrize("seed", range(3))
def test_gateway_of_a_cluster_limits_what_enters_from_elsewhere_and_nothing_else(seed: int) -> None:
    fleet, readings, workloads = fleet_of(seed)
    free = assignment_problem(fleet, workloads, snapshot_of(fleet, readings), PlacingPrices())
    at = free.sites.cluster[free.routes.site]
    foreign = free.demands.mesh[free.routes.demand] != at
    entered = np.bincount(at[foreign], solve_relaxation(free).route_rps[foreign], len(fleet.clusters))
    busiest = int(entered.argmax())
    limit = np.full(len(fleet.clusters), np.inf)
    limit[busiest] = entered[busiest] / 2
    gated = replace(fleet, clusters=replace(fleet.clusters, gateway_rps=floats(limit)))

    problem = assignment_problem(gated, workloads, snapshot_of(gated, readings), PlacingPrices())
    answer = place(problem).assignment

    assert entered[busiest] > 0, f"seed {seed}"
    assert problem.links.bandwidth.tolist() == [limit[busiest]]
    passing = np.zeros(len(problem.routes), dtype=bool)
    passing[problem.links.route] = True
    assert np.array_equal(passing, foreign & (at == busiest))
    assert answer.route_rps[passing].sum() <= limit[busiest] * (1 + 1e-6), f"seed {seed}"
    assert answer.objective_usd_per_hour >= solve_relaxation(free).objective_usd_per_hour * (1 - 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_spread_of_a_service_keeps_every_site_below_its_part_of_the_capacity(seed: int) -> None:
    fleet, readings, workloads = fleet_of(seed)
    careful = replace(workloads, spread_max=floats([0.4, 1.0, 1.0, 1.0]), survive_ratio=floats(np.zeros(4)))
    careless = replace(careful, spread_max=floats(np.ones(4)))
    largest = []
    for each in (careful, careless):
        problem = assignment_problem(fleet, each, snapshot_of(fleet, readings), PlacingPrices())
        raw = np.asarray(place(problem).assignment.replicas) * problem.sites.rps_per_replica
        mine = raw[problem.sites.service == 0]
        largest.append(mine.max() / max(mine.sum(), 1e-9))

    assert largest[0] <= 0.4 + 1e-6, f"seed {seed}"
    assert largest[1] > 0.4, f"seed {seed}: without a limit one site is enough"


@pytest.mark.parametrize("seed", range(3))
def test_link_between_an_origin_and_a_cluster_limits_the_bytes_on_it(seed: int) -> None:
    fleet, readings, workloads = fleet_of(seed)
    free = assignment_problem(fleet, workloads, snapshot_of(fleet, readings), PlacingPrices())
    origin, cluster = fleet.flows.origin[free.routes.demand], free.sites.cluster[free.routes.site]
    sent = solve_relaxation(free).route_rps * free.routes.bytes_per_request
    used = np.zeros((len(fleet.origins), len(fleet.clusters)))
    np.add.at(used, (origin, cluster), sent)
    busiest = np.unravel_index(used.argmax(), used.shape)
    limit = np.full(used.shape, np.inf)
    limit[busiest] = used[busiest] / 2
    wired = replace(fleet, network=replace(fleet.network, link_bytes=floats(limit)))

    problem = assignment_problem(wired, workloads, snapshot_of(wired, readings), PlacingPrices())
    answer = place(problem).assignment

    mine = (origin == busiest[0]) & (cluster == busiest[1])
    through = (answer.route_rps * problem.routes.bytes_per_request)[mine].sum()
    assert through <= limit[busiest] * (1 + 1e-6), f"seed {seed}"
    assert answer.objective_usd_per_hour >= solve_relaxation(free).objective_usd_per_hour * (1 - 1e-9)


def test_gateway_and_link_of_one_cluster_are_limits_of_their_own_units() -> None:
    fleet, readings, workloads = fleet_of(0)
    link = np.full((len(fleet.origins), len(fleet.clusters)), np.inf)
    link[0, 1] = 5e6
    gates = floats([np.inf, 70.0, np.inf, np.inf])
    both = replace(
        fleet,
        network=replace(fleet.network, link_bytes=floats(link)),
        clusters=replace(fleet.clusters, gateway_rps=gates),
    )

    links = assignment_problem(both, workloads, snapshot_of(both, readings), PlacingPrices()).links

    assert links.bandwidth.tolist() == [70.0, 5.0]
    assert (links.amount[links.link == 0] == 1).all()
    assert (links.amount[links.link == 1] * 1e6 > 1).all()
