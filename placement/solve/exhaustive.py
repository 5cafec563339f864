"""Every plan of a small service, by a depth-first walk over multisets of sites with bounds: compiled.

Sites stand in the order of their price. A node adds one replica at the site of its parent or a later one, so every plan
is met once. A subtree is left when even the best continuation is too dear: m more replicas at the lowest price still to
come, every demand at its cheapest site still to come, the rest refused, and the largest replicas outside every loss.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from placement.columns import Floats, Ints
from placement.solve.replicas import FAR, Service, expense, workspace

DEPTH = 40
"""Replicas added at most; a service that needs more is not small."""


class _Path(NamedTuple):
    """State of every depth of the walk: after so many replicas were added."""

    place: Ints
    """where in the order the next replica goes"""
    rent: Floats
    lift: Floats
    raw: Floats
    reach: Floats
    """(DEPTH + 1, D) cheapest open route of a demand"""
    lost: Floats
    """(DEPTH + 1, L) raw rps that a loss takes"""


class _Tail(NamedTuple):
    """What the sites from a place in the order on offer at best."""

    price: float
    lift: float
    raw: float
    reach: Floats


@njit(cache=True, nogil=True)
def _suffixes(v: Service, order: Ints) -> tuple[Floats, Floats, Floats]:
    """From each place in the order on: largest lift, largest raw rps, cheapest route of each demand."""
    sites, demands = len(order), len(v.rps)
    lift, raw, cheap = np.zeros(sites + 1), np.zeros(sites + 1), np.full((sites + 1, demands), FAR)
    for i in range(sites - 1, -1, -1):
        h = order[i]
        lift[i], raw[i] = max(lift[i + 1], v.lift[h]), max(raw[i + 1], v.raw[h])
        for d in range(demands):
            cheap[i, d] = min(cheap[i + 1, d], v.cost[d, h])
    return lift, raw, cheap


@njit(cache=True, nogil=True)
def _least(v: Service, path: _Path, depth: int, tail: _Tail, m: int) -> float:
    """Least cost of the plan at a depth with m or more replicas of the tail added to it."""
    routing, refusing, demand = 0.0, FAR, 0.0
    for d in range(len(v.rps)):
        least = min(v.shed[d], path.reach[depth, d], tail.reach[d])
        routing += v.rps[d] * least
        refusing = min(refusing, v.shed[d] - least)
        demand += v.rps[d]
    best = FAR
    while m * tail.price < best:
        extra = m * tail.price + refusing * max(0.0, demand - path.lift[depth] - m * tail.lift)
        for f in range(len(v.survive)):
            kept = path.raw[depth] + m * tail.raw - path.lost[depth, f]
            extra += v.short[f] * max(0.0, v.survive[f] - kept)
        best = min(best, extra)
        m += 1
        if tail.lift <= 0 and tail.raw <= 0:
            break
        if m > 2 * DEPTH:
            best = min(best, m * tail.price)
            break
    return float(path.rent[depth] + routing + best)


@njit(cache=True, nogil=True)
def _add(v: Service, path: _Path, depth: int, h: int, replicas: int, now: int) -> None:
    """Book replicas of a site at a depth that already holds what came before."""
    started = max(0, now + replicas - v.standing[h]) - max(0, now - v.standing[h])
    path.rent[depth] += v.price[h] * replicas + v.migration[h] * started
    path.lift[depth] += v.lift[h] * replicas
    path.raw[depth] += v.raw[h] * replicas
    for e in range(2):
        if v.gone[h, e] >= 0:
            path.lost[depth, v.gone[h, e]] += v.raw[h] * replicas
    for d in range(len(v.rps)):
        path.reach[depth, d] = min(path.reach[depth, d], v.cost[d, h])


@njit(cache=True, nogil=True)
def _descend(v: Service, path: _Path, depth: int, h: int, now: Ints) -> None:
    """One replica of site h more, one level deeper."""
    path.rent[depth + 1], path.lift[depth + 1] = path.rent[depth], path.lift[depth]
    path.raw[depth + 1], path.place[depth + 1] = path.raw[depth], path.place[depth]
    path.lost[depth + 1] = path.lost[depth]
    path.reach[depth + 1] = path.reach[depth]
    _add(v, path, depth + 1, h, 1, now[h])
    now[h] += 1


@njit(cache=True, nogil=True)
def exhaust(v: Service, n: Ints, best: float, nodes: int) -> tuple[float, int]:
    """Look for a plan cheaper than `best`: ($/h, nodes left); n becomes the plan found.

    With nodes left the walk is complete and the cost is the optimum, or `best` if nothing is cheaper.
    """
    w = workspace(len(v.rps), len(n), len(v.survive))
    order = np.argsort(v.price)
    lift, raw, cheap = _suffixes(v, order)
    size, demands = DEPTH + 1, len(v.rps)
    path = _Path(
        np.zeros(size, np.int64),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
        np.full((size, demands), FAR),
        np.zeros((size, len(v.survive) + 1)),
    )
    now = v.low.copy()
    for h in range(len(n)):
        if now[h] > 0:
            _add(v, path, 0, h, now[h], 0)
    cost = expense(v, w, now)
    if cost < best:
        best, n[:] = cost, now
    depth = 0
    while nodes > 0:
        i = path.place[depth]
        if i >= len(n):
            if depth == 0:
                break
            depth -= 1
            now[order[path.place[depth]]] -= 1
            path.place[depth] += 1
            continue
        nodes -= 1
        h = order[i]
        if _least(v, path, depth, _Tail(v.price[h], lift[i], raw[i], cheap[i]), 1) >= best * (1 - 1e-9):
            path.place[depth] = len(n)  # the bound only rises from here on
        elif now[h] >= v.high[h]:
            path.place[depth] += 1
        elif depth == DEPTH:
            return best, 0
        else:
            _descend(v, path, depth, h, now)
            depth += 1
            if _least(v, path, depth, _Tail(0.0, 0.0, 0.0, path.reach[depth]), 0) < best:
                cost = expense(v, w, now)
                if cost < best:
                    best, n[:] = cost, now
    return best, nodes
