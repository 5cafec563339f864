import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fleets import synthetic
from placement.columns import Bools, Floats, Ints
from placement.cost import backend_loads, loads
from placement.problem import Prices, Problem, formulate
from placement.quantize import Rounding, routing_of, weight_tables
from placement.rounding import diffused, largest_remainder
from placement.routing import Routing, from_dense, from_triplets
from tests.oracles import hamilton
from tests.placement.fleets import random_routing, snapshot_of

rows = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=8)


@given(row=rows, unit=st.sampled_from([10, 100, 10_000]))
def test_largest_remainder_agrees_with_hamilton(row: list[float], unit: int) -> None:
    routing = from_dense(np.array([row]) / sum(row))

    weights = largest_remainder(routing, unit)

    assert weights.tolist() == hamilton(routing.share.tolist(), unit)
    assert weights.sum() == unit


def many_sources(seed: int) -> tuple[Problem, Routing, Floats]:
    """Twenty sources a service, random shares, and the demand of each flow."""
    fleet, readings = synthetic(5, 20, seed)
    problem = formulate(fleet, snapshot_of(fleet, readings), Prices())
    routing = random_routing(problem, seed)
    return problem, routing, loads(problem, routing).demand_rps


def backend_error(problem: Problem, routing: Routing, demand: Floats, weights: Ints, unit: int) -> float:
    """Requests/s that go to the wrong backend, over all requests/s."""
    fleet = problem.fleet
    made = from_triplets(routing.row, routing.column, weights / unit, (len(routing), routing.columns))
    off = np.abs(backend_loads(fleet, demand, made) - backend_loads(fleet, demand, routing)).sum() / 2
    return float(off / demand.sum())


def unsettled(routing: Routing) -> Bools:
    return np.zeros(len(routing), dtype=bool)


@pytest.mark.parametrize("seed", range(6))
def test_diffused_weights_of_a_hundred_halve_the_error_at_backends(seed: int) -> None:
    problem, routing, demand = many_sources(seed)
    plain = largest_remainder(routing, 100)

    spread = diffused(problem.fleet, routing, demand, plain, unsettled(routing), 100)

    error = [backend_error(problem, routing, demand, weights, 100) for weights in (plain, spread)]
    assert error[1] < 0.5 * error[0], f"seed {seed}: {error}"


@pytest.mark.parametrize("seed", range(4))
def test_diffused_rows_sum_to_the_unit_and_stray_by_two_weights_at_most(seed: int) -> None:
    problem, routing, demand = many_sources(seed)

    spread = diffused(problem.fleet, routing, demand, largest_remainder(routing, 100), unsettled(routing), 100)

    assert (np.bincount(routing.row, weights=spread) == 100).all()
    assert (spread >= 0).all()
    assert np.abs(spread - 100 * routing.share).max() < 2.5, f"seed {seed}"


def test_diffused_leaves_settled_rows_alone_and_makes_up_for_them() -> None:
    problem, routing, demand = many_sources(1)
    plain = largest_remainder(routing, 100)
    settled = np.arange(len(routing)) % 2 == 0

    spread = diffused(problem.fleet, routing, demand, plain, settled, 100)

    assert (spread[settled[routing.row]] == plain[settled[routing.row]]).all()
    before, after = (backend_error(problem, routing, demand, w, 100) for w in (plain, spread))
    assert after < before


def test_weight_tables_in_hundredths_serve_backends_as_planned() -> None:
    problem, routing, demand = many_sources(2)

    tables = weight_tables(problem, routing, Rounding(unit=100), {})

    back = routing_of(problem.fleet, tables, routing)
    fleet = problem.fleet
    off = np.abs(backend_loads(fleet, demand, back) - backend_loads(fleet, demand, routing)).sum() / 2
    plain = backend_error(problem, routing, demand, largest_remainder(routing, 100), 100)
    assert off / demand.sum() < 0.5 * plain
