from dataclasses import replace

import numpy as np
import pytest

from connectors.telemetry import Signal
from health.evidence import Evidence, no_evidence, record
from placement.columns import bools, floats
from placement.fleet import OriginId
from placement.weights import table_of
from scheduler.hygiene import Memory
from scheduler.safety import Round, Safety, SafetyLimits, assessed, pushed, solved

LIMITS = SafetyLimits()
AMS = OriginId("ams")


def heard(ages_s: list[float], at_s: float) -> Memory:
    return Memory(taken_at_s={Signal.DEMAND_RPS: floats(at_s - np.array(ages_s))})


def seen(at_s: float = 100.0, **more: object) -> Round:
    """A round in which all is well."""
    well: dict[str, object] = {
        "wall_s": at_s,
        "panic": False,
        "evidence": no_evidence(2),
        "quorum": 1,
        "memory": heard([1.0, 1.0], at_s),
        "demand_rps": None,
        "reported": {},
        "resumed": False,
    }
    now = well | more
    if now["demand_rps"] is None:
        memory = now["memory"]
        assert isinstance(memory, Memory)
        now["demand_rps"] = floats(np.ones(len(memory.taken_at_s.get(Signal.DEMAND_RPS, []))))
    return Round(at_s=at_s, **now)  # type: ignore[arg-type]


def probed(at_s: float, vantages: int = 2, looking: int = 2) -> Evidence:
    evidence = no_evidence(2, vantages)
    for vantage in range(looking):
        evidence = record(evidence, np.array([0, 1]), vantage, bools([True, True]), at_s)
    return evidence


TROUBLES = {
    "telemetry": (Safety(), {"memory": heard([40.0, 40.0, 1.0], 100.0)}, "67% of the telemetry is older than 30 s"),
    "panic": (Safety(), {"panic": True}, "panic: the probes are in doubt"),
    "solver": (Safety(unsolved=3), {}, "no solution 3 times in a row"),
    "ledger": (Safety(ledger_error="disk full"), {}, "the ledger cannot be written: disk full"),
    "clock": (Safety(clocks_s=(95.0, 1000.0)), {"wall_s": 1007.0}, "the clock jumped by +2.0 s"),
    "version": (
        Safety(fences={AMS: (1, 7)}),
        {"reported": {AMS: table_of("ams", 10, {"front": {"ams": (10, 0)}}, (1, 5))}},
        "ams went back from version 1.7 to 1.5",
    ),
    "rollbacks": (Safety(rollbacks="rolled back 3 times in 10 minutes"), {}, "rolled back 3 times in 10 minutes"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_safe_mode_begins_with_each_of_its_triggers_and_says_which(trouble: str) -> None:
    before, round_, words = TROUBLES[trouble]

    now = assessed(before, seen(**round_), LIMITS)

    assert now.on
    assert now.since_s == 100.0
    assert now.reasons == (words,)


@pytest.mark.parametrize(
    "calm",
    [
        {},
        {"memory": heard([40.0, 1.0], 100.0)},
        {"memory": heard([40.0, 40.0, 1.0], 100.0), "demand_rps": floats([0.0, 1.0, 9.0])},
        {"memory": Memory.empty()},
        {"memory": heard([np.inf, np.inf], 100.0)},
        {"wall_s": 1005.9},
        {"reported": {AMS: table_of("ams", 10, {"front": {"ams": (10, 0)}}, (1, 8))}},
    ],
    ids=["well", "half stale", "idle flows", "nothing measured yet", "never measured", "small drift", "newer version"],
)
def test_safe_mode_does_not_begin_without_a_trigger(calm: dict[str, object]) -> None:
    before = Safety(unsolved=2, clocks_s=(95.0, 1000.0), fences={AMS: (1, 7)})

    assert not assessed(before, seen(**({"wall_s": 1005.0} | calm)), LIMITS).on


def test_safe_mode_ends_after_three_quiet_rounds_with_a_quorum_and_not_before() -> None:
    safety = assessed(Safety(), seen(panic=True), LIMITS)
    on = []
    for tick in range(1, 5):
        at_s = 100.0 + 5 * tick
        safety = assessed(safety, seen(at_s, evidence=probed(at_s), quorum=2), LIMITS)
        on.append(safety.on)

    assert on == [True, True, False, False]


def test_safe_mode_lasts_while_too_few_vantages_look() -> None:
    safety = assessed(Safety(), seen(panic=True), LIMITS)
    for tick in range(1, 10):
        at_s = 100.0 + 5 * tick
        safety = assessed(safety, seen(at_s, evidence=probed(at_s, looking=1), quorum=2), LIMITS)

    assert safety.on


def test_safe_mode_counts_its_quiet_rounds_anew_when_a_reason_comes_back() -> None:
    safety = assessed(Safety(), seen(panic=True), LIMITS)
    for at_s, panic in ((105.0, False), (110.0, False), (115.0, True), (120.0, False), (125.0, False)):
        safety = assessed(safety, seen(at_s, panic=panic), LIMITS)

    assert safety.on
    assert safety.since_s == 100.0


def test_safe_mode_ends_at_once_by_the_word_of_an_operator() -> None:
    safety = replace(assessed(Safety(unsolved=3), seen(), LIMITS), ledger_error="disk full")

    now = assessed(safety, seen(105.0, resumed=True), LIMITS)

    assert not now.on
    assert (now.unsolved, now.ledger_error) == (0, "")


def test_solved_counts_failures_in_a_row_only() -> None:
    safety = Safety()
    for answered in (False, False, True, False):
        safety = solved(safety, answered)

    assert safety.unsolved == 1


def test_version_that_we_pushed_is_what_a_mesh_is_held_to() -> None:
    table = table_of("ams", 10, {"front": {"ams": (10, 0)}}, (2, 3))
    safety = pushed(Safety(), {AMS: table})

    assert assessed(safety, seen(reported={AMS: table.fenced(2, 2)}), LIMITS).on
    assert not assessed(safety, seen(reported={AMS: table}), LIMITS).on
