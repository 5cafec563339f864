"""Compiled loops of the price ascent: plain arrays in and out. Letters as in `placement.solve.prices`."""

import math

import numpy as np
from numba import njit

from placement.columns import Floats, Ints

STEEP = 18.0
"""Options dearer than the best by more than this many temperatures get nothing: exp(-18) is 1e-8."""


@njit(cache=True)
def site_cost(
    usd: Floats,
    use: Floats,
    pool: Ints,
    price: Floats,
    service: Ints,
    lost: Ints,
    loss: Floats,
    reward: Floats,
    mu: Floats,
) -> Floats:
    """(H,) $/h per replica: its own price, what it takes of pools, less what it is worth to the losses it survives."""
    out = usd.copy()
    for h in range(len(usd)):
        for r in range(use.shape[1]):
            out[h] += use[h, r] * price[pool[h], r]
        worth = reward[service[h]]
        for k in range(lost.shape[1]):
            if lost[h, k] >= 0:
                worth -= loss[lost[h, k]]
        out[h] -= mu[h] * worth
    return out


@njit(cache=True)
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


@njit(cache=True)
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
) -> Floats:
    """(G,) refused rps; fills `rps` (X,): demand split by exp(-(cost - least) / (tau |least|)), parents first."""
    wanted = external.copy()
    refused = np.zeros(len(shed))
    for i in range(len(order) - 1, -1, -1):
        g = order[i]
        a, b = first[g], first[g + 1]
        scale = 1.0 / (tau * max(abs(least[g]), 1e-9))
        gap = (shed[g] - least[g]) * scale
        total = math.exp(-gap) if gap < STEEP else 0.0
        out = total
        for x in range(a, b):
            gap = (cost[x] - least[g]) * scale
            rps[x] = math.exp(-gap) if gap < STEEP else 0.0
            total += rps[x]
        part = wanted[g] / total
        refused[g] = out * part
        for x in range(a, b):
            rps[x] *= part
            if rps[x] > 0:
                for k in range(call_first[x], call_first[x + 1]):
                    wanted[call_demand[k]] += calls[k] * rps[x]
    return refused


@njit(cache=True)
def raw_capacity(rps: Floats, site: Ints, inverse: Floats, q: Floats, spare_most: Floats, warmth: Floats) -> Floats:
    """(H,) raw rps: what the flows need, and spare up to `spare_most` where it is (nearly) free."""
    raw = np.zeros(len(q))
    for x in range(len(rps)):
        raw[site[x]] += rps[x]
    for h in range(len(q)):
        raw[h] *= inverse[h]
        if spare_most[h] > 0:
            z = q[h] / warmth[h]
            if z < STEEP:
                raw[h] += spare_most[h] / (1.0 + math.exp(max(z, -STEEP)))
    return raw


@njit(cache=True)
def take(replicas: Floats, use: Floats, pool: Ints, pools: int) -> Floats:
    """(P, R) what replicas take."""
    out = np.zeros((pools, use.shape[1]))
    for h in range(len(replicas)):
        if replicas[h] > 0:
            for r in range(use.shape[1]):
                out[pool[h], r] += use[h, r] * replicas[h]
    return out


@njit(cache=True)
def standing(raw: Floats, service: Ints, lost: Ints, services: int, losses: int) -> tuple[Floats, Floats]:
    """(S,) raw capacity of services and (L,) the part of it that each loss takes."""
    total, gone = np.zeros(services), np.zeros(losses)
    for h in range(len(raw)):
        total[service[h]] += raw[h]
        for k in range(lost.shape[1]):
            if lost[h, k] >= 0:
                gone[lost[h, k]] += raw[h]
    return total, gone


@njit(cache=True)
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
