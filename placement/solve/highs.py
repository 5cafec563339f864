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
    run.passModel(_model(question))
    run.run()
    info = run.getInfo()
    x = np.array(run.getSolution().col_value) if info.primal_solution_status == FEASIBLE else None
    if whole:
        usd = float(info.mip_dual_bound)
    else:
        usd = float(info.objective_function_value) if run.getModelStatus() == OPTIMAL else -np.inf
    return usd - TOLERANCE * abs(usd), x


class Growing:
    """A linear program that gains columns; every solve starts from the basis of the last one."""

    def __init__(self, row_lower: Floats, row_upper: Floats) -> None:
        nothing = np.zeros(0)
        empty = csr_matrix((len(row_lower), 0))
        self._run = _solver(presolve="off", simplex_strategy=PRIMAL)
        self._run.passModel(_model(Question(nothing, empty, row_lower, row_upper, nothing, nothing, np.zeros(0, int))))

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
PRIMAL = 4
"""HiGHS's number for primal simplex: a basis stays feasible when columns come."""


def _solver(**options: Any) -> Any:
    run = _core._Highs()  # noqa: SLF001  the class has no other name
    for name, value in {**ALWAYS, **options}.items():
        run.setOptionValue(name, value)
    return run


def _model(question: Question) -> Any:
    q, model = question, _core.HighsLp()
    rows, columns = q.matrix.shape
    model.num_row_, model.num_col_ = rows, columns
    model.col_cost_, model.col_lower_, model.col_upper_ = q.cost, q.lower, q.upper
    model.row_lower_, model.row_upper_ = q.row_lower, q.row_upper
    a = model.a_matrix_
    a.num_row_, a.num_col_, a.format_ = rows, columns, _core.MatrixFormat.kRowwise
    a.start_, a.index_, a.value_ = q.matrix.indptr, q.matrix.indices, q.matrix.data
    if len(q.replicas):
        kinds = [_core.HighsVarType.kContinuous] * columns
        for column in q.replicas.tolist():
            kinds[column] = _core.HighsVarType.kInteger
        model.integrality_ = kinds
    return model
