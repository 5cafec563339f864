"""Prices coordinate: the Lagrangian dual of the assignment relaxation, vectorised over all services.

Letters as in `placement.assignment`; mu_h = rps_h, rho = utilization. Coupling rows get prices: pools pi >= 0, links
lambda >= 0, losses 0 <= nu <= short, spread omega >= 0. Further each site has a price m_h of its own for the replicas
it starts (or for its limits). A replica, a raw rps at a site, a request of a demand then cost

    P_h = usd_h + use_h . pi - mu_h (sum_{l of s} nu_l - sum_{l that take h} nu_l) + mu_h (omega_h - spread_s sum omega)
    q_h = (P_h + m_h) / mu_h
    W_g = min(shed_g, min_{x of g} usd_x + bytes_x lambda + q_h / rho_s + sum_{children} calls W_child at h's mesh)

    bound = sum_g demand_g W_g                                       the cheapest way through the call graph
          + sum_h spare_h min(q_h, 0)                                capacity that only losses need
          + sum_h min over n in [min, max] of migration_h (n - standing_h)^+ - m_h n
          + sum_l nu_l survive_l - pi . capacity - lambda . bandwidth                                           [$/h]

It is a lower bound on every assignment, at ANY such prices, converged or not (so yesterday's certify today's plan):

* Relax the priced rows. Write a site's capacity as mu_h n_h = y_h / rho + w_h with spare w_h >= 0 and price this
  equality with q_h: flows, spare and replicas fall apart into the three sums.
* Flows: W satisfies W_g <= shed_g and W_g <= cost of every route of g, children included; multiply the demand rows
  by W and add: sum demand_g W_g is at most what any flow costs (duality of a Leontief system; calls have no cycle).
* Spare: some optimum has w_h <= spare_h. Without spread, capacity above y_h / rho + max_l survive_l serves no row, and
  replicas never cost less than nothing, so cut it (a minimum count may force mu_h min more). With spread, cut every
  site of the service at M = its whole demand / rho + max survive + max mu_h min: sum_k min(n_k, M) / M does not fall
  when M does, so no site exceeds its part afterwards; losses and flows need no more than M anywhere.
* max may be lowered to what the site's pool holds; where neither limits nor migration bind, m_h = 0 and the sum is 0.

The ascent smooths the minima (softmin of relative temperature, logistic for the spare) and takes multiplicative Adam
steps. Averaged over its second half, flows are not feasible, but tell where capacity will be used: see `blocks`.
"""

from copy import copy
from dataclasses import dataclass

import numpy as np

from placement.assignment import CLOSED_USD, AssignmentProblem
from placement.callgraph import call_depth
from placement.columns import Floats, floats, ints
from placement.fleet import Calls
from placement.solve import kernels


@dataclass(frozen=True, slots=True)
class Prices:
    """A point of the dual; any point certifies."""

    pool: Floats
    """(P, R) $/h per unit."""
    link: Floats
    """(K,) $/h per byte/s."""
    loss: Floats
    """(L,) $/h per rps."""
    spread: Floats
    """(H,) $/h per rps."""
    start: Floats
    """(H,) $/h per replica: m_h."""


@dataclass(frozen=True, slots=True)
class Response:
    """What all services do at given prices."""

    own: float
    """$/h: their part of the bound, before the coordinator subtracts pi . capacity and lambda . bandwidth."""
    route_rps: Floats
    raw: Floats
    """(H,) raw rps of capacity."""
    total: Floats
    """(S,) the sum of raw over the sites of each service."""
    gone: Floats
    """(L,) the part of it that each loss takes."""
    pool_use: Floats
    """(P, R)"""
    link_use: Floats
    """(K,)"""


class PriceModel:
    """What does not depend on prices, laid out for fast evaluation."""

    def __init__(self, problem: AssignmentProblem) -> None:
        self.problem = problem
        x, h, g, s = problem.routes, problem.sites, problem.demands, problem.services
        self.first = np.searchsorted(x.demand, np.arange(len(g) + 1))
        route, self.call_demand, self.calls = problem.called()
        self.call_first = np.searchsorted(route, np.arange(len(x) + 1))
        self.depth = depth = call_depth(
            s, Calls(ints(problem.calls_parent), ints(problem.calls_child), problem.calls_per_request)
        )
        self.order = np.argsort(-depth[g.service], kind="stable")
        self.per_raw = 1 / problem.utilization[h.service]
        self.lost = problem.site_losses()
        self.unit = problem.unit_usd[h.service]
        self.per_unit = 1 / self.unit
        self.usd_per_raw = h.usd_per_replica_hour / h.rps_per_replica
        self.use_per_raw = h.use / h.rps_per_replica[:, None]
        self.loss_scale = problem.unit_usd[problem.losses.service]
        self.loss_most = problem.losses.short_usd / self.loss_scale
        self.worth = _worth(problem)
        self.spread = np.where(problem.spread_max < 1, problem.spread_max, 0.0)[h.service]
        self.spreads = np.flatnonzero(self.spread > 0)
        self.forced = h.rps_per_replica * h.replicas_min
        self._limits()
        self._spare()

    def moved(self, problem: AssignmentProblem) -> "PriceModel":
        """The model of a problem that differs only in demands, survival, capacity and standing replicas."""
        today = copy(self)
        old, today.problem = self.problem, problem
        if problem.capacity is not old.capacity or problem.sites is not old.sites:
            today._limits()  # noqa: SLF001  its own
        if problem.demands is not old.demands or problem.losses is not old.losses:
            today._spare()  # noqa: SLF001
        return today

    def _limits(self) -> None:
        """Which sites have a price of their own, and between which values."""
        h, capacity = self.problem.sites, self.problem.capacity
        with np.errstate(divide="ignore", invalid="ignore"):
            fits = np.where(h.use > 0, capacity[h.pool] / h.use, np.inf).min(axis=1, initial=np.inf)
        self.most = np.maximum(np.minimum(h.replicas_max, fits), h.replicas_min).astype(np.float64)
        binding = h.replicas_max < fits
        self.limited = np.flatnonzero((h.migration_usd > 0) | (h.replicas_min > 0) | binding)
        self.stand = np.clip(h.standing, h.replicas_min, self.most).astype(np.float64)
        usd = np.maximum(h.usd_per_replica_hour, 1e-12)
        self.start_scale = usd
        self.start_high = (h.migration_usd + np.where(binding, self.worth, 0.0)) / usd

    def _spare(self) -> None:
        """(H,) the most spare capacity that can be worth having; see the docstring of this module."""
        problem, h = self.problem, self.problem.sites
        survive = np.zeros(problem.services)
        kernels.most(problem.losses.service, problem.losses.survive_rps, survive)
        self.spare_most = survive[h.service] + self.forced
        if not len(self.spreads):
            return
        forced_most = np.zeros(problem.services)
        kernels.most(h.service, self.forced, forced_most)
        level_cut = (self._whole_demand() / problem.utilization + survive + forced_most)[h.service]
        self.spare_most = np.where(self.spread > 0, level_cut, self.spare_most)

    def _whole_demand(self) -> Floats:
        """(S,) rps, with all that callers ask if they are served."""
        problem, depth = self.problem, self.depth
        whole = np.bincount(problem.demands.service, problem.demands.rps, problem.services).astype(np.float64)
        for level in range(int(depth.max(initial=0))):
            mine = depth[problem.calls_parent] == level
            asked = problem.calls_per_request[mine] * whole[problem.calls_parent[mine]]
            np.add.at(whole, problem.calls_child[mine], asked)
        return whole

    def zero(self) -> Prices:
        """No prices but the closing ones of pools that have nothing."""
        h, losses = len(self.problem.sites), len(self.problem.losses)
        pool = np.where(self.problem.capacity > 0, 0.0, CLOSED_USD)
        links = len(self.problem.links.bandwidth)
        return Prices(pool, np.zeros(links), np.zeros(losses), np.zeros(h), np.zeros(h))

    def raw_cost(self, prices: Prices) -> Floats:
        """(H,) q_h, $/h per raw rps."""
        h, losses = self.problem.sites, self.problem.losses
        reward = floats(np.bincount(losses.service, prices.loss, self.problem.services))
        cost = kernels.site_cost(
            self.usd_per_raw, self.use_per_raw, h.pool, prices.pool, h.service, self.lost, prices.loss, reward
        )
        if len(self.limited):
            cost += prices.start / h.rps_per_replica
        if len(self.spreads):
            worth = np.bincount(h.service, prices.spread * self.spread, self.problem.services)
            cost += np.where(self.spread > 0, prices.spread - worth[h.service], 0.0)
        return np.asarray(cost)

    def least(self, prices: Prices, q: Floats) -> tuple[Floats, Floats]:
        """(G,) W_g and (X,) the cost of each route, $/h per rps."""
        x, links = self.problem.routes, self.problem.links
        usd = x.usd
        if len(links.route):
            usd = usd + np.bincount(links.route, prices.link[links.link] * links.amount, len(x))
        cost = np.empty(len(x))
        least = kernels.cheapest(
            self.order,
            self.first,
            self.problem.demands.shed_usd,
            usd,
            x.site,
            q * self.per_raw,
            self.call_first,
            self.call_demand,
            self.calls,
            cost,
        )
        return least, cost

    def own_bound(self, prices: Prices, q: Floats, least: Floats) -> float:
        """The services' part of the bound."""
        losses, g = self.problem.losses, self.problem.demands
        # Sums and not @: idle threads of the linear algebra library would spin between these short products.
        own = (g.rps * least).sum() + (np.minimum(q, 0) * self.spare_most).sum()
        return float(own + (prices.loss * losses.survive_rps).sum() + self._limits_usd(prices).sum())

    def own_by_service(self, prices: Prices) -> Floats:
        """(S,) the same, service by service: callers' demand counts at callers, whose calls include it."""
        q = self.raw_cost(prices)
        least, _ = self.least(prices, q)
        g, h, losses, count = self.problem.demands, self.problem.sites, self.problem.losses, self.problem.services
        own = np.bincount(g.service, g.rps * least, count)
        own += np.bincount(h.service, np.minimum(q, 0) * self.spare_most, count)
        own += np.bincount(losses.service, prices.loss * losses.survive_rps, count)
        return floats(own + np.bincount(h.service[self.limited], self._limits_usd(prices), count))

    def _limits_usd(self, prices: Prices) -> Floats:
        """(limited,) the least of what each site's own limits and starts cost at its own price."""
        h, some = self.problem.sites, self.limited
        ends = np.stack([h.replicas_min[some].astype(np.float64), self.stand[some], self.most[some]])
        dear = h.migration_usd[some] * np.maximum(ends - h.standing[some], 0) - prices.start[some] * ends
        return floats(dear.min(axis=0))

    def coupling(self, prices: Prices) -> float:
        """Pi . capacity + lambda . bandwidth."""
        return float((prices.pool * self.problem.capacity).sum() + (prices.link * self.problem.links.bandwidth).sum())

    def bound(self, prices: Prices) -> float:
        """A lower bound on any assignment, $/h; linear in the number of routes."""
        q = self.raw_cost(prices)
        return self.own_bound(prices, q, self.least(prices, q)[0]) - self.coupling(prices)

    def respond(self, prices: Prices, tau: float) -> Response:
        """Smoothed best response to prices at a relative temperature."""
        problem, x, h = self.problem, self.problem.routes, self.problem.sites
        q = self.raw_cost(prices)
        least, cost = self.least(prices, q)
        rps = np.empty(len(x))
        g = problem.demands
        kernels.flow(
            self.order,
            self.first,
            g.shed_usd,
            least,
            cost,
            g.rps,
            self.call_first,
            self.call_demand,
            self.calls,
            tau,
            rps,
        )
        raw = kernels.raw_capacity(rps, x.site, self.per_raw, q, self.spare_most, self.per_unit, 2 / tau)
        taken = kernels.take(raw, self.use_per_raw, h.pool, len(problem.capacity))
        total, gone = kernels.standing(raw, h.service, self.lost, problem.services, len(problem.losses))
        links = problem.links
        link_use = np.bincount(links.link, rps[links.route] * links.amount, len(links.bandwidth))
        return Response(self.own_bound(prices, q, least), rps, raw, total, gone, taken, floats(link_use))


def _worth(problem: AssignmentProblem) -> Floats:
    """(H,) $/h, the most that a replica can be worth: what it serves refused, and missing after every loss."""
    g, h, losses = problem.demands, problem.sites, problem.losses
    shed = np.zeros(problem.services)
    kernels.most(g.service, g.shed_usd, shed)
    short = np.bincount(losses.service, losses.short_usd, problem.services)
    return floats(h.rps_per_replica * (problem.utilization * shed + short)[h.service])
