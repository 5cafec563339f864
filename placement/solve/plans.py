"""The master of column generation: one plan of whole replicas per service, large services as they are, pools on top.

    min  sum_k usd_k z_k + (programs of large services)
         sum_{k of s} z_k = 1                                 each service with plans
         sum_k use_kpr z_k + sum_{large h in p} use_hr n_h <= capacity_pr

A service of hundreds of replicas is nearly divisible; its linear program moves with the prices where its plans would
jump. The first plan of every service, its least replicas, is always offered, so that the master has a solution.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csc_matrix, csr_matrix, hstack, vstack

from placement.columns import Floats, Ints
from placement.solve.layout import THOUSANDTHS, Layout
from placement.solve.linear import LinearProgram, Unsolved, solve
from placement.solve.programs import Programs
from placement.solve.rows import spread


class Plans:
    """Plans seen so far, without repetition; grows."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.owner = np.zeros(0, np.int64)
        self.usd = np.zeros(0)
        """$/h without shadow prices."""
        self._seen: set[tuple[int, bytes]] = set()
        self._parts: list[csc_matrix] = [csc_matrix((len(layout.usd), 0))]

    def __len__(self) -> int:
        return len(self.owner)

    @property
    def replicas(self) -> csc_matrix:
        """(H, plans)"""
        if len(self._parts) > 1:
            self._parts = [hstack(self._parts, format="csc")]
        return self._parts[0]

    def add(self, services: Ints, n: Ints, price: Floats, priced: Floats) -> int:
        """Keep the plans n (H,) of `services`, which cost priced (S,) at site prices (H,); how many are new."""
        layout, new = self.layout, []
        for s in services.tolist():
            key = s, n[layout.site0[s] : layout.site0[s + 1]].tobytes()
            if key not in self._seen:
                self._seen.add(key)
                new.append(s)
        fresh = np.array(new, np.int64)
        if not len(fresh):
            return 0
        shadow = layout.sums((price - layout.usd) * n)
        which, within = spread(np.diff(layout.site0)[fresh])
        site = layout.site0[fresh[which]] + within
        used = n[site] > 0
        shape = (len(layout.usd), len(fresh))
        self._parts.append(csc_matrix((n[site][used].astype(np.float64), (site[used], which[used])), shape=shape))
        self.owner = np.concatenate([self.owner, fresh])
        self.usd = np.concatenate([self.usd, (priced - shadow)[fresh]])
        return len(fresh)

    def without(self, layout: Layout, services: Ints) -> "Plans":
        """Those of other services, for a layout in which these did not move."""
        out, keep = Plans(layout), ~np.isin(self.owner, services)
        gone = set(services.tolist())
        out.owner, out.usd = self.owner[keep], self.usd[keep]
        out._seen = {key for key in self._seen if key[0] not in gone}
        out._parts = [self.replicas[:, keep]]
        return out


def usage(layout: Layout, replicas: csc_matrix) -> csr_matrix:
    """(P R, columns) units of every pool's resources that columns of replicas (H, columns) use."""
    resources = layout.use.shape[1]
    cell = (layout.pool[:, None] * resources + np.arange(resources)).ravel()
    site = np.repeat(np.arange(len(layout.pool)), resources)
    use = csr_matrix((layout.use.ravel() / THOUSANDTHS, (cell, site)), shape=(layout.capacity.size, len(layout.pool)))
    out: csr_matrix = (use @ replicas).tocsr()
    return out


def wide_pools(layout: Layout, large: Programs) -> csr_matrix:
    """(P R, columns) units of every pool's resources that the columns of large services use."""
    shape = len(layout.usd), len(large.cost)
    return usage(layout, csc_matrix((np.ones(len(large.site)), (large.site, large.site_column)), shape=shape))


_linprog: Any = linprog
"""Its annotations know neither sparse rows nor the duals it returns."""


@dataclass(frozen=True, slots=True)
class Master:
    """An optimum of the master."""

    usd: float
    share: Floats
    """(plans,) z"""
    reduced: Floats
    """(plans,) reduced $/h"""
    pool_usd: Floats
    """(P, R)"""
    divided: Floats
    """(H,) replicas of the large services, fractional; 0 elsewhere"""


def relax(plans: Plans, large: Programs) -> Master:
    """The master over all plans. Raises Unsolved."""
    layout, count = plans.layout, len(plans)
    owners, row = np.unique(plans.owner, return_inverse=True)
    one = csr_matrix((np.ones(count), (row, np.arange(count))), shape=(len(owners), count))
    equal = large.row_lower == large.row_upper
    above, below = ~equal & np.isfinite(large.row_lower), ~equal & np.isfinite(large.row_upper)
    pools = hstack([usage(layout, plans.replicas), wide_pools(layout, large)], format="csr")
    used = np.diff(pools.indptr) > 0
    cost = large.cost.copy()
    cost[large.site_column] = layout.usd[large.site]
    beside = csr_matrix((len(owners), len(cost)))
    rows = _pad(large.matrix[below], count), _pad(-large.matrix[above], count)
    lower = np.concatenate([np.zeros(count), large.lower])
    upper = np.concatenate([np.full(count, np.inf), large.upper])
    found = _linprog(
        np.concatenate([plans.usd, cost]),
        vstack([pools[used], *rows]).tocsr(),
        np.concatenate(
            [(layout.capacity / THOUSANDTHS).ravel()[used], large.row_upper[below], -large.row_lower[above]]
        ),
        vstack([hstack([one, beside]), _pad(large.matrix[equal], count)]).tocsr(),
        np.concatenate([np.ones(len(owners)), large.row_lower[equal]]),
        bounds=np.stack([lower, upper], axis=1),
        method="highs",
    )
    if found.status != 0:
        raise Unsolved(f"master of {count} plans: {found.message}")
    price = np.zeros(layout.capacity.size)
    price[used] = np.maximum(0.0, -found.ineqlin.marginals[: used.sum()])
    reduced = plans.usd + pools[:, :count].T @ price - found.eqlin.marginals[row]
    divided = np.zeros(len(layout.usd))
    divided[large.site] = found.x[count:][large.site_column]
    return Master(float(found.fun), found.x[:count], reduced, price.reshape(layout.capacity.shape), divided)


def _pad(matrix: csr_matrix, columns: int) -> csr_matrix:
    """The matrix with empty columns in front of it."""
    out: csr_matrix = hstack([csr_matrix((matrix.shape[0], columns)), matrix]).tocsr()
    return out


def divided_usd(large: Programs, price: Floats) -> float:
    """Least $/h of the large services at site prices (H,), replicas divisible: a lower bound. Raises Unsolved."""
    if not len(large.cost):
        return 0.0
    cost = large.cost.copy()
    cost[large.site_column] = price[large.site]
    program = LinearProgram(cost, large.matrix, large.row_lower, large.row_upper, large.lower, large.upper)
    return solve(program).objective
