"""Local search over the whole replicas of one service, compiled.

A move takes replicas from one site, adds some at another, or both: q of them, q halving to one; as many as carry what q
carried, where sites differ in size; or a whole site for as many as carry what it carried.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from placement.columns import Floats, Ints
from placement.solve.replicas import GAIN, STEPS, TRIES, Service, Work, expense, route, shortfall, workspace


class Yard(NamedTuple):
    """What other services leave of the pools. Both empty where only prices count."""

    room: Ints
    """(P, R) thousandths left, below 0 where overfull; booked as replicas move"""
    over: Floats
    """(P, R) $/h for every thousandth too much"""


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


class _Table(NamedTuple):
    """(H,) what changes at least at a site, losses apart."""

    less: Floats
    """q replicas fewer"""
    none: Floats
    """all fewer that may be"""
    more: Floats
    """q more"""
    asked: Ints
    """(H, 2) other numbers that were asked for last, and what these change"""
    worth: Floats


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
def _excess(v: Service, yard: Yard, step: Ints) -> float:
    """Change of what is paid for overfull pools, $/h, if a move is made."""
    if len(yard.room) == 0:
        return 0.0
    a, dropped, b, added = step[0], step[1], step[2], step[3]
    same = a >= 0 and b >= 0 and v.pool[a] == v.pool[b]
    usd = 0.0
    for r in range(v.use.shape[1]):
        if a >= 0:
            left, back = yard.room[v.pool[a], r], dropped * v.use[a, r]
            back -= added * v.use[b, r] if same else 0
            usd += yard.over[v.pool[a], r] * (max(0, -left - back) - max(0, -left))
        if b >= 0 and not same:
            left, taken = yard.room[v.pool[b], r], added * v.use[b, r]
            usd += yard.over[v.pool[b], r] * (max(0, taken - left) - max(0, -left))
    return usd


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
def _shortfall_after(v: Service, lost: Floats, total: float, step: Ints) -> float:
    """`shortfall` after a move: of what each loss takes, and all raw rps, before it."""
    a, dropped, b, added = step[0], step[1], step[2], step[3]
    less = v.raw[a] * dropped if a >= 0 else 0.0
    more = v.raw[b] * added if b >= 0 else 0.0
    missing = 0.0
    for f in range(len(v.survive)):
        gone = lost[f]
        for i in range(2):
            if a >= 0 and v.gone[a, i] == f:
                gone -= less
            if b >= 0 and v.gone[b, i] == f:
                gone += more
        missing += v.short[f] * max(0.0, v.survive[f] - (total - less + more) + gone)
    return missing


@njit(cache=True, nogil=True)
def _table(v: Service, n: Ints, bounds: _Bounds, q: int) -> _Table:
    """What steps of q are worth, site by site."""
    sites = len(n)
    table = _Table(np.zeros(sites), np.zeros(sites), np.zeros(sites), np.full((sites, 2), -1), np.zeros((sites, 2)))
    for h in range(sites):
        spare = n[h] - v.low[h]
        if spare > 0:
            table.less[h] = _worth(v, n, bounds, h, -min(q, spare))
            table.none[h] = _worth(v, n, bounds, h, -spare)
        table.more[h] = _worth(v, n, bounds, h, q)
    return table


@njit(cache=True, nogil=True)
def _candidates(
    v: Service, w: Work, n: Ints, yard: Yard, bounds: _Bounds, moves: _Moves, q: int, least: float, guard: float
) -> int:
    """All moves with steps of q that may change the cost by less than `least`; returns how many.

    One loop over plain arrays: a call per pair, with all arrays of a service, costs more than what it works out.
    """
    count, table, priced = 0, _table(v, n, bounds, q), len(yard.room) > 0
    total, low, high, lift, steps = (v.raw * n).sum(), v.low, v.high, v.lift, moves.step
    less, none, more, asked, worth = table
    for a in range(-1, len(n)):
        spare = n[a] - low[a] if a >= 0 else 0
        if a >= 0 and spare <= 0:
            continue
        relief = a >= 0 and priced and (yard.room[v.pool[a]] < 0).any()
        for b in range(-1, len(n)):
            dropped, added = -1, -1
            for kind in range(0 if a == b else 3 if a >= 0 and b >= 0 else 1):
                before = dropped, added
                dropped = 0 if a < 0 else spare if kind == 2 else min(q, spare)
                added = 0 if b < 0 else q
                if kind > 0:
                    added = max(1, int(np.ceil(dropped * lift[a] / lift[b] - 1e-9)))
                if (dropped, added) == before or (b >= 0 and n[b] + added > high[b]):
                    continue
                change = 0.0 if a < 0 else none[a] if kind == 2 else less[a]
                if kind > 0 and asked[b, kind - 1] != added:
                    asked[b, kind - 1], worth[b, kind - 1] = added, _worth(v, n, bounds, b, added)
                change += 0.0 if b < 0 else more[b] if kind == 0 else worth[b, kind - 1]
                if change - guard >= least and not relief:
                    continue
                steps[count, 0], steps[count, 1], steps[count, 2], steps[count, 3] = a, dropped, b, added
                change += _rest(v, yard, w.lost, total, steps[count], guard)
                moves.change[count] = change
                count += 1 if change < least else 0
    return count


@njit(cache=True, nogil=True)
def _rest(v: Service, yard: Yard, lost: Floats, total: float, step: Ints, guard: float) -> float:
    """What a move changes besides: overfull pools, and what is missing after losses."""
    return _excess(v, yard, step) + (_shortfall_after(v, lost, total, step) - guard if len(v.survive) else 0.0)


@njit(cache=True, nogil=True)
def _book(v: Service, room: Ints, step: Ints) -> None:
    """Take a move's replicas out of the room that is left."""
    for r in range(v.use.shape[1] if len(room) else 0):
        if step[0] >= 0:
            room[v.pool[step[0]], r] += step[1] * v.use[step[0], r]
        if step[2] >= 0:
            room[v.pool[step[2]], r] -= step[3] * v.use[step[2], r]


@njit(cache=True, nogil=True)
def search(v: Service, n: Ints, yard: Yard) -> float:
    """Improve n in place, paying for pools that are overfull; returns $/h without that."""
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
        count = _candidates(v, w, n, yard, bounds, moves, q, -GAIN * best, guard)
        for i in np.argsort(moves.change[:count])[: TRIES if q > 1 else 4 * TRIES]:
            excess = _excess(v, yard, moves.step[i])
            _shift(n, moves.step[i], 1)
            cost = expense(v, w, n)
            if cost + excess < best * (1 - GAIN):
                best, moved = cost, True
                _book(v, yard.room, moves.step[i])
                break
            _shift(n, moves.step[i], -1)
        if not moved:
            if q == 1:
                break
            q //= 2
    return expense(v, w, n)
