"""Whole replicas for a fleet: column generation over complete plans of services, with a certified gap.

Only the pools couple services (without calls and links): at pool prices every service is a small integer problem.

    1. generate   price out plans of all services between the best prices so far and the master's duals, until the
                  master and the Lagrangian value meet.
    2. certify    an integer bound at the best prices (placement.solve.certificate); its plans become columns.
    3. choose     one plan per service that fits, and exchanges among plans (placement.solve.choice).

Where that leaves more than was asked for, it starts over from the columns it has. A later problem of the same shape
starts from the last answer: bounds of services that did not move still hold at those prices, whatever happened to
capacity, so only those that moved are priced, certified and placed anew. All limits count work, not time; an answer
depends on its input alone.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from placement.assignment import Assignment, AssignmentProblem
from placement.columns import Floats, Ints, floats, ints
from placement.solve.certificate import bound, tighten
from placement.solve.choice import choose, pack, settle
from placement.solve.exchanges import exchange
from placement.solve.generation import generate, keep, relaxed_prices, value_of
from placement.solve.layout import Layout, fits, lay_out, moved
from placement.solve.plans import Plans
from placement.solve.pricing import Mapper, expenses, flows, nearest_plans, price_out


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to try; counts of work."""

    gap: float = 0.0097
    """An answer that is certified to this is good enough."""
    aim: float = 0.003
    """A choice ends when it costs no more than this above what its prices say."""
    open: float = 0.003
    """Certification of what moved ends when it leaves no more of the cost open."""
    passes: int = 3
    """of generation, certificate and choice, at most"""
    rounds: int = 24
    """of column generation in each"""
    once_from: int = 5000
    """Services from which there is one pass: another takes as long and gains little, and an answer has to come."""
    mips: int = 5000
    """Mixed-integer programs of a certificate, at most."""
    exchanges: int = 100
    """of a choice, and one for every twenty services besides"""


class Standing(NamedTuple):
    """What the next tick starts from."""

    layout: Layout
    pool_usd: Floats
    least: Floats
    """(S,) proven lower bounds at these prices"""
    plans: Plans
    n: Ints
    gap: float = 0.0
    """that the last answer for the whole problem was certified to"""


@dataclass(frozen=True, slots=True)
class WholeAssignment:
    """An answer: never more in a pool than it holds, never cheaper than its bound."""

    assignment: Assignment
    standing: Standing
    rounds: int
    mips: int
    columns: int
    certified_services: int

    def __post_init__(self) -> None:
        layout, n = self.standing.layout, self.standing.n
        assert fits(layout, n).all(), "a pool is overfull"
        assert (n >= layout.low).all(), "fewer replicas than the least"
        assert (n <= layout.high).all(), "more replicas than the most"
        assert self.assignment.objective_usd_per_hour >= self.assignment.lower_bound_usd_per_hour * (1 - 1e-6)


def solve_integers(
    problem: AssignmentProblem,
    standing: Standing | None = None,
    mapper: Mapper = map,
    effort: Effort = Effort(),
) -> WholeAssignment:
    """Whole replicas within the pools, with a certified bound; from `standing` where that has the same shape.

    `mapper` fans pricing and certificates out over slices of services. Raises ValueError for calls, links and spread,
    and for least replicas that do not fit; Unsolved if a master has no optimum.
    """
    layout = lay_out(problem)
    if not fits(layout, layout.low).all():
        full = np.flatnonzero(~fits(layout, layout.low))
        raise ValueError(f"pools {full.tolist()} cannot hold the least replicas of their services: lower replicas_min")
    changed = None if standing is None else moved(standing.layout, layout)
    if standing is None or changed is None:
        return _cold(problem, layout, mapper, effort)
    return _warm(problem, layout, standing, changed, mapper, effort)


def _cold(problem: AssignmentProblem, layout: Layout, mapper: Mapper, effort: Effort) -> WholeAssignment:
    every = np.arange(layout.services)
    plans = Plans(layout)
    for n in (layout.low, nearest_plans(layout)):
        plans.add(every, n, layout.usd, expenses(layout, n))
    return _passes(problem, mapper, effort, plans, relaxed_prices(problem, layout), None)


def _warm(
    problem: AssignmentProblem, layout: Layout, old: Standing, changed: Ints, mapper: Mapper, effort: Effort
) -> WholeAssignment:
    """Price, place and certify only what moved, at the prices that stand; if that is not enough, choose anew."""
    priced = price_out(layout, mapper, changed, old.n, old.pool_usd)
    proof = bound(layout, mapper, changed, priced, old.pool_usd)
    plans = old.plans.without(layout, changed)
    plans.add(changed, layout.low, layout.usd, expenses(layout, layout.low))
    price = layout.price(old.pool_usd)
    within = np.clip(old.n, layout.low, layout.high)
    for n in (within, priced.n, proof.priced.n):
        plans.add(changed, n, price, expenses(layout, n, price))
    others = old.least.copy()
    others[changed] = 0.0
    known = float((others + proof.least).sum()) - layout.rent(old.pool_usd)
    goal = max(value_of(plans, old.pool_usd) * (1 + effort.aim), known * (1 + effort.gap))
    n, usd = _placed(plans, changed, within, proof.priced.n, old.pool_usd, goal, effort.exchanges)
    enough = effort.open * float(old.least.sum()) * len(changed) / layout.services
    goal = min(
        float(usd.sum()) / (1 + effort.gap) - float(others.sum()),
        float(proof.priced.usd.sum()) - layout.rent(old.pool_usd) - enough,
    )
    proof = tighten(layout, mapper, proof, goal, effort.mips)
    plans.add(changed, proof.priced.n, price, proof.priced.usd)
    standing = Standing(layout, old.pool_usd, others + proof.least, plans, n)
    answer = _answer(problem, standing, usd, 0, proof.mips, len(changed))
    if answer.assignment.gap <= max(effort.gap, old.gap + effort.open):
        return replace(answer, standing=answer.standing._replace(gap=old.gap))
    return _passes(problem, mapper, effort, plans, old.pool_usd, answer)


def _placed(
    plans: Plans, changed: Ints, within: Ints, wanted: Ints, pool_usd: Floats, goal_usd: float, exchanges: int
) -> tuple[Ints, Floats]:
    """(replicas that fit, (S,) $/h) after services changed, from what stands (H,) and what those want (H,).

    They search in the room that there is; where that is not enough, others move too.
    """
    layout = plans.layout
    n, usd = within, np.full(layout.services, np.inf)
    if fits(layout, n).all():
        for _ in range(2):
            n, usd = settle(layout, n, changed)
    if usd.sum() > goal_usd:
        of_changed = np.isin(np.repeat(np.arange(layout.services), np.diff(layout.site0)), changed)
        moved_n, moved_usd = settle(layout, pack(layout, np.where(of_changed, wanted, within), pool_usd), changed)
        if moved_usd.sum() < usd.sum():
            n, usd = moved_n, moved_usd
        n, usd = exchange(plans, n, usd, pool_usd, goal_usd, exchanges)
    return n, usd


def _passes(
    problem: AssignmentProblem,
    mapper: Mapper,
    effort: Effort,
    plans: Plans,
    pool_usd: Floats,
    best: WholeAssignment | None,
) -> WholeAssignment:
    """Generate, choose and certify from the plans there are, until the gap is small enough; the best of all."""
    layout, rounds, mips = plans.layout, 0, 0
    passes = max(1, effort.passes if layout.services < effort.once_from else 1)
    for _ in range(passes):
        made = generate(mapper, plans, pool_usd, effort.rounds)
        times = effort.exchanges + layout.services // 20
        n, usd = choose(plans, made.share, made.pool_usd, made.usd * (1 + effort.aim), times)
        proof = tighten(layout, mapper, made.proof, float(usd.sum()) / (1 + effort.gap), effort.mips)
        keep(plans, proof)
        rounds, mips = rounds + made.rounds, mips + proof.mips
        standing = Standing(layout, proof.pool_usd, proof.least, plans, n)
        best = _better(_answer(problem, standing, usd, rounds, mips, layout.services), best)
        if best.assignment.gap <= effort.gap:
            break
        pool_usd = (proof.pool_usd + made.pool_usd) / 2
    assert best is not None, "there is at least one pass"
    return best


def _better(new: WholeAssignment, old: WholeAssignment | None) -> WholeAssignment:
    """The cheaper plan with the better bound, each from where it was found."""
    if old is None:
        return new
    cheap = min(new, old, key=lambda each: each.assignment.objective_usd_per_hour)
    proven = max(new, old, key=lambda each: each.assignment.lower_bound_usd_per_hour)
    standing = new.standing._replace(n=cheap.standing.n, pool_usd=proven.standing.pool_usd, least=proven.standing.least)
    bound, pool_usd = proven.assignment.lower_bound_usd_per_hour, proven.assignment.pool_usd
    assignment = replace(cheap.assignment, lower_bound_usd_per_hour=bound, pool_usd=pool_usd)
    return replace(new, assignment=assignment, standing=standing._replace(gap=assignment.gap))


def _bound(standing: Standing) -> float:
    return float(standing.least.sum()) - standing.layout.rent(standing.pool_usd)


def _answer(
    problem: AssignmentProblem, standing: Standing, usd: Floats, rounds: int, mips: int, certified: int
) -> WholeAssignment:
    layout = standing.layout
    assignment = Assignment(
        ints(standing.n),
        floats(flows(layout, standing.n)[layout.place]),
        float(usd.sum()),
        _bound(standing),
        floats(standing.pool_usd),
    )
    proven = standing._replace(gap=assignment.gap)
    return WholeAssignment(assignment, proven, rounds, mips, len(standing.plans), certified)
