"""All state of some services on one processor: prices of their own, the plan that stands, and its program.

A shard climbs with the others (`respond`), states what its averaged plan costs and takes (`offer`), and solves again
the services that lose most by it, or that take too much, within the room it is given (`improve`).
"""

import resource
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from placement.assignment import AssignmentProblem
from placement.columns import Bools, Floats, Ints, floats
from placement.solve import kernels
from placement.solve.accounts import by_application, heavy, part_uses, spending, uses
from placement.solve.ascent import PACE, LocalClimb, Pace
from placement.solve.blocks import Block, Part, shares
from placement.solve.prices import PriceModel, Prices

BLOCK_SERVICES = 120
"""Services per program: simplex time grows faster than size, the loss from splitting pools slower."""
CATCH_UP = 30
"""Iterations a restarted shard climbs alone."""
MARGIN = 3.0
"""Where a pool is overfull, users of this many times the excess are solved again: so that a few have a choice."""
TOLERANCE = 1e-9
"""Relative; how far over its room a use may be for rounding."""


class Account(NamedTuple):
    """What a shard's plan is worth, at the coordinator's prices."""

    usd: float
    """$/h in all"""
    own: Floats
    """(S,) $/h: parts of the bound"""
    excess: Floats
    """(S,) $/h of each service's application above its part of the bound, pools and links at their prices. Together
    with what stands idle in priced pools this is the certified gap. inf: does not keep its own rows."""
    use: Floats
    """(P * R + K,)"""
    forced: Floats
    """(P * R + K,) by least replicas"""
    replicas: Floats
    """(H,) the plan itself, so that a shard that is lost later takes nothing along that is still needed"""
    route_rps: Floats
    """(X,)"""


class Plan(NamedTuple):
    """What shards may take over, and what it was made for."""

    replicas: Floats
    """(H,)"""
    route_rps: Floats
    """(X,)"""
    demand_rps: Floats
    """(G,)"""
    survive_rps: Floats
    """(L,)"""


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed for a shard since it was told last; rows are its own."""

    demand: Ints
    rps: Floats
    loss: Ints
    survive_rps: Floats
    site: Ints
    standing: Ints
    """replicas"""
    capacity: Floats | None
    """(P, R), None for unchanged"""

    def applied(self, problem: AssignmentProblem) -> AssignmentProblem:
        """The problem after it."""
        g, losses, h = problem.demands, problem.losses, problem.sites
        return replace(
            problem,
            demands=replace(g, rps=_set(g.rps, self.demand, self.rps)),
            losses=replace(losses, survive_rps=_set(losses.survive_rps, self.loss, self.survive_rps)),
            sites=replace(h, standing=_set(h.standing, self.site, self.standing)) if len(self.site) else h,
            capacity=problem.capacity if self.capacity is None else self.capacity,
        )


class Shard:
    """Some services. Runs in process or as an actor."""

    def __init__(self, problem: AssignmentProblem) -> None:
        self.problem, self.model = problem, PriceModel(problem)
        self.block = Block(problem)
        self.climb = LocalClimb(self.model)
        self.best: Prices | None = None
        self.replicas: Floats | None = None
        self.route_rps = np.zeros(len(problem.routes))
        self.unfit = np.zeros(problem.services, dtype=bool)
        self.forced = uses(problem, floats(problem.sites.replicas_min), self.route_rps)
        self.account: Account | None = None

    def warm_up(self) -> int:
        """Load the compiled loops, so that the first round is not late for them; how many services there are."""
        pool, link = np.zeros_like(self.problem.capacity), np.zeros(len(self.problem.links.bandwidth))
        self.climb.respond(pool, link, PACE.iterations, PACE)
        self.offer(pool, link, keep=True)
        self.replicas = self.account = None
        return self.begin(None)

    def peak_memory_mib(self) -> int:
        """Of the process that holds this shard."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    def begin(self, start: Prices | None, warm: bool = False) -> int:
        """Start a climb, from prices or, if warm, those it stands by; how many services there are."""
        self.best = self.best if warm else start
        self.climb = LocalClimb(self.model, self.best)
        return self.problem.services

    def respond(self, pool: Floats, link: Floats, step: int, pace: Pace, keep: bool) -> tuple[float, Floats, Floats]:
        """One iteration, see `LocalClimb.respond`. `keep`: the point before this one is the best so far."""
        if keep:
            self.best = self.climb.last
        return self.climb.respond(pool, link, step, pace)

    def offer(self, pool: Floats, link: Floats, keep: bool) -> Account:
        """The average of the climb becomes the plan: what that costs and takes at the coordinator's prices.

        A shard that was restarted has no own prices: it climbs alone at the coordinator's first.
        """
        if self.climb.weight == 0:
            self._catch_up(pool, link)
        elif keep or self.best is None:
            self.best = self.climb.last
        raw, self.route_rps = self.climb.averaged()
        self._stand(np.maximum(raw / self.problem.sites.rps_per_replica, self.problem.sites.replicas_min))
        return self._account(pool, link)

    def certify(self, pool: Floats, link: Floats) -> Account:
        """What the plan that stands costs and takes now, and the bound at the standing prices."""
        if self.replicas is None or self.best is None:
            return self.offer(pool, link, keep=False)
        return self._account(pool, link)

    def improve(self, pool: Floats, link: Floats, threshold: float, room: Floats, part: float) -> Account:
        """Solve again, within room (P * R + K,), services with more excess, unfit, or heavy where more is taken.

        Programs pay `part` of the pools' prices. Raises Unsolved.
        """
        account = self.account or self.certify(pool, link)
        assert self.replicas is not None
        over = account.use - room
        over[over <= TOLERANCE * room] = 0.0
        again = (account.excess > threshold) | heavy(self.problem, self.replicas, self.route_rps, over, MARGIN)
        again = self._any(np.flatnonzero(again))
        order = np.flatnonzero(again)
        order = order[np.lexsort((self.problem.block[order], -account.excess[order]))]
        self._solve(self._groups(order), part * pool, room)
        self.unfit = self.unfit & ~again
        return self._account(pool, link, account.own)

    def prices(self, pool: Floats, link: Floats) -> Prices:
        """The point that certifies this shard's part at the coordinator's prices."""
        if self.best is None:
            self.offer(pool, link, keep=False)
        assert self.best is not None
        return replace(self.best, pool=pool, link=link)

    def update(self, delta: Delta) -> int:
        """Take over what changed; how many demands.

        The plan stands, in proportion: weights stay, replicas follow what moved most of their service. That is the
        optimum at the standing prices where all of a service moved by one factor, and otherwise a start.
        """
        old, self.problem, self.account = self.problem, delta.applied(self.problem), None
        self.model = self.model.moved(self.problem)
        self.block.move(self.problem)
        if self.replicas is not None and len(delta.demand) + len(delta.loss):
            unsolved = self.unfit
            self._follow(Plan(self.replicas, self.route_rps, old.demands.rps, old.losses.survive_rps))
            if len(self.problem.calls_parent):
                self.unfit |= unsolved | self._any(self.problem.demands.service[delta.demand])
        return len(delta.demand)

    def adopt(self, prices: Prices, plan: Plan) -> int:
        """Stand by a plan that was made ready, as far as demand goes now, and by its prices; how many services."""
        self.best, self.account = prices, None
        self._follow(plan)
        return self.problem.services

    def _follow(self, plan: Plan) -> None:
        """Let a plan stand, scaled from what it was made for to the demand and the survival asked for now."""
        x, h, g, losses = self.problem.routes, self.problem.sites, self.problem.demands, self.problem.losses
        demand = _ratio(g.rps, plan.demand_rps)
        growth = np.zeros(self.problem.services)
        kernels.most(g.service, demand, growth)
        kernels.most(losses.service, _ratio(losses.survive_rps, plan.survive_rps), growth)
        self.route_rps = plan.route_rps * demand[x.demand]
        self._stand(np.maximum(plan.replicas * growth[h.service], h.replicas_min))

    def _stand(self, n: Floats) -> None:
        """Let replicas (H,) stand; services they exceed a limit of are unfit until they are solved."""
        h, spread = self.problem.sites, self.model.spread
        raw = n * h.rps_per_replica
        total = np.bincount(h.service, raw, self.problem.services)[h.service]
        over = (n > h.replicas_max) | ((spread > 0) & (raw > spread * total * (1 + TOLERANCE)))
        self.replicas, self.unfit = n, self._any(h.service[over])

    def _any(self, services: Ints) -> Bools:
        """(S,) the applications of services."""
        return np.isin(self.problem.block, self.problem.block[services])

    def _account(self, pool: Floats, link: Floats, own: Floats | None = None) -> Account:
        """Of the plan as it is now; `own` parts of the bound where they are known to hold."""
        assert self.replicas is not None
        spent, priced = spending(self.problem, self.model.lost, self.replicas, self.route_rps, (pool, link))
        if own is None:
            own = self.model.own_by_service(self.prices(pool, link))
        excess = by_application(self.problem, spent + priced - own)
        excess[self.unfit] = np.inf
        use = uses(self.problem, self.replicas, self.route_rps)
        self.account = Account(float(spent.sum()), own, excess, use, self.forced, self.replicas, self.route_rps)
        return self.account

    def _catch_up(self, pool: Floats, link: Floats) -> None:
        pace = Pace(CATCH_UP)
        for step in range(1, pace.iterations + 1):
            self.climb.respond(pool, link, step, pace)
        self.best = self.climb.last

    def _groups(self, order: Ints) -> list[Part]:
        """Of services in their order, about BLOCK_SERVICES at a time; applications, whole."""
        block = self.problem.block[order]
        first = np.diff(block, prepend=-1) != 0
        start = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
        group = start // BLOCK_SERVICES
        return [self.block.part(order[group == k]) for k in np.unique(group)]

    def _solve(self, groups: list[Part], price: Floats, room: Floats) -> None:
        assert self.replicas is not None
        if not groups:
            return
        problem, n, y = self.problem, self.replicas.copy(), self.route_rps.copy()
        least = floats(problem.sites.replicas_min)
        use = np.stack([part_uses(problem, g.sites, n[g.sites], g.routes, y[g.routes]) for g in groups])
        forced = np.stack([part_uses(problem, g.sites, least[g.sites], g.routes[:0], y[:0]) for g in groups])
        free = np.maximum(room - uses(problem, n, y) + use.sum(axis=0), 0.0)
        share, left = shares(use, free, forced), np.zeros(len(room))
        for group, mine in zip(groups, share, strict=True):
            replicas, rps = self.block.solve(group, mine + left, price)
            n[group.sites], y[group.routes] = replicas, rps
            left = np.maximum(mine + left - part_uses(problem, group.sites, replicas, group.routes, rps), 0.0)
        self.replicas, self.route_rps = n, y


def _set(column: Any, rows: Ints, values: Floats | Ints) -> Any:
    """The column with other values in some rows; itself where there are none."""
    if not len(rows):
        return column
    out = column.copy()
    out[rows] = values
    out.setflags(write=False)
    return out


def _ratio(new: Floats, old: Floats) -> Floats:
    return np.asarray(np.where(old > 0, new / np.maximum(old, 1e-12), 1.0))
