"""The production optimizer where time stands still while it works, and two ways to ask it less often.

Neither changes an answer. Failover tables are made when somebody looks into them: they are a pure function of what is
given at the tick, so it does not matter when they are computed. And with a `gap` what stands is kept while weak duality
proves that no routing is cheaper by more than it: then there is nothing to solve.
"""

from dataclasses import dataclass, field

import numpy as np

from placement.chains import asks
from placement.columns import Bools, Floats, starts
from placement.cost import evaluate, standing_rps
from placement.failover import FailoverTable, Row
from placement.plan import Plan, Reason
from placement.problem import Problem
from placement.solve.failover import TableOrder, failover_row
from placement.solve.linear import Unsolved
from placement.solve.routing import solve_routing, solve_with_shadow_prices


class LazyTable(FailoverTable):
    """A failover table of which a row is worked out when it is looked at, from what was true when it was ordered."""

    __slots__ = ("_order",)
    _order: TableOrder

    def __init__(self, order: TableOrder) -> None:
        super().__init__((), order.routing, order.snapshot.usable, (), {}, order.snapshot.at_s)
        object.__setattr__(self, "_order", order)

    def row_for(self, usable: Bools, cut: Bools | None = None) -> Row | None:
        """The row of the table that this stands for."""
        order = self._order
        return failover_row(order.fleet, order.snapshot, order.routing, order.prices, usable, cut)


@dataclass(slots=True)
class Solver:
    """The port. `working` is False while the optimizer is out."""

    gap: float | None = None
    """How near to the optimum what stands may stay; None to solve whenever asked."""
    working: bool = True
    solved: int = 0
    certified: int = 0
    _usd: Floats = field(default_factory=lambda: np.zeros(0))
    """(B,) what one more request/s cost at each back end when last solved."""

    async def solve(self, problem: Problem) -> Plan | None:
        """The best routing, or what stands where that is near enough; None when unsolved."""
        if not self.working:
            return None
        if self.gap is not None and len(self._usd) == len(problem.capacity_rps):
            bound = lower_bound(problem, self._usd)
            cost = evaluate(problem, problem.standing)
            if bound > 0 and cost.objective_usd_per_hour <= (1 + self.gap) * bound:
                self.certified += 1
                words = f"what stands is within {cost.objective_usd_per_hour / bound - 1:.2%} of the optimum"
                return Plan(problem.standing, cost, Reason.HELD, words, bound)
        try:
            if self.gap is None:
                plan = solve_routing(problem)
            else:
                plan, prices = solve_with_shadow_prices(problem)
                self._usd = np.maximum(prices.capacity_usd, 0.0)
        except Unsolved:
            return None
        self.solved += 1
        return plan

    async def tabulate(self, order: TableOrder) -> FailoverTable | None:
        """The failover tables, as they are after all their refreshes."""
        return LazyTable(order)


def lower_bound(problem: Problem, usd: Floats) -> float:
    """$/h that no routing of a problem is below, for any (B,) prices of back ends `usd` >= 0.

    The program of placement.solve.routing has the dual  max sum_f external_f pi_f + sum_(b,i) width_bi min(0,
    slope_bi - mu_b) + sum_x kept_x min(0, usd_x + mu_b + sum calls pi_child - pi_f)  with  pi_f <= shed_f  and
    pi_f <= usd_x + churn_f + mu_b + sum calls pi_child. For given mu the largest such pi is found from the leaves of
    the call graph up. Gateway limits are left out, which only lowers the bound.
    """
    fleet, routes = problem.fleet, problem.routes
    service = fleet.flows.service
    mu = usd[routes.backend]
    level = fleet.depth()[service]
    pi = problem.shed_usd.copy()
    below = np.zeros(len(fleet.backends))
    first = starts(routes.flow)
    offered = routes.flow[first]
    reach = routes.usd + mu
    for deep in range(int(level.max(initial=0)), -1, -1):
        least = np.full(len(pi), np.inf)
        if len(first):
            through = reach + below[routes.backend] if below.any() else reach
            least[offered] = np.minimum.reduceat(through, first)
        pi = np.where(level == deep, np.minimum(problem.shed_usd, least + problem.churn_usd), pi)
        below = _called_usd(problem, pi)
    stands_rps = standing_rps(problem)
    used = np.flatnonzero(stands_rps)
    flow = routes.flow[used]
    reduced = reach[used] + below[routes.backend[used]] - pi[flow]
    kept = stands_rps[used] * (problem.churn_usd[flow] > 0)
    pieces = problem.pieces
    site = float((pieces.rps * np.minimum(pieces.usd - usd[:, None], 0.0)).sum())
    return float(problem.external_rps @ pi) + site + float(kept @ np.minimum(reduced, 0.0))


def _called_usd(problem: Problem, pi: Floats) -> Floats:
    """(B,) what the calls of one request served at a back end cost."""
    chain = asks(problem.fleet)
    called = np.bincount(chain.backend, chain.per_request * pi[chain.flow], len(problem.fleet.backends))
    return np.asarray(called, dtype=np.float64)
