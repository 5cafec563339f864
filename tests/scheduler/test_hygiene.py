from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fleets import synthetic
from connectors.telemetry import Batch, Signal
from placement.columns import floats
from placement.readings import Readings
from scheduler.hygiene import FIELDS, HygieneLimits, Memory, Reason, Rejections, clean

FLEET, SYNTHETIC = synthetic(3, 3, 1, 0.5)
FLOWS = [FLEET.flow_name(flow).split("@") for flow in range(len(FLEET.flows))]
BACKENDS = [FLEET.backend_name(backend).split("/") for backend in range(len(FLEET.backends))]
DECLARED = replace(
    SYNTHETIC,
    at_s=0.0,
    demand_rps=floats(np.full(len(FLOWS), 100.0)),
    capacity_rps=floats(np.full(len(BACKENDS), 1_000.0)),
    error_ratio=floats(np.zeros(len(BACKENDS))),
    latency_ms=floats(np.full(len(BACKENDS), 5.0)),
)
LIMITS = HygieneLimits()
NOW_S = 1_000.0


class Clerk:
    """Calls `clean` one time after the other, as the loop does."""

    def __init__(self) -> None:
        self.readings, self.memory, self.rejections = DECLARED, Memory.empty(), Rejections()

    def hear(self, *batches: Batch, at_s: float = NOW_S) -> "Clerk":
        self.readings, self.memory, self.rejections = clean(self.readings, self.memory, batches, FLEET, at_s, LIMITS)
        return self

    def reasons(self) -> dict[str, int]:
        return {row.reason.value: row.count for row in self.rejections.rows}


def said(signal: Signal, *values: float, at_s: float = NOW_S, source: str = "lrs:a", first: int = 0) -> Batch:
    """A batch for the first rows of the signal's table."""
    keys = FLOWS if signal is Signal.DEMAND_RPS else BACKENDS
    return Batch(signal, source, at_s, tuple(tuple(k) for k in keys[first : first + len(values)]), floats(values))


def test_clean_of_nothing_keeps_everything_however_old() -> None:
    clerk = Clerk().hear(at_s=1e6)

    for signal in FIELDS:
        assert getattr(clerk.readings, signal).tolist() == getattr(DECLARED, signal).tolist()
    assert clerk.readings.at_s == 0.0
    assert clerk.reasons() == {}


def test_clean_of_good_measurements_takes_them_and_the_time_of_the_newest_demand() -> None:
    clerk = Clerk().hear(
        said(Signal.DEMAND_RPS, 120.0, 80.0, at_s=NOW_S - 3),
        said(Signal.CAPACITY_RPS, 900.0),
        said(Signal.LATENCY_MS, 7.5),
        said(Signal.ERROR_RATIO, 0.25),
    )

    assert clerk.readings.demand_rps[:3].tolist() == [120.0, 80.0, 100.0]
    assert clerk.readings.capacity_rps[:2].tolist() == [900.0, 1_000.0]
    assert clerk.readings.latency_ms[0] == 7.5
    assert clerk.readings.error_ratio[0] == 0.25
    assert clerk.readings.at_s == NOW_S - 3
    assert clerk.reasons() == {}
    assert not clerk.readings.demand_rps.flags.writeable


@pytest.mark.parametrize("signal", FIELDS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), -1.0])
def test_clean_of_what_is_no_number_keeps_the_last(signal: Signal, value: float) -> None:
    clerk = Clerk().hear(said(signal, value))

    assert getattr(clerk.readings, signal)[0] == getattr(DECLARED, signal)[0]
    assert clerk.reasons() == {"not_a_number": 1}
    assert clerk.readings.at_s == 0.0


@pytest.mark.parametrize("signal", [Signal.DEMAND_RPS, Signal.CAPACITY_RPS])
def test_clean_of_more_than_physics_allows_keeps_the_last(signal: Signal) -> None:
    assert Clerk().hear(said(signal, 2e9)).reasons() == {"impossible": 1}


@pytest.mark.parametrize(
    ("at_s", "reasons"),
    [
        (NOW_S + 1.9, {}),
        (NOW_S + 2.1, {"future": 1}),
        (NOW_S - 29.9, {}),
        (NOW_S - 30.1, {"stale": 1}),
        (float("nan"), {"future": 1}),
    ],
)
def test_clean_judges_the_time_of_a_measurement(at_s: float, reasons: dict[str, int]) -> None:
    clerk = Clerk().hear(said(Signal.DEMAND_RPS, 120.0, at_s=at_s))

    assert clerk.reasons() == reasons
    assert (clerk.readings.demand_rps[0] == 120.0) is not bool(reasons)


@pytest.mark.parametrize("at_s", [NOW_S, NOW_S - 1])
def test_clean_of_a_duplicate_or_a_late_one_of_the_same_source_keeps_the_newer(at_s: float) -> None:
    clerk = Clerk().hear(said(Signal.DEMAND_RPS, 120.0))

    clerk.hear(said(Signal.DEMAND_RPS, 130.0, 140.0, at_s=at_s), at_s=NOW_S + 1)

    assert clerk.readings.demand_rps[0] == 120.0
    assert clerk.reasons()["old"] == 1


def test_clean_of_two_sources_takes_the_fresher_in_whatever_order_they_come() -> None:
    fresh = said(Signal.DEMAND_RPS, 120.0, source="lrs:a")
    slow = said(Signal.DEMAND_RPS, 150.0, at_s=NOW_S - 20, source="prometheus:a")

    for clerk in (Clerk().hear(fresh, slow), Clerk().hear(slow, fresh), Clerk().hear(fresh).hear(slow)):
        assert clerk.readings.demand_rps[0] == 120.0
        assert clerk.reasons() == {}


def test_clean_of_a_jump_in_demand_takes_it_when_seen_twice() -> None:
    clerk = Clerk().hear(said(Signal.DEMAND_RPS, 5_000.0))
    assert clerk.readings.demand_rps[0] == 100.0
    assert clerk.reasons() == {"jump": 1}

    clerk.hear(said(Signal.DEMAND_RPS, 5_200.0, at_s=NOW_S + 1), at_s=NOW_S + 1)

    assert clerk.readings.demand_rps[0] == 5_200.0
    assert clerk.reasons() == {}


def test_clean_of_demand_that_vanishes_believes_it_when_seen_twice() -> None:
    clerk = Clerk().hear(said(Signal.DEMAND_RPS, 500.0))
    assert clerk.hear(said(Signal.DEMAND_RPS, 0.0, at_s=NOW_S + 1), at_s=NOW_S + 1).readings.demand_rps[0] == 500.0

    clerk.hear(said(Signal.DEMAND_RPS, 0.0, at_s=NOW_S + 2), at_s=NOW_S + 2)

    assert clerk.readings.demand_rps[0] == 0.0


def test_clean_of_a_jump_that_another_source_contradicts_never_takes_it() -> None:
    clerk = Clerk()

    for second in range(10):
        at_s = NOW_S + second
        honest = said(Signal.DEMAND_RPS, 101.0 + second, at_s=at_s, source="lrs:a")
        clerk.hear(honest, said(Signal.DEMAND_RPS, 90_000.0, at_s=at_s - 0.5, source="lrs:liar"), at_s=at_s)

    assert clerk.readings.demand_rps[0] == 110.0


def test_clean_of_demand_from_almost_nothing_is_no_jump() -> None:
    clerk = Clerk().hear(said(Signal.DEMAND_RPS, 1.0)).hear(said(Signal.DEMAND_RPS, 1.0, at_s=NOW_S + 1))

    clerk.hear(said(Signal.DEMAND_RPS, 90.0, at_s=NOW_S + 2))

    assert clerk.readings.demand_rps[0] == 90.0


def test_clean_of_a_capacity_of_zero_does_not_believe_it() -> None:
    clerk = Clerk().hear(said(Signal.CAPACITY_RPS, 0.0))

    assert clerk.readings.capacity_rps[0] == 1_000.0
    assert clerk.reasons() == {"zero": 1}


def test_clean_of_a_falling_capacity_halves_it_at_most_in_one_call_and_stops_at_a_tenth() -> None:
    clerk, seen = Clerk(), []

    for second in range(5):
        at_s = NOW_S + second
        one, two = (said(Signal.CAPACITY_RPS, 1e-6, at_s=at_s + part, source="lrs:liar") for part in (0.0, 0.5))
        clerk.hear(one, two, at_s=at_s)
        seen.append(clerk.readings.capacity_rps[0])

    assert seen == [500.0, 250.0, 125.0, 100.0, 100.0]
    assert clerk.reasons() == {"bounded": 2}


def test_clean_of_a_boasting_capacity_takes_a_quarter_more_than_declared() -> None:
    clerk = Clerk()

    for second in range(5):
        clerk.hear(said(Signal.CAPACITY_RPS, 1e8, at_s=NOW_S + second), at_s=NOW_S + second)

    assert clerk.readings.capacity_rps[0] == 1_250.0


def test_clean_of_extreme_latency_and_errors_cuts_them() -> None:
    clerk = Clerk().hear(said(Signal.LATENCY_MS, 1e12), said(Signal.ERROR_RATIO, 1.5))

    assert clerk.readings.latency_ms[0] == 60_000.0
    assert clerk.readings.error_ratio[0] == 1.0
    assert clerk.reasons() == {"bounded": 1}
    assert clerk.rejections.count(Reason.BOUNDED) == clerk.rejections.count() == 2


def test_clean_of_unknown_keys_counts_them_and_names_the_nearest() -> None:
    service, cluster = BACKENDS[0]
    keys = ((service, cluster + "x"), (service, cluster), ("?", "?"), (service,))

    clerk = Clerk().hear(Batch(Signal.CAPACITY_RPS, "prometheus:a", NOW_S, keys, floats([1.0, 900.0, 2.0, 3.0])))

    assert clerk.readings.capacity_rps[0] == 900.0
    (unknown,) = clerk.rejections.rows
    assert str(unknown).startswith("prometheus:a: 3 of capacity_rps unknown, such as ")
    assert unknown.example == f"{service}/{cluster}x = 1; the nearest known is {service}/{cluster}"


def test_clean_of_a_key_that_comes_twice_in_a_batch_takes_the_first() -> None:
    key = tuple(FLOWS[0])

    clerk = Clerk().hear(Batch(Signal.DEMAND_RPS, "prometheus:a", NOW_S, (key, key), floats([110.0, 300.0])))

    assert clerk.readings.demand_rps[0] == 110.0
    assert clerk.reasons() == {"repeated": 1}


def test_clean_of_the_split_leaves_it_to_others() -> None:
    batch = Batch(Signal.SENT_RPS, "lrs:a", NOW_S, (("no", "such", "key"),), floats([1.0]))

    assert Clerk().hear(batch).reasons() == {}


def test_clean_with_the_memory_of_another_fleet_starts_anew() -> None:
    fleet, declared = synthetic(2, 2, 5, 0.5)
    memory = Clerk().hear(said(Signal.DEMAND_RPS, 120.0)).memory

    readings, after, _ = clean(declared, memory, (), fleet, NOW_S, LIMITS)

    assert readings.demand_rps.tolist() == declared.demand_rps.tolist()
    assert after.index is not None
    assert after.index.fleet is fleet
    assert after.said == {}


ANY_VALUE = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1e-300, 5.0, 1_000.0])


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Anything a source could come up with."""
    signal = draw(st.sampled_from(Signal))
    known = st.sampled_from([tuple(key) for key in (FLOWS if signal is Signal.DEMAND_RPS else BACKENDS)])
    keys = draw(st.lists(known | st.tuples(st.text(max_size=3)), max_size=6))
    values = draw(st.lists(ANY_VALUE, min_size=len(keys), max_size=len(keys)))
    at_s = draw(st.floats(NOW_S - 40, NOW_S + 10) | st.sampled_from([float("nan"), float("inf"), float("-inf")]))
    return Batch(signal, draw(st.sampled_from(["a", "b"])), at_s, tuple(keys), floats(values))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(batches(), max_size=4), max_size=8))
def test_clean_of_anything_is_finite_bounded_and_never_empties_a_backend(calls: list[list[Batch]]) -> None:
    clerk = Clerk()

    for step, call in enumerate(calls):
        before = clerk.readings
        clerk.hear(*call, at_s=NOW_S + step)
        after: Readings = clerk.readings
        for signal in FIELDS:
            column = getattr(after, signal)
            assert np.isfinite(column).all()
            assert (column >= 0).all()
        assert (after.capacity_rps >= 0.5 * before.capacity_rps).all()
        assert (after.capacity_rps >= LIMITS.capacity_min_ratio * DECLARED.capacity_rps).all()
        assert (after.capacity_rps <= LIMITS.capacity_max_ratio * DECLARED.capacity_rps).all()
        assert (after.error_ratio <= 1).all()
        assert (after.latency_ms <= LIMITS.latency_max_ms).all()
        assert before.at_s <= after.at_s <= NOW_S + step + LIMITS.future_max_s


@settings(max_examples=50, deadline=None)
@given(st.lists(batches(), max_size=6))
def test_clean_says_the_same_twice(call: list[Batch]) -> None:
    one, two = Clerk().hear(*call), Clerk().hear(*call)

    assert one.rejections == two.rejections
    for signal in FIELDS:
        assert getattr(one.readings, signal).tolist() == getattr(two.readings, signal).tolist()
