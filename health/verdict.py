"""Verdicts: what we believe of every backend, and the pure state machine that moves the belief.

Rules of this file:
1. states.TRANSITIONS alone says where a state may lead, and `judge` makes at most one step of it per call.
2. Conditions are computed for all backends at once and know nothing of states; `diagram` draws the same table.
3. The way out is never damped: what is charged is out at once. The way back is: enough successes, a hold-down that
   doubles with every fall, more for who falls again and again (RFC 2439 damps routes in the same spirit), then a ramp.
4. quorum.py says what the vantages say, doubt.py whether that is believed, gray.py what is done about half-failures.
"""

from dataclasses import dataclass, replace

import numpy as np

from health.callees import failing_callees
from health.doubt import Burden, charges, doubtful, excused
from health.evidence import Evidence
from health.gray import Steps, carried_steps, no_steps, stepped
from health.passive import OUTAGE, Clients, unheard
from health.quorum import Votes, votes
from health.rules import Rules
from health.states import OUT, TRANSITIONS, State
from placement.columns import Bools, Floats, Ints, bools, floats, ints
from placement.fleet import Backends, Calls

RAMP = np.array([0.01, 0.05, 0.1, 0.25, 0.5, 1.0])
"""Part of its capacity that a returned backend is given, step by step; all but the last take the same time. Caches
fill and pools grow with use, so the first steps are small (Envoy and Linkerd call it slow start)."""


IS_OUT: Bools = np.isin(np.arange(len(State)), OUT)
"""(states,) those in which no share may go to a backend."""
TOGETHER_S = 2.0
"""A backend that fell this near to its gateway fell with it: clients and other probes may see it first."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """(B,) one belief per backend."""

    state: Ints
    """Values of State."""
    since_s: Floats
    """When it came into this state."""
    turned_at_s: Floats
    """When it last went out of service or came back; -inf where it never did."""
    hold_down_s: Floats
    """How long its last fall keeps it out at least; 0 where it never fell."""
    draining: Bools
    """An operator wants it empty, also while it is out."""
    doubted: Bools
    """Charged and kept, because too many would be out."""
    contradicted: Bools
    """Dead to the probes and fine to the clients: somebody has to look at the probes."""
    penalty: Floats
    """Falls, decayed to `turned_at_s` or the last fall before it; see Rules."""
    fell_at_s: Floats
    """When it last fell; -inf where it never did."""
    unseen: Bools
    """Its last fall was seen by clients while the probes were content."""
    suppressed: Bools
    """Fell too often lately to come back yet."""
    overloaded_at_s: Floats
    """When clients last failed there because they asked for more than it can serve; -inf where they never did."""
    steps: Steps
    """What is kept away from it because a part of its requests fails."""

    def __len__(self) -> int:
        return len(self.state)

    @property
    def panic(self) -> bool:
        """Whether the probes are in doubt."""
        return bool(self.doubted.any())


def all_up(backends: int, at_s: float) -> Verdicts:
    """The belief before anybody looked: what was never probed is in service."""
    none, zero, never = bools(np.zeros(backends, dtype=bool)), floats(np.zeros(backends)), np.full(backends, -np.inf)
    return Verdicts(
        state=ints(np.full(backends, State.UP)),
        since_s=floats(np.full(backends, at_s)),
        turned_at_s=floats(never),
        hold_down_s=zero,
        draining=none,
        doubted=none,
        contradicted=none,
        penalty=zero,
        fell_at_s=floats(never),
        unseen=none,
        suppressed=none,
        overloaded_at_s=floats(never),
        steps=no_steps(backends),
    )


def is_out(state: Ints) -> Bools:
    """(B,) whether a state is one of those in which no share may go there."""
    return IS_OUT[state]


def usable(verdicts: Verdicts) -> Bools:
    """(B,) whether a share may go there."""
    return bools(~is_out(verdicts.state))


def warmth(
    verdicts: Verdicts, backends: Backends, at_s: float, rules: Rules, capacity_rps: Floats | None = None
) -> Floats:
    """(B,) part of its capacity to plan with: 1 in service, 0 when out or draining, growing while it ramps.

    On trial it is the first step of a ramp, and no more than `trial_rps` of (B,) `capacity_rps`.
    """
    ramp_s = ramps_s(backends, rules)
    step_s = np.maximum(ramp_s / (len(RAMP) - 1), 1e-9)
    step = np.minimum((at_s - verdicts.since_s) / step_s, len(RAMP) - 1).astype(np.int64)
    ramp = np.where(ramp_s > 0, RAMP[np.maximum(step, 0)], 1.0)
    cold = is_out(verdicts.state) | (verdicts.state == State.DRAINING)
    trickle = RAMP[0] if capacity_rps is None else np.minimum(RAMP[0], rules.trial_rps / np.maximum(capacity_rps, 1e-9))
    part = np.where(verdicts.state == State.TRIAL, trickle, np.where(verdicts.state == State.RAMP, ramp, 1.0))
    return floats(np.where(cold, 0.0, part))


def ramps_s(backends: Backends, rules: Rules) -> Floats:
    """(B,) how long each backend takes from its return to full capacity."""
    if not rules.service_ramp_s:
        return np.full(len(backends), rules.ramp_s)
    return np.asarray(rules.service_ramp_s, dtype=np.float64)[backends.service]


def changed(before: Verdicts, after: Verdicts) -> bool:
    """Whether the routing has to follow at once: a backend went out of service, came back, or ails in part."""
    return not (np.array_equal(usable(before), usable(after)) and np.array_equal(before.steps.taken, after.steps.taken))


def judge(
    verdicts: Verdicts,
    evidence: Evidence,
    backends: Backends,
    at_s: float,
    rules: Rules,
    capacity_rps: Floats | None = None,
    behind_since_s: Floats | None = None,
    calls: Calls | None = None,
    burden: Burden | None = None,
) -> Verdicts:
    """The verdicts at `at_s`, one step of TRANSITIONS after `verdicts`. `at_s` never goes back.

    `capacity_rps` (B,) is what the budget of a service counts in, and what tells an overload from an outage; without it
    all backends count the same. `behind_since_s` (B,) says since when the gateway before a backend is out, +inf where
    it is not: what clients miss there is the gateway's. `calls` says who fails when another does, `burden` what the
    weights in force ask of whom.
    """
    assert len(verdicts) == len(evidence.fails) == len(backends), "verdicts, evidence and backends disagree in rows"
    assert rules.quorum <= evidence.vantages, f"quorum {rules.quorum} of {evidence.vantages} vantages is never reached"
    behind = np.zeros(len(backends), dtype=bool) if behind_since_s is None else np.isfinite(behind_since_s)
    below = None if calls is None else failing_callees(evidence.clients, backends.service, calls, at_s)
    evidence = replace(evidence, clients=unheard(evidence.clients, bools(behind)))
    said = votes(evidence, backends.cluster, at_s, rules)
    charge = charges(evidence, said, at_s, rules, capacity_rps, burden)
    charge = excused(charge, evidence.clients, below, floats(at_s - verdicts.overloaded_at_s), burden)
    weight = np.ones(len(backends)) if capacity_rps is None else capacity_rps
    in_service = usable(verdicts)
    free = in_service & (verdicts.state != State.FROZEN)
    doubted = doubtful(charge, said, in_service, free, backends, weight, rules)
    conditions = conditions_of(said, charge.charged, at_s - verdicts.since_s >= ramps_s(backends, rules))
    conditions |= came_back(verdicts, said, charge.charged, at_s, rules)
    conditions |= tried(verdicts, evidence.clients, conditions["restored"], at_s, rules)
    conditions["condemned"] = charge.charged & ~doubted
    conditions["explained"] = fell_with(verdicts, behind_since_s) & said.answered & ~charge.charged
    state, there = verdicts.state.copy(), np.bincount(verdicts.state, minlength=len(State))
    for source, when, target in reversed(TRANSITIONS):  # reversed: the first arrow is written last and so wins
        if there[source]:
            state[(verdicts.state == source) & conditions[when]] = target
    after = moved(verdicts, state, at_s, rules)
    steps = stepped(verdicts.steps, evidence.clients, backends.service, usable(after), at_s, rules)
    fell, content = in_service & ~usable(after), ~(said.failing | said.accused)
    unseen = np.where(fell, content, verdicts.unseen & (state != State.UP))
    return replace(
        after,
        doubted=bools(doubted),
        contradicted=bools(charge.contradicted),
        unseen=bools(unseen),
        overloaded_at_s=floats(np.where(charge.overloaded, at_s, verdicts.overloaded_at_s)),
        steps=steps,
    )


def fell_with(verdicts: Verdicts, behind_since_s: Floats | None) -> Bools:
    """(B,) backends that fell about when the gateway before them did."""
    if behind_since_s is None:
        return np.zeros(len(verdicts), dtype=bool)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(verdicts.fell_at_s - behind_since_s) <= TOGETHER_S, dtype=np.bool_)


def conditions_of(said: Votes, charged: Bools, warm: Bools) -> dict[str, Bools]:
    """(B,) those of CONDITIONS that the last answers decide, whatever state the backend is in."""
    return {
        "missed": said.missed,
        "clear": ~said.missed,
        "answering": said.answered & ~charged,
        "silent": ~said.answered | charged,
        "warm": warm,
    }


def came_back(verdicts: Verdicts, said: Votes, charged: Bools, at_s: float, rules: Rules) -> dict[str, Bools]:
    """(B,) those of CONDITIONS that ask for patience."""
    held = at_s - verdicts.turned_at_s < verdicts.hold_down_s
    suppressed = verdicts.suppressed & (decayed(verdicts, at_s, rules) >= rules.reuse_below)
    restored = said.steady & ~charged & ~held & ~suppressed
    return {"restored": restored, "drained": restored & verdicts.draining}


def tried(verdicts: Verdicts, clients: Clients, restored: Bools, at_s: float, rules: Rules) -> dict[str, Bools]:
    """(B,) those of CONDITIONS that are about what only clients have seen.

    Their score of an outage is as high as it goes when they take a backend out, so on trial the first request that
    fails condemns it again, and it takes some that are answered to bring the score back to 0.
    """
    untried = restored & verdicts.unseen
    if not len(clients):
        return {"untried": untried, "acquitted": np.ones(len(verdicts), dtype=bool)}
    fresh, unasked = clients.fresh(at_s), at_s - np.maximum(verdicts.since_s, clients.heard_at_s) >= rules.trial_s
    served = fresh & (clients.score[:, OUTAGE] == 0)
    return {"untried": untried, "acquitted": np.asarray(served | (~fresh & unasked), dtype=np.bool_)}


def decayed(verdicts: Verdicts, at_s: float, rules: Rules) -> Floats:
    """(B,) the penalty that is left."""
    return np.asarray(verdicts.penalty * np.exp2(-(at_s - verdicts.fell_at_s) / rules.penalty_half_life_s))


def moved(before: Verdicts, state: Ints, at_s: float, rules: Rules) -> Verdicts:
    """The verdicts in their new states, with the times, the hold-down and the penalty that follow from the move."""
    was_out, now_out = is_out(before.state), is_out(state)
    fell = now_out & ~was_out
    restless = at_s - before.turned_at_s < rules.forget_s
    longer = np.clip(2 * before.hold_down_s, rules.hold_down_s, rules.hold_down_max_s)
    penalty = np.where(fell, decayed(before, at_s, rules) + 1.0, before.penalty)
    pardoned = was_out & (state == State.UP)
    penalty = np.where(pardoned, np.maximum(penalty - 1.0, 0.0), penalty)
    return replace(
        before,
        state=ints(state),
        since_s=floats(np.where(state != before.state, at_s, before.since_s)),
        turned_at_s=floats(np.where(now_out != was_out, at_s, before.turned_at_s)),
        hold_down_s=floats(np.where(fell, np.where(restless, longer, rules.hold_down_s), before.hold_down_s)),
        penalty=floats(penalty),
        fell_at_s=floats(np.where(fell, at_s, before.fell_at_s)),
        suppressed=bools(now_out & (before.suppressed | (penalty > rules.suppress_above))),
    )


def carried_verdicts(verdicts: Verdicts, rows: Ints, at_s: float) -> Verdicts:
    """The verdicts for a new fleet: its backend b was backend `rows[b]`, -1 where it is new and so in service."""
    new, old, known = all_up(len(rows), at_s), np.maximum(rows, 0), rows >= 0
    if not len(verdicts):
        return new
    columns = [name for name in Verdicts.__slots__ if name != "steps"]
    kept = {name: np.where(known, getattr(verdicts, name)[old], getattr(new, name)) for name in columns}
    for column in kept.values():
        column.setflags(write=False)
    return Verdicts(**kept, steps=carried_steps(verdicts.steps, rows))
