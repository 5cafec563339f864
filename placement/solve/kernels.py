"""Compiled loops of the price ascent: plain arrays in and out. Letters as in `placement.solve.prices`."""

import math

import numpy as np
from numba import njit

from placement.columns import Bools, Floats, Ints

STEEP = 16.0
"""Options dearer than the best by more than this many temperatures get nothing."""


@njit(cache=True, nogil=True)
def fade(z: float) -> float:
    """exp(-z) for z in [0, STEEP], nearly: four squarings instead of a call, and 0 from STEEP on."""
    if z >= STEEP:
        return 0.0
    w = 1.0 - z / STEEP
    w *= w
    w *= w
    w *= w
    return w * w


@njit(cache=True, nogil=True)
def costly(price: Floats) -> Bools:
    """(P,) which pools have any price: most have none, so the loops over sites skip them."""
    dear = np.zeros(len(price), dtype=np.bool_)
    for p in range(len(price)):
        for r in range(price.shape[1]):
            dear[p] |= price[p, r] != 0
    return dear


@njit(cache=True, nogil=True)
def site_cost(
    usd: Floats, use: Floats, pool: Ints, price: Floats, service: Ints, lost: Ints, loss: Floats, reward: Floats
) -> Floats:
    """(H,) $/h per raw rps: its own price, what it takes of pools, less what it is worth to the losses it survives."""
    out, dear = np.empty(len(usd)), costly(price)
    for h in range(len(usd)):
        cost = usd[h] - reward[service[h]]
        for k in range(lost.shape[1]):
            if lost[h, k] >= 0:
                cost += loss[lost[h, k]]
        if dear[pool[h]]:
            for r in range(use.shape[1]):
                cost += use[h, r] * price[pool[h], r]
        out[h] = cost
    return out


@njit(cache=True, nogil=True)
def cheapest(
    order: Ints,
    first: Ints,
    shed: Floats,
    usd: Floats,
    site: Ints,
    per_rps: Floats,
    call_first: Ints,
    call_demand: Ints,
    calls: Floats,
    cost: Floats,
) -> Floats:
    """(G,) $/h per rps of each demand by its cheapest option, children before parents; fills `cost` (X,) of routes."""
    least = np.empty(len(shed))
    for g in order:
        best = shed[g]
        for x in range(first[g], first[g + 1]):
            c = usd[x] + per_rps[site[x]]
            for k in range(call_first[x], call_first[x + 1]):
                c += calls[k] * least[call_demand[k]]
            cost[x] = c
            best = min(best, c)
        least[g] = best
    return least


@njit(cache=True, nogil=True)
def flow(
    order: Ints,
    first: Ints,
    shed: Floats,
    least: Floats,
    cost: Floats,
    external: Floats,
    call_first: Ints,
    call_demand: Ints,
    calls: Floats,
    tau: float,
    rps: Floats,
) -> None:
    """Fill `rps` (X,): demand split by fade((cost - least) / (tau |least|)) with refusal an option, parents first."""
    wanted = external.copy()
    for i in range(len(order) - 1, -1, -1):
        g = order[i]
        a, b = first[g], first[g + 1]
        scale = 1.0 / (tau * max(abs(least[g]), 1e-9))
        total = fade((shed[g] - least[g]) * scale)
        for x in range(a, b):
            rps[x] = fade((cost[x] - least[g]) * scale)
            total += rps[x]
        part = wanted[g] / total
        for x in range(a, b):
            rps[x] *= part
            if rps[x] > 0:
                for k in range(call_first[x], call_first[x + 1]):
                    wanted[call_demand[k]] += calls[k] * rps[x]


@njit(cache=True, nogil=True)
def raw_capacity(
    rps: Floats, site: Ints, inverse: Floats, q: Floats, spare_most: Floats, per_unit: Floats, cold: float
) -> Floats:
    """(H,) raw rps: what the flows need, and spare up to `spare_most` where it is (nearly) free."""
    raw = np.zeros(len(q))
    for x in range(len(rps)):
        raw[site[x]] += rps[x]
    for h in range(len(q)):
        raw[h] *= inverse[h]
        if spare_most[h] > 0:
            z = q[h] * per_unit[h] * cold
            w = fade(abs(z))
            raw[h] += spare_most[h] * (w if z > 0 else 1.0) / (1.0 + w)
    return raw


@njit(cache=True, nogil=True)
def take(amount: Floats, use: Floats, pool: Ints, pools: int) -> Floats:
    """(P, R) what amounts (H,) take, `use` (H, R) each."""
    out = np.zeros((pools, use.shape[1]))
    for h in range(len(amount)):
        if amount[h] > 0:
            for r in range(use.shape[1]):
                out[pool[h], r] += use[h, r] * amount[h]
    return out


@njit(cache=True, nogil=True)
def standing(raw: Floats, service: Ints, lost: Ints, services: int, losses: int) -> tuple[Floats, Floats]:
    """(S,) raw capacity of services and (L,) the part of it that each loss takes."""
    total, gone = np.zeros(services), np.zeros(losses)
    for h in range(len(raw)):
        if raw[h] > 0:
            total[service[h]] += raw[h]
            for k in range(lost.shape[1]):
                if lost[h, k] >= 0:
                    gone[lost[h, k]] += raw[h]
    return total, gone


@njit(cache=True, nogil=True)
def lacking(total: Floats, gone: Floats, service: Ints, survive: Floats, least: float) -> Floats:
    """(L,) what is missing after each loss, as a part of what has to survive; at least `least`."""
    out = np.empty(len(gone))
    for k in range(len(gone)):
        missing = survive[k] - total[service[k]] + gone[k]
        out[k] = max(missing / max(survive[k], 1e-9), least)
    return out


@njit(cache=True, nogil=True)
def adam(
    theta: Floats,
    mean: Floats,
    square: Floats,
    gradient: Floats,
    step: int,
    rate: float,
    floor: float,
    low: Floats,
    high: Floats,
) -> None:
    """One step of theta up its gradient, in place: adaptive length, and multiplicative so that prices climb decades."""
    warm1, warm2 = 1 - 0.8**step, 1 - 0.95**step
    for i in range(len(theta)):
        mean[i] += 0.2 * (gradient[i] - mean[i])
        square[i] += 0.05 * (gradient[i] * gradient[i] - square[i])
        way = mean[i] / warm1 / (math.sqrt(square[i] / warm2) + 0.02)
        theta[i] = min(max(theta[i] + rate * (floor + abs(theta[i])) * way, low[i]), high[i])


@njit(cache=True, nogil=True)
def add(total: Floats, weight: float, more: Floats) -> None:
    """Total += weight * more, without a copy."""
    for i in range(len(total)):
        total[i] += weight * more[i]


@njit(cache=True, nogil=True)
def most(owner: Ints, value: Floats, out: Floats) -> None:
    """Raise `out` to the largest value of each owner, in place; what NumPy's `maximum.at` does, ten times faster."""
    for i in range(len(owner)):
        out[owner[i]] = max(out[owner[i]], value[i])


@njit(cache=True, nogil=True)
def spend_sites(
    replicas: Floats,
    service: Ints,
    usd: Floats,
    start_usd: Floats,
    stand: Ints,
    rps: Floats,
    use: Floats,
    pool: Ints,
    price: Floats,
    spent: Floats,
    priced: Floats,
) -> Floats:
    """(H,) raw rps; adds to (S,) $/h of replicas and starts, and what they take of pools at prices (P, R)."""
    raw, dear = np.zeros(len(replicas)), costly(price)
    for h in range(len(replicas)):
        n = replicas[h]
        if n > 0:
            raw[h] = n * rps[h]
            spent[service[h]] += n * usd[h] + start_usd[h] * max(n - stand[h], 0.0)
            if dear[pool[h]]:
                for r in range(use.shape[1]):
                    priced[service[h]] += n * use[h, r] * price[pool[h], r]
    return raw


@njit(cache=True, nogil=True)
def spend_routes(
    rps: Floats, demand: Ints, service: Ints, usd: Floats, wanted: Floats, owner: Ints, shed: Floats, spent: Floats
) -> None:
    """Adds to (S,) $/h of routes and of what is `wanted` (G,) and not served."""
    served = np.zeros(len(wanted))
    for x in range(len(rps)):
        if rps[x] > 0:
            served[demand[x]] += rps[x]
            spent[service[x]] += rps[x] * usd[x]
    for g in range(len(wanted)):
        spent[owner[g]] += shed[g] * max(wanted[g] - served[g], 0.0)


@njit(cache=True, nogil=True)
def spend_losses(total: Floats, gone: Floats, service: Ints, survive: Floats, short_usd: Floats, spent: Floats) -> None:
    """Adds to (S,) $/h of what is missing after each loss."""
    for k in range(len(gone)):
        spent[service[k]] += short_usd[k] * max(survive[k] - total[service[k]] + gone[k], 0.0)
