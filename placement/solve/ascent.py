"""Climbing the dual: the coordinator moves the prices of pools and links, every shard those that are its own.

One iteration sends (P, R) and (K,) prices down and the same shapes of usage up; prices of losses, spread and starts
never leave their shard. Both halves are plain objects, so that one process, two or a cluster run the same arithmetic.
"""

from dataclasses import dataclass, replace

import numpy as np

from placement.assignment import CLOSED_USD, AssignmentProblem
from placement.columns import Floats, floats
from placement.solve import kernels
from placement.solve.prices import PriceModel, Prices, Response

POOL_FLOOR, LOSS_FLOOR, OWN_FLOOR = 0.2, 0.3, 0.3
"""Typical prices below which steps are additive instead of multiplicative."""
GRADIENT_MOST = 100.0
"""Most relative excess that counts: one huge early excess would dull the adaptive steps for a hundred iterations."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How one climb goes: step length and temperature fall geometrically over the iterations."""

    iterations: int = 64
    rate_first: float = 1.0
    rate_last: float = 0.03
    tau_first: float = 0.4
    tau_last: float = 0.002

    def at(self, step: int) -> tuple[float, float, float]:
        """(rate, temperature, weight of the response in the average) of step 1 .. iterations: late ones weigh most."""
        part = step / self.iterations
        rate = self.rate_first * (self.rate_last / self.rate_first) ** part
        return rate, self.tau_first * (self.tau_last / self.tau_first) ** part, max(0.0, 2 * part - 1)


PACE = Pace()
FINE = Pace(256, rate_first=0.3)
"""Where the usual pace does not reach its target: crowded problems, in which long strides overshoot by decades."""
SETTLE = Pace(24, rate_first=0.03, rate_last=0.01, tau_first=0.01)
"""From prices that are nearly right: to follow what moved since, and to average what services do at them."""


class Slope:
    """Prices in units of a typical one, and the running moments of their gradient."""

    def __init__(self, theta: Floats, low: Floats, high: Floats, floor: float) -> None:
        self.theta, self.low, self.high, self.floor = np.clip(theta, low, high), low, high, floor
        self.mean, self.square = np.zeros(len(theta)), np.zeros(len(theta))

    def step(self, number: int, rate: float, gradient: Floats) -> None:
        """Move up the gradient, in place."""
        kernels.adam(self.theta, self.mean, self.square, gradient, number, rate, self.floor, self.low, self.high)


class LocalClimb:
    """The prices that belong to some services alone, and the average of what those services did.

    A site's own price is counted in its list price where it is positive. Where it is negative, which makes replicas
    that have to stand cheaper to use, it is counted in what a replica costs there at all other prices: at -1 capacity
    is free, and follows when pools become dear.
    """

    def __init__(self, model: PriceModel, start: Prices | None = None) -> None:
        self.model = model
        begin = start or model.zero()
        losses, sites, h = len(model.loss_scale), len(model.unit), model.problem.sites
        self.forced = bool((h.replicas_min > 0).any())
        scale = np.where(begin.start < 0, np.maximum(self._whole(begin), 1e-12), model.start_scale)
        low = np.where(h.replicas_min > 0, -1.0, 0.0)
        self.loss = Slope(begin.loss / model.loss_scale, np.zeros(losses), model.loss_most, LOSS_FLOOR)
        self.spread = Slope(begin.spread / model.unit, np.zeros(sites), np.full(sites, 1e3), OWN_FLOOR)
        self.start = Slope(begin.start / scale, low, model.start_high, OWN_FLOOR)
        self.raw, self.route_rps, self.weight = np.zeros(sites), np.zeros(len(model.problem.routes)), 0.0
        self.last = begin

    def prices(self, pool: Floats, link: Floats) -> Prices:
        """The whole point at the coordinator's prices."""
        model, theta = self.model, self.start.theta
        loss, spread = self.loss.theta * model.loss_scale, self.spread.theta * model.unit
        prices = Prices(pool, link, loss, spread, theta * model.start_scale)
        if not self.forced:
            return prices
        return replace(prices, start=np.where(theta < 0, theta * self._whole(prices), prices.start))

    def _whole(self, prices: Prices) -> Floats:
        """(H,) $/h of a replica at all prices but its site's own."""
        rps = self.model.problem.sites.rps_per_replica
        return np.asarray(np.maximum(self.model.raw_cost(prices) * rps - prices.start, 0.0))

    def respond(self, pool: Floats, link: Floats, step: int, pace: Pace) -> tuple[float, Floats, Floats]:
        """(own part of the bound, pool use, link use) at prices; then move the own prices."""
        rate, tau, weight = pace.at(step)
        prices = self.prices(pool, link)
        answer = self.model.respond(prices, tau)
        self._step(answer, step, rate)
        if weight > 0:
            kernels.add(self.raw, weight, answer.raw)
            kernels.add(self.route_rps, weight, answer.route_rps)
            self.weight += weight
        self.last = prices
        return answer.own, answer.pool_use, answer.link_use

    def averaged(self) -> tuple[Floats, Floats]:
        """(H,) raw rps and (X,) rps, late responses weighing most. Demands, sites and call graph hold for them."""
        return self.raw / self.weight, self.route_rps / self.weight

    def _step(self, answer: Response, step: int, rate: float) -> None:
        model, problem = self.model, self.model.problem
        h, losses = problem.sites, problem.losses
        missing = kernels.lacking(answer.total, answer.gone, losses.service, losses.survive_rps, -GRADIENT_MOST)
        self.loss.step(step, rate, missing)
        if len(model.spreads):
            over = answer.raw / np.maximum(answer.total[h.service], 1e-9) - model.spread
            self.spread.step(step, 0.5 * rate, np.where(model.spread > 0, over, 0.0))
        some = model.limited
        if len(some):
            self.start.step(step, 0.5 * rate, _pull(model, self.start.theta, answer.raw / h.rps_per_replica))


def _pull(model: PriceModel, theta: Floats, wanted: Floats) -> Floats:
    """(H,) the gradient of m: replicas the flows want, less those the site's own cost would choose at this price."""
    h, some = model.problem.sites, model.limited
    least, n = h.replicas_min[some], wanted[some]
    dear = h.migration_usd[some] / model.start_scale[some]
    chosen = np.where(
        (theta[some] < 0) | (n < least), least, np.where(theta[some] < dear, model.stand[some], model.most[some])
    )
    out = np.zeros(len(theta))
    out[some] = (n - chosen) / np.maximum(np.maximum(n, chosen), 1.0)
    return out


def pool_scale(problem: AssignmentProblem) -> Floats:
    """(P, R) $/h per unit at which a resource of a pool would double the price of what wants to stand there.

    Where storage or memory is the scarce part of a GPU node, its shadow price is the GPU's; no list price says so.
    """
    h, shape = problem.sites, problem.capacity.shape
    cell = (h.pool[:, None] * shape[1] + np.arange(shape[1])).ravel()
    paid = np.bincount(cell, np.where(h.use > 0, h.usd_per_replica_hour[:, None], 0.0).ravel(), problem.capacity.size)
    used = np.bincount(cell, h.use.ravel(), problem.capacity.size)
    return floats(np.maximum(problem.usd_scale, (paid / np.maximum(used, 1e-12)).reshape(shape)))


class PoolClimb:
    """The coordinator's half: prices of pools and links, and the best point so far."""

    def __init__(
        self, capacity: Floats, usd_scale: Floats, bandwidth: Floats, start: tuple[Floats, Floats] | None = None
    ) -> None:
        self.capacity, self.bandwidth = capacity, bandwidth
        self.open = capacity.ravel() > 0
        self.pool_scale = np.where(usd_scale > 0, usd_scale, 1.0).ravel()
        self.link_scale = usd_scale.max(initial=1e-9) / np.maximum(bandwidth, 1e-9)
        pool, link = start if start is not None else (np.zeros_like(capacity), np.zeros(len(bandwidth)))
        theta = np.concatenate([np.where(self.open, pool.ravel() / self.pool_scale, 0.0), link / self.link_scale])
        self.slope = Slope(theta, np.zeros(len(theta)), np.full(len(theta), np.inf), POOL_FLOOR)
        self.limit = np.concatenate([capacity.ravel(), bandwidth])
        self.best_bound, self.best = -np.inf, self.prices()

    def prices(self) -> tuple[Floats, Floats]:
        """(P, R) and (K,) $/h per unit."""
        cells = self.capacity.size
        pool = np.where(self.open, self.slope.theta[:cells] * self.pool_scale, CLOSED_USD)
        return pool.reshape(self.capacity.shape), self.slope.theta[cells:] * self.link_scale

    def observe(self, own: float, pool_use: Floats, link_use: Floats, step: int, pace: Pace) -> bool:
        """Take the answers of all shards; true when this point is the best so far."""
        pool, link = self.prices()
        bound = own - float((pool * self.capacity).sum() + (link * self.bandwidth).sum())
        better = bound > self.best_bound
        if better:
            self.best_bound, self.best = bound, (pool, link)
        use = np.concatenate([pool_use.ravel(), link_use])
        gradient = np.where(
            self.limit > 0, np.minimum((use - self.limit) / np.maximum(self.limit, 1e-9), GRADIENT_MOST), 0.0
        )
        self.slope.step(step, pace.at(step)[0], gradient)
        return better


def ascend(model: PriceModel, pace: Pace = PACE, start: Prices | None = None) -> tuple[float, Prices, LocalClimb]:
    """Climb in this process: the best bound, its prices, and the climb with its averages."""
    problem = model.problem
    local = LocalClimb(model, start)
    at = None if start is None else (start.pool, start.link)
    pools = PoolClimb(problem.capacity, pool_scale(problem), problem.links.bandwidth, at)
    best = local.prices(*pools.prices())
    for step in range(1, pace.iterations + 1):
        answer = local.respond(*pools.prices(), step, pace)
        if pools.observe(*answer, step, pace):
            best = local.last
    return pools.best_bound, best, local
