from dataclasses import replace

import numpy as np
import pytest

from placement.columns import floats
from placement.cost import loads
from placement.problem import Prices, Problem, formulate
from placement.readings import Readings
from placement.routing import from_dense
from placement.trial import (
    RING,
    Good,
    TrialLimits,
    baked,
    candidates,
    last_good,
    on_trial,
    service_rps,
    spoiled,
    surprise,
)
from simulator.trio import declared, trio
from tests.placement.fleets import problem_of, random_routing, snapshot_of

LIMITS = TrialLimits()
ROUTING = random_routing(problem_of(0), 0)


def pushed(at_s: float = 100.0) -> tuple[Problem, Readings, Problem]:
    """(before, readings, after) of a push that moved traffic in the trio."""
    fleet, readings = trio(), replace(declared(trio()), error_ratio=floats(np.full(6, 0.001)))
    before = formulate(fleet, snapshot_of(fleet, readings), Prices())
    now = replace(before, standing=random_routing(before, 3))
    return before, readings, replace(now, demand_rps=before.demand_rps)


def verdict(readings: Readings, at_s: float = 110.0, measured_s: float = 109.0, demand: float = 1.0) -> str:
    before, old, after = pushed()
    trial = on_trial(None, before, old, 100.0, LIMITS)
    trial = replace(trial, demand_rps=floats(service_rps(after) / demand))
    return surprise(trial, after, readings, floats(np.full(6, measured_s)), at_s, LIMITS)


def test_surprise_when_errors_rise_after_a_push_says_which_service_and_how_far() -> None:
    _, readings, _ = pushed()
    bad = replace(readings, error_ratio=floats(np.full(6, 0.05)))

    assert verdict(bad) == "errors of front went from 0.001 to 0.05"


def test_surprise_when_backends_get_slower_than_foreseen_is_seen_too() -> None:
    _, readings, _ = pushed()
    slow = replace(readings, latency_ms=floats(np.full(6, 30.0)))

    assert verdict(slow).startswith("time in the backends of front went from 5 to 30 ms")


@pytest.mark.parametrize(
    ("error", "latency"), [(0.001, 5.0), (0.004, 5.0), (0.001, 9.0), (0.0, 0.0)],
)  # fmt: skip
def test_surprise_for_what_is_as_foreseen_or_within_the_noise_is_none(error: float, latency: float) -> None:
    _, readings, _ = pushed()
    same = replace(readings, error_ratio=floats(np.full(6, error)), latency_ms=floats(np.full(6, latency)))

    assert verdict(same) == ""


def test_surprise_for_a_move_to_a_backend_that_was_known_to_be_worse_is_none() -> None:
    before, readings, after = pushed()
    known = replace(readings, error_ratio=floats([0.001, 0.001, 0.2, 0.001, 0.001, 0.2]))
    trial = on_trial(None, before, known, 100.0, LIMITS)

    assert loads(after, after.standing).backend_rps[2] > 0
    assert surprise(trial, after, known, floats(np.full(6, 109.0)), 110.0, LIMITS) == ""


def test_surprise_when_a_called_service_makes_those_wait_who_were_refused_at_its_callers_is_none() -> None:
    before, readings, after = pushed()
    called = np.isin(after.fleet.backends.service, after.fleet.calls.child)
    slow = replace(readings, latency_ms=floats(np.where(called, 30.0, readings.latency_ms)))
    caller = ~np.isin(after.fleet.flows.service, after.fleet.calls.child)
    shares = before.standing.dense() * np.where(caller, 0.5, 1.0)[:, None]
    shares[:, -1] += np.where(caller, 0.5, 0.0)
    calm = on_trial(None, before, readings, 100.0, LIMITS)
    full = replace(calm, before=from_dense(shares))

    said = [surprise(trial, after, slow, floats(np.full(6, 109.0)), 110.0, LIMITS) for trial in (calm, full)]

    assert said[0].startswith("time in the backends of ")
    assert said[1] == ""


@pytest.mark.parametrize(
    "case", [{"at_s": 102.0}, {"measured_s": 101.0}, {"demand": 1.3}], ids=["too soon", "old news", "another demand"]
)
def test_surprise_that_may_have_another_cause_is_not_laid_to_the_push(case: dict[str, float]) -> None:
    _, readings, _ = pushed()
    bad = replace(readings, error_ratio=floats(np.full(6, 0.05)))

    assert verdict(bad, **case) == ""


def test_on_trial_keeps_what_was_before_the_first_of_several_pushes() -> None:
    before, readings, after = pushed()

    first = on_trial(None, before, readings, 100.0, LIMITS)
    second = on_trial(first, after, readings, 110.0, LIMITS)
    third = on_trial(second, after, readings, 131.0, LIMITS)

    assert (second.begun_at_s, second.pushed_at_s) == (100.0, 110.0)
    assert second.before is before.standing
    assert third.before is after.standing


def test_baked_routing_is_known_good_only_after_ten_minutes_and_comes_newest_first() -> None:
    ring = candidates((), ROUTING, 0.0)
    ring = candidates(ring, ROUTING, 10.0)
    assert len(ring) == 1, "close together: one candidate"
    ring = candidates(ring, ROUTING, 100.0)

    early, none = baked(ring, 599.0, LIMITS)
    later, good = baked(ring, 650.0, LIMITS)

    assert none is None
    assert last_good(early, len(ROUTING)) is None
    assert good is not None
    assert good.pushed_at_s == 0.0
    assert [g.baked for g in later] == [True, False]
    assert last_good(later, len(ROUTING)) is ROUTING
    assert last_good(later, len(ROUTING) + 1) is None, "of another fleet"


def test_spoiled_ring_forgets_what_was_baking_and_keeps_what_was_good() -> None:
    ring = (Good(ROUTING, 0.0, True), Good(ROUTING, 50.0))

    assert spoiled(ring) == ring[:1]


def test_ring_of_known_good_routings_is_bounded() -> None:
    ring: tuple[Good, ...] = ()
    for tick in range(200):
        ring = candidates(ring, ROUTING, 40.0 * tick)
        ring, _ = baked(ring, 40.0 * tick, LIMITS)

    assert sum(g.baked for g in ring) == RING
    assert len(ring) <= 2 * RING
