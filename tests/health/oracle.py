"""The naive twin of health.verdict.judge: one backend at a time, in plain Python, from the sentences of the design."""

from dataclasses import dataclass, replace

from health.rules import Rules
from health.states import State

IN_SERVICE = {State.UP, State.SUSPECT, State.RAMP, State.DRAINING, State.FROZEN, State.TRIAL}


@dataclass(frozen=True)
class Belief:
    """What is known of one backend."""

    service: int
    cluster: int
    state: State = State.UP
    since_s: float = 0.0
    turned_at_s: float = float("-inf")
    hold_down_s: float = 0.0
    draining: bool = False
    doubted: bool = False
    penalty: float = 0.0
    fell_at_s: float = 0.0
    suppressed: bool = False
    unseen: bool = False
    fails: tuple[int, ...] = (0,)
    passes: tuple[int, ...] = (0,)


def seen(belief: Belief, fleet: list[Belief]) -> tuple[tuple[int, int], ...]:
    """(fails, passes) at every vantage that reports (the third never does here) and is not blind."""
    heard = range(min(2, len(belief.fails)))

    def blind(vantage: int) -> bool:
        others = [v for v in heard if v != vantage]
        if not others:
            return False
        alone = [b for b in fleet if b.fails[vantage] > 0 and all(b.passes[v] > 0 for v in others)]
        worst = max((sum(b.cluster == c for b in alone) for c in {b.cluster for b in alone}), default=0)
        return (len(alone) - worst) / len(fleet) > 0.3

    return tuple((belief.fails[v], belief.passes[v]) for v in heard if not blind(v))


def quorum(belief: Belief, fleet: list[Belief], rules: Rules) -> int:
    return max(1, min(rules.quorum, len(seen(belief, fleet))))


def condemned_by_probes(belief: Belief, fleet: list[Belief], rules: Rules) -> bool:
    votes = seen(belief, fleet)
    if len(votes) < min(2, len(belief.fails)):
        return False
    needed = rules.fall_disputed if any(passes > 0 for _, passes in votes) else rules.fall
    return sum(fails >= needed for fails, _ in votes) >= quorum(belief, fleet, rules)


def leaving(belief: Belief, fleet: list[Belief], rules: Rules) -> bool:
    """Out already, or a quorum missed it just now and no operator holds it."""
    if belief.state not in IN_SERVICE:
        return True
    return belief.state != State.FROZEN and misses(belief, fleet, rules)


def misses(belief: Belief, fleet: list[Belief], rules: Rules) -> bool:
    return sum(fails > 0 for fails, _ in seen(belief, fleet)) >= quorum(belief, fleet, rules)


def at_risk(belief: Belief, fleet: list[Belief], rules: Rules) -> bool:
    return condemned_by_probes(belief, fleet, rules) and belief.state in IN_SERVICE - {State.FROZEN}


def panics(belief: Belief, fleet: list[Belief], rules: Rules) -> bool:
    clusters = {other.cluster for other in fleet}
    dark = sum(all(leaving(b, fleet, rules) for b in fleet if b.cluster == cluster) for cluster in clusters)
    if dark > rules.panic_ratio * len(clusters) or dark > max(1, int(rules.ejection_ratio * len(clusters) + 1e-9)):
        return True
    new = [b for b in fleet if leaving(b, fleet, rules) and b.state in IN_SERVICE]
    worst = max((sum(b.cluster == c for b in new) for c in clusters), default=0)
    if (len(new) - worst) / len(fleet) > rules.blind_ratio:
        return True
    siblings = [other for other in fleet if other.service == belief.service]
    out = sum(leaving(other, fleet, rules) for other in siblings)
    if out > 1 and out / len(siblings) > rules.ejection_capacity_ratio + 1e-9:
        return True
    return out / len(siblings) > rules.panic_ratio


def leaves_nobody(belief: Belief, fleet: list[Belief], rules: Rules) -> bool:
    """Every backend of its service is out, or about to be taken out."""
    siblings = [other for other in fleet if other.service == belief.service]
    going = [b for b in siblings if at_risk(b, fleet, rules) and not panics(b, fleet, rules)]
    return all(b in going or b.state not in IN_SERVICE for b in siblings)


def next_state(  # noqa: PLR0911  one return per sentence
    belief: Belief, fleet: list[Belief], condemned: bool, at_s: float, rules: Rules
) -> State:
    failing, votes, needed = (
        condemned_by_probes(belief, fleet, rules),
        seen(belief, fleet),
        quorum(belief, fleet, rules),
    )
    answered = sum(passes > 0 for _, passes in votes) >= needed and not failing
    steady = sum(passes >= rules.rise for _, passes in votes) >= needed and not failing
    if belief.state in {State.UP, State.SUSPECT}:
        if condemned:
            return State.DOWN
        return State.SUSPECT if any(fails for fails, _ in votes) else State.UP
    if belief.state == State.DOWN:
        return State.PROBATION if answered else State.DOWN
    if belief.state == State.PROBATION:
        if not answered:
            return State.DOWN
        chronic = belief.suppressed and decayed(belief, at_s, rules) >= rules.reuse_below
        if steady and not chronic and at_s - belief.turned_at_s >= belief.hold_down_s:
            returned = State.TRIAL if belief.unseen else State.RAMP
            return State.DRAINING if belief.draining else returned
        return State.PROBATION
    if belief.state == State.RAMP:
        if condemned:
            return State.DOWN
        return State.UP if at_s - belief.since_s >= rules.ramp_s else State.RAMP
    if belief.state == State.TRIAL:  # nobody has clients here, so nobody has to be served first
        return State.DOWN if condemned else State.RAMP
    if belief.state == State.DRAINING:
        return State.DOWN if condemned else State.DRAINING
    return State.FROZEN


def decayed(belief: Belief, at_s: float, rules: Rules) -> float:
    return float(belief.penalty * 0.5 ** ((at_s - belief.fell_at_s) / rules.penalty_half_life_s))


def judge_one(belief: Belief, fleet: list[Belief], at_s: float, rules: Rules) -> Belief:
    risk = at_risk(belief, fleet, rules)
    doubted = risk and (panics(belief, fleet, rules) or leaves_nobody(belief, fleet, rules))
    condemned = condemned_by_probes(belief, fleet, rules) and not doubted
    state = next_state(belief, fleet, condemned, at_s, rules)
    after = replace(belief, state=state, doubted=doubted)
    if state != belief.state:
        after = replace(after, since_s=at_s)
    if (state in IN_SERVICE) != (belief.state in IN_SERVICE):
        after = replace(after, turned_at_s=at_s)
    if belief.state in IN_SERVICE and state not in IN_SERVICE:
        repeated = at_s - belief.turned_at_s < rules.forget_s
        doubled = min(max(2 * belief.hold_down_s, rules.hold_down_s), rules.hold_down_max_s)
        after = replace(after, hold_down_s=doubled if repeated else rules.hold_down_s)
        after = replace(after, penalty=decayed(belief, at_s, rules) + 1, fell_at_s=at_s)
    suppressed = state not in IN_SERVICE and (belief.suppressed or after.penalty > rules.suppress_above)
    # A fleet without clients loses nothing but what probes condemn.
    unseen = belief.unseen and state != State.UP and not (belief.state in IN_SERVICE and state not in IN_SERVICE)
    return replace(after, suppressed=suppressed, unseen=unseen)


def judge_all(fleet: list[Belief], at_s: float, rules: Rules) -> list[Belief]:
    return [judge_one(belief, fleet, at_s, rules) for belief in fleet]
