"""Some services at a time as one linear program, within the room that all others leave.

1. share    with use_b what block b is expected to take and total their sum: where total > limit, use_b limit / total,
            else use_b + (limit - total) (use_b / total + 1/k) / 2. Least replicas come first. Shares add up to the
            limit, so together blocks fit.
2. solve    block after block; what one leaves of its share goes to those that follow.

Blocks hold whole applications. The program is built once as columns, so that a solve only cuts and sets bounds. All
columns of a service are offered: one that has to leave a crowded pool goes where prices alone would not have sent it.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csc_matrix

from placement.assignment import AssignmentProblem
from placement.columns import Floats, Ints, floats
from placement.solve.assignment import AssignmentProgram, build, moved
from placement.solve.linear import LinearProgram, solve_decoupled
from placement.solve.submatrix import Members, cut


class Part(NamedTuple):
    """What belongs to some services."""

    columns: Ints
    """Of the program, ascending."""
    sites: Ints
    """Of the problem, ascending."""
    routes: Ints


class Block:
    """Services with their program, built once; a solve takes some of them and sets limits."""

    def __init__(self, problem: AssignmentProblem) -> None:
        self.problem = problem
        self.built: AssignmentProgram = build(problem)
        self.by_column: csc_matrix = self.built.program.matrix.tocsc()
        self.members = Members(self.built.column_service, problem.services)

    def move(self, problem: AssignmentProblem) -> None:
        """Take over a problem that differs only in demands, survival, capacity and standing replicas."""
        self.problem, self.built = problem, moved(self.built, problem)

    def part(self, services: Ints) -> Part:
        """What belongs to services: whole applications."""
        columns, built = self.members.of(services), self.built
        routes, sites = (
            columns[slice(*np.searchsorted(columns, [family.start, family.stop]))] - family.start
            for family in (built.routes, built.sites)
        )
        return Part(columns, sites, routes)

    def solve(self, part: Part, room: Floats, price: Floats) -> tuple[Floats, Floats]:
        """(replicas, route rps) of a part at its optimum within room (P * R + K,), where pools cost (P, R) besides.

        Where that is almost their shadow price, a block leaves to the others what is worth more to them.
        Raises Unsolved.
        """
        x = np.maximum(solve_decoupled(self.program(part, room, price)).x, 0.0)
        first_site, first_route = np.searchsorted(part.columns, [self.built.sites.start, self.built.routes.start])
        routes = x[first_route : first_route + len(part.routes)]
        return x[first_site : first_site + len(part.sites)], routes

    def program(self, part: Part, room: Floats, price: Floats) -> LinearProgram:
        """What `solve` solves."""
        built, lp, h, columns = self.built, self.built.program, self.problem.sites, part.columns
        rows, matrix = cut(self.by_column, columns)
        cost, row_upper = lp.cost[columns], lp.row_upper[rows]
        first_site = int(np.searchsorted(columns, built.sites.start))
        paid = (h.use[part.sites] * price[h.pool[part.sites]]).sum(axis=1)
        cost[first_site : first_site + len(part.sites)] += paid
        first, last = np.searchsorted(rows, [built.pool_rows.start, built.link_rows.stop])
        row_upper[first:last] = room[rows[first:last] - built.pool_rows.start]
        return LinearProgram(cost, matrix, lp.row_lower[rows], row_upper, lp.lower[columns], lp.upper[columns])


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
