"""An integer bound that holds at any prices: sum over services of the least they can cost, less the rent of the pools.

Relaxing the pools at prices pi >= 0 leaves one small integer problem per service:

    bound(pi) = sum_s least_s(pi) - pi . capacity

`least_s` is taken from below: by an exhaustive walk where plans are few, otherwise by the service's strengthened linear
program, and where that leaves much, by a mixed-integer program cut short after a number of nodes. Solvers run on
slices of services; HiGHS inside OR-Tools lets other threads run.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from ortools.linear_solver.python import model_builder_helper as backend
from scipy.sparse import csr_matrix

from placement.columns import Floats, Ints
from placement.solve.layout import Layout
from placement.solve.pricing import Mapper, Priced, expenses, price_out
from placement.solve.programs import Programs, programs

WALKED = 3
"""Replicas up to which a service's plans are walked exhaustively."""
NODES = 3000
"""of such a walk"""
BRANCHES = 400
"""Nodes of one mixed-integer program: a work limit."""
STOP = 1e-3
"""Relative gap at which such a program counts as solved."""
BATCH = 32
"""Mixed-integer programs between two looks at what is left."""
TOLERANCE = 1e-7
"""Relative; what a floating-point optimum may be off."""


class Certificate(NamedTuple):
    """Lower bounds of services at some prices, and the cheapest plans met on the way."""

    pool_usd: Floats
    least: Floats
    """(S,) $/h"""
    priced: Priced
    mips: int


class Question(NamedTuple):
    """One service's program."""

    cost: Floats
    matrix: csr_matrix
    row_lower: Floats
    row_upper: Floats
    lower: Floats
    upper: Floats
    replicas: Ints
    """columns that are whole; empty for the linear program"""


def answer(question: Question, stop: float = STOP, branches: int = BRANCHES) -> tuple[float, Floats | None]:
    """(lower bound, solution if there is one). -inf where the solver stopped before it had a bound."""
    model = backend.ModelBuilderHelper()
    q = question
    columns, rows = (q.lower, q.upper, q.cost), (q.row_lower, q.row_upper, q.matrix)
    model.fill_model_from_sparse_data(*columns, *rows)  # type: ignore[arg-type]  # its stubs predate numpy 2's shapes
    for column in q.replicas.tolist():
        model.set_var_integrality(column, True)
    whole = len(q.replicas) > 0
    runner = backend.ModelSolverHelper("highs" if whole else "highs_lp")
    runner.set_solver_specific_parameters(
        f"output_flag=false,threads=1,random_seed=0,mip_rel_gap={stop},mip_max_nodes={branches}"
        if whole
        else "output_flag=false,threads=1"
    )
    runner.solve(model)
    done = backend.SolveStatus.OPTIMAL, backend.SolveStatus.FEASIBLE
    if runner.status() not in done:
        return -np.inf, None
    x = np.asarray(runner.variable_values(), dtype=np.float64)
    if whole and runner.status() != backend.SolveStatus.OPTIMAL:
        return -np.inf, x
    # OR-Tools 9.15 reports HiGHS's objective where its bound is asked for, so the bound is what `stop` leaves of it.
    return float(runner.objective_value()) * (1 - (stop if whole else TOLERANCE)), x


def question(layout: Layout, parts: Programs, i: int, price: Floats, whole: bool) -> Question:
    """The program of the i-th service of `parts` at site prices (H,)."""
    a, b, c, d = parts.column0[i], parts.column0[i + 1], parts.row0[i], parts.row0[i + 1]
    start, end = parts.matrix.indptr[c], parts.matrix.indptr[d]
    matrix = csr_matrix(
        (parts.matrix.data[start:end], parts.matrix.indices[start:end] - a, parts.matrix.indptr[c : d + 1] - start),
        shape=(d - c, b - a),
    )
    mine = slice(*np.searchsorted(parts.site_column, [a, b]))
    at = parts.site_column[mine] - a
    cost = parts.cost[a:b].copy()
    cost[at] = price[parts.site[mine]]
    rows = parts.row_lower[c:d], parts.row_upper[c:d]
    return Question(cost, matrix, *rows, parts.lower[a:b], parts.upper[a:b], at if whole else at[:0])


def certify(
    layout: Layout, mapper: Mapper, services: Ints, priced: Priced, pool_usd: Floats, enough: float, most: int
) -> Certificate:
    """Bounds of `services` at prices (P, R), until within `enough` $/h of their plans or `most` MIPs are done.

    `priced` are plans at these prices, $/h 0 where there is none; better ones found on the way replace them.
    """
    n, usd = priced.n.copy(), priced.usd.copy()
    least = np.zeros(layout.services)
    price = layout.price(pool_usd)
    few = services[layout.sums(n.astype(np.float64))[services] <= WALKED]
    walked = price_out(layout, mapper, few, n, pool_usd, NODES)
    exact = walked.exact[few] > 0
    usd[few] = walked.usd[few]
    of_few = np.isin(np.repeat(np.arange(layout.services), np.diff(layout.site0)), few)
    n[of_few] = walked.n[of_few]
    least[few[exact]] = walked.usd[few[exact]] * (1 - TOLERANCE)
    rest = np.setdiff1d(services, few[exact])
    parts = programs(layout, rest, strong=True)
    ask = partial(_ask, layout, parts, price)
    dealt = [np.arange(len(rest))[i::64] for i in range(min(64, len(rest)))]
    for places, answers in zip(dealt, mapper(partial(ask, whole=False), dealt), strict=True):
        least[rest[places]] = [max(0.0, bound) for bound, _ in answers]
    open_ = np.maximum(0.0, usd[rest] - least[rest])
    order, mips = np.argsort(-open_, kind="stable"), 0
    while mips < min(most, len(order)) and open_.sum() > enough:
        batch = [order[i : i + 1] for i in range(mips, min(mips + BATCH, most, len(order)))]
        for place, [(bound, x)] in zip(batch, mapper(partial(ask, whole=True), batch), strict=True):
            i, s = int(place[0]), int(rest[place[0]])
            least[s] = max(least[s], min(bound, usd[s] or np.inf))
            if x is not None:
                _take(layout, parts, i, s, x, n)
            open_[i] = 0.0
        mips += len(batch)
    return Certificate(pool_usd, least, Priced(n, expenses(layout, n, price), walked.exact), mips)


def _ask(
    layout: Layout, parts: Programs, price: Floats, places: Ints, *, whole: bool
) -> list[tuple[float, Floats | None]]:
    return [answer(question(layout, parts, int(i), price, whole)) for i in places]


def _take(layout: Layout, parts: Programs, i: int, s: int, x: Floats, n: Ints) -> None:
    """Replicas of a program's solution."""
    mine = slice(*np.searchsorted(parts.site_column, parts.column0[[i, i + 1]]))
    here = slice(int(layout.site0[s]), int(layout.site0[s + 1]))
    n[here] = np.round(x[parts.site_column[mine] - parts.column0[i]]).astype(np.int64)
