from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement.columns import Floats, bools, floats
from placement.sitecost import (
    FULL,
    Autoscaler,
    Curve,
    Outlook,
    SitePrices,
    autoscaled,
    either,
    expected,
    headroom,
    lower_hull,
)


def scalers(count: int, seed: int) -> Autoscaler:
    """Random backends, large and small, fast and slow."""
    rng = np.random.default_rng(seed)
    slots, service_ms = rng.choice([4.0, 16.0], count), 10 ** rng.uniform(1, 3.5, count)
    usd, most = 10 ** rng.uniform(-1, 1, count), rng.uniform(0.3, 30, count)
    return Autoscaler(
        follows=bools(np.ones(count, dtype=bool)),
        rps_per_replica=floats(slots * 1000 / service_ms),
        usd_per_replica_hour=floats(usd),
        replicas_min=floats(np.minimum(1.0, most)),
        replicas_max=floats(most),
        utilization_target=floats(np.full(count, 0.65)),
        service_ms=floats(service_ms),
        slots=floats(slots),
        variability=floats(rng.choice([0.5, 1.5, 2.0], count)),
        lead_s=floats(np.zeros(count)),
    )


def curve_of(
    scaler: Autoscaler, error: float = 0.0, seed: int = 0, overflow: float = 10.0, ready_rps: Floats | None = None
) -> Curve:
    count = len(scaler.slots)
    value = 10 ** np.random.default_rng(seed).uniform(-9, -6.5, count)
    every = np.ones(count)
    most = scaler.rps_per_replica * scaler.replicas_max
    outlook = Outlook(floats(every), floats(most if ready_rps is None else ready_rps), floats(every * error))
    linear = scaler.usd_per_replica_hour / (0.65 * scaler.rps_per_replica)
    return autoscaled(scaler, outlook, SitePrices(floats(value), floats(linear), floats(overflow * linear)))


def naive_hull(x: Floats, y: Floats, at: float) -> float:
    """The lowest chord over a point."""
    best = np.inf
    for i in range(len(x)):
        for j in range(i, len(x)):
            if x[i] <= at <= x[j]:
                part = 0.0 if x[i] == x[j] else (at - x[i]) / (x[j] - x[i])
                best = min(best, y[i] + part * (y[j] - y[i]))
    return best


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_lower_hull_of_random_points_is_the_lowest_chord_everywhere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = np.cumsum(rng.random((3, 9)), axis=1), rng.normal(size=(3, 9))

    width, slope = lower_hull(x, y)

    for row in range(3):
        assert (np.diff(slope[row][width[row] > 0]) > 0).all()
        for at in rng.uniform(x[row, 0], x[row, -1], 5):
            before = x[row, 0] + np.cumsum(width[row]) - width[row]
            hull = y[row, 0] + (np.clip(at - before, 0, width[row]) * slope[row]).sum()
            assert hull == pytest.approx(naive_hull(x[row], y[row], at))


def test_headroom_pieces_are_free_to_the_target_and_end_at_capacity() -> None:
    pieces = headroom(floats([100.0]), floats([0.7]), floats([[1.0, 2.0, 4.0]]))

    assert pieces.served_rps == pytest.approx([100.0])
    assert pieces.cost(np.array([70.0])) == pytest.approx([0.0])
    assert pieces.cost(np.array([85.0])) == pytest.approx([10 * 1 + 5 * 2])


def test_waiting_agrees_with_erlangs_formula_for_exponential_service() -> None:
    """Sakasegawa (1977) is within a few per cent of M/M/k; for one slot both are r / (1 - r) service times."""
    one = replace(scalers(1, 0), service_ms=floats([100.0]), slots=floats([1.0]), variability=floats([1.0]))
    used = np.array([[0.5, 0.8, 0.95]])

    np.testing.assert_allclose(one.wait_ms(used), 100 * used / (1 - used))

    four = replace(one, slots=floats([4.0]))
    load = 4 * 0.8
    terms = [load**n / float(np.prod(np.arange(1, n + 1))) for n in range(5)]
    queued = terms[4] / 0.2 / (sum(terms[:4]) + terms[4] / 0.2)
    assert four.wait_ms(np.array([[0.8]]))[0, 0] == pytest.approx(queued * 100 / (4 * 0.2), rel=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_curve_without_error_is_replicas_and_waiting_less_the_linear_price(seed: int) -> None:
    scaler = scalers(6, seed)
    curve = curve_of(scaler, seed=seed)
    value = 10 ** np.random.default_rng(seed).uniform(-9, -6.5, 6)

    for b in range(6):
        for load, cost in zip(curve.rps[b], curve.usd[b], strict=True):
            mu, most = scaler.rps_per_replica[b], scaler.replicas_max[b]
            idle = scaler.usd_per_replica_hour[b] * min(1.0, most)
            running = min(max(load / (0.65 * mu), min(1.0, most)), most)
            used = min(load / (mu * running), FULL)
            k = scaler.slots[b]
            wait = scaler.service_ms[b] * (1 + scaler.variability[b]) / 2 * used ** (np.sqrt(2 * (k + 1)) - 1)
            wait /= k * (1 - used)
            paid = scaler.usd_per_replica_hour[b] * running + 3600 * value[b] * load * wait
            linear = scaler.usd_per_replica_hour[b] / (0.65 * mu)
            assert cost == pytest.approx(paid - idle - linear * load, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_hull_is_a_bound_and_majorant_touches_the_curve_from_above(seed: int) -> None:
    rng = np.random.default_rng(seed)
    curve = curve_of(scalers(8, seed), seed=seed)
    most = curve.rps[:, -1]
    at = rng.random(8) * most
    hull, above = curve.hull(), curve.majorant(at)
    level = curve.cost(at) - above.cost(at)

    for part in rng.random((20, 8)):
        load = part * most
        assert (hull.cost(load) <= curve.cost(load) + 1e-9).all()
        assert (above.cost(load) + level >= curve.cost(load) - 1e-9).all()
    for pieces in (hull, above):
        for width, slope in zip(pieces.rps, pieces.usd, strict=True):
            assert (np.diff(slope[width > 0]) >= -1e-9).all()


def test_uncertain_load_with_dear_overflow_costs_more_near_the_brim() -> None:
    scaler = scalers(5, 1)
    sure, unsure = curve_of(scaler, overflow=1e4), curve_of(scaler, error=0.1, overflow=1e4)

    assert (unsure.usd[:, -1] > sure.usd[:, -1]).all()


def test_backend_that_may_run_nothing_serves_nothing() -> None:
    scaler = replace(scalers(2, 0), replicas_max=floats([0.0, 3.0]))

    served = curve_of(scaler).hull().served_rps

    assert served[0] == 0
    assert served[1] == pytest.approx(FULL * 3 * scaler.rps_per_replica[1])


def test_slow_autoscaler_is_given_no_more_than_its_ready_replicas_serve() -> None:
    scaler = replace(scalers(3, 2), replicas_max=floats([10.0, 10.0, 10.0]), lead_s=floats([60.0, 60.0, 0.0]))
    ready = floats(scaler.rps_per_replica * [2.0, 0.0, 2.0])

    served = curve_of(scaler, ready_rps=ready).hull().served_rps

    assert served == pytest.approx(FULL * scaler.rps_per_replica * [2.0, 0.0, 10.0])


def test_slow_autoscaler_pays_more_for_errors_than_one_that_follows_them() -> None:
    fast = replace(scalers(4, 3), replicas_max=floats(np.full(4, 20.0)))
    slow = replace(fast, lead_s=floats(np.full(4, 60.0)))

    gap = curve_of(slow, error=0.3, overflow=1e3).usd - curve_of(fast, error=0.3, overflow=1e3).usd

    busy = slice(len(gap[0]) // 3, -3)
    assert (gap[:, busy] > 0).all()
    np.testing.assert_allclose(curve_of(slow).usd, curve_of(fast).usd)


@pytest.mark.parametrize("error", [0.05, 0.3])
def test_expected_pieces_of_uncertain_load_are_dearer_convex_and_end_where_they_did(error: float) -> None:
    sure = headroom(floats([100.0, 0.0]), floats([0.7, 0.7]), floats([[1.0, 2.0, 4.0]] * 2))

    unsure = expected(sure, floats([error, error]), floats([1.0, 1.0]))

    assert unsure.served_rps == pytest.approx(sure.served_rps)
    assert (np.diff(unsure.usd[0]) >= -1e-9).all()
    for load in np.linspace(5, 100, 12):
        at = np.array([load, 0.0])
        assert unsure.cost(at)[0] >= sure.cost(at)[0] - 1e-9
    draws = 90 * np.exp(error * np.random.default_rng(0).standard_normal(200_000) - error**2 / 2)
    fits = np.minimum(draws, 100.0)
    paid = np.clip(fits - 70, 0, 10) * 1 + np.clip(fits - 80, 0, 10) * 2 + np.clip(fits - 90, 0, 10) * 4
    sampled = (paid + 4 * (draws - fits)).mean()
    assert unsure.cost(np.array([90.0, 0.0]))[0] == pytest.approx(sampled, rel=0.05)


def test_either_keeps_the_pieces_of_backends_whose_replicas_stay() -> None:
    curve = curve_of(scalers(2, 0))
    pieces = headroom(floats([100.0, 50.0]), floats([0.7, 0.6]), floats([[1.0, 2.0, 4.0], [2.0, 3.0, 5.0]]))
    rng = np.random.default_rng(0)

    mixed = either(bools([True, False]), curve, pieces)

    assert mixed.hull().served_rps == pytest.approx([curve.rps[0, -1], 50.0])
    for part in rng.random((20, 1)):
        load = part * np.array([curve.rps[0, -1], 50.0])
        assert mixed.cost(load) == pytest.approx([curve.cost(load)[0], pieces.cost(load)[1]])
        assert mixed.majorant(load).cost(load)[1] == pytest.approx(pieces.cost(load)[1])
