"""Small programs and one that grows, by SciPy's HiGHS through SciPy's own bindings.

Public interfaces hide what whole replicas live on: a bound where a limit of nodes ends the work, options of the
mixed-integer solver, and a basis that survives new columns and new costs (docs/decisions/015). Nothing else imports
these bindings, and the lock pins SciPy.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize._highspy import _core  # type: ignore[import-not-found]
from scipy.sparse import csc_matrix, csr_matrix

from placement.columns import Floats, Ints
from placement.solve.linear import ITERATION_LIMIT, Unsolved

TOLERANCE = 1e-7
"""Relative; what a floating-point optimum may be off."""
ALWAYS = {"output_flag": False, "threads": 1, "random_seed": 0, "simplex_iteration_limit": ITERATION_LIMIT}
PLAIN = {
    **{f"mip_heuristic_run_{each}": False for each in ("feasibility_jump", "zi_round", "shifting", "rins", "rens")},
    "mip_heuristic_run_root_reduced_cost": False,
    "mip_heuristic_effort": 0.0,
    "mip_allow_restart": False,
    "mip_detect_symmetry": False,
}
"""HiGHS without what takes most of its time on programs of a hundred columns: a third of the time, same answers."""


class Question(NamedTuple):
    """min cost @ x,  row_lower <= matrix @ x <= row_upper,  lower <= x <= upper,  x whole at the columns `replicas`."""

    cost: Floats
    matrix: csr_matrix
    row_lower: Floats
    row_upper: Floats
    lower: Floats
    upper: Floats
    replicas: Ints
    """empty for the linear program"""


class Optimum(NamedTuple):
    """Of a linear program."""

    usd: float
    x: Floats
    row_price: Floats
    """change of the optimum per unit of the row's binding side"""


def answer(question: Question, stop: float, branches: int) -> tuple[float, Floats | None]:
    """(lower bound, solution if there is one) after so many nodes, or where the two are relatively `stop` apart.

    -inf where there is no bound, which is so for a linear program that has no optimum.
    """
    whole = len(question.replicas) > 0
    # Presolve costs a linear program of this size more than it saves.
    run = _solver(**PLAIN, mip_rel_gap=stop, mip_max_nodes=branches) if whole else _solver(presolve="off")
    _pass(run, question)
    run.run()
    info = run.getInfo()
    x = np.array(run.getSolution().col_value) if info.primal_solution_status == FEASIBLE else None
    if whole:
        usd = float(info.mip_dual_bound)
    else:
        usd = float(info.objective_function_value) if run.getModelStatus() == OPTIMAL else -np.inf
    return usd - TOLERANCE * abs(usd), x


class Resumed(NamedTuple):
    """A linear program solved from the basis of an earlier one of the same shape."""

    usd: float
    """a lower bound; -inf where there is no optimum"""
    x: Floats | None
    basis: bytes
    """status of every column and row"""
    still: bool
    """whether the basis it came from is optimal still: then so is the solution"""


class Relaxations:
    """Linear programs one after the other; those asked before start where they ended, which takes a third of the time.

    From a basis by primal simplex, because what changes from one price to the next is costs.
    """

    def __init__(self) -> None:
        self._run = _solver(presolve="off")

    def answer(self, question: Question, basis: bytes = b"") -> Resumed:
        """The optimum, from `basis` if there is one."""
        run, columns = self._run, len(question.cost)
        _pass(run, question)
        run.setOptionValue("simplex_strategy", PRIMAL if basis else DUAL)
        if basis:
            begun = _core.HighsBasis()
            status = list(map(STATUS.__getitem__, basis))
            begun.col_status, begun.row_status, begun.valid = status[:columns], status[columns:], True
            run.setBasis(begun)
        run.run()
        info = run.getInfo()
        if run.getModelStatus() != OPTIMAL:
            return Resumed(-np.inf, None, b"", False)
        usd, still = float(info.objective_function_value), bool(basis) and info.simplex_iteration_count == 0
        if not still:
            found = run.getBasis()
            basis = bytes(map(int, (*found.col_status, *found.row_status)))
        return Resumed(usd - TOLERANCE * abs(usd), np.array(run.getSolution().col_value), basis, still)


class Growing:
    """A linear program that gains columns; every solve starts from the basis of the last one."""

    def __init__(self, row_lower: Floats, row_upper: Floats) -> None:
        nothing = np.zeros(0)
        empty = csr_matrix((len(row_lower), 0))
        self._run = _solver(presolve="off", simplex_strategy=PRIMAL)
        _pass(self._run, Question(nothing, empty, row_lower, row_upper, nothing, nothing, np.zeros(0, int)))

    def add(self, cost: Floats, matrix: csc_matrix) -> None:
        """Columns from 0 up."""
        count, whole = len(cost), np.int32
        none, all_ = np.zeros(count), np.full(count, np.inf)
        start, index = matrix.indptr[:-1].astype(whole), matrix.indices.astype(whole)
        self._run.addCols(count, cost, none, all_, matrix.nnz, start, index, matrix.data)

    def offer(self, cost: Floats, most: float) -> None:
        """New costs of the first columns, and how much of each there is."""
        count, first = len(cost), np.arange(len(cost), dtype=np.int32)
        self._run.changeColsCost(count, first, cost)
        self._run.changeColsBounds(count, first, np.zeros(count), np.full(count, most))

    def solve(self) -> Optimum:
        """Its optimum. Raises Unsolved."""
        self._run.run()
        if self._run.getModelStatus() != OPTIMAL:
            shape = f"{self._run.getNumRow()} rows x {self._run.getNumCol()} columns"
            raise Unsolved(f"HiGHS: {self._run.modelStatusToString(self._run.getModelStatus())} on {shape}")
        found = self._run.getSolution()
        usd = float(self._run.getInfo().objective_function_value)
        return Optimum(usd, np.array(found.col_value), np.array(found.row_dual))


OPTIMAL = _core.HighsModelStatus.kOptimal
FEASIBLE = int(_core.SolutionStatus.kSolutionStatusFeasible)
DUAL, PRIMAL = 1, 4
"""HiGHS's numbers for simplex; by primal a basis stays feasible when columns come or costs change."""
INTEGER, ROWWISE, MINIMIZE = (
    int(each) for each in (_core.HighsVarType.kInteger, _core.MatrixFormat.kRowwise, _core.ObjSense.kMinimize)
)
STATUS = tuple(_core.HighsBasisStatus(each) for each in range(5))


def _solver(**options: Any) -> Any:
    run = _core._Highs()  # noqa: SLF001  the class has no other name
    for name, value in {**ALWAYS, **options}.items():
        run.setOptionValue(name, value)
    return run


def _pass(run: Any, question: Question) -> None:
    """A whole program as arrays; attribute by attribute takes several times as long as solving a small one again."""
    q, (rows, columns) = question, question.matrix.shape
    kinds = np.zeros(columns, np.int32)
    kinds[q.replicas] = INTEGER
    a = q.matrix
    run.passModel(
        columns,
        rows,
        a.nnz,
        ROWWISE,
        MINIMIZE,
        0.0,
        q.cost,
        q.lower,
        q.upper,
        q.row_lower,
        q.row_upper,
        a.indptr.astype(np.int32),
        a.indices.astype(np.int32),
        a.data,
        kinds,
    )
