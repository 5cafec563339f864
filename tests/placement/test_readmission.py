"""What was refused comes in where there is room, and nothing else moves."""

from dataclasses import replace

import numpy as np
import pytest

from placement.cost import free_rps, loads
from placement.evacuation import shed_share
from placement.readmission import let_in_rps, readmitted
from placement.routing import Routing, from_dense
from placement.solve.routing import solve_routing
from tests.placement.fleets import problem_of


def refusing(routing: Routing, part: float) -> Routing:
    """A routing that refuses a part of everything."""
    dense = routing.dense() * (1 - part)
    dense[:, -1] += part
    return from_dense(dense)


@pytest.mark.parametrize("seed", range(6))
def test_readmitted_lets_in_what_fits_and_moves_nobody(seed: int) -> None:
    problem = problem_of(seed)
    planned = solve_routing(problem).routing
    stands = refusing(problem.standing, 0.5)
    problem = replace(problem, standing=stands)

    after = readmitted(problem, planned, stands)

    assert let_in_rps(problem, stands, after) >= -1e-6
    gained = after.dense()[:, :-1] - stands.dense()[:, :-1]
    assert gained.min() >= -1e-9, "nothing leaves a cluster"
    before = loads(problem, stands).backend_rps
    assert (loads(problem, after).backend_rps <= np.maximum(free_rps(problem), before) + 1e-6).all()


def test_readmitted_where_the_plan_refuses_as_much_changes_nothing() -> None:
    problem = problem_of(1)
    stands = refusing(problem.standing, 0.3)

    assert readmitted(problem, stands, stands) is stands
    assert shed_share(stands).min() >= 0.3 - 1e-9
