"""A problem laid out for compiled work, one service at a time.

Resources are counted in whole thousandths, what replicas use rounded up and what pools hold rounded down, so that
"never overfull" is a statement about integers.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from placement.assignment import AssignmentProblem
from placement.columns import Bools, Floats, Ints
from placement.solve.replicas import FAR, Service

THOUSANDTHS = 1000
ROUNDING = 1e-6
"""Of a thousandth: what is this close to a whole one is one."""
UNLIMITED = 2**31


class Layout(NamedTuple):
    """All services, dense by service: see placement.solve.replicas.Service."""

    site0: Ints
    """(S + 1,) where the sites of a service start; likewise below"""
    demand0: Ints
    cost0: Ints
    loss0: Ints
    rps: Floats
    shed: Floats
    cost: Floats
    lift: Floats
    raw: Floats
    usd: Floats
    migration: Floats
    standing: Ints
    low: Ints
    high: Ints
    gone: Ints
    survive: Floats
    short: Floats
    pool: Ints
    use: Ints
    """(H, R) thousandths"""
    capacity: Ints
    """(P, R) thousandths that whole replicas can fill"""
    place: Ints
    """(X,) where the routes of the problem stand in cost"""

    @property
    def services(self) -> int:
        """S"""
        return len(self.site0) - 1

    def price(self, pool_usd: Floats) -> Floats:
        """(H,) $/h of a replica, shadow prices (P, R) per unit added."""
        out: Floats = self.usd + (self.use * pool_usd[self.pool]).sum(1) / THOUSANDTHS
        return out

    def rent(self, pool_usd: Floats) -> float:
        """$/h of all pools at shadow prices."""
        return float((self.capacity * pool_usd).sum() / THOUSANDTHS)

    def used(self, n: Ints) -> Ints:
        """(P, R) thousandths in use at replicas n (H,)."""
        total = np.zeros_like(self.capacity)
        np.add.at(total, self.pool, self.use * n[:, None])
        return total

    def sums(self, per_site: Floats) -> Floats:
        """(S,) sums over the sites of each service."""
        owner = np.repeat(np.arange(self.services), np.diff(self.site0))
        out: Floats = np.bincount(owner, per_site, self.services).astype(np.float64)
        return out


def lay_out(problem: AssignmentProblem) -> Layout:
    """The problem for the kernels. Raises ValueError for what whole-replica plans do not model yet."""
    _refuse(problem)
    sites, demands, losses = problem.sites, problem.demands, problem.losses
    every = np.arange(problem.services + 1)
    order = np.argsort(demands.service, kind="stable")
    row = np.empty(len(demands), np.int64)
    row[order] = np.arange(len(demands))
    site0 = np.searchsorted(sites.service, every)
    demand0 = np.searchsorted(demands.service[order], every)
    width = np.diff(site0)
    cost0 = np.concatenate([[0], np.cumsum(width * np.diff(demand0))])
    at = problem.routes.service
    within = (row[problem.routes.demand] - demand0[at]) * width[at] + problem.routes.site - site0[at]
    place = cost0[at] + within
    cost = np.full(cost0[-1], FAR)
    cost[place] = problem.routes.usd
    loss0 = np.searchsorted(losses.service, every)
    mu = sites.rps_per_replica
    use = np.ceil(sites.use * THOUSANDTHS - ROUNDING).astype(np.int64)
    return Layout(
        site0,
        demand0,
        cost0,
        loss0,
        np.array(demands.rps[order]),
        np.array(demands.shed_usd[order]),
        cost,
        problem.utilization[sites.service] * mu,
        np.array(mu),
        np.array(sites.usd_per_replica_hour),
        np.array(sites.migration_usd),
        np.where(sites.migration_usd > 0, sites.standing, 0),
        np.array(sites.replicas_min),
        np.minimum(sites.replicas_max, UNLIMITED),
        _gone(problem, loss0),
        np.array(losses.survive_rps),
        np.array(losses.short_usd),
        np.array(sites.pool),
        use,
        _fillable(problem, use),
        place,
    )


def fits(layout: Layout, n: Ints) -> Bools:
    """(P,) pools that hold what is placed on them; whole numbers throughout."""
    return np.asarray((layout.used(n) <= layout.capacity).all(axis=1))


def moved(old: Layout, new: Layout) -> Ints | None:
    """Services whose own inputs differ; None where the two do not even have the same shape."""
    edges = zip(
        (old.site0, old.demand0, old.cost0, old.loss0), (new.site0, new.demand0, new.cost0, new.loss0), strict=True
    )
    if not all(np.array_equal(a, b) for a, b in edges) or old.capacity.shape != new.capacity.shape:
        return None
    out = np.zeros(new.services, bool)
    for edge, names in (
        (new.site0, ("lift", "raw", "usd", "migration", "standing", "low", "high", "gone", "pool", "use")),
        (new.demand0, ("rps", "shed")),
        (new.cost0, ("cost",)),
        (new.loss0, ("survive", "short")),
    ):
        owner = np.repeat(np.arange(new.services), np.diff(edge))
        for name in names:
            a, b = getattr(old, name), getattr(new, name)
            out[owner[(a != b).reshape(len(owner), -1).any(axis=1)]] = True
    return np.flatnonzero(out)


def _refuse(problem: AssignmentProblem) -> None:
    for what, there in (
        ("calls between services", len(problem.calls_parent)),
        ("link bandwidth", len(problem.links.bandwidth)),
        ("spread below 1", int((problem.spread_max < 1).sum())),
    ):
        if there:
            raise ValueError(
                f"{there} rows of {what}: plans of whole replicas are made service by service and do not model them;"
                " solve the relaxation instead"
            )


def _gone(problem: AssignmentProblem, loss0: Ints) -> Ints:
    """(H, 2) which losses of its service take a site away, numbered from the service's first; -1 for none."""
    losses, sites = problem.losses, problem.sites
    out = np.full((len(sites), 2), -1, np.int64)
    if not len(losses):
        return out
    domains = int(max(losses.domain.max(), problem.site_domains.max())) + 1
    key = losses.service * domains + losses.domain
    for i in range(2):
        domain = problem.site_domains[:, i]
        wanted = sites.service * domains + domain
        place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        hit = (domain >= 0) & (key[place] == wanted)
        out[hit, i] = place[hit] - loss0[sites.service[hit]]
    return out


def _fillable(problem: AssignmentProblem, use: Ints) -> Ints:
    """Capacity in thousandths, down to a multiple of the common divisor of what replicas there use."""
    capacity: Ints = np.floor(np.minimum(problem.capacity, 1e12) * THOUSANDTHS + ROUNDING).astype(np.int64)
    grain = np.zeros_like(capacity)
    np.gcd.at(grain, problem.sites.pool, use)
    grain = np.maximum(grain, 1)
    return capacity // grain * grain


@njit(cache=True, nogil=True)
def service_of(layout: Layout, price: Floats, s: int) -> Service:
    """One service at site prices (H,)."""
    a, b = layout.site0[s], layout.site0[s + 1]
    c, d = layout.demand0[s], layout.demand0[s + 1]
    e, f = layout.loss0[s], layout.loss0[s + 1]
    return Service(
        layout.rps[c:d],
        layout.shed[c:d],
        layout.cost[layout.cost0[s] : layout.cost0[s + 1]].reshape((d - c, b - a)),
        layout.lift[a:b],
        layout.raw[a:b],
        price[a:b],
        layout.migration[a:b],
        layout.standing[a:b],
        layout.low[a:b],
        layout.high[a:b],
        layout.gone[a:b],
        layout.survive[e:f],
        layout.short[e:f],
        layout.pool[a:b],
        layout.use[a:b],
    )
