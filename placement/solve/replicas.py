"""What one service costs at whole replicas, exactly, and a local search over them: compiled, and free of the GIL.

With replicas n fixed, a service pays ($/h)

    sum_h price_h n_h + migration_h (n_h - standing_h)^+        its replicas, shadow prices included
    + cheapest routing of its demands into capacity u mu_h n_h  (or refusal): `route`
    + sum_l short_l (survive_l - mu n outside the domain)^+     what is missing after a loss: `shortfall`

`route` sends every demand to its cheapest open site, then empties overfull sites along shortest paths between sites: a
min-cost flow that needs no path at all where nothing is full. Its duals bound what adding, dropping or moving replicas
can save (each site then is a fractional knapsack), so that `search` routes only promising moves anew.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from placement.columns import Floats, Ints

FAR = 1e15
"""$/h per rps where there is no route."""
TRIES = 6
"""Moves that are routed anew before the step is halved; four times as many at a step of one."""
GAIN = 1e-7
"""Relative improvement that counts as one."""
STEPS = 300
"""Moves of one search: a work limit."""


class Service(NamedTuple):
    """One service: D demands, H sites, L losses."""

    rps: Floats
    shed: Floats
    cost: Floats
    """(D, H) $/h per rps"""
    lift: Floats
    """(H,) rps one replica may carry"""
    raw: Floats
    """(H,) rps one replica can carry"""
    price: Floats
    migration: Floats
    standing: Ints
    low: Ints
    high: Ints
    gone: Ints
    """(H, 2) losses that take the site away, -1 for none"""
    survive: Floats
    short: Floats
    pool: Ints
    use: Ints
    """(H, R)"""


class Work(NamedTuple):
    """Buffers of one search. Open sites are numbered 0..k-1; node k refuses."""

    site: Ints
    flow: Floats
    free: Floats
    beta: Floats
    """Dual of a full site: what one more rps of it would save."""
    onward: Ints
    carrier: Ints
    """(k, k + 1) the demand that moves most cheaply from site to node"""
    step: Floats
    """(k, k + 1) what that costs per rps"""
    lost: Floats


@njit(cache=True, nogil=True)
def workspace(demands: int, sites: int, losses: int) -> Work:
    """Buffers for a service of this size."""
    k = sites + 1
    return Work(
        np.empty(k, np.int64),
        np.empty((demands, k)),
        np.empty(k),
        np.empty(k),
        np.empty(k, np.int64),
        np.empty((k, k), np.int64),
        np.empty((k, k)),
        np.empty(losses + 1),
    )


@njit(cache=True, nogil=True)
def _steps(v: Service, w: Work, j: int, k: int) -> None:
    """Cheapest way for one rps to leave site j for every other node."""
    for i in range(k + 1):
        w.step[j, i] = FAR
    for d in range(len(v.rps)):
        if w.flow[d, j] > 0:
            here = v.cost[d, w.site[j]]
            for i in range(k + 1):
                there = v.shed[d] if i == k else v.cost[d, w.site[i]]
                if there - here < w.step[j, i]:
                    w.step[j, i], w.carrier[j, i] = there - here, d


@njit(cache=True, nogil=True)
def _potentials(v: Service, w: Work, k: int) -> None:
    """Shortest paths from full and overfull sites to any node with room."""
    for j in range(k):
        w.beta[j], w.onward[j] = 0.0, -1
        if w.free[j] > 0:
            continue
        w.beta[j] = FAR
        _steps(v, w, j, k)
    w.beta[k] = 0.0
    for _ in range(k + 1):
        changed = False
        for j in range(k):
            if w.free[j] > 0:
                continue
            for i in range(k + 1):
                far = w.step[j, i] + w.beta[i]
                if i != j and far < w.beta[j] - 1e-12 * (1 + abs(far)):
                    w.beta[j], w.onward[j], changed = far, i, True
        if not changed:
            break


@njit(cache=True, nogil=True)
def _drain(v: Service, w: Work, j: int, k: int) -> float:
    """Push what is too much at site j along its shortest path; returns what that costs."""
    amount, i, arriving = -w.free[j], j, -1
    while i != k and w.free[i] <= 0:
        d = w.carrier[i, w.onward[i]]
        if d != arriving:  # what arrives may go on at once
            amount = min(amount, w.flow[d, i])
        i, arriving = w.onward[i], d
    if i != k:
        amount = min(amount, w.free[i])
    i = j
    while i != k and w.free[i] <= 0:
        d, to = w.carrier[i, w.onward[i]], w.onward[i]
        w.flow[d, i] -= amount
        if w.flow[d, i] < 1e-10 * v.rps[d]:
            w.flow[d, i] = 0.0
        w.flow[d, to] += amount
        i = to
        if i == k or w.free[i] > 0:
            break
    if i != k:
        w.free[i] -= amount
        if w.free[i] < 1e-10 * amount:
            w.free[i] = 0.0
    w.free[j] += amount
    if w.free[j] > -1e-10 * amount:
        w.free[j] = 0.0
    return float(amount * w.beta[j])


@njit(cache=True, nogil=True)
def _refuse(v: Service, w: Work, j: int, k: int) -> float:
    """Refuse what is too much at site j; returns what that costs."""
    usd = 0.0
    for d in range(len(v.rps)):
        amount = min(-w.free[j], w.flow[d, j])
        w.flow[d, j] -= amount
        w.flow[d, k] += amount
        w.free[j] += amount
        usd += amount * (v.shed[d] - v.cost[d, w.site[j]])
    return usd


@njit(cache=True, nogil=True)
def _nearest(v: Service, w: Work, k: int) -> tuple[float, bool]:
    """($/h, is any site full?) with every demand at its cheapest open site, however full that gets."""
    total, full = 0.0, False
    for d in range(len(v.rps)):
        best, at = v.shed[d], k
        for j in range(k):
            w.flow[d, j] = 0.0
            if v.cost[d, w.site[j]] < best:
                best, at = v.cost[d, w.site[j]], j
        w.flow[d, k] = 0.0
        w.flow[d, at] = v.rps[d]
        total += v.rps[d] * best
        if at < k:
            w.free[at] -= v.rps[d]
            full |= w.free[at] <= 0
    return total, full


@njit(cache=True, nogil=True)
def route(v: Service, w: Work, n: Ints) -> tuple[int, float]:
    """(open sites, $/h) of the cheapest routing at replicas n; leaves flow and duals in w."""
    k = 0
    for h in range(len(n)):
        if n[h] > 0:
            w.site[k], w.free[k], w.beta[k] = h, v.lift[h] * n[h], 0.0
            k += 1
    total, full = _nearest(v, w, k)
    for _ in range(50 * (k + 1) if full else 0):
        _potentials(v, w, k)
        worst = -1
        for j in range(k):
            if w.free[j] < 0 and (worst < 0 or w.beta[j] < w.beta[worst]):
                worst = j
        if worst < 0:
            break
        total += _drain(v, w, worst, k)
    for j in range(k):
        if w.free[j] < 0:  # not met so far; refusing what is left over keeps the routing sound, if not the cheapest
            total += _refuse(v, w, j, k)
    return k, total


@njit(cache=True, nogil=True)
def shortfall(v: Service, w: Work, n: Ints) -> float:
    """$/h for capacity missing after each loss."""
    if len(v.survive) == 0:
        return 0.0
    total = 0.0
    w.lost[:] = 0.0
    for h in range(len(n)):
        if n[h] > 0:
            total += v.raw[h] * n[h]
            for i in range(2):
                if v.gone[h, i] >= 0:
                    w.lost[v.gone[h, i]] += v.raw[h] * n[h]
    missing = 0.0
    for f in range(len(v.survive)):
        missing += v.short[f] * max(0.0, v.survive[f] - total + w.lost[f])
    return missing


@njit(cache=True, nogil=True)
def rent(v: Service, n: Ints) -> float:
    """$/h of the replicas, those that are started included."""
    total = 0.0
    for h in range(len(n)):
        if n[h] > 0:
            total += v.price[h] * n[h] + v.migration[h] * max(0, n[h] - v.standing[h])
    return total


@njit(cache=True, nogil=True)
def expense(v: Service, w: Work, n: Ints) -> float:
    """All of it, $/h."""
    return rent(v, n) + route(v, w, n)[1] + shortfall(v, w, n)
