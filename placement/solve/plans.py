"""The master of column generation: a mixture of whole-replica plans for every service, pools on top.

    min  sum_k usd_k z_k
         sum_{k of s} z_k = 1                                 each service
         sum_k use_kpr z_k <= capacity_pr                     each p, r

The first plan of every service, its least replicas, is always offered, so that the master has a solution.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, hstack, vstack

from placement.columns import Floats, Ints
from placement.solve.highs import Growing
from placement.solve.layout import THOUSANDTHS, Layout
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

    def priced(self, pool_usd: Floats) -> Floats:
        """(plans,) $/h at pool prices (P, R)."""
        out: Floats = self.usd + (self.layout.price(pool_usd) - self.layout.usd) @ self.replicas
        return out

    def first(self, rank: Floats) -> Ints:
        """(S,) the plan of every service that ranks lowest."""
        order = np.lexsort((rank, self.owner))
        return order[np.unique(self.owner[order], return_index=True)[1]]

    def replicas_of(self, columns: Ints) -> Ints:
        """(H,) of some plans together."""
        total: Ints = np.rint(np.asarray(self.replicas[:, columns].sum(axis=1)).ravel()).astype(np.int64)
        return total

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


class Relaxed(NamedTuple):
    """An optimum of the master."""

    usd: float
    share: Floats
    """(plans,) z"""
    pool_usd: Floats
    """(P, R)"""


class Master:
    """The master over plans that grow: every solve starts from the basis of the last one.

    Pools may be overfilled at a price, which is then the most that their shadow prices can be, and be paid for being
    left empty, which is then the least.
    """

    def __init__(self, plans: Plans) -> None:
        self.plans, self._taken = plans, 0
        services, room = plans.layout.services, (plans.layout.capacity / THOUSANDTHS).ravel()
        one, cells = np.ones(services), len(room)
        self._program = Growing(np.concatenate([one, np.full(cells, -np.inf)]), np.concatenate([one, room]))
        sign, row = np.repeat([-1.0, 1.0], cells), services + np.tile(np.arange(cells), 2)
        slack = csc_matrix((sign, (row, np.arange(2 * cells))), (services + cells, 2 * cells))
        self._program.add(np.zeros(2 * cells), slack)

    def relax(self, box: tuple[Floats, Floats] | None = None) -> Relaxed:
        """Its optimum over all plans there are by now, at shadow prices within a box (P, R). Raises Unsolved."""
        plans, new = self.plans, slice(self._taken, len(self.plans))
        services, shape = plans.layout.services, plans.layout.capacity.shape
        if new.start < new.stop:
            count = new.stop - new.start
            one = csc_matrix((np.ones(count), plans.owner[new], np.arange(count + 1)), (services, count))
            use = usage(plans.layout, plans.replicas[:, new])
            self._program.add(plans.usd[new], vstack([one, use], format="csc"))
            self._taken = new.stop
        cells = plans.layout.capacity.size
        if box is None:
            self._program.offer(np.zeros(2 * cells), 0.0)
        else:
            self._program.offer(np.concatenate([box[1].ravel(), -box[0].ravel()]), np.inf)
        found = self._program.solve()
        price = np.maximum(0.0, -found.row_price[services:])
        return Relaxed(found.usd, found.x[2 * cells :], price.reshape(shape))


def relax(plans: Plans) -> Relaxed:
    """The master over all plans, pools never overfull. Raises Unsolved."""
    return Master(plans).relax()
