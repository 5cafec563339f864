"""Waiting, refusing and trying again."""

import numpy as np
import pytest

from placement.columns import Floats
from simulator.physics.queues import amplified, approached, flow_through, timely, waiting_ms


def erlang_c_wait_ms(utilization: float, service_ms: float, slots: int) -> float:
    """Exact mean wait of M/M/k (Erlang 1917), the naive twin."""
    offered = utilization * slots
    blocking = 1.0
    for k in range(1, slots + 1):
        blocking = offered * blocking / (k + offered * blocking)
    waits = blocking / (1 - utilization * (1 - blocking))
    return waits * service_ms / (slots * (1 - utilization))


@pytest.mark.parametrize("slots", [1, 4, 16])
@pytest.mark.parametrize("utilization", [0.5, 0.8, 0.95])
def test_waiting_when_compared_with_erlang_is_near_it(utilization: float, slots: int) -> None:
    found = waiting_ms(np.array([utilization]), np.array([100.0]), np.array([float(slots)]), np.ones(1))[0]

    assert found == pytest.approx(erlang_c_wait_ms(utilization, 100.0, slots), rel=0.1, abs=3.0)


def test_waiting_when_every_request_takes_as_long_is_half_of_what_it_is_when_times_are_exponential() -> None:
    """M/D/1 waits half as long as M/M/1 (Pollaczek and Khinchine)."""
    busy, ms, one = np.array([0.7]), np.array([100.0]), np.ones(1)

    assert waiting_ms(busy, ms, one, np.zeros(1)) == pytest.approx(waiting_ms(busy, ms, one, one) / 2)


def through(load: float, capacity: float, backlog: float = 0.0, step_s: float = 1.0) -> tuple[Floats, Floats, Floats]:
    """One back end with a queue of two seconds."""
    return flow_through(np.array([load]), np.array([capacity]), np.array([backlog]), 2.0, step_s)


def test_queue_when_load_fits_serves_all_and_drains() -> None:
    served, backlog, _ = through(80.0, 100.0, backlog=50.0)

    assert served[0] == 1.0
    assert backlog[0] == pytest.approx(30.0)


def test_queue_when_overloaded_fills_to_its_limit_and_turns_the_rest_away() -> None:
    backlog, turned_away = 0.0, 0.0
    for _ in range(60):
        served, left, wait_s = through(200.0, 100.0, backlog)
        turned_away, backlog = 200.0 * (1 - served[0]), left[0]

    assert backlog == pytest.approx(200.0)
    assert turned_away == pytest.approx(100.0), "in the long run what exceeds the capacity"
    assert wait_s[0] == pytest.approx(2.0)


def test_queue_when_nothing_serves_serves_nothing() -> None:
    served, _, _ = through(10.0, 0.0)

    assert served[0] == 0.0


def test_retries_when_everything_fails_are_bounded_by_count_and_budget() -> None:
    fails = np.array([0.0, 0.5, 1.0])

    assert amplified(fails, 3, 10.0).tolist() == [0.0, 0.875, 3.0]
    assert amplified(fails, 3, 0.2).tolist() == [0.0, 0.2, 0.2]
    assert amplified(fails, 0, 10.0).tolist() == [0.0, 0.0, 0.0]


def test_timely_when_latency_passes_the_timeout_falls_from_one_to_zero() -> None:
    assert timely(np.array([100.0, 1_000.0, 3_000.0]), 1.0).tolist() == [1.0, 0.5, 0.0]


def test_approach_when_cut_into_steps_is_the_same_as_in_one() -> None:
    one = approached(np.zeros(1), np.ones(1), 6.0, 4.0)
    many = np.zeros(1)
    for _ in range(12):
        many = approached(many, np.ones(1), 0.5, 4.0)

    assert many[0] == pytest.approx(one[0])
