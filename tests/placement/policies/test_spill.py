from dataclasses import replace

import numpy as np
import pytest

from placement.columns import floats
from placement.cost import loads
from placement.policies.proximity import local
from placement.policies.spill import spill_rps, with_spill
from placement.problem import Problem
from tests.placement.fleets import problem_of, random_routing


def crowded(seed: int, factor: float) -> Problem:
    problem = problem_of(seed, services=6, load=0.4)
    return replace(problem, external_rps=floats(factor * problem.external_rps))


@pytest.mark.parametrize("seed", range(5))
def test_with_spill_when_everything_fits_changes_nothing(seed: int) -> None:
    problem = crowded(seed, 0.01)
    planned = random_routing(problem, seed)

    np.testing.assert_allclose(with_spill(problem, planned, spill_rps(problem)).dense(), planned.dense(), atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_with_spill_in_a_flash_crowd_takes_load_to_where_there_is_room(seed: int) -> None:
    problem = crowded(seed, 1.5)
    planned = local(problem)

    spilled = with_spill(problem, planned, spill_rps(problem))

    before, after = loads(problem, planned).backend_rps, loads(problem, spilled).backend_rps
    most = problem.pieces.served_rps
    assert np.maximum(before - most, 0).sum() > 0
    assert np.maximum(after - most, 0).sum() < np.maximum(before - most, 0).sum()
