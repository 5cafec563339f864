"""What losses that have not happened would find: for each region or provider, prices and a plan that they certify.

Yesterday's prices certify today's demand, but not a day without its largest region: those are decades away, and a climb
from nothing takes as long as a solve. So an understudy, shards of its own that hold the same services, solves every
loss beforehand, when nothing else is to be done. A loss then takes over a plan, scaled to the demand of the moment, and
certifies it: no climb, and no program unless demand moved. As any prices do, they certify whatever problem they are put
to, also one that has moved since.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from placement.assignment import AssignmentProblem
from placement.columns import Bools, Floats, Ints, floats
from placement.solve.ascent import FINE
from placement.solve.prices import Prices
from placement.solve.shard import Plan
from placement.solve.sharded import TARGET, Fanout, Partition, Round, Standing, improve, insist, solve_sharded

FEW = Round(0.5, 0, 0.9)
"""What moved most; the target is not to be bettered by far, or everybody in a hurry would pay for it."""

NOTHING = -1
"""The domain of no loss."""


@dataclass(frozen=True, slots=True)
class Sparse:
    """A column that is mostly zero."""

    at: Ints
    value: Floats
    length: int

    @classmethod
    def of(cls, column: Floats) -> "Sparse":
        """The part of a column that is not zero."""
        at = np.flatnonzero(column)
        return cls(at, column[at], len(column))

    def dense(self) -> Floats:
        """The whole column."""
        out = np.zeros(self.length)
        out[self.at] = self.value
        return out


@dataclass(frozen=True, slots=True)
class Ready:
    """What is kept for one loss: a plan, what it was made for, and the prices that certify it."""

    prices: Prices
    replicas: Sparse
    """(H,)"""
    route_rps: Sparse
    """(X,)"""
    demand_rps: Floats
    """(G,)"""
    survive_rps: Floats
    """(L,)"""
    open: Bools
    """(P,) the pools that have any capacity then."""

    def plan(self) -> Plan:
        """As shards take it over."""
        return Plan(self.replicas.dense(), self.route_rps.dense(), self.demand_rps, self.survive_rps)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What is ready, by failure domain, in the numbering of Losses; NOTHING for the day when what was lost is back."""

    by_domain: Mapping[int, Ready]

    def after(self, before: AssignmentProblem, now: AssignmentProblem) -> Ready | None:
        """What was prepared for the pools that are left now, if others were before."""
        left = open_pools(now)
        if np.array_equal(left, open_pools(before)):
            return None
        return next((ready for ready in self.by_domain.values() if np.array_equal(ready.open, left)), None)


@dataclass(slots=True)
class Understudy:
    """Shards that play losses, and the problem they hold now."""

    layout: Partition
    fanout: Fanout
    problem: AssignmentProblem

    def lose(self, problem: AssignmentProblem, domain: int, prices: Prices, known: Ready | None = None) -> Ready:
        """The plan of a problem without a domain: the `known` one where it still holds, else by a climb from prices."""
        lost = without(problem, domain)
        self.fanout.update(self.layout.deltas(self.problem, lost))
        self.problem = lost
        after = resume(lost, self.layout, self.fanout, known) if known else None
        if after is None or after.gap > TARGET:
            after = solve_sharded(lost, self.layout, self.fanout, FINE, TARGET, prices)
        parts = insist(self.fanout, "prices", [after.price] * self.layout.shards)
        plan = after.assignment
        return Ready(
            prices=self.layout.whole(lost, parts),
            replicas=Sparse.of(floats(plan.replicas)),
            route_rps=Sparse.of(plan.route_rps),
            demand_rps=lost.demands.rps,
            survive_rps=lost.losses.survive_rps,
            open=open_pools(lost),
        )


def prepare(
    understudy: Understudy, problem: AssignmentProblem, prices: Prices, domains: Iterable[int], known: Foreseen
) -> Iterator[tuple[int, Ready]]:
    """(domain, what is ready for its loss), one a step, so that whoever takes the steps decides when there is time."""
    for domain in domains:
        yield domain, understudy.lose(problem, domain, prices, known.by_domain.get(domain))


def resume(now: AssignmentProblem, layout: Partition, fanout: Fanout, ready: Ready, target: float = TARGET) -> Standing:
    """Shards take over a plan that was ready, scaled to their demand; what that is worth. Raises Unsolved, Lost."""
    prices, plans = layout.prices(now, ready.prices), layout.plans(now, ready.plan())
    insist(fanout, "adopt", list(zip(prices, plans, strict=True)))
    price = ready.prices.pool, ready.prices.link
    accounts = insist(fanout, "certify", [price] * layout.shards)
    return improve(now, layout, fanout, price, accounts, target, (FEW,))


def open_pools(problem: AssignmentProblem) -> Bools:
    """(P,) where there is any capacity."""
    return np.asarray((problem.capacity > 0).any(axis=1))


def without(problem: AssignmentProblem, domain: int) -> AssignmentProblem:
    """The problem when no pool of a domain has any capacity."""
    if domain == NOTHING:
        return problem
    gone = pools_of(problem, domain)
    return replace(problem, capacity=floats(np.where(gone[:, None], 0.0, problem.capacity)))


def pools_of(problem: AssignmentProblem, domain: int) -> Bools:
    """(P,) the pools of a region or provider; where nobody may stand belongs to none."""
    out = np.zeros(len(problem.capacity), dtype=bool)
    out[problem.sites.pool[(problem.site_domains == domain).any(axis=1)]] = True
    return out
