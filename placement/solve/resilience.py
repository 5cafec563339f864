"""The covering programs of placement.standby, solved: what outliving no loss, any one and any two costs at least."""

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from placement.columns import Floats, floats
from placement.losses import Loss, domains, pair
from placement.problem import Problem
from placement.solve.linear import LinearProgram, solve, solve_with_prices
from placement.solve.pairs import screened
from placement.standby import Covering, Standby, covering, lawful, pairs, raw_usd, service_demand

PAIRS_UP_TO = 100
"""Domains of which every pair is covered: a thousand clusters have half a million, and gigabytes of rows. What covers
the worst of them bounds the same from below."""


def standby(problem: Problem) -> Standby:
    """What standing by costs for a problem, and the bounds. Raises Unsolved."""
    fleet = problem.fleet
    price, single = raw_usd(problem), domains(fleet)
    today, _ = covering(problem, ())
    n1, unsurvivable = covering(problem, single)
    few = len(single) <= PAIRS_UP_TO
    n2, _ = covering(problem, (*single, *(pairs(problem) if few else worst_pairs(problem, list(single)))))
    program = _program(problem, n1, price)
    found = solve_with_prices(program)
    assert found.row_price is not None
    demand = service_demand(problem)
    kept = n1.loss >= 0
    dual = np.bincount(n1.service[kept], weights=(found.row_price * n1.least_rps)[kept], minlength=len(fleet.services))
    by_service = 0.01 * dual
    unit = _unit(problem, price)
    needed = float(unit @ demand)
    weight = unit[fleet.backends.service]
    bound = solve(_program(problem, n1, weight)).objective
    return Standby(
        paid_usd_per_hour=float(price @ problem.capacity_rps),
        today_usd_per_hour=solve(_program(problem, today, price)).objective,
        n1_usd_per_hour=found.objective,
        n2_usd_per_hour=solve(_program(problem, n2, price)).objective,
        overhead_ratio=float(weight @ problem.capacity_rps) / needed - 1 if needed > 0 else 0.0,
        overhead_bound_ratio=bound / needed - 1 if needed > 0 else 0.0,
        last_percent_usd_per_hour=float(by_service.sum()),
        by_service_usd_per_hour=floats(by_service),
        unsurvivable=unsurvivable,
    )


def worst_pairs(problem: Problem, single: list[Loss]) -> tuple[Loss, ...]:
    """Of the pairs of a large fleet those that screening finds worst."""
    return tuple(pair(single[i], single[j]) for i, j in screened(problem, single))


def _unit(problem: Problem, price: Floats) -> Floats:
    """(S,) the mean price of a request/s of each service."""
    fleet = problem.fleet
    count = np.bincount(fleet.backends.service, minlength=len(fleet.services))
    total = np.bincount(fleet.backends.service, weights=price, minlength=len(fleet.services))
    return np.asarray(total / np.maximum(count, 1), dtype=np.float64)


def _program(problem: Problem, rows: Covering, price: Floats) -> LinearProgram:
    """Min price @ k over the rows; no Python loop over rows or backends."""
    fleet = problem.fleet
    first = np.searchsorted(fleet.backends.service, rows.service)
    count = np.searchsorted(fleet.backends.service, rows.service, "right") - first
    row = np.repeat(np.arange(len(rows.service)), count)
    backend = np.arange(len(row)) - np.repeat(np.cumsum(count) - count - first, count)
    loss = rows.loss[row]
    away = np.zeros(len(row), dtype=bool)
    if len(rows.gone):
        away = (loss >= 0) & rows.gone[np.maximum(loss, 0), fleet.backends.cluster[backend]]
    stays = ~away & lawful(problem)[backend]
    shape = (len(rows.service), len(fleet.backends))
    matrix = csr_matrix(coo_matrix((np.ones(int(stays.sum())), (row[stays], backend[stays])), shape=shape))
    free = np.full(shape[1], np.inf)
    unlimited = np.full(shape[0], np.inf)
    return LinearProgram(np.array(price), matrix, np.array(rows.least_rps), unlimited, np.zeros(shape[1]), free)
