"""Exchanges: a few services around one scarce resource choose anew among their plans, all at once.

Each is a small integer program, `min sum_k usd_k z_k`, one plan of each service, within what the others leave. The plan
a service has is among its plans, so that an answer is never worse. Where to look is drawn from a fixed seed: scarce
cells (pool, resource) in turn, with services that have good plans there or whose plan is dear at shadow prices.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, vstack

from placement.columns import Floats, Ints
from placement.solve.highs import Question, answer
from placement.solve.layout import THOUSANDTHS, Layout
from placement.solve.plans import Plans, usage
from placement.solve.rows import spread

TOGETHER = 30
"""Services that choose at once."""
OFFERED = 12
"""Plans that each may choose from."""
NEAR = 6
"""of these have to touch a cell for the service to be near it"""
BRANCHES = 60
"""Nodes of one program: a work limit."""
IDLE, IDLE_PER_SERVICE = 20, 0.01
"""Exchanges in a row that gain nothing, after which they end; and so many more for every service."""
STOP = 1e-4
"""Gap at which a program ends, relative to what all services cost."""
SEED = 7


class _Offers(NamedTuple):
    """Every service's best plans."""

    column: Ints
    """plans, sorted by service, cheapest at shadow prices first"""
    first: Ints
    """(S + 1,)"""
    use: csc_matrix
    """(cells, plans) units"""
    near: csr_matrix
    """(cells, S) above 0 where a service has a good plan that uses the cell"""
    cheapest: Floats
    """(S,) $/h at shadow prices"""
    price: Floats
    """(H,) shadow prices included"""


def exchange(plans: Plans, n: Ints, usd: Floats, pool_usd: Floats, goal_usd: float, times: int) -> tuple[Ints, Floats]:
    """(n, (S,) $/h) after exchanges until all cost no more than the goal, or so many; from n, which fits and costs usd.

    Shadow prices (P, R) say where to look, and which plans are worth a look.
    """
    layout, rng = plans.layout, np.random.default_rng(SEED)
    n, usd = n.copy(), usd.copy()
    scarce = np.flatnonzero(pool_usd.ravel() > 1e-9)
    if not len(scarce):
        return n, usd
    offers = _offers(plans, pool_usd)
    room = (layout.capacity - layout.used(n)).ravel()
    dear = layout.sums((offers.price - layout.usd) * n) + usd - offers.cheapest
    gained, idle = 0, IDLE + IDLE_PER_SERVICE * layout.services
    for turn in range(times):
        if usd.sum() <= goal_usd or turn - gained > idle:
            break
        cell = rng.permutation(scarce)[0] if turn >= len(scarce) else scarce[turn]
        some = _around(offers, int(cell), dear, rng)
        picked = _choose(plans, offers, some, n, usd, room)
        if picked is None:
            continue
        services = plans.owner[picked]
        tried = n.copy()
        for s, replicas in zip(services.tolist(), _columns(plans, picked), strict=True):
            tried[layout.site0[s] : layout.site0[s + 1]] = replicas
        left = (layout.capacity - layout.used(tried)).ravel()
        if (left < 0).any():  # right for the solver's tolerance, not in whole numbers
            continue
        n, room, usd[services], gained = tried, left, plans.usd[picked], turn
        dear = layout.sums((offers.price - layout.usd) * n) + usd - offers.cheapest
    return n, usd


def _offers(plans: Plans, pool_usd: Floats) -> _Offers:
    layout = plans.layout
    priced = plans.priced(pool_usd)
    order = np.lexsort((priced, plans.owner))
    first = np.searchsorted(plans.owner[order], np.arange(layout.services + 1))
    rank = np.arange(len(order)) - first[plans.owner[order]]
    kept = order[rank < OFFERED]
    rank = rank[rank < OFFERED]
    owner = plans.owner[kept]
    use = usage(layout, plans.replicas).tocsc()
    good = kept[rank < NEAR]
    of = csr_matrix((np.ones(len(good)), (np.arange(len(good)), plans.owner[good])), shape=(len(good), layout.services))
    edges = np.searchsorted(owner, np.arange(layout.services + 1))
    near = (use[:, good] @ of).tocsr()
    return _Offers(kept, edges, use, near, priced[kept[edges[:-1]]], layout.price(pool_usd))


def _around(offers: _Offers, cell: int, dear: Floats, rng: np.random.Generator) -> Ints:
    """Services to choose anew: near a cell, or dear; some of each, at random."""
    near = np.zeros(len(dear))
    near[offers.near.indices[offers.near.indptr[cell] : offers.near.indptr[cell + 1]]] = 1.0
    score = near * rng.random(len(dear)) + 0.5 * rng.random(len(dear)) * (dear > 1e-9)
    score += dear / max(float(dear.max()), 1e-9) * rng.random(len(dear))
    return np.sort(np.argsort(-score, kind="stable")[:TOGETHER])


def _choose(plans: Plans, offers: _Offers, some: Ints, n: Ints, usd: Floats, room: Ints) -> Ints | None:
    """Better plans of the services `some`, None where theirs are the best; room (cells,) is what is left now."""
    layout = plans.layout
    row, within = spread(np.diff(offers.first)[some])
    column = offers.column[offers.first[some[row]] + within]
    now = _use_now(layout, some, n)
    left = room / THOUSANDTHS + now.sum(axis=1)
    use = np.hstack([offers.use[:, column].toarray(), now])
    owner = np.concatenate([row, np.arange(len(some))])
    most = np.zeros((len(left), len(some)))
    np.maximum.at(most.T, owner, use.T)
    binds = most.sum(axis=1) > left + 1e-9
    cost = np.concatenate([plans.usd[column], usd[some]])
    one = csr_matrix((np.ones(len(owner)), (owner, np.arange(len(owner)))), shape=(len(some), len(owner)))
    before = float(usd[some].sum())
    question = Question(
        cost,
        vstack([csr_matrix(use[binds]), one]).tocsr(),
        np.concatenate([np.full(binds.sum(), -np.inf), np.ones(len(some))]),
        np.concatenate([left[binds], np.ones(len(some))]),
        np.zeros(len(cost)),
        np.ones(len(cost)),
        np.arange(len(cost)),
    )
    _, x = answer(question, min(0.01, STOP * float(usd.sum()) / max(before, 1e-12)), BRANCHES)
    if x is None:
        return None
    picked = np.flatnonzero(x > 0.5)
    taken: Ints = column[picked[picked < len(column)]]
    return taken if len(picked) == len(some) and cost[picked].sum() < before * (1 - 1e-9) else None


def _use_now(layout: Layout, some: Ints, n: Ints) -> Floats:
    """(cells, services) units that they use now."""
    which, within = spread(np.diff(layout.site0)[some])
    site = layout.site0[some[which]] + within
    resources = layout.use.shape[1]
    out = np.zeros((layout.capacity.size, len(some)))
    cell = layout.pool[site][:, None] * resources + np.arange(resources)
    np.add.at(out, (cell, which[:, None]), layout.use[site] * n[site][:, None] / THOUSANDTHS)
    return out


def _columns(plans: Plans, picked: Ints) -> list[Ints]:
    """Replicas of each of these plans, at its service's sites."""
    layout, replicas = plans.layout, plans.replicas
    out = []
    for k in picked.tolist():
        s = plans.owner[k]
        part = np.zeros(layout.site0[s + 1] - layout.site0[s], np.int64)
        at = slice(replicas.indptr[k], replicas.indptr[k + 1])
        part[replicas.indices[at] - layout.site0[s]] = np.rint(replicas.data[at]).astype(np.int64)
        out.append(part)
    return out
