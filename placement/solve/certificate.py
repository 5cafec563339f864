"""An integer bound that holds at any prices: sum over services of the least they can cost, less the rent of the pools.

Relaxing the pools at prices pi >= 0 leaves one small integer problem per service:

    bound(pi) = sum_s least_s(pi) - pi . capacity

`least_s` is taken from below: by an exhaustive walk where plans are few, otherwise by the service's strengthened linear
program, whose optimum, rounded, is also where a local search finds better plans; and where these two leave much, by a
mixed-integer program cut short after a number of nodes. All work is on slices of services, so that it spreads.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from placement.columns import Bools, Floats, Ints
from placement.solve.highs import TOLERANCE, Question, Relaxations, answer
from placement.solve.layout import Layout, service_of
from placement.solve.pricing import Mapper, Priced, dealt, nowhere, price_out, site_prices, sites_of
from placement.solve.programs import Programs, programs
from placement.solve.replicas import Service, expense, workspace
from placement.solve.search import search

WALKED = 3
"""Replicas up to which a service's plans are walked exhaustively."""
NODES = 3000
"""of such a walk"""
BRANCHES = 20, 400
"""Nodes of the mixed-integer programs of a service, a work limit: most of what they can say is said after a few; a
second one goes deep where much is left open."""
BRANCH_WORK = 1.0, 8.0
"""What these programs take, for the size of a service."""
STOP = 1e-3
"""Relative gap at which such a program counts as solved."""
BATCH = 16
"""Mixed-integer programs between two looks at what is left."""
ROUNDED_UP = 0.05, 0.3
"""Fractions from which replicas of a linear program are rounded up; a search starts from the cheaper result."""
WORTH = 1e-3
"""Relative distance of a plan from its bound that is worth such a search."""


class Certificate(NamedTuple):
    """Lower bounds of services at some prices, and the cheapest plans met on the way."""

    pool_usd: Floats
    least: Floats
    """(S,) $/h"""
    priced: Priced
    mips: int
    bases: list[bytes]
    """where each service's linear program ended, b"" for none"""


class Inquiry(NamedTuple):
    """Services to bound, with the plans they have."""

    services: Ints
    n: Ints
    """replicas of their sites in order"""
    usd: Floats
    """what these cost at the prices"""
    pool_usd: Floats
    branches: int
    """nodes of mixed-integer programs, 0 for linear ones"""
    bases: list[bytes]
    """to start linear programs from"""
    again: bool = True
    """whether solutions that did not change are rounded and searched again, at the new prices"""


def question(layout: Layout, parts: Programs, i: int, price: Floats, whole: bool) -> Question:
    """The program of the i-th service of `parts` at site prices (H,)."""
    a, b, c, d = parts.column0[i], parts.column0[i + 1], parts.row0[i], parts.row0[i + 1]
    start, end = parts.matrix.indptr[c], parts.matrix.indptr[d]
    matrix = csr_matrix(
        (parts.matrix.data[start:end], parts.matrix.indices[start:end] - a, parts.matrix.indptr[c : d + 1] - start),
        shape=(d - c, b - a),
    )
    mine = slice(*np.searchsorted(parts.site_column, [a, b]))
    at = parts.site_column[mine] - a
    cost = parts.cost[a:b].copy()
    cost[at] = price[parts.site[mine]]
    rows = parts.row_lower[c:d], parts.row_upper[c:d]
    return Question(cost, matrix, *rows, parts.lower[a:b], parts.upper[a:b], at if whole else at[:0])


class Answers(NamedTuple):
    """To an inquiry, service by service; plans are replaced where better ones turned up."""

    n: Ints
    usd: Floats
    least: Floats
    bases: list[bytes]


def inquire(layout: Layout, task: Inquiry) -> Answers:
    """Bounds and plans of the services of a task."""
    parts, relaxations = programs(layout, task.services, strong=True), Relaxations()
    price, n = np.zeros(len(layout.usd)), np.zeros(len(layout.usd), np.int64)
    sites = sites_of(layout, task.services)
    price[sites], n[sites] = site_prices(layout, sites, task.pool_usd), task.n
    usd, least, bases = task.usd.copy(), np.zeros(len(task.services)), list(task.bases)
    edges = np.searchsorted(parts.site_column, parts.column0)
    for i, s in enumerate(task.services.tolist()):
        asked = question(layout, parts, i, price, task.branches > 0)
        if task.branches:
            (lower, x), still = answer(asked, STOP, task.branches), False
        else:
            lower, x, bases[i], still = relaxations.answer(asked, bases[i])
        least[i] = max(0.0, lower)
        if x is None or (still and not task.again) or usd[i] - least[i] <= WORTH * usd[i]:
            continue
        found = x[parts.site_column[edges[i] : edges[i + 1]] - parts.column0[i]]
        here = slice(int(layout.site0[s]), int(layout.site0[s + 1]))
        service = service_of(layout, price, s)
        ups = (0.5,) if task.branches else ROUNDED_UP
        replicas = cheaper(service, [np.floor(found + (1 - up)).astype(np.int64) for up in ups])
        cost = search(service, replicas, nowhere(layout))
        if cost < usd[i]:
            usd[i], n[here] = cost, replicas
    return Answers(n[sites], usd, np.minimum(least, usd), bases)


def cheaper(service: Service, plans: list[Ints]) -> Ints:
    """The one that costs least as it is: where to search from."""
    buffers = workspace(len(service.rps), len(service.price), len(service.survive))
    return min(plans, key=lambda n: float(expense(service, buffers, n)))


def bound(
    layout: Layout,
    mapper: Mapper,
    services: Ints,
    priced: Priced,
    pool_usd: Floats,
    bases: list[bytes] | None = None,
    again: bool = True,
) -> Certificate:
    """Bounds of `services` at prices (P, R) by walks and linear programs; 0 for other services.

    `priced` are plans at these prices; better ones found on the way replace them. `bases` of an earlier certificate
    make it quicker, and where these are optimal still, no better plans are looked for unless `again`.
    """
    n, usd, least = priced.n.copy(), priced.usd.copy(), np.zeros(layout.services)
    few = services[layout.sums(n.astype(np.float64))[services] <= WALKED]
    walked = price_out(layout, mapper, few, n, pool_usd, NODES)
    usd[few], n[sites_of(layout, few)] = walked.usd[few], walked.n[sites_of(layout, few)]
    exact: Bools = walked.exact > 0
    least[exact] = walked.usd[exact] * (1 - TOLERANCE)
    begun = [b""] * layout.services if bases is None else bases
    proof = Certificate(pool_usd, least, Priced(n, usd, walked.exact), 0, begun)
    return _asked(layout, mapper, proof, dealt(services[~exact[services]]), 0, again)


def tighten(layout: Layout, mapper: Mapper, proof: Certificate, goal_usd: float, most: int) -> Certificate:
    """The certificate after mixed-integer programs, until it is a bound of so many $/h or `most` of them are done.

    Always those next that promise most for their work: a first short one of a service, or a long one where that left
    much open.
    """
    size, rent = np.maximum(np.diff(layout.cost0), 1.0), layout.rent(proof.pool_usd)
    done, tried = 0, np.zeros(layout.services, np.int64)
    effort = np.array([*BRANCH_WORK, np.inf])
    while proof.least.sum() - rent < goal_usd:
        open_ = np.where(proof.least > 0, proof.priced.usd - proof.least, 0.0)
        promise = np.where(open_ > STOP * proof.priced.usd, open_ / (size * effort[tried]), 0.0)
        batch = np.argsort(-promise, kind="stable")[: min(BATCH, most - done)]
        batch = batch[promise[batch] > 0]
        if not len(batch):
            break
        for branches, turn in zip(BRANCHES, range(len(BRANCHES)), strict=True):
            some = batch[tried[batch] == turn]
            proof = _asked(layout, mapper, proof, [some[j : j + 1] for j in range(len(some))], branches)
        done, tried[batch] = done + len(batch), tried[batch] + 1
    return proof


def _asked(
    layout: Layout, mapper: Mapper, proof: Certificate, parts: list[Ints], branches: int, again: bool = True
) -> Certificate:
    """The certificate with what programs of some services say."""
    n, usd, least, bases = proof.priced.n.copy(), proof.priced.usd.copy(), proof.least.copy(), list(proof.bases)
    tasks = [
        Inquiry(each, n[sites_of(layout, each)], usd[each], proof.pool_usd, branches, [bases[s] for s in each], again)
        for each in parts
    ]
    for each, found in zip(parts, mapper(partial(inquire, layout), tasks), strict=True):
        n[sites_of(layout, each)], usd[each] = found.n, found.usd
        least[each] = np.maximum(least[each], found.least)
        for s, basis in zip(each.tolist(), found.bases, strict=True):
            bases[s] = basis
    mips = proof.mips + (len(parts) if branches else 0)
    return Certificate(proof.pool_usd, least, Priced(n, usd, proof.priced.exact), mips, bases)
