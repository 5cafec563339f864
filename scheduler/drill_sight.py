"""What a look at the loop says to a drill: pre-conditions, abort criteria, and what comes before any drill.

Pure functions; each returns words for people, empty where nothing is the matter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from connectors.connector import Connector
from health.drill import Drill, Level
from health.drill_harm import Counts, Envelope, error_harm
from health.verdict import usable
from placement.columns import Floats
from placement.failover import FailoverTable, Row
from placement.fleet import Fleet, OriginId
from placement.problem import Problem
from scheduler.drill_calendar import DrillPolicy, blocked
from scheduler.drill_live import Live
from scheduler.drill_meshes import rehearsing
from scheduler.drill_plan import Rehearsal, moved_ratio, overfull
from scheduler.state import Mode, State
from scheduler.turn import Turn

NAMED_MAX = 3
TESTS_PER_DRILL = 8
"""Steps of the longest drill, each with a test of its own."""


TAIL_RISE_MIN_MS = 5.0
"""A p95 of a few milliseconds doubles for nothing."""


@dataclass(frozen=True, slots=True)
class Look:
    """The loop as it stands."""

    at_s: float
    wall_s: float
    state: State
    turn: Turn
    silence_max_s: float
    """Telemetry older than this is dark."""


def precedence(look: Look, fleet: Fleet) -> str:
    """What comes before any drill: operators, real losses, and not being able to see."""
    mode = look.turn.mode
    if mode not in {Mode.AUTO, Mode.DRILLING}:
        return f"mode is {mode}"
    if look.turn.safe:
        return f"SAFE mode: {'; '.join(look.turn.safe)}"
    if look.state.fleet is not fleet:
        return "the documents changed"
    if look.turn.verdicts.panic:
        return "the probes are in doubt"
    out = np.flatnonzero(~usable(look.state.verdicts))
    if len(out):
        return f"{named(fleet.backend_name(b) for b in out.tolist())} out of service"
    if look.state.conduct.rollout is not None:
        return "the documents are being rolled out"
    cut = np.flatnonzero(~usable(look.state.gateways))
    if len(cut):
        return f"the gateway of {named(fleet.clusters.ids[c] for c in cut.tolist())} is lost"
    age_s = look.at_s - look.state.readings.at_s
    return f"nothing was measured for {age_s:.0f} s" if age_s > look.silence_max_s else ""


def row_of(table: FailoverTable | None, loss: str, flows: int) -> Row | None:
    """The row of a loss, if the table is one of this fleet."""
    if table is None or len(table.standing) != flows:
        return None
    return next((row for row in table.rows if str(row.loss) == loss), None)


def barred(
    level: Level,
    look: Look,
    row: Row,
    plan: Rehearsal,
    without: Mapping[OriginId, str],
    legs_at_s: Floats,
    policy: DrillPolicy,
    ratio_max: float,
) -> tuple[str, ...]:
    """Every pre-condition that does not hold. `plan` is what is left of the drill `without` some origins; `legs_at_s`
    in seconds since 1970.
    """
    envelope, problem = policy.envelope, look.state.problem
    assert problem is not None
    found = [
        "in a blocked window" if blocked(policy.blocked, look.wall_s) else "",
        proof_age(row, look.at_s, envelope),
        nothing_left(row, plan, without),
    ]
    if level >= Level.CANARY:
        found += [unprobed(legs_at_s, look.wall_s, envelope), warming(look, plan)]
    if level is Level.CANARY:
        found.append(too_much(problem, plan, ratio_max, envelope))
    return tuple(words for words in found if words)


def proof_age(row: Row, at_s: float, envelope: Envelope) -> str:
    """Whether the row was proved long ago."""
    age_s = at_s - row.made_at_s
    return f"the proof (L0) is {age_s:.0f} s old" if age_s > envelope.proof_age_max_s else ""


def nothing_left(row: Row, plan: Rehearsal, without: Mapping[OriginId, str]) -> str:
    """Whether there is nobody to rehearse it, and why."""
    if plan.tables:
        return ""
    words = named(f"{origin}: {why}" for origin, why in without.items())
    return words or f"no flow would move for the loss of {row.loss}"


def left_out(level: Level, plan: Rehearsal, connectors: Mapping[OriginId, Connector]) -> dict[OriginId, str]:
    """The origins that a drill has to do without, each with the reason."""
    found = {}
    for origin in plan.tables:
        mesh = rehearsing(connectors.get(origin))
        if mesh is None:
            found[origin] = "its mesh cannot rehearse: it knows no lease" if origin in connectors else "it has no mesh"
        elif level >= Level.CANARY and (words := mesh.unfit()):
            found[origin] = words
    return found


def unprobed(legs_at_s: Floats, wall_s: float, envelope: Envelope) -> str:
    """How many legs have no good answer of late."""
    dark = int((wall_s - legs_at_s > envelope.probe_age_max_s).sum())
    return (
        f"{dark} of {len(legs_at_s)} legs had no good answer (L1) in {envelope.probe_age_max_s:.0f} s" if dark else ""
    )


def warming(look: Look, plan: Rehearsal) -> str:
    """Backends that have just come back."""
    cold = np.flatnonzero(look.turn.snapshot.warmth < 1)
    return f"{named(look.state.fleet.backend_name(b) for b in cold.tolist())} not fully back yet" if len(cold) else ""


def too_much(problem: Problem, plan: Rehearsal, ratio_max: float, envelope: Envelope) -> str:
    """Whether a canary would move more of all traffic than it may."""
    moved = ratio_max * moved_ratio(problem, plan)
    if moved <= envelope.traffic_max:
        return ""
    return f"{moved:.1%} of all requests would move, {envelope.traffic_max:.1%} may"


def fullness(problem: Problem, plan: Rehearsal, drill: Drill, envelope: Envelope) -> str:
    """Whether the receivers have too little room for the farthest step."""
    return overfull(problem, plan, drill.ratio_max, envelope.utilization_start_max) if drill.steps else ""


def harm(
    live: Live, look: Look, receiver_rps: Floats | None, envelope: Envelope, tails_ms: Floats | None = None
) -> str:
    """The first abort criterion that holds. `tails_ms` (B,) is the p95 of every backend now."""
    if live.refused:
        return live.refused
    if live.silent.held_s(look.at_s) > live.drill.lease_s:
        return f"{live.silent_names()} did not answer for {live.drill.lease_s:g} s"
    if not live.drill.ratio:
        return ""
    step, total = live.now - live.step_began, live.now - live.began
    failing = error_harm(
        Counts(step.rehearsed, step.rehearsed_failed),
        Counts(total.regular, total.regular_failed),
        envelope,
        looks=TESTS_PER_DRILL,
    )
    found = failing or overloaded(live, receiver_rps, envelope) or slower(live, look, envelope)
    return found or lagging(live, look, tails_ms, envelope)


def overloaded(live: Live, receiver_rps: Floats | None, envelope: Envelope) -> str:
    """Which receiver is measured above what it may carry."""
    if receiver_rps is None or not len(receiver_rps):
        return ""
    filled = receiver_rps / np.maximum(live.problem.capacity_rps[live.receivers], 1e-9)
    worst = int(filled.argmax())
    if filled[worst] <= envelope.utilization_max:
        return ""
    name = live.problem.fleet.backend_name(int(live.receivers[worst]))
    return f"{name} is filled to {filled[worst]:.0%}, above {envelope.utilization_max:.0%}"


def slower(live: Live, look: Look, envelope: Envelope) -> str:
    """Which receiver got slower, for how long; remembers since when."""
    before = np.maximum(live.latency_before_ms[live.receivers], 1e-9)
    rise = look.state.readings.latency_ms[live.receivers] / before - 1
    worst = int(rise.argmax()) if len(rise) else -1
    live.slow = live.slow.seen(worst >= 0 and bool(rise[worst] > envelope.latency_rise_max), look.at_s)
    if live.slow.held_s(look.at_s) < envelope.latency_rise_s:
        return ""
    name = live.problem.fleet.backend_name(int(live.receivers[worst]))
    return f"{name} takes {rise[worst]:.0%} longer than before for {envelope.latency_rise_s:.0f} s"


def lagging(live: Live, look: Look, tails_ms: Floats | None, envelope: Envelope) -> str:
    """Which receiver's slowest answers got slower, for how long; remembers since when."""
    before = live.tail_before_ms
    if tails_ms is None or before is None or len(tails_ms) != len(before):
        return ""
    was, now = before[live.receivers], tails_ms[live.receivers]
    with np.errstate(invalid="ignore"):
        above = np.isfinite(was + now) & (now > was * (1 + envelope.latency_rise_max)) & (now - was > TAIL_RISE_MIN_MS)
    live.lagging = live.lagging.seen(bool(above.any()), look.at_s)
    if live.lagging.held_s(look.at_s) < envelope.latency_rise_s:
        return ""
    worst = int(np.where(above, now - was, -np.inf).argmax())
    name = live.problem.fleet.backend_name(int(live.receivers[worst]))
    return f"p95 of {name} is {now[worst]:.0f} ms, {was[worst]:.0f} before, for {envelope.latency_rise_s:.0f} s"


def named(names: Iterable[str]) -> str:
    """A few names, and how many more."""
    every = list(names)
    more = f" and {len(every) - NAMED_MAX} more" if len(every) > NAMED_MAX else ""
    return ", ".join(every[:NAMED_MAX]) + more
