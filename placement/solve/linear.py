"""Linear programs as sparse arrays, handed to OR-Tools whole: no Python object per variable or row."""

from dataclasses import dataclass

import numpy as np
from ortools.linear_solver.python import model_builder_helper as backend
from scipy.sparse import csr_matrix

from placement.columns import Floats

ITERATION_LIMIT = 5_000_000
"""Simplex iterations: a work limit, so that a run is the same on any machine."""
HIGHS = f"output_flag=false,threads=1,simplex_iteration_limit={ITERATION_LIMIT}"
GLOP = f"use_dual_simplex:true use_preprocessing:false max_number_of_iterations:{ITERATION_LIMIT}"
"""Dual simplex and no presolve: on routing programs, which fall apart, less than half of HiGHS's time."""


class Unsolved(Exception):  # noqa: N818  an outcome that the loop expects and turns into `hold`
    """The solver did not prove an optimum; says what it did."""


@dataclass(frozen=True, slots=True)
class LinearProgram:
    """min cost @ x  subject to  row_lower <= matrix @ x <= row_upper,  lower <= x <= upper."""

    cost: Floats
    matrix: csr_matrix
    row_lower: Floats
    row_upper: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True)
class Solution:
    """An optimum. `row_price` is only filled by `solve_with_prices`."""

    x: Floats
    objective: float
    row_price: Floats | None = None
    """(rows,) change of the objective per unit of the row's binding side."""


def solve(program: LinearProgram) -> Solution:
    """The optimum by HiGHS. Raises Unsolved for anything else."""
    runner = _run(program, "highs_lp", HIGHS)
    x = np.asarray(runner.variable_values(), dtype=np.float64)
    return Solution(x, float(program.cost @ x))


def solve_with_prices(program: LinearProgram) -> Solution:
    """The optimum by GLOP, with the shadow price of every row.

    GLOP and not HiGHS: OR-Tools 9.15 returns row activities where HiGHS's duals are asked for
    (tests/placement/solve/test_linear.py holds GLOP's against finite differences). Raises Unsolved.
    """
    runner = _run(program, "glop", GLOP)
    x = np.asarray(runner.variable_values(), dtype=np.float64)
    return Solution(x, float(program.cost @ x), np.asarray(runner.dual_values(), dtype=np.float64))


def solve_decoupled(program: LinearProgram) -> Solution:
    """The optimum of a program that nearly falls apart: by GLOP, in half of HiGHS's time, and by HiGHS where that gives
    up. Raises Unsolved.
    """
    try:
        return solve_with_prices(program)
    except Unsolved:
        return solve(program)


def _run(program: LinearProgram, solver: str, parameters: str) -> backend.ModelSolverHelper:
    model = backend.ModelBuilderHelper()
    columns = (program.lower, program.upper, program.cost)
    rows = (program.row_lower, program.row_upper, program.matrix)
    model.fill_model_from_sparse_data(*columns, *rows)  # type: ignore[arg-type]  # its stubs predate numpy 2's shapes
    runner = backend.ModelSolverHelper(solver)
    runner.set_solver_specific_parameters(parameters)
    runner.solve(model)
    status = runner.status()
    if status != backend.SolveStatus.OPTIMAL:
        raise Unsolved(f"{solver}: {status.name} on {program.matrix.shape[0]} rows x {program.matrix.shape[1]} columns")
    return runner
