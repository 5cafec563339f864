from dataclasses import replace

import numpy as np

from placement.guard import Limits
from placement.plan import Reason
from placement.routing import RoutingView
from placement.weights import WeightTable, table_of
from scheduler.loop import run, tick
from scheduler.state import Mode
from scheduler.turn import Turn
from simulator.run import POLICY
from tests.scheduler.ports import Bench, HandClock, bench, dearer


async def turned(b: Bench) -> Turn:
    """One tick; the bench takes the next state."""
    b.state, turn = await tick(b.state, b.ports, b.policy)
    return turn


async def test_tick_on_a_fresh_fleet_gives_every_mesh_a_whole_table() -> None:
    b = bench()

    turn = await turned(b)

    assert turn.plan.reason is Reason.SOLVED
    assert all(mesh.table is not None for mesh in b.meshes.values())
    assert len(b.notebook.intents) == len(b.notebook.turns) == 1


async def test_tick_when_nothing_changed_writes_nothing() -> None:
    b = bench()
    await turned(b)
    b.clock.at_s = 5.0
    b.measure()

    turn = await turned(b)

    assert not turn.outcomes
    assert len(b.notebook.intents) == 1


async def test_tick_with_a_trickle_keeps_the_next_best_cluster_warm_and_writes_it_once() -> None:
    b = bench(replace(POLICY, trickle_ratio=0.01))
    b.measure(0.5)
    first = await turned(b)
    b.clock.at_s = 5.0
    b.measure(0.5)

    second = await turned(b)

    assert RoutingView(b.fleet, first.pushed)["front@ams"]["fra"] >= 0.009
    assert not second.outcomes, "the same trickle is nothing to write"


async def test_tick_after_a_restart_with_unchanged_input_writes_nothing() -> None:
    first = bench()
    await turned(first)
    standing = {origin: mesh.table for origin, mesh in first.meshes.items() if mesh.table}

    again = bench(epoch=2, tables=standing)
    held = await turned(again)
    again.clock.at_s = 5.0
    again.measure()
    solved = await turned(again)

    assert held.plan.reason is Reason.HELD, "nothing was measured yet"
    assert solved.plan.reason is Reason.SOLVED
    assert not held.outcomes
    assert not solved.outcomes


async def test_tick_after_a_loss_takes_the_table_without_solving_and_spares_the_dead_cluster() -> None:
    b = bench()
    b.measure()
    await turned(b)
    b.probe(dead="fra")

    turn = await turned(b)

    assert (turn.plan.reason, turn.plan.detail) == (Reason.FAILOVER, "cluster fra")
    assert 1 not in turn.pushed.column
    for origin in ("ams", "iad"):
        table = b.meshes[origin].table
        assert table is not None
        assert not any(t.cluster == "fra" for _, targets, _ in table.items() for t in targets), "not even as standby"


async def test_tick_with_stale_readings_holds_and_says_how_old_they_are() -> None:
    b = bench()
    b.measure()
    await turned(b)
    b.clock.at_s = 100.0

    turn = await turned(b)

    assert turn.plan.reason is Reason.HELD
    assert turn.plan.detail == "readings are 100 s old"
    assert not turn.outcomes


async def test_tick_when_a_mesh_is_unreachable_goes_on_and_tries_it_again_next_time() -> None:
    b = bench()
    b.meshes["iad"].reachable = False

    first = await turned(b)
    b.meshes["iad"].reachable = True
    b.clock.at_s = 5.0
    second = await turned(b)

    assert not first.outcomes["iad"].landed
    assert "unreachable" in first.outcomes["iad"].detail
    assert first.outcomes["ams"].landed
    assert set(second.outcomes) == {"iad"}
    assert second.outcomes["iad"].landed


async def test_tick_when_a_mesh_refuses_reports_its_own_words() -> None:
    b = bench()
    b.meshes["ams"].objection = "weights of a blue route must be even"

    turn = await turned(b)

    assert "weights of a blue route must be even" in turn.outcomes["ams"].detail


async def test_tick_when_frozen_moves_nothing_but_still_evacuates() -> None:
    b = bench()
    b.measure()
    await turned(b)
    b.desk.now = Mode.FROZEN
    b.clock.at_s = 5.0
    b.measure(load=1.6)
    calm = await turned(b)
    b.probe(dead="fra")

    loss = await turned(b)

    assert calm.plan.reason is Reason.FROZEN
    assert not calm.outcomes
    assert loss.plan.reason is Reason.FAILOVER
    assert loss.outcomes


async def test_tick_when_stopped_pushes_nothing_whatever_happens() -> None:
    b = bench()
    b.measure()
    await turned(b)
    b.desk.now = Mode.STOPPED
    b.probe(dead="fra")

    turn = await turned(b)

    assert not turn.outcomes


async def test_tick_when_the_ledger_is_down_optimizes_nothing_and_evacuates_all_the_same() -> None:
    b = bench()
    b.measure()
    await turned(b)
    b.notebook.broken = True
    b.clock.at_s = 5.0
    b.measure(load=1.6)
    optional = await turned(b)
    b.probe(dead="fra")

    loss = await turned(b)

    assert not optional.outcomes
    assert "disk full" in " ".join(optional.guards)
    assert loss.outcomes["ams"].landed


async def test_tick_when_woken_early_takes_no_second_step() -> None:
    b = bench(replace(POLICY, limits=Limits(step_max=0.1)))
    b.measure()
    await turned(b)
    b.clock.at_s = 5.0
    b.measure(load=1.6)
    await turned(b)
    b.clock.at_s = 5.5

    turn = await turned(b)

    assert turn.plan.reason is Reason.HELD


async def test_versions_increase_and_carry_the_epoch() -> None:
    b = bench(epoch=4)
    b.measure()
    await turned(b)
    b.probe(dead="fra")
    await turned(b)

    fences = [table.fence for tables in b.notebook.intents for table in tables.values()]
    assert {epoch for epoch, _ in fences} == {4}
    assert sorted({version for _, version in fences}) == [1, 2]


async def test_weights_that_someone_else_changed_are_put_right() -> None:
    b = bench()
    b.measure()
    await turned(b)
    table = b.meshes["ams"].table
    assert table is not None
    b.meshes["ams"].table = hijacked(table)
    b.clock.at_s = 5.0
    b.measure()

    for at_s in (5.0, 10.0, 15.0, 20.0, 25.0):
        b.clock.at_s = at_s
        b.measure()
        await turned(b)

    now = b.meshes["ams"].table
    assert now is not None
    assert now.digest() == table.digest()


async def test_run_when_a_price_rises_moves_traffic_away_within_a_few_steps() -> None:
    b = bench()
    b.measure()
    b.state, _ = await tick(b.state, b.ports, b.policy)
    fleet = dearer(b.fleet, "fra", 30.0)
    b.desk.current = replace(b.desk.current, fleet=fleet)
    b.desk.ticks = 12
    turns: list[Turn] = []

    def show(_: object, turn: Turn) -> None:
        turns.append(turn)
        b.measure()

    b.clock.at_s = 5.0
    b.measure()
    await run(b.state, b.ports, show)

    view = RoutingView(fleet, turns[-1].pushed)
    assert view["front@fra"].get("fra", 0.0) < 0.05
    assert max(turn.fraction for turn in turns) <= 1.0
    steps = [t.pushed.dense()[1, 1] for t in turns]
    assert max(np.abs(np.diff(steps))) <= b.policy.limits.step_max + 1e-3, "in steps"


class Early(HandClock):
    """Wakes a rounding before the time that is due, and its time stands still until it is asked to sleep longer."""

    async def sleep_until(self, at_s: float) -> None:
        await super().sleep_until(at_s - 1e-9)


async def test_run_whose_clock_wakes_a_rounding_early_takes_one_turn_a_period() -> None:
    b = bench()
    b.desk.ticks = 4
    at_s: list[float] = []

    await run(b.state, replace(b.ports, clock=Early()), lambda _, turn: at_s.append(turn.at_s))

    assert np.diff(at_s).min() > b.policy.period_s / 2


def hijacked(table: WeightTable) -> WeightTable:
    """The same table with the first service sent to its last cluster."""
    rows = {s: {t.cluster: (0, i + 1) for i, t in enumerate(targets)} for s, targets, _ in table.items()}
    for row in rows.values():
        row[list(row)[-1]] = (table.unit, 0)
    return table_of(table.origin, table.unit, rows, table.fence)
