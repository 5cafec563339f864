"""The control loop: observe, judge, decide, guard, push, record. `tick` is Equipoise on one page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from connectors.telemetry import Batch
from health.evidence import Evidence
from health.gray import ceiling_rps
from health.states import State as Verdict
from health.verdict import Verdicts, judge, usable, warmth
from placement.columns import Bools, Ints, bools, floats
from placement.emergency import not_refused
from placement.failover import FailoverTable
from placement.fleet import OriginId
from placement.guard import Step
from placement.losses import lost_clusters, reduced
from placement.problem import Problem
from placement.quantize import routing_of, weight_tables
from placement.readings import Readings, Snapshot
from placement.solve.failover import TableOrder
from placement.weights import WeightTable
from scheduler.burden import burden_of
from scheduler.calm import calmed
from scheduler.conduct import Conduct, conducted, evacuating, measured_capacity, rolled_out
from scheduler.deeds import content_of, same_deeds
from scheduler.foresight import Foresight, foresee, problem_ahead, usual_interval_s
from scheduler.gateways import behind_since_s, cut_off, judged_gateways
from scheduler.hygiene import Memory, Rejections, clean
from scheduler.move import Move, Sight, guarded, in_force, pushed, record
from scheduler.orders import Orders, heeded
from scheduler.policy import Policy
from scheduler.ports import Ports
from scheduler.push import read_tables
from scheduler.safety import Round, assessed, solved
from scheduler.silence import faded, silenced
from scheduler.state import Mode, State, adopt
from scheduler.turn import Turn, VerdictChange

NO_ORDERS = Orders()
EARLY = 0.5
"""A solve this part of a period after the last one is too early."""
ON_TIME_S = 1e-6
"""A clock may wake us this much before the time that is due, by rounding alone: that turn is the one that was due."""


async def tick(state: State, ports: Ports, policy: Policy) -> tuple[State, Turn]:
    """Take one turn of the loop and return the next state.

    Never raises for an expected failure: a silent source, an unreachable mesh, an unsolved problem and a broken
    ledger each have one outcome below. A loss takes the short way: no mesh is read, nothing is solved.
    """
    at_s, wall_s = ports.clock.now_s(), ports.clock.wall_s()
    resumed, orders = ports.desk.resumed(), ports.desk.orders(wall_s)

    # Judge first: whether something was lost decides how long we may look at the rest.
    evidence = ports.watch.evidence()
    verdicts, gateways, alive, conduct, urgent = judged(state, evidence, resumed, at_s, policy)

    # Observe. What cannot be read keeps its last value, and its age shows.
    reported = {} if urgent else await read_tables(ports.connectors, policy.push_deadline_s, ports.watch)
    tables = {**state.tables, **reported}
    seen = partial(look, state, ports.intake.drain(), tables, verdicts, gateways, alive, urgent, at_s, policy, orders)
    view = await ports.compute(seen)
    snapshot, problem = view.snapshot, view.problem
    if not urgent:
        conduct = watched(conduct, view, verdicts, evidence, reported, resumed, wall_s, policy)
    mode = in_force(ports.desk.mode(), conduct.safety)

    # Decide. Fail static: without fresh readings or a solution keep the routing as it is, minus what is down.
    plan = None
    if not urgent and due(state, snapshot, verdicts, mode, policy):
        plan = await ports.solver.solve(problem)
        conduct = replace(conduct, safety=solved(conduct.safety, plan is not None))
        plan = plan if mode is Mode.AUTO else None  # in SAFE mode it is asked only whether it answers again

    # Guard. One tick may move only so much, whatever was decided.
    sight = Sight(state, snapshot, problem, view.readings, view.memory, conduct, mode, tables, verdicts, policy, orders)
    move = await ports.compute(partial(guarded, sight, plan))

    # Push what differs from what the meshes have. Who does not answer is asked again next tick, with its plan.
    move, outcomes, version, blocked = await pushed(sight, move, ports)
    landed = {origin: outcome.table for origin, outcome in outcomes.items() if outcome.landed}
    conduct, good, deeds = await ports.compute(partial(followed, sight, move, landed, ports.clock.wall_s()))

    # Record.
    turn = Turn(
        number=state.turn + 1,
        epoch=state.epoch,
        at_s=at_s,
        wall_s=ports.clock.wall_s(),
        mode=mode,
        snapshot=snapshot,
        verdicts=verdicts,
        changes=verdict_changes(state, verdicts.state, gateways.state, at_s),
        plan=move.plan,
        standing_cost=move.standing_cost,
        pushed=move.step.routing,
        pushed_cost=move.cost,
        fraction=move.step.fraction,
        guards=move.step.guards + blocked,
        outcomes=outcomes,
        rejections=view.rejections,
        duration_s=ports.clock.now_s() - at_s,
        safe=conduct.safety.reasons if conduct.safety.on else (),
        good=good,
        deeds=deeds,
    )
    error = await record(ports, turn)
    failover = await prepare(state, view, move.step, urgent, ports, policy)
    return replace(
        state,
        readings=view.readings,
        memory=view.memory,
        verdicts=verdicts,
        gateways=gateways,
        routing=move.step.routing,
        tables={**tables, **landed},
        version=version,
        turn=turn.number,
        solved_at_s=state.solved_at_s if plan is None else at_s,
        problem=problem,
        foresight=view.foresight,
        failover=failover,
        conduct=replace(conduct, safety=replace(conduct.safety, ledger_error=error)),
    ), turn


async def run(state: State, ports: Ports, show: Callable[[State, Turn], None]) -> State:
    """Tick on a fixed cadence, and at once when something is lost or the documents change, until told to close.

    A late tick is skipped, not queued. `show` is told of every finished turn.
    """
    due_s = ports.clock.now_s()
    while not ports.desk.closing():
        configuration = ports.desk.configuration()
        if configuration.fleet is not state.fleet:
            at_s, limits = ports.clock.now_s(), configuration.policy.conduct
            state = adopt(state, configuration.fleet, configuration.declared, at_s, limits)
        state, turn = await tick(state, ports, configuration.policy)
        show(state, turn)
        now_s = ports.clock.now_s()
        due_s = due_s if now_s < due_s - ON_TIME_S else max(due_s + configuration.policy.period_s, now_s)
        await ports.clock.sleep_until(due_s)
    return state


def judged(
    state: State, evidence: Evidence, resumed: bool, at_s: float, policy: Policy
) -> tuple[Verdicts, Verdicts, Bools, Conduct, bool]:
    """Verdicts on backends and on gateways, what load may be sent to (B,), the conduct with what is evacuated, and
    whether something was lost. A lost way in is a loss as well; what stands behind it is not lost with it.
    """
    gateways = judged_gateways(state.gateways, evidence, at_s, policy.rules)
    backends, before = state.fleet.backends, usable(state.verdicts)
    behind, capacity = behind_since_s(state.fleet, gateways), state.readings.capacity_rps
    asked = burden_of(state, evidence.clients, at_s)
    verdicts = judge(state.verdicts, evidence, backends, at_s, policy.rules, capacity, behind, state.fleet.calls, asked)
    now = usable(verdicts)
    conduct = evacuating(state.conduct, state.fleet, before, now, resumed, at_s, policy.conduct)
    alive = not_refused(state.fleet, now, conduct.refused)
    urgent = bool((not_refused(state.fleet, before, state.conduct.refused) & ~alive).any())
    urgent |= bool((usable(state.gateways) & ~usable(gateways)).any())
    return verdicts, gateways, alive, conduct, urgent


def watched(
    conduct: Conduct,
    view: "View",
    verdicts: Verdicts,
    evidence: Evidence,
    reported: Mapping[OriginId, WeightTable],
    resumed: bool,
    wall_s: float,
    policy: Policy,
) -> Conduct:
    """The conduct with what this round says of SAFE mode."""
    at_s, demand, quorum = view.snapshot.at_s, view.snapshot.readings.demand_rps, policy.rules.quorum
    seen = Round(at_s, wall_s, verdicts.panic, evidence, quorum, view.memory, demand, reported, resumed)
    return replace(conduct, safety=assessed(conduct.safety, seen, policy.conduct.safety))


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
    gateways: Verdicts,
    alive: Bools,
    urgent: bool,
    at_s: float,
    policy: Policy,
    orders: Orders = NO_ORDERS,
) -> View:
    """Clean what was measured and state the problem; in an emergency the last problem without what is gone.

    `alive` (B,) is what load may be sent to: what the verdicts say, but for what a human has to decide.
    """
    fleet = state.fleet
    readings, memory, rejections = clean(state.readings, state.memory, measured, fleet, at_s, policy.hygiene)
    usual_s = usual_interval_s(state.foresight, fleet)
    heard = silenced(faded(readings, memory, fleet, at_s), memory, fleet, lost_clusters(fleet, alive), at_s, usual_s)
    routing = routing_of(fleet, tables, state.routing)
    warm = warmth(verdicts, fleet.backends, at_s, policy.rules, readings.capacity_rps)
    warm = np.where(alive & ~usable(verdicts), 1.0, warm)
    cut, counted = cut_off(gateways), measured_capacity(memory, len(alive))
    snapshot = Snapshot(at_s, heard, routing, alive, floats(warm), counted, cut)
    known = state.problem if urgent else None
    foresight = foresee(state.foresight, snapshot, memory)
    problem = reduced(known, alive, routing, cut) if known else problem_ahead(fleet, snapshot, policy.prices, foresight)
    problem = heeded(calmed(problem, ceiling_rps(verdicts.steps)), orders.overrides)
    return View(readings, memory, rejections, snapshot, problem, foresight)


def due(state: State, snapshot: Snapshot, verdicts: Verdicts, mode: Mode, policy: Policy) -> bool:
    """Whether to solve: it is wanted, it is time, and the readings are good enough to plan with.

    An alarm or a nudge may let the loop tick early; the optimizer still takes one step per period and not more, but
    for a backend that newly ails: that step is small already.
    """
    ails = bool((verdicts.steps.taken > state.verdicts.steps.taken).any())
    early = not ails and snapshot.at_s - state.solved_at_s < policy.period_s * EARLY
    return mode in {Mode.AUTO, Mode.SAFE} and not early and snapshot.age_s() <= policy.readings_age_max_s


async def prepare(
    state: State, view: View, step: Step, urgent: bool, ports: Ports, policy: Policy
) -> FailoverTable | None:
    """The failover tables for what now stands, ready before the next loss; the last ones while that is not possible."""
    if urgent:
        return state.failover
    near, trust = bools(state.verdicts.state == Verdict.SUSPECT), policy.conduct.unmeasured_ratio
    order = TableOrder(state.fleet, view.snapshot, step.routing, policy.prices, state.failover, near, trust)
    return await ports.solver.tabulate(order) or state.failover


def followed(
    sight: Sight, move: Move, landed: Mapping[OriginId, WeightTable], wall_s: float
) -> tuple[Conduct, Mapping[OriginId, WeightTable] | None, dict[str, object] | None]:
    """The conduct after a move, the weights that are newly known to be good, and what the ledger has to remember of
    what was done; None each where there is nothing new.
    """
    problem, limits, reason = sight.problem, sight.policy.conduct, move.plan.reason
    routing = move.step.routing if landed else problem.standing
    conduct, good = conducted(sight.conduct, sight.snapshot, problem, routing, reason, landed, limits)
    conduct = rolled_out(conduct, bool(landed), move.waits, sight.snapshot.at_s, limits)
    known_good = weight_tables(problem, good.routing, sight.policy.rounding, {}) if good else None
    if same_deeds(sight.state.conduct, conduct):
        return conduct, known_good, None
    return conduct, known_good, content_of(conduct, problem.fleet, sight.snapshot.at_s, wall_s)


def verdict_changes(state: State, now: Ints, gateways: Ints, at_s: float) -> tuple[VerdictChange, ...]:
    """Which backends and gateways changed state in this tick."""
    fleet = state.fleet
    kinds = (
        (state.verdicts.state, now, fleet.backend_name),
        (state.gateways.state, gateways, lambda c: f"gateway {fleet.clusters.ids[c]}"),
    )
    return tuple(
        VerdictChange(at_s, name(row), Verdict(int(was[row])).name, Verdict(int(became[row])).name)
        for was, became, name in kinds
        for row in np.flatnonzero(was != became).tolist()
    )
