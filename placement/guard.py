"""How much of a plan one tick may push: pure filters, each with its reason."""

from dataclasses import dataclass

import numpy as np

from placement.columns import Bools, Floats
from placement.cost import loads
from placement.plan import Plan, Reason
from placement.problem import DEMAND_FLOOR_RPS, Problem
from placement.routing import Routing, blend, left_share, moved_share, side_by_side

TINY_RPS = 1e-6
TINY_SHARE = 1e-9
IDLE_RPS = 2 * DEMAND_FLOOR_RPS
"""A flow below this is nobody's: it moves whole, for nothing moves with it, and holds nobody up where it stands."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one tick may do on its own."""

    step_max: float = 0.05
    """Most of what any flow carries, or is to carry, that leaves its clusters in one tick, except away from what is
    down. Twenty of such steps are transit-safe in all of 1,500 random pairs of plans at 15 % slack, where the plans at
    once were in 2 %."""
    step_min: float = 0.05
    """A step this small is taken even when a mixed state would overfill: it overfills by a twentieth of the flow, and a
    backend by no more than a twentieth of its capacity whatever calls make of it, for the moments that the meshes need;
    without it a full fleet could never be put right."""
    gain_min: float = 0.0
    """Least relative gain of the objective for which anything moves."""


@dataclass(frozen=True, slots=True)
class Step:
    """The part of a plan that may be pushed now."""

    routing: Routing
    fraction: float
    """How far from the standing routing to the plan: 0 refused, 1 whole."""
    guards: tuple[str, ...]
    """What limited it, for people."""


def guard(problem: Problem, plan: Plan, objective_usd_per_hour: float, limits: Limits) -> Step:
    """Bound a plan against the standing routing, whose objective is `objective_usd_per_hour`.

    Away from what is down nothing is damped: a plan that is not SOLVED (a failover, a hold) is taken whole. Otherwise
    one fraction serves all flows that share a limit: of two routings that fit, all on the line between them fit, and a
    fraction per flow would leave that line. Where a flow stands on a route it may no longer use, it and all that share
    a limit with it take the plan at once: it has nothing to stay for, and the room it goes to has to be made.

    A flow that `fades`, because those who call it leave, keeps its row until it is idle: what it still carries leaves
    with its callers, and while some of them are late it would otherwise move in one step.
    """
    standing = problem.standing
    if plan.reason is not Reason.SOLVED:
        return Step(plan.routing, 1.0, ())
    stranded = not_offered_share(problem, standing) > 0
    gain = objective_usd_per_hour - plan.cost.objective_usd_per_hour
    if not stranded.any() and gain < limits.gain_min * abs(objective_usd_per_hour):
        return Step(standing, 0.0, (f"gain {gain:.3g} $/h is below {limits.gain_min:.1%} of the objective",))
    fades = loads(problem, plan.routing).demand_rps <= IDLE_RPS
    per_flow, guards = _fractions(problem, plan, stranded, fades, limits)
    moving = (moved_share(standing, plan.routing) > TINY_SHARE) & (stranded | ~fades)
    fraction = float(per_flow[moving].min(initial=1.0))
    return Step(between(problem, standing, plan.routing, per_flow), fraction, guards)


def _fractions(
    problem: Problem, plan: Plan, stranded: Bools, fades: Bools, limits: Limits
) -> tuple[Floats, tuple[str, ...]]:
    """(F,) how far each flow may go, equal within every set of services that share a limit."""
    fleet, standing = problem.fleet, problem.standing
    label = fleet.applications()
    flow_label, sets = label[fleet.flows.service], int(label.max(initial=-1)) + 1
    far = np.zeros(sets)
    idle = problem.demand_rps <= IDLE_RPS
    moved = np.where(stranded | idle | fades, 0.0, left_share(standing, plan.routing))
    np.maximum.at(far, flow_label, moved)
    step = np.minimum(1.0, limits.step_max / np.maximum(far, limits.step_max))
    evacuates = np.zeros(sets, dtype=bool)
    evacuates[flow_label[stranded & ~idle]] = True
    transit, bounded = np.ones(sets), np.ones(sets)
    steps = transits(problem, standing, plan.routing)
    backend_k = _largest(problem.capacity_rps, *steps)
    np.minimum.at(transit, label[fleet.backends.service], backend_k)
    np.minimum.at(bounded, label[fleet.backends.service], _largest(problem.capacity_rps, *steps, limits.step_min))
    risen = np.zeros(sets)  # with what is let in, which fills a backend like anything else
    np.maximum.at(risen, flow_label, np.where(stranded | idle, 0.0, moved_share(standing, plan.routing)))
    least = np.minimum(bounded, limits.step_min / np.maximum(risen, limits.step_min))
    transit = np.where(transit > 0, np.maximum(transit, least), 0.0)
    step, transit = np.where(evacuates, 1.0, step), np.where(evacuates, 1.0, transit)
    fraction = np.minimum(step, transit)
    said = []
    if (step < np.minimum(transit, 1.0)).any():
        said.append(f"step: {far.max():.0%} of a flow wants to move, {limits.step_max:.0%} may")
    if (transit < step).any():
        tightest = fleet.backend_name(int(backend_k.argmin()))
        said.append(f"transit: {tightest} would overfill while some meshes have the new weights and some the old")
    return np.where(stranded | idle, 1.0, np.where(fades, 0.0, fraction[flow_label])), tuple(said)


def between(problem: Problem, old: Routing, new: Routing, fraction: Floats) -> Routing:
    """(F,) `fraction` of the way from `old` to `new`, on which every load is that fraction of its own way.

    Each routing counts by the demand it gives a flow. Where one service calls another, mixing the shares alone would
    send the calls that newly arrive by the old shares too, and load a backend more than either end does.
    """
    was, becomes = (np.maximum(loads(problem, routing).demand_rps, TINY_RPS) for routing in (old, new))
    return blend(old, new, fraction * becomes / ((1 - fraction) * was + fraction * becomes))


def not_offered_share(problem: Problem, routing: Routing) -> Floats:
    """(F,) share of each flow on routes that the problem does not offer (unlawful, too far, down, lost)."""
    hit = (routing.column != problem.fleet.shed) & (problem.routes_of(routing) < 0)
    return np.asarray(
        np.bincount(routing.row[hit], weights=routing.share[hit], minlength=len(routing)), dtype=np.float64
    )


def transit_fraction(problem: Problem, old: Routing, new: Routing) -> Floats:
    """(B,) the largest step from `old` to `new` that overfills no backend however it is applied; 1 where all is well.

    Every mesh applies old or new on its own, so the worst load on a backend over all mixes is exactly
    sum_f max(old, new) (consistent-update condition; Hong et al., Achieving High Utilization with Software-Driven WAN,
    SIGCOMM'13, section 5.2). Along the line it grows as load(old) + k sum (new - old)^+, so k has a closed form.
    A backend that is over capacity already cannot be kept from being so; it may not gain from the whole plan.
    """
    return _largest(problem.capacity_rps, *transits(problem, old, new))


def transits(problem: Problem, old: Routing, new: Routing) -> tuple[Floats, Floats, Floats]:
    """(B,) rps before a step from `old` to `new`, most that it may add while it is applied, and after it."""
    was, becomes = loads(problem, old), loads(problem, new)
    both = side_by_side(old, new)
    rise = np.maximum(both.new * becomes.demand_rps[both.row] - both.old * was.demand_rps[both.row], 0.0)
    backend = problem.backend_of(both.row, both.column)
    hit = backend >= 0
    added = np.bincount(backend[hit], weights=rise[hit], minlength=len(problem.fleet.backends))
    return was.backend_rps, np.asarray(added, dtype=np.float64), becomes.backend_rps


def _largest(capacity: Floats, before: Floats, rise: Floats, after: Floats, slack: float = 0.0) -> Floats:
    """(B,) the largest part of a step that takes no backend above its capacity by more than `slack` of it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        k = np.where(rise > TINY_RPS, ((1 + slack) * capacity - before) / rise, 1.0)
    k = np.where(before > capacity, np.where(after > before + TINY_RPS, 0.0, 1.0), k)
    return np.asarray(np.clip(k, 0.0, 1.0), dtype=np.float64)
