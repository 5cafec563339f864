"""One plan per service: a small integer choice where the master is undecided, then a local search in what is left.

The master decides nearly every service: at most as many are split as pools are full. These, and those for whom another
plan costs next to nothing more, choose again among their best plans, all at once, in the room that the others leave;
large services float. Refusing everything is a plan too, so that there always is a choice. Then the large are rounded
down, which cannot overfill, and the search adds what they miss.
"""

import numpy as np
from scipy.sparse import csr_matrix, hstack, vstack

from placement.columns import Floats, Ints
from placement.solve.certificate import Question, answer
from placement.solve.layout import THOUSANDTHS, Layout, fits
from placement.solve.plans import Master, Plans, usage, wide_pools
from placement.solve.pricing import expenses, polish
from placement.solve.programs import Programs

DECIDED = 0.999
"""A share that is as good as one."""
OPEN = 120
"""Decided services that choose again."""
OFFERED = 10
"""Plans of a service that are on offer besides its least one."""
BRANCHES = 1000
"""Nodes of the choice: a work limit."""
STOP = 3e-4
"""Relative gap at which the choice ends."""
ROUNDS = 4
"""of polishing, at most"""
WORTH = 3e-5
"""Relative gain of a round below which polishing ends."""


def choose(plans: Plans, large: Programs, master: Master) -> Ints:
    """(H,) replicas that fit the pools."""
    layout = plans.layout
    order = np.lexsort((master.reduced, plans.owner))
    rank = _rank(plans.owner[order])
    second = order[rank == 1]
    settled = np.zeros(layout.services, bool)
    settled[plans.owner[master.share >= DECIDED]] = True
    close = second[np.argsort(master.reduced[second], kind="stable")]
    settled[plans.owner[close[settled[plans.owner[close]]][:OPEN]]] = False
    kept = np.flatnonzero((master.share >= DECIDED) & settled[plans.owner])
    n = _replicas(plans, kept)
    for k in kept[np.argsort(-master.reduced[kept], kind="stable")].tolist():
        if fits(layout, n).all():
            break
        settled[plans.owner[k]] = False
        n -= _replicas(plans, np.array([k]))
    offered = np.zeros(len(plans), bool)
    offered[order[rank < OFFERED]] = True
    offered[np.unique(plans.owner, return_index=True)[1]] = True  # the least plan of a service was its first
    offered |= master.share > 0
    column = np.flatnonzero(offered & ~settled[plans.owner])
    return _chosen(plans, large, column, n)


def _rank(owner: Ints) -> Ints:
    """Place of every member in its group; groups are contiguous."""
    start = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
    return np.arange(len(owner)) - np.repeat(start, np.diff(np.concatenate([start, [len(owner)]])))


def _replicas(plans: Plans, columns: Ints) -> Ints:
    """(H,) of some plans together."""
    total: Ints = np.round(np.asarray(plans.replicas[:, columns].sum(axis=1)).ravel()).astype(np.int64)
    return total


def _chosen(plans: Plans, large: Programs, column: Ints, n: Ints) -> Ints:
    """Replicas n with one of the plans `column` for each of their services, and the large rounded down."""
    layout = plans.layout
    room = ((layout.capacity - layout.used(n)) / THOUSANDTHS).ravel()
    owners, row = np.unique(plans.owner[column], return_inverse=True)
    one = csr_matrix((np.ones(len(column)), (row, np.arange(len(column)))), shape=(len(owners), len(column)))
    pools = hstack([usage(layout, plans.replicas[:, column]), wide_pools(layout, large)]).tocsr()
    used = np.diff(pools.indptr) > 0
    cost = large.cost.copy()
    cost[large.site_column] = layout.usd[large.site]
    width = len(cost)
    question = Question(
        np.concatenate([plans.usd[column], cost]),
        vstack(
            [
                pools[used],
                hstack([one, csr_matrix((len(owners), width))]),
                hstack([csr_matrix((large.matrix.shape[0], len(column))), large.matrix]),
            ]
        ).tocsr(),
        np.concatenate([np.full(used.sum(), -np.inf), np.ones(len(owners)), large.row_lower]),
        np.concatenate([room[used], np.ones(len(owners)), large.row_upper]),
        np.concatenate([np.zeros(len(column)), large.lower]),
        np.concatenate([np.ones(len(column)), large.upper]),
        np.arange(len(column)),
    )
    _, x = answer(question, STOP, BRANCHES)
    n = n.copy()
    if x is None:
        least = column[np.unique(plans.owner[column], return_index=True)[1]]
        n[large.site] = layout.low[large.site]
        return n + _replicas(plans, least)
    n += _replicas(plans, column[x[: len(column)] > 0.5])
    floating = x[len(column) :][large.site_column]
    n[large.site] = np.maximum(layout.low[large.site], np.floor(floating + 1e-6).astype(np.int64))
    return n


def finish(layout: Layout, n: Ints, first: Ints) -> tuple[Ints, Floats]:
    """(n, (S,) $/h) polished: the services `first` before all others, round after round while it is worth it."""
    usd = expenses(layout, n)
    others = np.setdiff1d(np.arange(layout.services), first)
    for _ in range(ROUNDS):
        before = usd.sum()
        n, usd = polish(layout, np.concatenate([first, others[np.argsort(-usd[others], kind="stable")]]), n)
        if usd.sum() > before * (1 - WORTH):
            break
    return n, usd
