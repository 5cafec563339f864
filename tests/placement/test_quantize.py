import numpy as np
import pytest

from placement.quantize import Rounding, routing_of, weight_tables
from placement.rounding import largest_remainder
from placement.routing import blend, from_dense
from placement.solve.routing import solve_routing
from tests.placement.fleets import problem_of, random_routing


@pytest.mark.parametrize("seed", range(8))
def test_weight_tables_read_back_make_the_routing_they_came_from(seed: int) -> None:
    problem = problem_of(seed)
    routing = solve_routing(problem).routing

    tables = weight_tables(problem, routing, Rounding(), {})

    back = routing_of(problem.fleet, tables, random_routing(problem, 1))
    assert np.abs(back.dense() - routing.dense()).max() <= 1e-4, f"seed {seed}"
    off = np.abs(largest_remainder(routing, 10_000) / 10_000 - routing.share)
    assert np.bincount(routing.row, weights=off).max() / 2 <= 8 / 10_000


def test_weight_tables_when_shares_drift_within_the_band_keep_the_standing_weights() -> None:
    problem = problem_of(3)
    routing = random_routing(problem, 3)
    standing = weight_tables(problem, routing, Rounding(), {})
    drifted = blend(routing, random_routing(problem, 3), 0.5)

    again = weight_tables(problem, drifted, Rounding(sticky_band=0.05), standing)

    assert {o: t.digest() for o, t in again.items()} == {o: t.digest() for o, t in standing.items()}


def test_weight_tables_when_a_cluster_drains_give_it_exactly_zero_however_wide_the_band() -> None:
    problem = problem_of(3)
    flow = int(np.bincount(problem.routes.flow).argmax())
    first, second = problem.routes.cluster[problem.routes.flow == flow][:2].tolist()
    shares = random_routing(problem, 3).dense()
    shares[flow] = 0
    shares[flow, [first, second]] = 0.99, 0.01
    standing = weight_tables(problem, from_dense(shares), Rounding(), {})
    shares[flow, [first, second]] = 1.0, 0.0

    drained = weight_tables(problem, from_dense(shares), Rounding(sticky_band=0.5), standing)

    origin = problem.fleet.origins.ids[problem.fleet.flows.origin[flow]]
    service = problem.fleet.services.ids[problem.fleet.flows.service[flow]]
    targets = next(t for s, t, _ in drained[origin].items() if s == service)
    assert {t.cluster: t.weight for t in targets}[problem.fleet.clusters.ids[second]] == 0


def test_standbys_are_offered_routes_without_weight_cheapest_first() -> None:
    problem = problem_of(5)
    routing = solve_routing(problem).routing

    tables = weight_tables(problem, routing, Rounding(), {})

    lawful = {
        (problem.fleet.flow_name(f), problem.fleet.clusters.ids[c])
        for f, c in zip(problem.routes.flow.tolist(), problem.routes.cluster.tolist(), strict=True)
    }
    for origin, table in tables.items():
        for service, targets, _ in table.items():
            assert [t.priority for t in targets if t.priority] == list(
                range(1, sum(t.priority > 0 for t in targets) + 1)
            )
            assert all((f"{service}@{origin}", t.cluster) in lawful for t in targets)
