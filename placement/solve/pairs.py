"""Which two losses at once are worth a look: a screening by capacity, of all pairs."""

import numpy as np

from placement.columns import Bools, bools
from placement.cost import loads
from placement.losses import Loss
from placement.problem import Problem

PAIRS_TRIED = 16
"""Pairs of domains that are estimated further."""


def screened(problem: Problem, single: list[Loss]) -> list[tuple[int, int]]:
    """The pairs to try, worst first, by an estimate of their harm: what no capacity is left for, at the price of
    refusing it, and a little for all that has to move. A thousand clusters are half a million pairs.
    """
    fleet = problem.fleet
    services, now = len(fleet.services), loads(problem, problem.standing)
    of = fleet.backends.service
    total = np.bincount(of, weights=problem.capacity_rps, minlength=services)
    demand = np.bincount(of, weights=now.backend_rps, minlength=services)
    price = np.zeros(services)
    np.maximum.at(price, fleet.flows.service, problem.shed_usd)
    gone = np.zeros((len(single), services))
    for i, loss in enumerate(single):
        rows = loss.backends
        gone[i] = np.bincount(of[rows], weights=problem.capacity_rps[rows], minlength=services)
    harm = np.full((len(single), len(single)), -np.inf)
    for i in range(len(single) - 1):  # all pairs at once would be gigabytes
        lost = gone[i] + gone[i + 1 :]
        short = np.maximum(demand - np.maximum(total - lost, 0.0), 0.0)
        moved = demand * lost / np.maximum(total, 1e-9)
        harm[i, i + 1 :] = (price * short).sum(axis=1) + 1e-3 * (price * moved).sum(axis=1)
    harm[~_wider(single)] = -np.inf
    worst = np.argsort(-harm, axis=None, kind="stable")[:PAIRS_TRIED]
    return [divmod(int(k), len(single)) for k in worst if harm.flat[k] > -np.inf]


def _wider(single: list[Loss]) -> Bools:
    """(L, L) pairs that take more clusters than either of them, and not all."""
    held = np.array([loss.clusters for loss in single], dtype=np.float32).reshape(len(single), -1)
    size = held.sum(axis=1)
    both = size[:, None] + size - held @ held.T
    return bools((both > size[:, None]) & (both > size) & (both < held.shape[1]))
