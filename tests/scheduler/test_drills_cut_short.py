"""Drills that something ends early: harm, precedence, leases, faults of our own."""

import asyncio
import re
from dataclasses import replace

import numpy as np
import pytest

from health.drill import Level, Phase
from scheduler.drill_begin import NotNow
from scheduler.drill_sight import Look
from scheduler.state import Mode
from tests.scheduler.stage import LOOK_S, LOSS, POLICY_OF_DRILLS, stage


async def test_drill_when_a_cluster_really_dies_is_taken_back_before_the_next_tick_and_proves_nothing() -> None:
    s = await stage()
    await s.drills.ask(Level.FULL, LOSS, "test")
    await s.until(Phase.AWAY)
    await s.pass_s(9.0)
    assert s.ratios & {0.1, 0.5}

    s.bench.probe(dead="ams")
    await s.drills._urgent()
    await s.drills.look()

    assert s.drills.live is not None
    assert (s.drills.live.drill.phase, s.ratios) == (Phase.YIELDING, {0.0})
    await s.drills.look()
    assert s.ended["outcome"] == "INTERRUPTED"
    assert s.drills.book.summary(s.bench.clock.at_s)["coverage24"]["L4"] == 0.0


async def test_drill_when_an_operator_freezes_yields() -> None:
    s = await stage()
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)

    s.bench.desk.now = Mode.FROZEN
    await s.pass_s(2.0)

    assert (s.ended["outcome"], s.ended["reason"]) == ("INTERRUPTED", "mode is frozen")


async def test_drill_when_the_loop_is_in_safe_mode_yields_and_none_begins() -> None:
    s = await stage()
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)
    assert s.turn is not None

    s.turn = replace(s.turn, safe=("the clock jumped",))
    await s.drills.look()
    await s.drills.look()

    assert (s.ended["outcome"], s.ended["reason"]) == ("INTERRUPTED", "SAFE mode: the clock jumped")
    with pytest.raises(NotNow, match="the clock jumped"):
        await s.drills.ask(Level.CANARY, LOSS, "test")


async def test_drill_when_aborted_is_back_at_the_next_look() -> None:
    s = await stage()
    begun = await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)

    assert not s.drills.abort("d-9-9", "")
    assert s.drills.abort(begun["id"], "lunch")
    await s.drills.look()

    assert s.ratios == {0.0}
    await s.drills.look()
    assert (s.ended["outcome"], s.ended["reason"]) == ("INTERRUPTED", "lunch")
    assert s.ended["revert_s"] == 0.0


async def test_drill_when_its_requests_fail_is_taken_back_and_has_failed() -> None:
    s = await stage()
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)

    for _ in range(20):
        s.count(rehearsed_failed=1)
        await s.pass_s(LOOK_S, answer=False)
        if s.drills.live is None:
            break

    assert s.ended["outcome"] == "FAILED"
    assert "rehearsed requests failed" in s.ended["reason"]
    assert s.ratios == {0.0}


async def test_drill_when_telemetry_goes_dark_yields() -> None:
    s = await stage()
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)

    for _ in range(40):
        s.bench.clock.at_s += LOOK_S
        await s.drills.look()

    assert s.ended["outcome"] == "INTERRUPTED"
    assert "nothing was measured" in s.ended["reason"]


async def test_drill_when_nobody_renews_its_lease_lapses_in_the_mesh() -> None:
    s = await stage()
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)
    assert s.ratios & {0.01}

    s.bench.clock.at_s += POLICY_OF_DRILLS.lease_s

    assert s.ratios == {0.0}


async def test_drill_when_its_task_is_cancelled_takes_everything_back() -> None:
    s = await stage()
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)

    running = asyncio.create_task(s.drills.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert s.ratios == {0.0}


async def test_drills_when_they_have_a_fault_stop_aloud_and_take_everything_back() -> None:
    s = await stage()
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)

    def broken() -> Look | None:
        raise RuntimeError("a bug")

    s.drills.ports = replace(s.drills.ports, look=broken)
    await s.drills.run()

    assert s.ratios == {0.0}
    assert not s.drills.moving, "the optimizer need not wait for ever"
    with pytest.raises(NotNow, match="a bug"):
        await s.drills.ask(Level.CANARY, LOSS, "test")


async def test_drill_when_the_slow_end_of_a_receiver_gets_slower_is_taken_back_and_has_failed() -> None:
    s = await stage()
    tail_ms = {"now": 20.0}
    s.drills.ports = replace(
        s.drills.ports, tails_ms=lambda look: np.full(len(look.state.fleet.backends), tail_ms["now"])
    )
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)

    tail_ms["now"] = 23.9
    await s.pass_s(2.0)
    assert s.drills.live is not None
    assert s.drills.live.lagging.held_s(s.bench.clock.at_s) == 0.0, "within a fifth"
    tail_ms["now"] = 30.0
    await s.pass_s(POLICY_OF_DRILLS.envelope.latency_rise_s + 2.0)

    assert s.ended["outcome"] == "FAILED"
    assert re.fullmatch(r"p95 of \S+ is 30 ms, 20 before, for 10 s", s.ended["reason"])
    assert s.ended["receivers"][0]["p95_before_ms"] == 20.0


async def test_drill_when_a_deployment_begins_or_a_budget_is_spent_yields() -> None:
    for words in ("a deployment of front is under way (v42)", "front has 40% of its error budget left"):
        s = await stage()
        said = [""]
        s.drills.ports = replace(s.drills.ports, caution=lambda _look, _plan, said=said: said[0])
        await s.drills.ask(Level.CANARY, LOSS, "test")
        await s.until(Phase.AWAY)

        said[0] = words
        await s.pass_s(2.0)

        assert (s.ended["outcome"], s.ended["reason"]) == ("INTERRUPTED", words)
        assert s.ratios == {0.0}
