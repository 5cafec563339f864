"""Local search over the whole replicas of one service, compiled.

A move takes replicas from one site, adds some at another, or both: q of them, q halving to one; as many as carry what q
carried, where sites differ in size; or a whole site for as many as carry what it carried.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from placement.columns import Floats, Ints
from placement.solve.replicas import GAIN, STEPS, TRIES, Service, Work, expense, route, shortfall, workspace


class _Bounds(NamedTuple):
    """Of the routing duals: what a demand pays now, and the order in which a site would serve demands."""

    gain: Floats
    """(H, D) $/h per rps saved at a site"""
    order: Ints
    """(H, D) largest gain first"""
    now: Floats
    """(H,) what the site's replicas save"""


class _Moves(NamedTuple):
    """Candidates: what they change at least, and (from, how many, to, how many); -1 for no site."""

    change: Floats
    step: Ints


@njit(cache=True, nogil=True)
def _savings(v: Service, bounds: _Bounds, h: int, replicas: int) -> float:
    """Most that so many replicas at a site can save."""
    saved, room = 0.0, v.lift[h] * replicas
    for i in range(len(v.rps)):
        d = bounds.order[h, i]
        if bounds.gain[h, d] <= 0 or room <= 0:
            break
        saved += min(v.rps[d], room) * bounds.gain[h, d]
        room -= v.rps[d]
    return saved


@njit(cache=True, nogil=True)
def _measure(v: Service, w: Work, n: Ints, k: int, bounds: _Bounds) -> None:
    """Bounds from the duals of the last routing."""
    for d in range(len(v.rps)):
        pays = v.shed[d]
        for j in range(k):
            pays = min(pays, v.cost[d, w.site[j]] + w.beta[j])
        for h in range(len(n)):
            bounds.gain[h, d] = pays - v.cost[d, h]
    for h in range(len(n)):
        bounds.order[h] = np.argsort(-bounds.gain[h])
        bounds.now[h] = _savings(v, bounds, h, n[h])


@njit(cache=True, nogil=True)
def _fits(v: Service, room: Ints, a: int, dropped: int, b: int, added: int) -> bool:
    """May replicas be added at b once some are gone from a?"""
    if len(room) == 0:
        return True
    for r in range(v.use.shape[1]):
        back = dropped * v.use[a, r] if a >= 0 and v.pool[a] == v.pool[b] else 0
        if added * v.use[b, r] > room[v.pool[b], r] + back:
            return False
    return True


@njit(cache=True, nogil=True)
def _shift(n: Ints, step: Ints, sign: int) -> None:
    if step[0] >= 0:
        n[step[0]] -= sign * step[1]
    if step[2] >= 0:
        n[step[2]] += sign * step[3]


@njit(cache=True, nogil=True)
def _worth(v: Service, n: Ints, bounds: _Bounds, h: int, change: int) -> float:
    """Least that changing a site's replicas changes, losses apart."""
    then = n[h] + change
    started = max(0, then - v.standing[h]) - max(0, n[h] - v.standing[h])
    return float(v.price[h] * change + v.migration[h] * started + bounds.now[h] - _savings(v, bounds, h, then))


@njit(cache=True, nogil=True)
def _offer(
    v: Service, w: Work, n: Ints, room: Ints, bounds: _Bounds, moves: _Moves, count: int, least: float, guard: float
) -> int:
    """Keep the candidate in row `count` if it may change the cost by less than `least`; returns how many there are."""
    step = moves.step[count]
    a, dropped, b, added = step[0], step[1], step[2], step[3]
    if b >= 0 and (n[b] + added > v.high[b] or not _fits(v, room, a, dropped, b, added)):
        return count
    change = 0.0
    if a >= 0:
        change += _worth(v, n, bounds, a, -dropped)
    if b >= 0:
        change += _worth(v, n, bounds, b, added)
    if len(v.survive) and change - guard < least:
        _shift(n, step, 1)
        change += shortfall(v, w, n) - guard
        _shift(n, step, -1)
    moves.change[count] = change
    return count + 1 if change < least else count


@njit(cache=True, nogil=True)
def _candidates(
    v: Service, w: Work, n: Ints, room: Ints, bounds: _Bounds, moves: _Moves, q: int, least: float, guard: float
) -> int:
    """All moves with steps of q that promise something; returns how many."""
    count = 0
    for a in range(-1, len(n)):
        spare = n[a] - v.low[a] if a >= 0 else 0
        if a >= 0 and spare <= 0:
            continue
        for b in range(-1, len(n)):
            if a == b:
                continue
            last = (-1, -1)
            for kind in range(3 if a >= 0 and b >= 0 else 1):
                dropped = 0 if a < 0 else spare if kind == 2 else min(q, spare)
                added = 0 if b < 0 else q
                if kind > 0:
                    added = max(1, int(np.ceil(dropped * v.lift[a] / v.lift[b] - 1e-9)))
                if (dropped, added) == last:
                    continue
                last = (dropped, added)
                step = moves.step[count]
                step[0], step[1], step[2], step[3] = a, dropped, b, added
                count = _offer(v, w, n, room, bounds, moves, count, least, guard)
    return count


@njit(cache=True, nogil=True)
def _book(v: Service, room: Ints, step: Ints) -> None:
    """Take a move's replicas out of the room that is left."""
    for r in range(v.use.shape[1] if len(room) else 0):
        if step[0] >= 0:
            room[v.pool[step[0]], r] += step[1] * v.use[step[0], r]
        if step[2] >= 0:
            room[v.pool[step[2]], r] -= step[3] * v.use[step[2], r]


@njit(cache=True, nogil=True)
def search(v: Service, n: Ints, room: Ints) -> float:
    """Improve n in place, inside `room` (P, R; booked) unless that is empty; returns $/h."""
    sites, demands = len(n), len(v.rps)
    w = workspace(demands, sites, len(v.survive))
    bounds = _Bounds(np.empty((sites, demands)), np.empty((sites, demands), np.int64), np.empty(sites))
    size = 3 * (sites + 1) * (sites + 1)
    moves = _Moves(np.empty(size), np.empty((size, 4), np.int64))
    q = 1
    while 16 * q <= max(n.sum(), v.rps.sum() / v.lift.mean()):
        q *= 2
    best = expense(v, w, n)
    for _ in range(STEPS):
        k, _ = route(v, w, n)
        guard, moved = shortfall(v, w, n), False
        _measure(v, w, n, k, bounds)
        count = _candidates(v, w, n, room, bounds, moves, q, -GAIN * best, guard)
        for i in np.argsort(moves.change[:count])[: TRIES if q > 1 else 4 * TRIES]:
            _shift(n, moves.step[i], 1)
            cost = expense(v, w, n)
            if cost < best * (1 - GAIN):
                best, moved = cost, True
                _book(v, room, moves.step[i])
                break
            _shift(n, moves.step[i], -1)
        if not moved:
            if q == 1:
                break
            q //= 2
    return expense(v, w, n)
