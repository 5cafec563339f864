import numpy as np
import pytest
from scipy.sparse import csr_matrix

from placement.solve.linear import LinearProgram, Unsolved, solve, solve_with_prices


def program(need: float = 1.0, cap: float = 0.6) -> LinearProgram:
    """Minimise x + 2 y, x + y >= need, x <= cap."""
    return LinearProgram(
        cost=np.array([1.0, 2.0]),
        matrix=csr_matrix(np.array([[1.0, 1.0], [1.0, 0.0]])),
        row_lower=np.array([need, -np.inf]),
        row_upper=np.array([np.inf, cap]),
        lower=np.zeros(2),
        upper=np.full(2, np.inf),
    )


def test_solve_of_a_textbook_program_finds_its_optimum() -> None:
    assert solve(program()).x.tolist() == pytest.approx([0.6, 0.4])


def test_row_price_agrees_with_finite_differences() -> None:
    prices = solve_with_prices(program()).row_price

    assert prices is not None
    step = 1e-4
    by_need = (solve(program(need=1 + step)).objective - solve(program()).objective) / step
    by_cap = (solve(program(cap=0.6 + step)).objective - solve(program()).objective) / step
    assert prices.tolist() == pytest.approx([by_need, by_cap])


def test_solve_of_an_infeasible_program_raises_unsolved_with_its_size() -> None:
    bad = program()
    bad.upper[:] = 0.1

    with pytest.raises(Unsolved, match="2 rows x 2 columns"):
        solve(bad)
