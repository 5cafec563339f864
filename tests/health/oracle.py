"""The naive twin of health.verdict.judge: one backend at a time, in plain Python, from the sentences of the design."""

from dataclasses import dataclass, replace

from health.verdict import Rules, State

IN_SERVICE = {State.UP, State.SUSPECT, State.RAMP, State.DRAINING, State.FROZEN}


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
    fails: tuple[int, ...] = (0,)
    passes: tuple[int, ...] = (0,)


def condemned_by_probes(belief: Belief, rules: Rules) -> bool:
    return sum(fails >= rules.fall for fails in belief.fails) >= rules.quorum


def leaving(belief: Belief, rules: Rules) -> bool:
    """Out already, or a quorum missed it just now and no operator holds it."""
    if belief.state not in IN_SERVICE:
        return True
    return belief.state != State.FROZEN and sum(fails > 0 for fails in belief.fails) >= rules.quorum


def panics(belief: Belief, fleet: list[Belief], rules: Rules) -> bool:
    dark = set()
    for cluster in {other.cluster for other in fleet}:
        if all(leaving(other, rules) for other in fleet if other.cluster == cluster):
            dark.add(cluster)
    if len(dark) / len({other.cluster for other in fleet}) > rules.panic_ratio:
        return True
    siblings = [other for other in fleet if other.service == belief.service]
    return sum(leaving(other, rules) for other in siblings) / len(siblings) > rules.panic_ratio


def next_state(belief: Belief, condemned: bool, at_s: float, rules: Rules) -> State:  # noqa: PLR0911  one return per sentence
    failing = condemned_by_probes(belief, rules)
    answered = sum(passes > 0 for passes in belief.passes) >= rules.quorum and not failing
    steady = sum(passes >= rules.rise for passes in belief.passes) >= rules.quorum and not failing
    if belief.state in {State.UP, State.SUSPECT}:
        if condemned:
            return State.DOWN
        return State.SUSPECT if any(belief.fails) else State.UP
    if belief.state == State.DOWN:
        return State.PROBATION if answered else State.DOWN
    if belief.state == State.PROBATION:
        if not answered:
            return State.DOWN
        if steady and at_s - belief.turned_at_s >= belief.hold_down_s:
            return State.DRAINING if belief.draining else State.RAMP
        return State.PROBATION
    if belief.state == State.RAMP:
        if condemned:
            return State.DOWN
        return State.UP if at_s - belief.since_s >= rules.ramp_s else State.RAMP
    if belief.state == State.DRAINING:
        return State.DOWN if condemned else State.DRAINING
    return State.FROZEN


def judge_one(belief: Belief, fleet: list[Belief], at_s: float, rules: Rules) -> Belief:
    at_risk = condemned_by_probes(belief, rules) and belief.state in IN_SERVICE - {State.FROZEN}
    doubted = at_risk and panics(belief, fleet, rules)
    state = next_state(belief, condemned_by_probes(belief, rules) and not doubted, at_s, rules)
    after = replace(belief, state=state, doubted=doubted)
    if state != belief.state:
        after = replace(after, since_s=at_s)
    if (state in IN_SERVICE) != (belief.state in IN_SERVICE):
        after = replace(after, turned_at_s=at_s)
    if belief.state in IN_SERVICE and state not in IN_SERVICE:
        repeated = at_s - belief.turned_at_s < rules.forget_s
        doubled = min(max(2 * belief.hold_down_s, rules.hold_down_s), rules.hold_down_max_s)
        after = replace(after, hold_down_s=doubled if repeated else rules.hold_down_s)
    return after


def judge_all(fleet: list[Belief], at_s: float, rules: Rules) -> list[Belief]:
    return [judge_one(belief, fleet, at_s, rules) for belief in fleet]
