"""The control loop: observe, judge, decide, guard, push, record. `tick` is Equipoise on one page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from connectors.telemetry import Batch
from health.gray import ceiling_rps
from health.verdict import State as Verdict
from health.verdict import Verdicts, judge, usable, warmth
from placement.columns import Ints, bools
from placement.cost import Cost, evaluate
from placement.failover import FailoverTable, failover_routing
from placement.fleet import OriginId
from placement.guard import Step, guard, not_offered_share
from placement.losses import lost_clusters, reduced
from placement.plan import Plan, Reason
from placement.problem import Problem
from placement.quantize import routing_of, weight_tables
from placement.readings import Readings, Snapshot
from placement.solve.failover import TableOrder
from placement.weights import WeightTable
from scheduler.calm import calmed
from scheduler.foresight import Foresight, foresee, problem_ahead
from scheduler.hygiene import Memory, Rejections, clean
from scheduler.policy import Policy
from scheduler.ports import LedgerDown, Ports
from scheduler.push import read_tables, write_tables
from scheduler.silence import faded, silenced
from scheduler.state import Mode, State, adopt
from scheduler.turn import Outcome, Turn, VerdictChange

EARLY = 0.5
"""A solve this part of a period after the last one is too early."""


async def tick(state: State, ports: Ports, policy: Policy) -> tuple[State, Turn]:
    """Take one turn of the loop and return the next state.

    Never raises for an expected failure: a silent source, an unreachable mesh, an unsolved problem and a broken
    ledger each have one outcome below. A loss takes the short way: no mesh is read, nothing is solved.
    """
    at_s, mode, fleet = ports.clock.now_s(), ports.desk.mode(), state.fleet

    # Judge first: whether something was lost decides how long we may look at the rest.
    verdicts = judge(
        state.verdicts, ports.watch.evidence(), fleet.backends, at_s, policy.rules, state.readings.capacity_rps
    )
    alive = usable(verdicts)
    urgent = bool((usable(state.verdicts) & ~alive).any())

    # Observe. What cannot be read keeps its last value, and its age shows.
    measured = ports.intake.drain()
    reported = {} if urgent else await read_tables(ports.connectors, policy.push_deadline_s, ports.watch)
    tables = {**state.tables, **reported}
    view = await ports.compute(partial(look, state, measured, tables, verdicts, urgent, at_s, policy))
    snapshot, problem = view.snapshot, view.problem

    # Decide. Fail static: without fresh readings or a solution keep the routing as it is, minus what is down.
    ails = bool((verdicts.steps.taken > state.verdicts.steps.taken).any())
    plan = None if urgent else await solve_if_due(state, snapshot, problem, mode, ports, policy, ails)

    # Guard. One tick may move only so much, whatever was decided.
    move = await ports.compute(partial(guarded, state, view, plan, tables, mode, policy))

    # Push what differs from what the meshes have. Who does not answer is asked again next tick, with its plan.
    outcomes, version, blocked = await push(state, move, mode, ports, policy)
    landed = {origin: outcome.table for origin, outcome in outcomes.items() if outcome.landed}

    # Record.
    turn = Turn(
        number=state.turn + 1,
        epoch=state.epoch,
        at_s=at_s,
        wall_s=ports.clock.wall_s(),
        mode=mode,
        snapshot=snapshot,
        verdicts=verdicts,
        changes=verdict_changes(state, verdicts.state, at_s),
        plan=move.plan,
        standing_cost=move.standing_cost,
        pushed=move.step.routing,
        pushed_cost=move.cost,
        fraction=move.step.fraction,
        guards=move.step.guards + blocked,
        outcomes=outcomes,
        rejections=view.rejections,
        duration_s=ports.clock.now_s() - at_s,
    )
    await record(ports, turn)
    failover = await prepare(state, snapshot, move.step, urgent, ports, policy)
    tables = {**tables, **landed}
    return replace(
        state,
        readings=view.readings,
        memory=view.memory,
        verdicts=verdicts,
        routing=move.step.routing,
        tables=tables,
        version=version,
        turn=turn.number,
        solved_at_s=state.solved_at_s if plan is None else at_s,
        problem=problem,
        foresight=view.foresight,
        failover=failover,
    ), turn


async def run(state: State, ports: Ports, show: Callable[[State, Turn], None]) -> State:
    """Tick on a fixed cadence, and at once when something is lost or the documents change, until told to close.

    A late tick is skipped, not queued. `show` is told of every finished turn.
    """
    due_s = ports.clock.now_s()
    while not ports.desk.closing():
        configuration = ports.desk.configuration()
        if configuration.fleet is not state.fleet:
            state = adopt(state, configuration.fleet, configuration.declared, ports.clock.now_s())
        state, turn = await tick(state, ports, configuration.policy)
        show(state, turn)
        now_s = ports.clock.now_s()
        due_s = due_s if now_s < due_s else max(due_s + configuration.policy.period_s, now_s)
        await ports.clock.sleep_until(due_s)
    return state


@dataclass(frozen=True, slots=True)
class View:
    """What one tick sees: the readings kept, the snapshot that is planned with, and its problem."""

    readings: Readings
    memory: Memory
    rejections: Rejections
    snapshot: Snapshot
    problem: Problem
    foresight: Foresight | None


def look(
    state: State,
    measured: tuple[Batch, ...],
    tables: Mapping[OriginId, WeightTable],
    verdicts: Verdicts,
    urgent: bool,
    at_s: float,
    policy: Policy,
) -> View:
    """Clean what was measured and state the problem; in an emergency the last problem without what is gone."""
    fleet, alive = state.fleet, usable(verdicts)
    readings, memory, rejections = clean(state.readings, state.memory, measured, fleet, at_s, policy.hygiene)
    heard = silenced(faded(readings, memory, fleet, at_s), memory, fleet, lost_clusters(fleet, alive), at_s)
    routing = routing_of(fleet, tables, state.routing)
    snapshot = Snapshot(at_s, heard, routing, alive, warmth(verdicts, fleet.backends, at_s, policy.rules))
    known = state.problem if urgent else None
    foresight = foresee(state.foresight, snapshot, memory)
    problem = reduced(known, alive, routing) if known else problem_ahead(fleet, snapshot, policy.prices, foresight)
    problem = calmed(problem, ceiling_rps(verdicts.steps))
    return View(readings, memory, rejections, snapshot, problem, foresight)


@dataclass(frozen=True, slots=True)
class Move:
    """What one tick may do: the plan, the part of it that the guards let through, and the tables that say so."""

    plan: Plan
    standing_cost: Cost
    step: Step
    cost: Cost
    tables: Mapping[OriginId, WeightTable]
    """Only those that differ from what the meshes have."""


def guarded(
    state: State, view: View, plan: Plan | None, tables: Mapping[OriginId, WeightTable], mode: Mode, policy: Policy
) -> Move:
    """Bound the plan, or the fallback where there is none, and round it to integer weights.

    A held routing is left alone in every mesh that has one: to hold is not to write.
    """
    problem, standing = view.problem, view.snapshot.routing
    plan = plan or fallback(state, view.snapshot, problem, mode, policy)
    standing_cost = evaluate(problem, standing)
    step = guard(problem, plan, standing_cost.objective_usd_per_hour, policy.limits)
    wanted = weight_tables(problem, step.routing, policy.rounding, tables)
    holds = plan.reason in {Reason.HELD, Reason.FROZEN}
    differs = {o: t for o, t in wanted.items() if o not in tables or not (holds or t.same_weights(tables[o]))}
    return Move(plan, standing_cost, step, evaluate(problem, step.routing), differs)


async def solve_if_due(
    state: State, snapshot: Snapshot, problem: Problem, mode: Mode, ports: Ports, policy: Policy, ails: bool
) -> Plan | None:
    """A solved plan, where one is wanted, it is time for one, and the readings are good enough to plan with.

    An alarm or a nudge may let the loop tick early; the optimizer still takes one step per period and not more, but
    for a backend that newly `ails`: that step is small already.
    """
    early = not ails and snapshot.at_s - state.solved_at_s < policy.period_s * EARLY
    if mode is not Mode.AUTO or early or snapshot.age_s() > policy.readings_age_max_s:
        return None
    return await ports.solver.solve(problem)


def fallback(state: State, snapshot: Snapshot, problem: Problem, mode: Mode, policy: Policy) -> Plan:
    """What to do without a solution: the failover table for what is down, else exactly what stands."""
    standing = snapshot.routing
    if not (not_offered_share(problem, standing) > 0).any() or mode is Mode.STOPPED:
        reason = Reason.HELD if mode is Mode.AUTO else Reason.FROZEN
        stale = snapshot.age_s() > policy.readings_age_max_s
        why = f"readings are {snapshot.age_s():.0f} s old" if stale else "no new solution"
        return Plan(standing, evaluate(problem, standing), reason, why if mode is Mode.AUTO else f"mode is {mode}")
    routing, source = failover_routing(problem, state.failover, standing, snapshot.usable)
    return Plan(routing, evaluate(problem, routing), Reason.FAILOVER, source)


async def push(
    state: State, move: Move, mode: Mode, ports: Ports, policy: Policy
) -> tuple[dict[OriginId, Outcome], int, tuple[str, ...]]:
    """Write the tables of a move; returns outcomes, the version now used, and what kept us from writing."""
    differs = {origin: table for origin, table in move.tables.items() if origin in ports.connectors}
    if not differs or mode is Mode.STOPPED:
        return {}, state.version, ("stopped by an operator",) if differs else ()
    version = state.version + 1
    fenced = {origin: table.fenced(state.epoch, version) for origin, table in differs.items()}
    try:
        await ports.ledger.intend(state.turn + 1, fenced)
    except LedgerDown as down:
        if move.plan.reason is not Reason.FAILOVER:
            return {}, state.version, (f"ledger: {down}; only an evacuation goes on without it",)
    sent_at_s = ports.clock.now_s()
    outcomes = await write_tables(ports.connectors, fenced, policy.push_deadline_s, ports.watch, sent_at_s)
    return outcomes, version, ()


async def record(ports: Ports, turn: Turn) -> None:
    """Write the turn down; the loop outlives its ledger."""
    try:
        await ports.ledger.record(turn)
    except LedgerDown:
        return


async def prepare(
    state: State, snapshot: Snapshot, step: Step, urgent: bool, ports: Ports, policy: Policy
) -> FailoverTable | None:
    """The failover tables for what now stands, ready before the next loss; the last ones while that is not possible."""
    if urgent:
        return state.failover
    near = bools(state.verdicts.state == Verdict.SUSPECT)
    order = TableOrder(state.fleet, snapshot, step.routing, policy.prices, state.failover, near)
    return await ports.solver.tabulate(order) or state.failover


def verdict_changes(state: State, now: Ints, at_s: float) -> tuple[VerdictChange, ...]:
    """Which backends changed state in this tick."""
    before = state.verdicts.state
    return tuple(
        VerdictChange(at_s, state.fleet.backend_name(b), Verdict(int(before[b])).name, Verdict(int(now[b])).name)
        for b in np.flatnonzero(before != now).tolist()
    )
