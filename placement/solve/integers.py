"""Whole replicas for a fleet: column generation over complete plans of services, with a certified gap.

Only the pools couple services (without calls and links): at pool prices every service is a small integer problem.

    1. generate   price out plans of all services at the best prices so far and the master's duals, averaged; until the
                  master and the Lagrangian value meet. Large services are linear programs inside the master.
    2. certify    an integer bound at the best prices (placement.solve.certificate); its plans become columns.
    3. choose     an integer choice where the master is undecided, then a local search (placement.solve.choice).

A later problem of the same shape starts from the last answer: bounds of services that did not move still hold at those
prices, whatever happened to capacity, so only those that moved are priced, certified and placed anew. All limits count
work, not time; an answer depends on its input alone.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from placement.assignment import Assignment, AssignmentProblem
from placement.columns import Floats, Ints, floats, ints
from placement.solve.certificate import certify
from placement.solve.choice import choose, finish
from placement.solve.layout import Layout, fits, lay_out, moved
from placement.solve.plans import Master, Plans, divided_usd, relax
from placement.solve.pricing import Mapper, Priced, expenses, flows, nearest_plans, polish, price_out
from placement.solve.programs import Programs, programs

LARGE = 100.0
"""Replicas from which a service is a linear program in the master."""
CLOSE = 5e-4
"""Relative distance of master and Lagrangian value at which generation ends."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to try; counts of work."""

    gap: float = 0.01
    """A warm answer that is certified to this needs no new choice by the master."""
    open: float = 0.003
    """Certification ends when its services leave no more of the cost open."""
    rounds: int = 20
    """of column generation"""
    mips: int = 4000
    """Mixed-integer programs of a certificate."""


class Standing(NamedTuple):
    """What the next tick starts from."""

    layout: Layout
    pool_usd: Floats
    least: Floats
    """(S,) proven lower bounds at these prices"""
    plans: Plans
    n: Ints


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


class _Generated(NamedTuple):
    master: Master
    centre: Floats
    """(P, R) best prices tried"""
    priced: Priced
    """plans there"""
    rounds: int


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


def _warm(
    problem: AssignmentProblem, layout: Layout, old: Standing, changed: Ints, mapper: Mapper, effort: Effort
) -> WholeAssignment:
    """Price, certify and place only what moved, at the prices that stand; if that is not enough, choose anew."""
    large, _ = _by_size(layout)
    was_large, _ = _by_size(old.layout)
    priced = price_out(layout, mapper, changed, old.n, old.pool_usd)
    enough = effort.open * float(old.least.sum()) * len(changed) / layout.services
    proof = certify(layout, mapper, changed, priced, old.pool_usd, enough, effort.mips)
    least = old.least.copy()
    least[changed] = proof.least[changed]
    plans = old.plans.without(layout, np.union1d(changed, np.setxor1d(large, was_large)))
    renewed = np.setdiff1d(np.union1d(changed, np.setxor1d(large, was_large)), large)
    plans.add(renewed, layout.low, layout.usd, expenses(layout, layout.low))
    for n in (old.n, priced.n, proof.priced.n):
        price = layout.price(old.pool_usd)
        plans.add(np.intersect1d(renewed, changed), n, price, expenses(layout, n, price))
    n, usd = old.n, np.zeros(0)
    rent = layout.rent(old.pool_usd)
    if fits(layout, n).all() and (n >= layout.low).all() and (n <= layout.high).all():
        n, usd = polish(layout, np.concatenate([changed, np.setdiff1d(large, changed)]), n)
        usd = expenses(layout, n)
    if not len(usd) or usd.sum() > (least.sum() - rent) * (1 + effort.gap):
        floating = programs(layout, large, strong=False)
        n, usd = finish(layout, choose(plans, floating, relax(plans, floating)), large)
    return _answer(problem, Standing(layout, old.pool_usd, least, plans, n), usd, 0, proof.mips, len(changed))


def _cold(problem: AssignmentProblem, layout: Layout, mapper: Mapper, effort: Effort) -> WholeAssignment:
    large, small = _by_size(layout)
    floating = programs(layout, large, strong=False)
    plans = Plans(layout)
    plans.add(small, layout.low, layout.usd, expenses(layout, layout.low))
    made = _generate(layout, mapper, plans, floating, small, effort.rounds)
    enough = effort.open * made.master.usd
    proof = certify(layout, mapper, np.arange(layout.services), made.priced, made.centre, enough, effort.mips)
    plans.add(small, proof.priced.n, layout.price(made.centre), proof.priced.usd)
    n, usd = finish(layout, choose(plans, floating, relax(plans, floating)), large)
    standing = Standing(layout, made.centre, proof.least, plans, n)
    return _answer(problem, standing, usd, made.rounds, proof.mips, layout.services)


def _by_size(layout: Layout) -> tuple[Ints, Ints]:
    """(large, small) services by the replicas that would carry them."""
    count = np.maximum(1, np.diff(layout.site0))
    lift = np.maximum(layout.sums(layout.lift) / count, 1e-12)
    rps = np.concatenate([[0.0], np.cumsum(layout.rps)])
    size = (rps[layout.demand0[1:]] - rps[layout.demand0[:-1]]) / lift
    return np.flatnonzero(size >= LARGE), np.flatnonzero(size < LARGE)


def _generate(layout: Layout, mapper: Mapper, plans: Plans, large: Programs, small: Ints, rounds: int) -> _Generated:
    """Columns until the master and the best Lagrangian value are close."""
    pool_usd = centre = np.zeros(layout.capacity.shape)
    n, best = nearest_plans(layout), -np.inf
    priced = Priced(n, np.zeros(layout.services), np.zeros(layout.services))
    used = 0
    while used < rounds:
        used += 1
        now = price_out(layout, mapper, small, n, pool_usd)
        plans.add(small, now.n, layout.price(pool_usd), now.usd)
        master = relax(plans, large)
        value = now.usd.sum() + divided_usd(large, layout.price(pool_usd)) - layout.rent(pool_usd)
        if value > best:
            best, centre, priced = value, pool_usd, now
        if master.usd - best < CLOSE * abs(best):
            break
        n, pool_usd = now.n, (centre + master.pool_usd) / 2
    return _Generated(master, centre, priced, used)


def _answer(
    problem: AssignmentProblem, standing: Standing, usd: Floats, rounds: int, mips: int, certified: int
) -> WholeAssignment:
    layout = standing.layout
    bound = float(standing.least.sum()) - layout.rent(standing.pool_usd)
    assignment = Assignment(
        ints(standing.n),
        floats(flows(layout, standing.n)[layout.place]),
        float(usd.sum()),
        bound,
        floats(standing.pool_usd),
    )
    return WholeAssignment(assignment, standing, rounds, mips, len(standing.plans), certified)
