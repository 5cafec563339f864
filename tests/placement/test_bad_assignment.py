"""Input that no assignment should have: refused where it is made, or a certified plan that sheds and says why."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.fleets import synthetic
from placement.assignment import AssignmentProblem
from placement.columns import Floats, bools, floats, ints
from placement.fleet import Fleet
from placement.readings import Readings
from placement.refusals import asked_rps, refusals
from placement.solve.assignment import solve_relaxation
from placement.solve.certificate import STOP
from placement.solve.integers import solve_integers
from placement.solve.place import Placed, place
from placement.workloads import PlacingPrices, Workloads, assignment_problem
from scheduler.assigned import reasons
from tests.placement.fleets import snapshot_of
from tests.placement.solve.test_integers import problem as scarce

SERVICES, CLUSTERS = 5, 4
GAP = 0.02


def workloads_for(fleet: Fleet, most: int = 10**6) -> Workloads:
    """Two vCPU a replica, the loss of any region or provider survived."""
    services, sites = len(fleet.services), len(fleet.sites.service)
    return Workloads(
        resources=floats(np.tile([2.0, 4.0, 0.0, 0.0], (services, 1))),
        survive_ratio=floats(np.full(services, 0.7)),
        spread_max=floats(np.ones(services)),
        standing=ints(np.zeros(sites)),
        replicas_min=ints(np.zeros(sites)),
        replicas_max=ints(np.full(sites, most)),
    )


def problem_of(fleet: Fleet, readings: Readings, most: int = 10**6) -> AssignmentProblem:
    """What is asked of the slow cadence."""
    return assignment_problem(fleet, workloads_for(fleet, most), snapshot_of(fleet, readings), PlacingPrices())


def checked(problem: AssignmentProblem) -> Placed:
    """An answer in whole replicas, within the pools, no cheaper than its bound and near it."""
    placed = place(problem)
    answer = placed.assignment
    assert np.array_equal(answer.replicas, np.rint(answer.replicas))
    assert (problem.pool_use(answer.replicas) <= problem.capacity * (1 + 1e-9)).all()
    assert answer.objective_usd_per_hour >= answer.lower_bound_usd_per_hour * (1 - 1e-6)
    assert answer.gap <= GAP
    return placed


def parts_refused(problem: AssignmentProblem, placed: Placed) -> Floats:
    """(S,) part of each service's requests that is refused."""
    out = np.zeros(problem.services)
    for each in refusals(problem, placed.assignment):
        out[each.service] = each.rps / each.of_rps
    return floats(out)


def test_assignment_with_one_cluster_serves_and_has_no_loss_to_survive() -> None:
    problem = problem_of(*synthetic(SERVICES, 1))

    placed = checked(problem)

    assert not len(problem.losses), "there is nowhere else to be"
    assert refusals(problem, placed.assignment) == ()


def test_assignment_of_a_service_that_may_go_nowhere_refuses_it_says_so_and_serves_the_others() -> None:
    fleet, readings = synthetic(SERVICES, CLUSTERS)
    allowed = fleet.allowed.copy()
    allowed[0] = False
    problem = problem_of(replace(fleet, allowed=bools(allowed)), readings)

    placed = checked(problem)

    served = [s for s in range(1, SERVICES) if s not in fleet.calls.child.tolist()]
    refused = parts_refused(problem, placed)
    assert refused[0] == pytest.approx(1)
    assert refused[served] == pytest.approx(0, abs=1e-6)
    first = next(each for each in refusals(problem, placed.assignment) if each.service == 0)
    assert (first.homeless, first.full, first.capped) == (True, (), False)
    assert "no site is allowed" in reasons(first, ())[0]


def test_assignment_without_any_capacity_refuses_everything_and_names_the_full_pools() -> None:
    fleet, readings = synthetic(SERVICES, CLUSTERS)
    problem = problem_of(fleet, readings)
    problem = replace(problem, capacity=floats(np.zeros(problem.capacity.shape)))

    placed = checked(problem)

    assert not np.asarray(placed.assignment.replicas).any()
    said = refusals(problem, placed.assignment)
    entering = problem.demands.rps.sum()
    assert sum(each.rps for each in said) == pytest.approx(entering), "what is refused at the door calls nobody"
    names = tuple(f"pool-{p}" for p in range(len(problem.capacity)))
    assert all("has no vcpu left for another replica" in "; ".join(reasons(each, names)) for each in said)


def test_assignment_for_absurd_demand_of_one_flow_stays_in_the_pools_and_says_what_is_full() -> None:
    fleet, readings = synthetic(SERVICES, CLUSTERS)
    demand = readings.demand_rps.copy()
    demand[0] = 1e12
    problem = problem_of(fleet, replace(readings, demand_rps=floats(demand)))

    placed = place(problem)

    assert (problem.pool_use(placed.assignment.replicas) <= problem.capacity * (1 + 1e-9)).all()
    assert placed.assignment.gap <= GAP
    worst = refusals(problem, placed.assignment)[0]
    assert worst.service == fleet.flows.service[0]
    assert worst.rps == pytest.approx(1e12, rel=0.01)
    assert worst.full


def test_assignment_at_the_most_replicas_it_may_have_refuses_the_rest_and_says_so() -> None:
    fleet, readings = synthetic(SERVICES, CLUSTERS)
    crowd = replace(readings, demand_rps=floats(readings.demand_rps * 50))
    problem = problem_of(fleet, crowd, most=1)

    answer = solve_relaxation(problem)

    said = refusals(problem, answer)
    assert said
    assert all(each.capped for each in said)
    assert "placing.replicasMax" in reasons(said[0], tuple("abcdefgh"))[-1]


def test_refusals_count_calls_that_served_requests_make() -> None:
    fleet, readings = synthetic(SERVICES, CLUSTERS)
    problem = problem_of(fleet, readings)
    answer = solve_relaxation(problem)

    asked = asked_rps(problem, answer.route_rps)

    assert asked.sum() > problem.demands.rps.sum()
    served = np.bincount(problem.routes.demand, answer.route_rps, len(problem.demands))
    assert (served <= asked * (1 + 1e-6) + 1e-6).all()


@pytest.mark.parametrize("demand_rps", [1e9, 1e12])
def test_whole_replicas_for_absurd_demand_are_certified_and_fit(demand_rps: float) -> None:
    problem = scarce(4)
    rps = problem.demands.rps.copy()
    rps[0] = demand_rps

    answer = solve_integers(replace(problem, demands=replace(problem.demands, rps=floats(rps)))).assignment

    assert answer.gap <= GAP
    assert (problem.pool_use(answer.replicas) <= problem.capacity + 1e-9).all()


def test_whole_replicas_without_any_capacity_are_the_least_there_may_be() -> None:
    problem = scarce(6)
    nothing = replace(problem.sites, replicas_min=ints(np.zeros(len(problem.sites))))
    empty = replace(problem, sites=nothing, capacity=floats(np.zeros(problem.capacity.shape)))

    answer = solve_integers(empty).assignment

    assert not np.asarray(answer.replicas).any()
    assert answer.gap <= STOP
    said = refusals(empty, answer)
    assert [each.rps for each in said] == pytest.approx([each.of_rps for each in said])


@pytest.mark.parametrize("wrong", [np.nan, -1.0])
@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("demands", "rps"),
        ("demands", "shed_usd"),
        ("sites", "rps_per_replica"),
        ("sites", "usd_per_replica_hour"),
        ("sites", "use"),
        ("sites", "migration_usd"),
        ("routes", "usd"),
        ("losses", "survive_rps"),
        ("losses", "short_usd"),
    ],
)
def test_problem_with_what_is_no_amount_is_refused_by_name_and_row(table: str, name: str, wrong: float) -> None:
    part = getattr(scarce(0), table)
    column = getattr(part, name).copy()
    column[(0,) * column.ndim] = wrong

    with pytest.raises(
        ValueError, match=rf"^{table}\.{name}\[0.*\] is {wrong:g}: must be a finite number of 0 or more$"
    ):
        replace(part, **{name: floats(column)})


@pytest.mark.parametrize("name", ["capacity", "unit_usd", "utilization", "spread_max"])
def test_problem_with_a_negative_column_is_refused_by_name(name: str) -> None:
    problem: Any = scarce(0)
    column = getattr(problem, name).copy()
    column[(0,) * column.ndim] = -1

    with pytest.raises(ValueError, match=rf"^problem\.{name}\[0"):
        replace(problem, **{name: floats(column)})


def test_problem_whose_calls_go_round_in_a_circle_is_refused() -> None:
    with pytest.raises(ValueError, match="cycle"):
        replace(scarce(0), calls_parent=ints([0, 1]), calls_child=ints([1, 0]), calls_per_request=floats([1, 1]))


@pytest.mark.parametrize("name", ["resources", "survive_ratio"])
@pytest.mark.parametrize("wrong", [np.nan, -0.5])
def test_workloads_with_what_is_no_amount_are_refused_by_name(name: str, wrong: float) -> None:
    workloads: Any = workloads_for(synthetic(SERVICES, CLUSTERS)[0])
    column = getattr(workloads, name).copy()
    column[(0,) * column.ndim] = wrong

    with pytest.raises(ValueError, match=rf"^workloads\.{name}\[0"):
        replace(workloads, **{name: floats(column)})


def test_workloads_whose_least_is_more_than_their_most_are_refused_by_row() -> None:
    workloads = workloads_for(synthetic(SERVICES, CLUSTERS)[0], most=2)

    with pytest.raises(ValueError, match=r"^workloads\.replicas_min\[0\] is 3, more than replicas_max, 2$"):
        replace(workloads, replicas_min=ints(np.full(len(workloads.standing), 3)))
