"""The guards in the loop: the production tick on ports in memory."""

import asyncio
from dataclasses import replace

import numpy as np

from connectors.telemetry import Batch, Signal
from placement.columns import bools, floats
from placement.failover import FailoverTable
from placement.fleet import OriginId
from placement.pace import PaceLimits
from placement.plan import Plan, Reason
from placement.problem import Problem
from placement.routing import moved_share
from placement.solve.failover import TableOrder
from placement.trial import TrialLimits
from placement.weights import WeightTable
from scheduler.conduct import ConductLimits
from scheduler.loop import run, tick
from scheduler.policy import Policy
from scheduler.state import Mode, adopt
from scheduler.turn import Turn
from simulator.mesh import SimulatedMesh
from simulator.run import POLICY, InlineSolver
from tests.scheduler.ports import Bench, bench, dearer

QUICK = replace(
    POLICY,
    conduct=ConductLimits(
        pace=PaceLimits(moved_per_minute=1.0, dwell_s=0.0),
        trial=TrialLimits(good_after_s=20.0, rest_s=20.0),
        bake_s=0.0,
        unmeasured_ratio=1.0,
    ),
)


async def turned(b: Bench, at_s: float | None = None, load: float = 1.0, errors: float | None = 0.001) -> Turn:
    """One tick at a time, with fresh demand and error ratios."""
    b.clock.at_s = b.clock.at_s + 5.0 if at_s is None else at_s
    b.measure(load)
    if errors is not None:
        say(b, Signal.ERROR_RATIO, errors)
    b.state, turn = await tick(b.state, b.ports, b.policy)
    return turn


def say(b: Bench, signal: Signal, value: float) -> None:
    """Every backend was measured to have this."""
    keys = [tuple(b.fleet.backend_name(row).split("/")) for row in range(len(b.fleet.backends))]
    b.inbox.batches.append(Batch(signal, "test", b.clock.at_s, tuple(keys), floats(np.full(len(keys), value))))


async def test_tick_when_a_push_made_errors_worse_goes_back_to_what_was_known_good_and_rests() -> None:
    b = bench(QUICK)
    for _ in range(8):
        await turned(b)
    known_good = b.state.routing
    assert b.notebook.turns[-1].good is not None or any(t.good for t in b.notebook.turns), "it baked"
    b.state = adopt(b.state, dearer(b.fleet, "fra", 30.0), b.desk.current.declared, b.clock.at_s, b.policy.conduct)
    b.fleet = b.state.fleet
    moved = await turned(b)

    back = await turned(b, errors=0.2)
    rests = await turned(b, errors=0.001)

    assert moved.plan.reason is Reason.SOLVED
    assert moved.outcomes
    assert back.plan.reason is Reason.ROLLBACK
    assert back.plan.detail.startswith("errors of ")
    assert moved_share(known_good, back.pushed).max() < 0.01
    assert rests.plan.reason is Reason.HELD
    assert rests.plan.detail.startswith("rolled back")
    assert not rests.outcomes


async def test_tick_after_three_rollbacks_in_ten_minutes_is_in_safe_mode_until_an_operator_says_go_on() -> None:
    b = bench(QUICK)
    for _ in range(3):
        await turned(b)
    for cluster in ("fra", "ams", "iad"):
        b.state = adopt(b.state, dearer(bench().fleet, cluster, 30.0), b.desk.current.declared, b.clock.at_s)
        b.fleet = b.state.fleet
        for _ in range(20):
            turn = await turned(b)
            if turn.plan.reason is Reason.SOLVED and turn.outcomes:
                break
        turn = await turned(b, errors=0.2)
        assert turn.plan.reason is Reason.ROLLBACK, turn.guards

    safe = await turned(b)
    b.desk.word = True
    after = await turned(b)

    assert safe.mode is Mode.SAFE
    assert safe.safe == ("rolled back 3 times in 10 minutes",)
    assert "SAFE mode" in safe.plan.detail
    assert after.mode is Mode.AUTO


async def test_tick_when_one_domain_more_than_the_budget_dies_waits_for_a_human_and_then_evacuates() -> None:
    bold = replace(QUICK.rules, panic_ratio=1.0, ejection_ratio=1.0, ejection_capacity_ratio=1.0)
    b = bench(replace(QUICK, rules=bold, conduct=replace(QUICK.conduct, evacuations_max=1)))
    for _ in range(2):
        await turned(b)
    b.probe(dead="fra")
    first = await tick_now(b)
    b.clock.at_s += 60.0
    cluster = np.array([b.fleet.clusters.ids[c] for c in b.fleet.backends.cluster.tolist()])
    for _ in range(3):
        b.clock.at_s += 0.25
        b.watch.report(np.arange(len(cluster)), bools(cluster == "ams"), b.clock.at_s)
    second = await tick_now(b)
    b.desk.word = True
    b.clock.at_s += 5.0
    third = await tick_now(b)

    assert first.plan.reason is Reason.FAILOVER
    assert second.plan.reason is not Reason.FAILOVER
    assert any("cluster iad waits for a human" in said for said in second.guards)
    assert 2 in second.pushed.column, "iad keeps what it has"
    assert third.plan.reason is Reason.FAILOVER
    assert 2 not in third.pushed.column


async def tick_now(b: Bench) -> Turn:
    b.state, turn = await tick(b.state, b.ports, b.policy)
    return turn


async def test_tick_with_new_documents_moves_one_mesh_first_and_the_rest_stage_by_stage() -> None:
    b = bench(replace(QUICK, conduct=replace(QUICK.conduct, bake_s=20.0)))
    for _ in range(2):
        await turned(b)
    b.state = adopt(b.state, dearer(b.fleet, "ams", 30.0), b.desk.current.declared, b.clock.at_s, b.policy.conduct)
    b.fleet = b.state.fleet
    standing = b.state.routing

    early = [await turned(b) for _ in range(3)]
    late = [await turned(b) for _ in range(20)]

    origin = b.fleet.flows.origin
    for turn in early:
        moved = moved_share(standing, turn.pushed) > 0.02
        assert len(set(origin[moved].tolist())) <= 1
    assert any(said.startswith("rollout") for said in early[-1].guards)
    assert moved_share(standing, late[-1].pushed)[0] > 0.5, "in the end all of it"
    assert b.state.conduct.rollout is None


async def test_tick_when_the_solver_fails_three_times_is_safe_and_says_why() -> None:
    b = bench(QUICK)
    await turned(b)

    class Helpless(InlineSolver):
        async def solve(self, problem: Problem) -> Plan | None:
            return None

    b.ports = replace(b.ports, solver=Helpless())
    modes = [(await turned(b)).mode for _ in range(4)]

    assert modes == [Mode.AUTO, Mode.AUTO, Mode.AUTO, Mode.SAFE]


async def test_tick_with_a_broken_ledger_is_safe_and_still_evacuates() -> None:
    b = bench(QUICK)
    for _ in range(2):
        await turned(b)
    b.notebook.broken = True
    await turned(b)
    safe = await turned(b)
    b.probe(dead="fra")

    loss = await tick_now(b)

    assert safe.mode is Mode.SAFE
    assert "disk full" in safe.safe[0]
    assert loss.plan.reason is Reason.FAILOVER
    assert loss.outcomes


async def test_failover_that_cannot_serve_all_says_what_is_shed_and_why() -> None:
    b = bench(QUICK)
    for _ in range(3):
        await turned(b, load=1.6)
    b.probe(dead="fra")

    turn = await tick_now(b)

    said = [words for words in turn.guards if words.startswith("shed ")]
    assert said
    assert " rps of front because " in said[0]


async def test_freeze_while_the_optimizer_works_keeps_its_plan_from_being_pushed() -> None:
    b = bench(QUICK)
    for _ in range(2):
        await turned(b)
    asked, answer = asyncio.Event(), asyncio.Event()

    class Slow(InlineSolver):
        async def solve(self, problem: Problem) -> Plan | None:
            asked.set()
            await answer.wait()
            return await InlineSolver.solve(self, problem)

    b.ports = replace(b.ports, solver=Slow())
    b.state = adopt(b.state, dearer(b.fleet, "fra", 30.0), b.desk.current.declared, b.clock.at_s, b.policy.conduct)
    b.fleet = b.state.fleet
    b.clock.at_s += 5.0
    b.measure()
    under_way = asyncio.create_task(tick(b.state, b.ports, b.policy))
    await asyncio.wait_for(asked.wait(), 5.0)

    b.desk.now = Mode.FROZEN
    answer.set()
    _, turn = await under_way

    assert not turn.outcomes
    assert "mode became frozen meanwhile" in turn.guards


async def test_run_over_an_hour_of_swinging_prices_turns_no_load_round_more_than_six_times() -> None:
    policy = Policy(rules=POLICY.rules, conduct=ConductLimits(bake_s=0.0, unmeasured_ratio=1.0))
    policy = replace(policy, limits=replace(policy.limits, step_max=0.5), period_s=20.0)
    b = bench(policy)
    base, b.desk.ticks = b.fleet, 180
    turns: list[Turn] = []

    def show(_: object, turn: Turn) -> None:
        turns.append(turn)
        swings = dearer(base, "fra", 30.0 if (len(turns) // 6) % 2 else 1.0)
        b.desk.current = replace(b.desk.current, fleet=swings)
        b.measure()

    class Planner(InlineSolver):
        async def tabulate(self, order: TableOrder) -> FailoverTable | None:
            return None

    b.ports = replace(b.ports, solver=Planner())
    b.measure()
    await run(b.state, b.ports, show)

    fra = np.array([turn.pushed.dense()[1, 1] for turn in turns])
    change = np.diff(fra)
    signs = np.sign(change[np.abs(change) > 0.02])
    assert (np.diff(signs) != 0).sum() <= 7, "first move, then six times round"
    assert any("oscillation" in said or "budget" in said for turn in turns for said in turn.guards)


async def test_mesh_that_takes_long_to_answer_is_no_jump_of_the_clock() -> None:
    b = bench(QUICK)
    await turned(b)

    class Late(SimulatedMesh):
        async def read(self) -> WeightTable | None:
            b.clock.at_s += 1.5
            return await super().read()

    late = Late(OriginId("ams"))
    late.table = b.meshes[OriginId("ams")].table
    b.meshes[OriginId("ams")] = late
    b.ports = replace(b.ports, connectors=b.meshes)

    modes = [(await turned(b)).mode for _ in range(3)]

    assert modes == [Mode.AUTO] * 3
