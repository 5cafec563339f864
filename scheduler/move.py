"""Guard and push: what one tick may do of what was decided, and doing it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from health.states import State as Verdict
from health.verdict import Verdicts
from placement.columns import Bools, Floats, bools
from placement.cost import Cost, evaluate, loads
from placement.evacuation import spare_rps, spill
from placement.failover import SHOWN_RPS, failover_routing, shed_words
from placement.fleet import OriginId
from placement.guard import Step, guard, not_offered_share
from placement.plan import Plan, Reason
from placement.problem import Problem
from placement.quantize import routing_of, weight_tables
from placement.readings import Readings, Snapshot
from placement.readmission import let_in_rps, readmitted
from placement.weights import WeightTable
from scheduler.conduct import Conduct, back_to, measured_capacity, resting, restrained, wrong
from scheduler.drill_trickle import trickled
from scheduler.hygiene import Memory
from scheduler.orders import Orders
from scheduler.policy import Policy
from scheduler.ports import Deposed, LedgerDown, Ports
from scheduler.push import write_tables
from scheduler.safety import Safety
from scheduler.state import Mode, State
from scheduler.straying import astray
from scheduler.turn import Outcome, Turn


@dataclass(frozen=True, slots=True)
class Sight:
    """What a move is made of: the state before the tick, what it sees, and the mode in force."""

    state: State
    snapshot: Snapshot
    problem: Problem
    readings: Readings
    memory: Memory
    conduct: Conduct
    mode: Mode
    tables: Mapping[OriginId, WeightTable]
    verdicts: Verdicts
    policy: Policy
    orders: Orders

    @property
    def well(self) -> Bools:
        """(B,) that nobody suspects."""
        return bools(self.verdicts.state == Verdict.UP)


@dataclass(frozen=True, slots=True)
class Move:
    """What one tick may do: the plan, the part of it that the guards let through, and the tables that say so."""

    plan: Plan
    standing_cost: Cost
    step: Step
    cost: Cost
    tables: Mapping[OriginId, WeightTable]
    """Only those that differ from what the meshes have."""
    wanted: Mapping[OriginId, WeightTable]
    """All of them."""
    waits: bool
    """Whether something waits for the next stage of a rollout."""
    ordered: bool = False
    """Whether somebody ordered it, so that a frozen optimizer is no reason to leave it."""


def in_force(wanted: Mode, safety: Safety) -> Mode:
    """The mode of a tick: what operators and drills say counts first."""
    return Mode.SAFE if wanted is Mode.AUTO and safety.on else wanted


def guarded(sight: Sight, solved: Plan | None) -> Move:
    """Bound the plan, or the fallback where there is none, and round it to integer weights.

    A held routing is left alone in every mesh that has one: to hold is not to write.
    """
    problem, policy, tables = sight.problem, sight.policy, sight.tables
    plan = decided(sight, solved)
    standing_cost = evaluate(problem, problem.standing)
    step = guard(problem, plan, standing_cost.objective_usd_per_hour, policy.limits)
    waits = False
    if plan.reason is Reason.SOLVED:
        free = step
        step = restrained(sight.conduct, problem, free, sight.snapshot.at_s, policy.conduct)
        waits = any(said.startswith("rollout") for said in step.guards)
        step = replace(step, routing=trickled(problem, step.routing, policy.trickle_ratio))
        step = step if sight.conduct.rollout else open_door(problem, plan, step)
    if plan.reason is Reason.FAILOVER:
        step = replace(step, guards=step.guards + shed_words(problem, problem.standing, step.routing))
    if sight.conduct.refused:
        names = ", ".join(lost.domain for lost in sight.conduct.refused)
        words = f"emergency budget: {policy.conduct.evacuations_max} domains in ten minutes; {names} waits for a human"
        step = replace(step, guards=(*step.guards, words))
    step = replace(step, guards=step.guards + sight.orders.words)
    holds = plan.reason in {Reason.HELD, Reason.FROZEN}
    told = holds and set(tables) == set(problem.fleet.origins.ids)
    wanted = dict(tables) if told else weight_tables(problem, step.routing, policy.rounding, tables)
    differs = {o: t for o, t in wanted.items() if o not in tables or not (holds or t.same_weights(tables[o]))}
    return Move(plan, standing_cost, step, evaluate(problem, step.routing), differs, wanted, waits, obeys(sight))


def open_door(problem: Problem, plan: Plan, step: Step) -> Step:
    """The step with what is refused, and need not be, let in: guards slow what moves, and this moves nobody."""
    routing = readmitted(problem, plan.routing, step.routing)
    rps = let_in_rps(problem, step.routing, routing)
    return replace(step, routing=routing, guards=(*step.guards, f"let in: {rps:.1f} rps")) if rps > SHOWN_RPS else step


def decided(sight: Sight, solved: Plan | None) -> Plan:
    """The plan to guard: back where the last pushes made something worse, else the solved one, else the fallback."""
    conduct, at_s, limits = sight.conduct, sight.snapshot.at_s, sight.policy.conduct
    if obeys(sight):
        return returned(sight)
    if sight.mode is Mode.AUTO and not stranded(sight):
        worse = wrong(conduct, sight.problem, sight.readings, sight.memory, sight.well, at_s, limits.trial)
        if worse:
            target = back_to(conduct, sight.problem.standing)
            routing = spill(sight.problem, target, sight.snapshot.usable, spare(sight))
            return Plan(routing, evaluate(sight.problem, routing), Reason.ROLLBACK, worse)
        rest = resting(conduct, at_s, limits)
        if rest:
            return fallback(sight, rest)
    return solved or fallback(sight, "no new solution")


def obeys(sight: Sight) -> bool:
    """Whether an order to go back is followed now: not while nothing may move, and a drill or a loss comes first."""
    return sight.orders.back is not None and sight.mode not in {Mode.STOPPED, Mode.DRILLING} and not stranded(sight)


def returned(sight: Sight) -> Plan:
    """The ordered weights, without what is down and within what backends serve."""
    back, problem = sight.orders.back, sight.problem
    assert back is not None
    target = routing_of(problem.fleet, back.tables, problem.standing)
    routing = spill(problem, target, sight.snapshot.usable, spare(sight))
    return Plan(routing, evaluate(problem, routing), Reason.ROLLBACK, str(back))


def stranded(sight: Sight) -> bool:
    """Whether something stands where it may not."""
    return bool((not_offered_share(sight.problem, sight.problem.standing) > 0).any())


def fallback(sight: Sight, why: str) -> Plan:
    """What to do without a solution: the failover table for what is down, else exactly what stands."""
    problem, snapshot, mode = sight.problem, sight.snapshot, sight.mode
    standing = problem.standing
    if not stranded(sight) or mode is Mode.STOPPED:
        if mode not in {Mode.AUTO, Mode.SAFE}:
            return Plan(standing, evaluate(problem, standing), Reason.FROZEN, f"mode is {mode}")
        if snapshot.age_s() > sight.policy.readings_age_max_s:
            why = f"readings are {snapshot.age_s():.0f} s old"
        elif mode is Mode.SAFE:
            why = f"SAFE mode: {'; '.join(sight.conduct.safety.reasons)}"
        return Plan(standing, evaluate(problem, standing), Reason.HELD, why)
    table, usable, cut = sight.state.failover, snapshot.usable, snapshot.cut
    last = sight.state.problem
    asked = last if problem.lost.any() and last is not None else problem  # an emergency sees clients where they go
    routing, source = failover_routing(problem, table, standing, usable, spare(sight), cut, asked)
    return Plan(routing, evaluate(problem, routing), Reason.FAILOVER, source)


def spare(sight: Sight) -> Floats:
    """(B,) what receivers may be brought to: by what they serve now, and what stood in the last tick."""
    now, last = sight.problem, sight.state.problem
    known = last if last is not None and len(last.capacity_rps) == len(now.capacity_rps) else now
    known = replace(known, pieces=now.pieces, capacity_rps=now.capacity_rps)
    measured = measured_capacity(sight.memory, len(known.capacity_rps))
    now_rps = loads(sight.problem, sight.problem.standing).backend_rps
    return spare_rps(known, measured, sight.policy.conduct.unmeasured_ratio, now_rps)


async def pushed(sight: Sight, move: Move, ports: Ports) -> tuple[Move, dict[OriginId, Outcome], int, tuple[str, ...]]:
    """Push a move, or where that may not be, what has to get out alone; the move that was pushed comes back."""
    state, mode, policy = sight.state, sight.mode, sight.policy
    outcomes, version, blocked = await push(state, move, mode, ports, policy)
    if blocked and move.plan.reason is not Reason.FAILOVER and stranded(sight):
        move = await ports.compute(partial(guarded, sight, None))
        outcomes, version, said = await push(state, move, mode, ports, policy)
        blocked = tuple(dict.fromkeys(blocked + said))
    return move, outcomes, version, blocked


async def push(
    state: State, move: Move, mode: Mode, ports: Ports, policy: Policy
) -> tuple[dict[OriginId, Outcome], int, tuple[str, ...]]:
    """Write the tables of a move; returns outcomes, the version now used, and what kept us from writing.

    The switch is looked at again: a freeze that came while we were deciding holds.
    """
    differs = {origin: table for origin, table in move.tables.items() if origin in ports.connectors}
    differs |= {origin: move.wanted[origin] for origin in astray(ports.connectors) if origin in move.wanted}
    now = ports.desk.mode()
    optional = move.plan.reason not in {Reason.FAILOVER, Reason.HELD}
    if not differs or Mode.STOPPED in {mode, now}:
        return {}, state.version, ("stopped by an operator",) if differs else ()
    if optional and now is not Mode.AUTO and not (move.ordered and now is Mode.FROZEN):
        return {}, state.version, (f"mode became {now} meanwhile",)
    version = state.version + 1
    fenced = {origin: table.fenced(state.epoch, version) for origin, table in differs.items()}
    try:
        await ports.ledger.intend(state.turn + 1, fenced)
    except LedgerDown as down:
        if isinstance(down, Deposed):
            return {}, state.version, (f"ledger: {down}",)
        if move.plan.reason is not Reason.FAILOVER:
            return {}, state.version, (f"ledger: {down}; only an evacuation goes on without it",)
    sent_at_s = ports.clock.now_s()
    outcomes = await write_tables(ports.connectors, fenced, policy.push_deadline_s, ports.watch, sent_at_s)
    return outcomes, version, ()


async def record(ports: Ports, turn: Turn) -> str:
    """Write the turn down; why that was not possible, else empty. The loop outlives its ledger."""
    try:
        await ports.ledger.record(turn)
    except LedgerDown as down:
        return str(down)
    return ""
