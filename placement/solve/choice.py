"""One plan per service that fits the pools together: what is left over becomes dear until nothing is, then exchanges.

`pack` starts anywhere, overfull or not. Services in overfull pools search in turn, paying for what is too much; the
payment doubles until every pool holds what stands in it. At first only those move to whom it makes no difference, so
that a request is refused when nothing else helps. `exchange` (placement.solve.exchanges) then takes the local optimum
apart where it costs most, and a last search fills what that leaves.
"""

import numpy as np

from placement.columns import Floats, Ints
from placement.solve.exchanges import exchange
from placement.solve.layout import THOUSANDTHS, Layout, fits
from placement.solve.plans import Plans
from placement.solve.pricing import expenses, polish

DOUBLINGS = 60
"""of what a unit too much costs; the least replicas of all services fit, so that fewer always do."""


def pack(layout: Layout, n: Ints, pool_usd: Floats) -> Ints:
    """(H,) replicas that fit the pools, from any n, near shadow prices (P, R)."""
    owner = np.repeat(np.arange(layout.services), np.diff(layout.site0))
    over = pool_usd + typical_usd(layout)
    for _ in range(DOUBLINGS):
        full = ~fits(layout, n)
        if not full.any():
            return n
        inside = np.unique(owner[full[layout.pool] & (n > layout.low)])
        usd = expenses(layout, n)[inside]
        n, _ = polish(layout, inside[np.argsort(-usd, kind="stable")], n, over)
        over = over * 2
    return np.array(layout.low)


def settle(layout: Layout, n: Ints, first: Ints) -> tuple[Ints, Floats]:
    """(n, (S,) $/h) after a search of every service in what the others leave: `first`, then from dear to cheap."""
    others = np.setdiff1d(np.arange(layout.services), first)
    others = others[np.argsort(-expenses(layout, n)[others], kind="stable")]
    return polish(layout, np.concatenate([first, others]), n)


def choose(plans: Plans, n: Ints, pool_usd: Floats, goal_usd: float, exchanges: int) -> tuple[Ints, Floats]:
    """(replicas that fit, (S,) $/h): from n, by exchanges among the plans until the goal or so many."""
    layout = plans.layout
    n, usd = settle(layout, pack(layout, n, pool_usd), np.zeros(0, np.int64))
    n, usd = exchange(plans, n, usd, pool_usd, goal_usd, exchanges)
    return settle(layout, n, np.zeros(0, np.int64))


def typical_usd(layout: Layout) -> Floats:
    """(P, R) $/h per unit of a resource at which it would double the price of what can stand in the pool."""
    resources = layout.use.shape[1]
    cell = (layout.pool[:, None] * resources + np.arange(resources)).ravel()
    paid = np.bincount(cell, np.where(layout.use > 0, layout.usd[:, None], 0.0).ravel(), layout.capacity.size)
    used = np.bincount(cell, layout.use.ravel() / THOUSANDTHS, layout.capacity.size)
    out: Floats = (paid / np.maximum(used, 1e-9)).reshape(layout.capacity.shape)
    return out
