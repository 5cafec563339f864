from dataclasses import replace

import numpy as np
import pytest

from connectors.telemetry import Signal
from placement.columns import bools, floats
from placement.readings import Readings
from scheduler.hygiene import Memory
from scheduler.silence import FADE_AFTER_S, FADE_S, faded, silenced
from simulator.trio import declared, trio

FLEET = trio()


def measured(signal: Signal, at_s: list[float]) -> Memory:
    """A memory in which one signal was last measured at these times."""
    return Memory(taken_at_s={signal: floats(at_s)})


def readings(**columns: list[float]) -> Readings:
    """What the trio declares, with some columns as given."""
    return replace(declared(FLEET), **{name: floats(values) for name, values in columns.items()})


def test_faded_errors_of_a_backend_that_nobody_asks_go_and_fresh_ones_stay() -> None:
    seen = readings(error_ratio=[1.0, 1.0, 0.2, 0.0, 0.0, 0.0])
    memory = measured(Signal.ERROR_RATIO, [0.0, 100.0 - FADE_AFTER_S - FADE_S, 99.0, 99.0, 99.0, 99.0])

    after = faded(seen, memory, FLEET, 100.0).error_ratio

    assert after[0] < 1e-3
    assert after[1] == pytest.approx(np.exp(-1))
    assert after[2] == 0.2


def test_faded_latency_of_a_backend_that_was_never_measured_is_that_of_the_quickest_of_its_service() -> None:
    seen = readings(latency_ms=[0.0, 40.0, 60.0, 7.0, 7.0, 7.0])
    memory = measured(Signal.LATENCY_MS, [-np.inf, 99.0, 99.0, 99.0, 99.0, 99.0])

    after = faded(seen, memory, FLEET, 100.0).latency_ms

    assert after.tolist() == [40.0, 40.0, 60.0, 7.0, 7.0, 7.0]


def test_faded_without_any_measurement_changes_no_declared_latency() -> None:
    assert faded(declared(FLEET), Memory(), FLEET, 100.0).latency_ms.tolist() == declared(FLEET).latency_ms.tolist()


def test_silenced_takes_the_demand_of_a_dead_mesh_away_and_leaves_one_that_still_speaks() -> None:
    lost = bools([False, True, False])
    quiet = measured(Signal.DEMAND_RPS, [99.0, 90.0, 99.0, 99.0, 90.0, 99.0])
    speaks = measured(Signal.DEMAND_RPS, [99.0] * 6)

    assert silenced(declared(FLEET), quiet, FLEET, lost, 100.0).demand_rps.tolist() == [100.0, 0.0, 80.0, 0, 0, 0]
    assert silenced(declared(FLEET), speaks, FLEET, lost, 100.0).demand_rps.tolist() == [100.0, 60.0, 80.0, 0, 0, 0]


def test_silenced_waits_for_as_long_as_two_reports_take_where_a_mesh_reports_seldom() -> None:
    """Behind a mesh that is scraped every 15 s nothing may answer any more: its clients are still there."""
    lost = bools([False, True, False])
    scraped = floats(np.full(len(FLEET.flows), 15.0))
    between, missing = (measured(Signal.DEMAND_RPS, [100.0 - age_s] * 6) for age_s in (14.0, 40.0))

    kept = silenced(declared(FLEET), between, FLEET, lost, 100.0, scraped)
    gone = silenced(declared(FLEET), missing, FLEET, lost, 100.0, scraped)

    assert kept.demand_rps.tolist() == [100.0, 60.0, 80.0, 0, 0, 0]
    assert gone.demand_rps.tolist() == [100.0, 0.0, 80.0, 0, 0, 0]
