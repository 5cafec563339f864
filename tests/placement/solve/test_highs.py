"""The bindings of SciPy's HiGHS against its public interface, which another release may not break unseen."""

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csc_matrix, csr_matrix

from placement.columns import Floats
from placement.solve.highs import Growing, Question, Relaxations, answer
from placement.solve.linear import Unsolved


def cover(seed: int, whole: bool) -> Question:
    """Cheapest way to reach a row's sum, five times over."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 9, (5, 12)).astype(float)
    return Question(
        rng.uniform(1, 2, 12),
        csr_matrix(matrix),
        rng.uniform(10, 30, 5),
        np.full(5, np.inf),
        np.zeros(12),
        np.full(12, 3.0),
        np.arange(12) if whole else np.arange(0),
    )


def best(q: Question) -> float:
    """By SciPy's own interface."""
    rows = LinearConstraint(q.matrix, q.row_lower, q.row_upper)
    whole = np.isin(np.arange(len(q.cost)), q.replicas).astype(np.int64)
    found = milp(q.cost, integrality=whole, bounds=Bounds(q.lower, q.upper), constraints=rows)
    assert found.fun is not None
    return found.fun


@pytest.mark.parametrize("seed", range(8))
def test_answer_when_cut_short_is_a_bound_and_when_not_the_optimum(seed: int) -> None:
    linear, whole = cover(seed, whole=False), cover(seed, whole=True)

    assert answer(linear, 0.0, 0)[0] == pytest.approx(best(linear), rel=1e-6)
    assert answer(whole, 0.0, 100_000)[0] == pytest.approx(best(whole), rel=1e-6)
    for branches in (1, 5):
        bound, x = answer(whole, 0.0, branches)
        assert best(linear) * (1 - 1e-6) <= bound <= best(whole) * (1 + 1e-9)
        if x is not None:
            assert (whole.matrix @ x >= whole.row_lower - 1e-6).all()
            assert whole.cost @ x >= best(whole) * (1 - 1e-6)


def test_answer_when_there_is_no_solution_is_no_bound() -> None:
    q = cover(0, whole=False)
    assert answer(q._replace(row_lower=np.full(5, 1e6)), 0.0, 0) == (-np.inf, None)


def test_relaxation_when_costs_change_and_it_starts_from_its_basis_is_the_one_solved_anew() -> None:
    rng, relaxations = np.random.default_rng(2), Relaxations()
    questions = [cover(seed, whole=False) for seed in range(4)]
    bases, stills = [b""] * 4, 0
    for turn in range(6):
        factor = rng.uniform(1 - 0.1 * turn, 1 + 0.1 * turn, 12)
        for i, q in enumerate(questions):
            asked = q._replace(cost=q.cost * factor)
            found = relaxations.answer(asked, bases[i])
            assert found.usd == pytest.approx(best(asked), rel=1e-6)
            assert found.x is not None
            assert asked.cost @ found.x == pytest.approx(best(asked), rel=1e-6)
            assert not found.still or found.basis == bases[i]
            assert relaxations.answer(asked, found.basis).still
            bases[i], stills = found.basis, stills + found.still
    assert stills > 0, "a small change of costs leaves some bases optimal"
    assert relaxations.answer(questions[0]._replace(row_lower=np.full(5, 1e6))).x is None


def test_growing_program_when_columns_and_costs_change_is_the_one_solved_anew() -> None:
    rng = np.random.default_rng(1)
    need = rng.uniform(5, 9, 4)
    program = Growing(need, np.full(4, np.inf))
    cost, columns = np.zeros(0), np.zeros((4, 0))

    def anew() -> tuple[float, Floats]:
        found = linprog(cost, -columns, -need)
        assert found.fun is not None
        return found.fun, np.asarray(-found.ineqlin.marginals)

    for turn in range(4):
        more = np.eye(4) if turn == 0 else rng.integers(0, 4, (4, 3)).astype(float)
        price = np.full(4, 50.0) if turn == 0 else rng.uniform(1, 5, 3)
        program.add(price, csc_matrix(more))
        cost, columns = np.concatenate([cost, price]), np.hstack([columns, more])
        cost[:4] = 50.0 + turn
        program.offer(cost[:4], np.inf)
        usd, dual = anew()
        found = program.solve()
        assert found.usd == pytest.approx(usd, rel=1e-9)
        assert cost @ found.x == pytest.approx(usd, rel=1e-9)
        assert found.row_price == pytest.approx(dual, rel=1e-7, abs=1e-9)

    columns[:] = 0.0
    empty = Growing(need, np.full(4, np.inf))
    empty.add(cost, csc_matrix(columns))
    with pytest.raises(Unsolved, match="nfeasible"):
        empty.solve()
