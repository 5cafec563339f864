from dataclasses import replace

import numpy as np
import pytest

from placement.columns import floats
from placement.cost import loads
from placement.policies.proximity import local
from placement.policies.spill import spill_rps, with_spill
from placement.problem import Prices, Problem, formulate
from placement.routing import from_dense
from placement.sitecost import Pieces
from placement.solve.routing import solve_routing
from simulator.trio import declared, trio
from tests.placement.fleets import problem_of, random_routing, snapshot_of


def crowded(seed: int, factor: float) -> Problem:
    problem = problem_of(seed, services=6, load=0.4)
    return replace(problem, external_rps=floats(factor * problem.external_rps))


@pytest.mark.parametrize("seed", range(5))
def test_with_spill_when_everything_fits_changes_nothing(seed: int) -> None:
    problem = crowded(seed, 0.01)
    planned = random_routing(problem, seed)

    served = planned.dense()[:, -1] == 0
    spilled = with_spill(problem, planned, spill_rps(problem)).dense()
    np.testing.assert_allclose(spilled[served], planned.dense()[served], atol=1e-9)


def test_with_spill_when_a_plan_refuses_what_fits_lets_it_in() -> None:
    problem = crowded(0, 0.01)
    nothing = np.zeros((len(problem.fleet.flows), problem.fleet.shed + 1))
    nothing[:, -1] = 1.0

    spilled = with_spill(problem, from_dense(nothing), spill_rps(problem)).dense()

    offered = np.bincount(problem.routes.flow, minlength=len(spilled)) > 0
    assert spilled[offered, -1].max() == pytest.approx(0.0, abs=1e-9)


def test_with_spill_when_a_callee_is_full_keeps_refusing_at_the_door() -> None:
    """Load that is let in only to be refused further down wastes the work of its callers."""
    fleet = trio()
    problem = formulate(fleet, snapshot_of(fleet, declared(fleet)), Prices())
    tight = Pieces(
        floats(problem.pieces.rps * np.where(fleet.backends.service == 1, 0.1, 1.0)[:, None]), problem.pieces.usd
    )
    problem = replace(problem, pieces=tight)
    plan = solve_routing(problem).routing

    spilled = with_spill(problem, plan, spill_rps(problem))

    front = fleet.flows.service == 0
    assert loads(problem, plan).shed_rps[front].sum() > 0
    assert loads(problem, spilled).shed_rps[front].sum() == pytest.approx(loads(problem, plan).shed_rps[front].sum())


@pytest.mark.parametrize("seed", range(5))
def test_with_spill_in_a_flash_crowd_takes_load_to_where_there_is_room(seed: int) -> None:
    problem = crowded(seed, 1.5)
    planned = local(problem)

    spilled = with_spill(problem, planned, spill_rps(problem))

    before, after = loads(problem, planned).backend_rps, loads(problem, spilled).backend_rps
    most = problem.pieces.served_rps
    assert np.maximum(before - most, 0).sum() > 0
    assert np.maximum(after - most, 0).sum() < np.maximum(before - most, 0).sum()
