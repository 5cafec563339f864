from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fleets import synthetic
from placement.columns import floats
from placement.fleet import RESOURCES
from placement.problem import Prices, Problem, formulate
from placement.solve.routing import shadow_prices, solve_routing
from placement.worth import capacity_worth
from tests.placement.fleets import snapshot_of
from tests.placement.solve.test_routing import autoscaled_problem

STEP = 1e-4


def crowded(seed: int, backend: int = 0, more: float = 0.0) -> Problem:
    """A fleet with too little capacity; `more` of it, in parts, at one backend."""
    fleet, readings = synthetic(5, 4, seed, utilization=1.1)
    capacity = readings.capacity_rps.copy()
    capacity[backend] *= 1 + more
    readings = replace(readings, capacity_rps=floats(capacity))
    return formulate(fleet, snapshot_of(fleet, readings), Prices())


def least(problem: Problem) -> float:
    return solve_routing(replace(problem, curve=None)).lower_bound_usd_per_hour


@pytest.mark.parametrize("seed", range(6))
def test_worth_of_a_backends_capacity_agrees_with_finite_differences(seed: int) -> None:
    problem = crowded(seed)
    worth = capacity_worth(problem, shadow_prices(problem)).backend_usd

    assert worth.max() > 0
    for backend in np.argsort(-worth)[:3].tolist():
        saved = least(problem) - least(crowded(seed, backend, STEP))
        assert saved / (STEP * problem.capacity_rps[backend]) == pytest.approx(worth[backend], rel=1e-2)


@pytest.mark.parametrize("seed", range(3))
def test_worth_of_a_bound_on_replicas_agrees_with_finite_differences(seed: int) -> None:
    problem = autoscaled_problem(seed, 1.0)
    scaler = problem.fleet.scaler
    assert scaler is not None
    worth = capacity_worth(problem, shadow_prices(problem)).backend_usd

    chosen = np.flatnonzero(scaler.follows & (scaler.replicas_max > 3) & (worth > 0.05 * worth.max()))
    assert len(chosen)
    for backend in chosen.tolist():
        most = scaler.replicas_max.copy()
        most[backend] *= 1 + STEP
        larger = autoscaled_problem(seed, 1.0, scaled=replace(scaler, replicas_max=floats(most)))
        more_rps = STEP * scaler.replicas_max[backend] * scaler.rps_per_replica[backend]
        assert (least(problem) - least(larger)) / more_rps == pytest.approx(worth[backend], rel=0.1), seed


def test_worth_of_a_pool_is_that_of_the_service_which_gains_most_there() -> None:
    problem = crowded(1)
    fleet = problem.fleet
    worth = capacity_worth(problem, shadow_prices(problem))

    sites = fleet.sites
    for pool in range(len(fleet.pools.cluster)):
        here = np.flatnonzero(sites.pool == pool)
        unit = RESOURCES[worth.pool_resource[pool]]
        assert unit == ("gpu" if fleet.pools.capacity[pool, -1] > 0 else "vcpu")
        replicas = fleet.pools.usd_per_node_hour[pool] / sites.usd_per_replica_hour[here]
        saved = replicas * sites.rps_per_replica[here] * worth.backend_usd[sites.backend[here]]
        best = saved.max(initial=0.0) / fleet.pools.capacity[pool, worth.pool_resource[pool]]
        assert worth.pool_usd[pool] == pytest.approx(best)
        if best > 0:
            assert worth.pool_service[pool] == sites.service[here[saved.argmax()]]


def test_worth_where_there_is_room_to_spare_is_nothing() -> None:
    fleet, readings = synthetic(5, 4, 2, utilization=0.1)
    problem = formulate(fleet, snapshot_of(fleet, readings), Prices())

    worth = capacity_worth(problem, shadow_prices(problem))

    assert worth.backend_usd.max() <= 1e-9
    assert (worth.pool_service == -1).all()
