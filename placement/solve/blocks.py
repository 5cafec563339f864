"""Some services at a time as one linear program, within the room that all others leave.

1. share    with use_b what block b is expected to take and total their sum: where total > limit, use_b limit / total,
            else use_b + (limit - total) (use_b / total + 1/k) / 2. Least replicas come first. Shares add up to the
            limit, so together blocks fit.
2. solve    block after block; what one leaves of its share goes to those that follow.

Blocks hold whole applications. The program is built once as columns, so that a solve only slices and sets bounds. All
columns of a service are offered: one that has to leave a crowded pool goes where prices alone would not have sent it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix

from placement.assignment import AssignmentProblem
from placement.columns import Bools, Floats, Ints, floats
from placement.solve.assignment import AssignmentProgram, build, moved
from placement.solve.linear import LinearProgram, solve


@dataclass(frozen=True, slots=True)
class BlockAnswer:
    """The services of one block solved."""

    replicas: Floats
    """(H of the block,)"""
    route_rps: Floats
    """(X of the block,)"""


class Block:
    """Services with their program, built once; a solve takes some of them and sets limits."""

    def __init__(self, problem: AssignmentProblem) -> None:
        self.problem = problem
        self.built: AssignmentProgram = build(problem)
        self.by_column: csc_matrix = self.built.program.matrix.tocsc()

    def move(self, problem: AssignmentProblem) -> None:
        """Take over a problem that differs only in demands, survival, capacity and standing replicas."""
        self.problem, self.built = problem, moved(self.built, problem)

    def solve(self, again: Bools, room: Floats, price: Floats) -> BlockAnswer:
        """The optimum of services `again` (S,) within room (P * R + K,), where pools cost (P, R) besides.

        Where that is almost their shadow price, a block leaves to the others what is worth more to them.
        Raises Unsolved.
        """
        built, columns = self.built, self._columns(again)
        x = np.maximum(solve(self.program(again, room, price)).x, 0.0)
        sites = (columns >= built.sites.start) & (columns < built.sites.stop)
        return BlockAnswer(x[sites], x[(columns >= built.routes.start) & (columns < built.routes.stop)])

    def program(self, again: Bools, room: Floats, price: Floats) -> LinearProgram:
        """What `solve` solves."""
        built, lp, h = self.built, self.built.program, self.problem.sites
        columns = self._columns(again)
        part = csr_matrix(self.by_column[:, columns])
        rows = np.flatnonzero(np.diff(part.indptr))
        cost, row_upper = lp.cost[columns], lp.row_upper[rows]
        on_site = np.flatnonzero((columns >= built.sites.start) & (columns < built.sites.stop))
        site = columns[on_site] - built.sites.start
        cost[on_site] += (h.use[site] * price[h.pool[site]]).sum(axis=1)
        first, last = np.searchsorted(rows, [built.pool_rows.start, built.link_rows.stop])
        row_upper[first:last] = room[rows[first:last] - built.pool_rows.start]
        return LinearProgram(cost, part[rows], lp.row_lower[rows], row_upper, lp.lower[columns], lp.upper[columns])

    def _columns(self, again: Bools) -> Ints:
        return np.flatnonzero(again[self.built.column_service])


def shares(use: Floats, limit: Floats, forced: Floats | None = None) -> Floats:
    """(k, ...) slices of a limit (...) that add up to it, from what each of k wants to use (k, ...).

    `forced` (k, ...) is the part of the use that has no choice: it is granted first.
    """
    if forced is not None:
        return floats(forced + shares(np.maximum(use - forced, 0.0), np.maximum(limit - forced.sum(axis=0), 0.0)))
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
