"""Shards of services as independent linear programs: each gets a share of every pool and link, screened by price.

1. screen   keep routes whose cost at the prices is within a slack of their demand's cheapest, their sites, and sites
            that are nearly free as spare. The program on the columns kept is feasible for the whole problem.
2. share    with use_b the averaged use of block b and total their sum: where total > limit, use_b limit / total, else
            use_b + (limit - total) (use_b / total + 1/k) / 2. Shares add up to the limit, so together blocks fit.
3. solve    block after block; what one leaves of its share goes to those that follow. The sum of their objectives
            over the bound of the dual, less one, is the certified gap.

Blocks hold whole applications. Each keeps its program as columns, so that a solve only slices and sets bounds.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix

from placement.assignment import AssignmentProblem
from placement.columns import Bools, Floats, Ints, floats
from placement.solve.accounts import uses
from placement.solve.assignment import AssignmentProgram, build
from placement.solve.linear import LinearProgram, solve
from placement.solve.prices import PriceModel, Prices

PRICED = 0.9
"""Part of a pool's price that a block pays for what it takes of its own share."""


@dataclass(frozen=True, slots=True)
class BlockAnswer:
    """One block solved."""

    objective: float
    use: Floats
    """(P * R + K,) what it takes of pools and links."""
    replicas: Floats
    """(H of the block,)"""
    route_rps: Floats
    """(X of the block,)"""


class Block:
    """The services of one block with their program, built once; a solve changes columns offered and limits."""

    def __init__(self, problem: AssignmentProblem) -> None:
        self.problem = problem
        self.built: AssignmentProgram = build(problem)
        self.by_column: csc_matrix = self.built.program.matrix.tocsc()

    def solve(self, keep_routes: Bools, keep_sites: Bools, room: Floats, price: Floats) -> BlockAnswer:
        """The optimum on the columns kept within its room (P * R + K,), nearly at prices (P, R). Raises Unsolved.

        Pools cost almost their price here, so that a block leaves to the others what is worth more to them.
        """
        built, lp = self.built, self.built.program
        keep = np.ones(len(lp.cost), dtype=bool)
        keep[built.routes], keep[built.sites] = keep_routes, keep_sites | (self.problem.sites.replicas_min > 0)
        columns = np.flatnonzero(keep)
        part = csr_matrix(self.by_column[:, columns])
        row_upper = lp.row_upper.copy()
        row_upper[built.pool_rows.start : built.link_rows.stop] = room
        h = self.problem.sites
        priced = lp.cost.copy()
        priced[built.sites] += PRICED * (h.use * price[h.pool]).sum(axis=1)
        rows = np.flatnonzero(np.diff(part.indptr) > 0)
        found = solve(
            LinearProgram(
                cost=priced[columns],
                matrix=part[rows],
                row_lower=lp.row_lower[rows],
                row_upper=row_upper[rows],
                lower=lp.lower[columns],
                upper=lp.upper[columns],
            )
        )
        x = np.zeros(len(lp.cost))
        x[columns] = found.x
        replicas, route_rps = np.maximum(x[built.sites], 0.0), np.maximum(x[built.routes], 0.0)
        return BlockAnswer(float((lp.cost * x).sum()), uses(self.problem, replicas, route_rps), replicas, route_rps)


def screen(model: PriceModel, prices: Prices, slack: float) -> tuple[Bools, Bools]:
    """(X,) routes and (H,) sites worth offering to a program at these prices; slack is relative to the cheapest."""
    q = model.raw_cost(prices)
    least, cost = model.least(prices, q)
    best = least[model.problem.routes.demand]
    routes = cost - best <= slack * np.maximum(np.abs(best), 1e-9)
    sites = (model.spare_most > 0) & (q <= slack * model.unit)
    sites[model.problem.routes.site[routes]] = True
    return routes, sites


def shares(use: Floats, limit: Floats) -> Floats:
    """(k, ...) slices of a limit (...) that add up to it, from what each of k wants to use (k, ...)."""
    total = use.sum(axis=0)
    part = use / np.maximum(total, 1e-12)
    ample = use + (limit - total) * (0.5 * part + 0.5 / len(use))
    return floats(np.where(total > limit, limit * part, ample))


def blocks_of(problem: AssignmentProblem, count: int) -> Ints:
    """(S,) block of each service: whole applications, dealt by size so that blocks take about the same time."""
    _, application = np.unique(problem.block, return_inverse=True)
    size = np.bincount(application, np.bincount(problem.routes.service, minlength=problem.services))
    order = np.argsort(-size, kind="stable")
    turn = np.arange(len(size)) % (2 * count)
    dealt = np.empty(len(size), dtype=np.int64)
    dealt[order] = np.minimum(turn, 2 * count - 1 - turn)
    return dealt[application]
