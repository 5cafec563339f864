"""The slow cadence keeps one assignment current: a solve, then ticks, and for a loss what was made ready for it."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fleets import synthetic
from placement.baseline import nearest
from placement.columns import Bools, bools, floats, ints
from placement.fleet import Fleet
from placement.readings import Readings, Snapshot
from placement.solve.assignment import solve_relaxation
from placement.solve.ticks import STALE
from placement.workloads import PlacingPrices, Workloads
from scheduler.assigned import Siting, Spread
from scheduler.placer import Placer

SERVICES, CLUSTERS = 24, 8
FLEET, READINGS = synthetic(SERVICES, CLUSTERS, 3)
NOTHING_LOST = bools(np.zeros(CLUSTERS, dtype=bool))


def workloads_for(fleet: Fleet) -> Workloads:
    """A vCPU a replica, the loss of any region or provider survived, no limits but the pools'."""
    sites, services = len(fleet.sites.service), len(fleet.services)
    return Workloads(
        resources=floats(np.tile([1.0, 0.0, 0.0, 0.0], (services, 1))),
        survive_ratio=floats(np.full(services, 0.7)),
        spread_max=floats(np.ones(services)),
        standing=ints(np.zeros(sites)),
        replicas_min=ints(np.zeros(sites)),
        replicas_max=ints(np.full(sites, 10**6)),
    )


def seen(factor: float = 1.0, readings: Readings = READINGS) -> Snapshot:
    """Everything up, with so much of the usual demand at every second flow."""
    part = np.where(np.arange(len(FLEET.flows)) % 2 == 0, factor, 1.0)
    whole = np.ones(len(FLEET.backends))
    moved = replace(readings, demand_rps=floats(readings.demand_rps * part))
    return Snapshot(0.0, moved, nearest(FLEET), bools(whole), floats(whole))


def placer_of(spread: Spread | None = None, whole_to: int = 0) -> Placer:
    return Placer(FLEET, workloads_for(FLEET), PlacingPrices(), spread, whole_to=whole_to)


@pytest.fixture
def placer() -> Iterator[Placer]:
    """In threads, however small the fleet is."""
    made = placer_of(Spread(shards=2))
    yield made
    made.close()


def check(siting: Siting) -> None:
    """Within the pools and certified: the bound is one and the gap is what it says."""
    answer, problem = siting.assignment, siting.problem
    use = problem.pool_use(answer.replicas)
    assert (use <= problem.capacity * (1 + 1e-6) + 1e-6).all()
    optimum = solve_relaxation(problem).objective_usd_per_hour
    assert answer.lower_bound_usd_per_hour <= optimum * (1 + 1e-9)
    assert optimum * (1 - 1e-9) <= answer.objective_usd_per_hour
    assert answer.gap <= STALE


def without_region_of(cluster: int) -> Bools:
    """(C,) the clusters of a region."""
    return bools([name == FLEET.clusters.region[cluster] for name in FLEET.clusters.region])


def test_follow_when_demand_moves_ticks_on_from_the_first_solve(placer: Placer) -> None:
    first, later = placer.follow(seen(), NOTHING_LOST), placer.follow(seen(1.3), NOTHING_LOST)

    assert [(s.how, s.where, s.shards) for s in (first, later)] == [("solve", "threads", 2), ("tick", "threads", 2)]
    for siting in (first, later):
        check(siting)
    assert later.problem.demands.rps.sum() > first.problem.demands.rps.sum()


def test_follow_when_a_region_is_lost_takes_over_what_was_ready_and_goes_back_when_it_returns(placer: Placer) -> None:
    placer.follow(seen(), NOTHING_LOST)
    placer.prepared()
    lost = without_region_of(0)

    gone, back = placer.follow(seen(), lost), placer.follow(seen(), NOTHING_LOST)

    assert (gone.how, back.how) == ("ready", "ready")
    for siting in (gone, back):
        check(siting)
    assert gone.losses_ready == gone.losses > 0
    there = lost[FLEET.pools.cluster[FLEET.sites.pool]]
    assert np.asarray(gone.assignment.replicas)[there].sum() == pytest.approx(0, abs=1e-6)
    assert back.assignment.objective_usd_per_hour <= gone.assignment.objective_usd_per_hour


def test_follow_of_a_small_fleet_is_whole_and_exact() -> None:
    placer = placer_of(whole_to=10**6)

    siting = placer.follow(seen(), NOTHING_LOST)
    placer.close()

    assert (siting.how, siting.where) == ("exact", "whole")
    assert siting.assignment.gap == pytest.approx(0, abs=1e-9)


def test_follow_when_a_service_has_demand_for_the_first_time_guards_it_from_then_on(placer: Placer) -> None:
    quiet = replace(READINGS, demand_rps=floats(np.where(FLEET.flows.service == 0, 0.0, READINGS.demand_rps)))

    before, after = placer.follow(seen(readings=quiet), NOTHING_LOST), placer.follow(seen(), NOTHING_LOST)

    assert not (before.problem.losses.service == 0).any()
    assert (after.problem.losses.service == 0).any()
    assert after.how == "solve"
    check(after)
