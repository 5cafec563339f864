"""Pre-conditions: what keeps a drill from beginning."""

from dataclasses import replace

import numpy as np
import pytest

from health.drill import Level
from scheduler.drill_begin import NotNow
from scheduler.drill_calendar import Window
from tests.scheduler.stage import LOSS, POLICY_OF_DRILLS, Plain, stage


async def test_drill_when_the_receivers_are_full_ends_before_it_begins() -> None:
    s = await stage(replace(POLICY_OF_DRILLS, envelope=replace(POLICY_OF_DRILLS.envelope, utilization_start_max=0.2)))

    await s.drills.ask(Level.FULL, LOSS, "test")
    await s.pass_s(2.0)

    assert s.ended["outcome"] == "CAPACITY_CHECK_FAILED"
    assert "above 20%" in s.ended["reason"]
    assert all(mesh.armed is None for mesh in s.bench.meshes.values())


async def test_drill_when_no_mesh_of_it_knows_a_lease_or_can_be_reached_does_not_begin() -> None:
    s = await stage()
    s.bench.meshes["fra"].reachable = False
    with pytest.raises(NotNow, match="fra: unreachable"):
        await s.drills.ask(Level.CANARY, LOSS, "test")

    s.bench.meshes["fra"] = Plain("fra")  # type: ignore[index, assignment]

    with pytest.raises(NotNow, match="fra: its mesh cannot rehearse: it knows no lease"):
        await s.drills.ask(Level.DRY_PUSH, LOSS, "test")


async def test_ask_when_pre_conditions_do_not_hold_says_all_of_them() -> None:
    always = Window(frozenset(range(7)), 0, 24 * 60)
    s = await stage(replace(POLICY_OF_DRILLS, blocked=(always,)))
    s.probes.good_at_s[:] = -np.inf

    with pytest.raises(NotNow, match=r"blocked window.*legs had no good answer"):
        await s.drills.ask(Level.CANARY, LOSS, "test")
    assert s.drills.live is None


async def test_ask_when_a_drill_is_under_way_or_the_ledger_is_down_or_nobody_knows_the_loss_is_refused() -> None:
    s = await stage()
    with pytest.raises(NotNow, match="there are: cluster ams"):
        await s.drills.ask(Level.CANARY, "cluster mars", "test")
    s.store.broken = True
    with pytest.raises(NotNow, match="disk full"):
        await s.drills.ask(Level.CANARY, LOSS, "test")
    s.store.broken = False
    await s.drills.ask(Level.CANARY, LOSS, "test")
    with pytest.raises(NotNow, match="one drill at a time"):
        await s.drills.ask(Level.CANARY, LOSS, "test")


async def test_ask_while_a_deployment_is_under_way_is_refused_for_requests_and_not_for_a_dry_push() -> None:
    s = await stage()
    s.drills.ports = replace(s.drills.ports, caution=lambda _look, _plan: "a deployment of front is under way (v42)")

    with pytest.raises(NotNow, match="deployment of front"):
        await s.drills.ask(Level.CANARY, LOSS, "test")
    assert (await s.drills.ask(Level.DRY_PUSH, LOSS, "test"))["phase"] == "CHECKING"
