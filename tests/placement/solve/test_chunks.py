import numpy as np
import pytest

from placement.callgraph import coupled_services
from placement.solve.chunks import chunk_of, solve_chunks
from placement.solve.linear import solve
from placement.solve.routing import build
from tests.placement.fleets import problem_of


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [1, 6, 1000])
def test_solve_chunks_of_any_size_finds_the_optimum_of_the_whole(seed: int, size: int) -> None:
    problem = problem_of(seed, services=9, load=0.8)
    fleet, built = problem.fleet, build(problem)
    label = coupled_services(len(fleet.services), fleet.calls, shared=False)
    service = chunk_of(label, np.bincount(fleet.flows.service, minlength=len(label)), size)
    flow, backend = service[fleet.flows.service], service[fleet.backends.service]
    route = flow[problem.routes.flow]
    piece = backend[np.nonzero(problem.pieces.rps > 0)[0]]

    columns = np.concatenate([route[built.kept], route, piece, flow])
    found = solve_chunks(built.program, np.concatenate([flow, backend]), columns)

    assert found.objective == pytest.approx(solve(built.program).objective)
    assert built.program.cost @ found.x == pytest.approx(found.objective)


def test_chunk_of_keeps_sets_whole() -> None:
    chunk = chunk_of(np.array([0, 1, 1, 0, 2]), np.array([3, 1, 1, 3, 5]), 7)

    assert chunk.tolist() == [0, 0, 0, 0, 1]
