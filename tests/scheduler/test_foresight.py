"""Demand believed and doubted, from measurements that come at their own pace."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fleets import synthetic
from connectors.telemetry import Signal
from placement.columns import bools, floats
from placement.cost import backend_loads
from placement.problem import Prices, formulate
from placement.readings import Snapshot
from placement.routing import Routing
from placement.sitecost import Autoscaler
from placement.solve.routing import solve_routing
from scheduler.foresight import Foresight, foresee, problem_ahead
from scheduler.hygiene import Memory
from tests.placement.fleets import snapshot_of

FLEET, READINGS = synthetic(6, 4, 1, utilization=0.8)
BASE = formulate(FLEET, snapshot_of(FLEET, READINGS), Prices())
PLANNED = solve_routing(BASE).routing
FLOWS, BACKENDS = len(FLEET.flows), len(FLEET.backends)


def snapshot(demand: np.ndarray, routing: Routing = PLANNED) -> Snapshot:
    return snapshot_of(FLEET, replace(READINGS, demand_rps=floats(demand)), routing)


def memory(taken_at_s: np.ndarray) -> Memory:
    return Memory(taken_at_s={Signal.DEMAND_RPS: floats(taken_at_s)})


def watched(noise: float, looks: int = 60, period_s: float = 10.0, seed: int = 0) -> Foresight:
    """After some looks at constant demand, each with an error of its own."""
    rng, seen = np.random.default_rng(seed), None
    for look in range(looks):
        demand = READINGS.demand_rps * np.exp(noise * rng.standard_normal(FLOWS))
        seen = foresee(seen, snapshot(demand), memory(np.full(FLOWS, look * period_s)))
    assert seen is not None
    return seen


def scaler(lead_s: float) -> Autoscaler:
    mu = np.zeros(BACKENDS)
    mu[FLEET.sites.backend] = FLEET.sites.rps_per_replica
    every = np.ones(BACKENDS)
    return Autoscaler(
        follows=bools(every > 0),
        rps_per_replica=floats(mu),
        usd_per_replica_hour=floats(every),
        replicas_min=floats(every),
        replicas_max=floats(READINGS.capacity_rps / mu),
        utilization_target=FLEET.services.utilization_target[FLEET.backends.service],
        service_ms=floats(4000 / mu),
        slots=floats(4 * every),
        variability=floats(every),
        lead_s=floats(lead_s * every),
    )


def test_foresee_before_anything_was_measured_believes_nothing() -> None:
    never = memory(np.full(FLOWS, -np.inf))

    assert foresee(None, snapshot(READINGS.demand_rps), Memory.empty()) is None
    assert foresee(None, snapshot(READINGS.demand_rps), never) is None


def test_foresee_of_flows_that_were_not_measured_again_keeps_what_is_believed() -> None:
    some = np.arange(FLOWS) % 2 == 0
    first = foresee(None, snapshot(READINGS.demand_rps), memory(np.zeros(FLOWS)))

    second = foresee(first, snapshot(3 * READINGS.demand_rps), memory(np.where(some, 10.0, 0.0)))

    assert first is not None
    assert second is not None
    busy = READINGS.demand_rps > 0
    assert second.forecast.rps[some & busy] == pytest.approx(3 * READINGS.demand_rps[some & busy])
    assert second.forecast.rps[~some & busy] == pytest.approx(READINGS.demand_rps[~some & busy])
    assert (second.interval_s[some] == 10.0).all()
    assert np.isinf(second.interval_s[~some]).all()


def test_problem_ahead_without_noise_is_the_problem_of_what_was_read() -> None:
    ahead = problem_ahead(FLEET, snapshot(READINGS.demand_rps), Prices(), watched(0.0))

    assert ahead.external_rps == pytest.approx(BASE.external_rps, rel=1e-6)
    np.testing.assert_allclose(ahead.pieces.cost(BASE.capacity_rps), BASE.pieces.cost(BASE.capacity_rps), rtol=1e-3)


def test_problem_ahead_of_noisy_demand_believes_the_middle_and_pays_for_the_brim() -> None:
    seen = watched(0.3)

    ahead = problem_ahead(FLEET, snapshot(READINGS.demand_rps), Prices(), seen)

    busy = BASE.external_rps > 1
    assert np.abs(np.log(ahead.external_rps[busy] / BASE.external_rps[busy])).mean() < 0.15
    loaded = backend_loads(FLEET, READINGS.demand_rps, PLANNED) > 1
    brim = BASE.capacity_rps
    assert (ahead.pieces.cost(brim)[loaded] > BASE.pieces.cost(brim)[loaded]).all()
    assert ahead.pieces.served_rps == pytest.approx(BASE.pieces.served_rps)


def test_problem_ahead_where_replicas_take_time_doubts_more() -> None:
    """Demand that wanders moves on while replicas start, so a slow backend is dear sooner."""
    rng, seen, level = np.random.default_rng(3), None, np.zeros(FLOWS)
    for look in range(60):
        level = level + 0.05 * rng.standard_normal(FLOWS)
        now = snapshot(READINGS.demand_rps * np.exp(level))
        seen = foresee(seen, now, memory(np.full(FLOWS, 10.0 * look)))

    def worst(lead_s: float) -> float:
        fleet = replace(FLEET, scaler=scaler(lead_s))
        made = problem_ahead(fleet, now, Prices(), seen)
        return float(made.site_usd(made.pieces.served_rps).sum())

    assert worst(600.0) > worst(20.0)


def test_problem_ahead_takes_the_waiting_of_today_out_of_measured_latency() -> None:
    fleet = replace(FLEET, scaler=scaler(0.0))
    assert fleet.scaler is not None
    waiting = fleet.scaler.wait_at(backend_loads(FLEET, READINGS.demand_rps, PLANNED))
    measured = replace(READINGS, latency_ms=floats(20.0 + waiting))

    ahead = problem_ahead(fleet, snapshot_of(FLEET, measured, PLANNED), Prices(), watched(0.0))
    plain = formulate(
        fleet, snapshot_of(FLEET, replace(READINGS, latency_ms=floats(0 * waiting + 20)), PLANNED), Prices()
    )

    assert waiting.max() > 0
    np.testing.assert_allclose(ahead.routes.latency_usd, plain.routes.latency_usd, rtol=1e-6)
