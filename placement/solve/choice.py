"""One plan per service that fits the pools together: the master's mixtures rounded down, then exchanges.

`floored` fits as the master does. `pack` starts anywhere, overfull or not: services in overfull pools search in turn,
paying for what is too much; the payment doubles until every pool holds what stands in it. At first only those move to
whom it makes no difference, so that a request is refused when nothing else helps. `exchange`
(placement.solve.exchanges) then takes the local optimum apart where it costs most, and a last search fills what that
leaves.
"""

import numpy as np

from placement.columns import Floats, Ints
from placement.solve.exchanges import exchange
from placement.solve.layout import THOUSANDTHS, Layout, fits
from placement.solve.plans import Plans
from placement.solve.pricing import expenses, polish

ROUNDING = 1e-6
"""What a share may be off."""
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


def floored(plans: Plans, share: Floats) -> tuple[Ints, Ints]:
    """((H,) replicas that fit, services that mix) from the shares (plans,) of a master: mixtures rounded down.

    Few services mix, about one for every scarce cell, and large ones lose next to nothing by it.
    """
    mixed = np.asarray(plans.replicas @ share).ravel()
    n = np.maximum(np.floor(mixed + ROUNDING).astype(np.int64), plans.layout.low)
    return n, np.unique(plans.owner[(share > ROUNDING) & (share < 1 - ROUNDING)])


def settle(layout: Layout, n: Ints, services: Ints) -> tuple[Ints, Floats]:
    """(n, (S,) $/h) after a search of `services` in what the others leave, from dear to cheap."""
    return polish(layout, services[np.argsort(-expenses(layout, n)[services], kind="stable")], n)


def choose(plans: Plans, share: Floats, pool_usd: Floats, goal_usd: float, exchanges: int) -> tuple[Ints, Floats]:
    """(replicas that fit, (S,) $/h): from shares of a master, by exchanges among the plans until the goal or so many.

    Services that mix take in turn what the rounding left, and once more what the last of them did not want.
    """
    layout = plans.layout
    n, mixing = floored(plans, share)
    n = pack(layout, n, pool_usd)
    for _ in range(2):
        n, usd = settle(layout, n, mixing)
    n, usd = exchange(plans, n, usd, pool_usd, goal_usd, exchanges)
    return settle(layout, n, np.arange(layout.services))


def typical_usd(layout: Layout) -> Floats:
    """(P, R) $/h per unit of a resource at which it would double the price of what can stand in the pool."""
    resources = layout.use.shape[1]
    cell = (layout.pool[:, None] * resources + np.arange(resources)).ravel()
    paid = np.bincount(cell, np.where(layout.use > 0, layout.usd[:, None], 0.0).ravel(), layout.capacity.size)
    used = np.bincount(cell, layout.use.ravel() / THOUSANDTHS, layout.capacity.size)
    out: Floats = (paid / np.maximum(used, 1e-9)).reshape(layout.capacity.shape)
    return out
