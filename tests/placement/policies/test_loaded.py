from dataclasses import replace

import numpy as np
import pytest

from placement.columns import floats
from placement.cost import loads
from placement.policies.loaded import (
    cost_greedy,
    proportional,
    spray_to_region,
    value_greedy,
    waterfall,
    within_capacity,
)
from placement.problem import Prices, Problem, formulate
from placement.routing import RoutingView
from simulator.trio import declared, trio
from tests.placement.fleets import problem_of, snapshot_of


def of_trio(region: tuple[str, ...] | None = None) -> Problem:
    fleet = trio()
    if region:
        fleet = replace(fleet, clusters=replace(fleet.clusters, region=region))
    return formulate(fleet, snapshot_of(fleet, declared(fleet)), Prices())


def naive_waterfall(problem: Problem, limit: float) -> np.ndarray:
    """(F, C) rps of the roots, source by source and backend by backend."""
    fleet = problem.fleet
    placed = np.zeros((len(fleet.flows), len(fleet.clusters)))
    child = set(fleet.calls.child.tolist())
    for service in range(len(fleet.services)):
        flows = [] if service in child else np.flatnonzero(fleet.flows.service == service).tolist()
        ways = {}
        for f in flows:
            routes = np.flatnonzero(problem.routes.flow == f).tolist()
            rtt = {x: fleet.network.rtt_ms[fleet.flows.origin[f], problem.routes.cluster[x]] for x in routes}
            ways[f] = sorted(routes, key=lambda x, rtt=rtt: rtt[x])
        room = limit * problem.capacity_rps.copy()
        want = {f: problem.external_rps[f] for f in flows}
        first: dict[int, float] = {}
        for f in flows:
            if ways[f]:
                b = int(problem.routes.backend[ways[f][0]])
                first[b] = first.get(b, 0.0) + want[f]
        for f in flows:
            if ways[f]:
                x = ways[f][0]
                b = int(problem.routes.backend[x])
                take = want[f] * min(1.0, room[b] / first[b])
                placed[f, problem.routes.cluster[x]] += take
                want[f] -= take
        for b, asked in first.items():
            room[b] = max(room[b] - asked, 0.0)
        for f in sorted(flows, key=lambda f: -want[f]):
            for x in ways[f]:
                b = problem.routes.backend[x]
                take = min(want[f], room[b])
                placed[f, problem.routes.cluster[x]] += take
                want[f], room[b] = want[f] - take, room[b] - take
    return placed


def test_waterfall_fills_the_nearest_and_sends_the_excess_to_the_next() -> None:
    """Google Cloud, "Service load balancing policies": WATERFALL_BY_REGION minimises latency, overflow goes on."""
    view = RoutingView(of_trio().fleet, waterfall(of_trio(), limit=0.5))

    assert view["front@ams"] == pytest.approx({"ams": 0.8, "fra": 0.2})
    assert view["front@fra"] == pytest.approx({"fra": 1.0})
    assert view["front@iad"] == pytest.approx({"iad": 1.0})


@pytest.mark.parametrize("seed", range(8))
def test_waterfall_on_random_fleets_agrees_with_walking_source_by_source(seed: int) -> None:
    problem = problem_of(seed, services=6, clusters=5, load=0.45)
    fleet = problem.fleet

    dense = waterfall(problem, limit=0.8).dense()[:, :-1] * problem.external_rps[:, None]

    expected = naive_waterfall(problem, 0.8)
    root = ~np.isin(fleet.flows.service, fleet.calls.child)
    fits = root & (np.abs(expected.sum(axis=1) - problem.external_rps) < 1e-9)
    assert fits.any()
    np.testing.assert_allclose(dense[fits], expected[fits], atol=1e-6)


def test_waterfall_when_nothing_fits_spreads_the_rest_by_free_capacity_and_refuses_nothing() -> None:
    problem = of_trio()
    crowd = replace(problem, external_rps=floats(10 * problem.external_rps))

    routing = waterfall(crowd, limit=0.8)

    assert loads(crowd, routing).shed_rps.max() == pytest.approx(0.0, abs=1e-6)


def test_spray_to_region_shares_a_region_by_capacity_whatever_the_distance_inside() -> None:
    """Google Cloud, "Service load balancing policies": SPRAY_TO_REGION has no preference for the nearest zone."""
    problem = of_trio(region=("eu", "eu", "us"))

    view = RoutingView(problem.fleet, spray_to_region(problem))

    assert view["front@ams"] == pytest.approx({"ams": 0.5, "fra": 0.5})
    assert view["front@iad"] == pytest.approx({"iad": 1.0})


def test_proportional_within_a_continent_uses_the_world_only_where_there_is_none() -> None:
    problem = of_trio()
    near = np.array([[True, True, False], [True, True, False], [False, False, False]])

    view = RoutingView(problem.fleet, proportional(problem, near))

    assert view["front@ams"] == pytest.approx({"ams": 0.5, "fra": 0.5})
    assert view["front@iad"] == pytest.approx({"ams": 1 / 3, "fra": 1 / 3, "iad": 1 / 3})


def test_cost_greedy_goes_where_compute_and_egress_are_cheapest_until_full() -> None:
    problem = of_trio()
    free_egress = replace(problem, routes=replace(problem.routes, egress_usd=floats(0 * problem.routes.egress_usd)))

    made = loads(free_egress, cost_greedy(free_egress, limit=0.9))

    assert made.backend_rps[1] == pytest.approx(0.9 * 160)


def test_cost_greedy_beyond_its_round_trip_limit_goes_last_but_for_the_nearest() -> None:
    problem = of_trio()

    view = RoutingView(problem.fleet, cost_greedy(problem, limit=0.9, rtt_limit_ms=floats([5.0, 5.0])))

    assert view["front@iad"] == pytest.approx({"iad": 1.0})


def test_value_greedy_with_dear_latency_stays_near() -> None:
    problem = of_trio()
    dear = replace(problem, routes=replace(problem.routes, latency_usd=floats(1e6 * problem.routes.latency_usd)))

    view = RoutingView(problem.fleet, value_greedy(dear, limit=0.9))

    assert view["front@ams"] == pytest.approx({"ams": 1.0})


@pytest.mark.parametrize("seed", range(6))
def test_within_capacity_refuses_no_more_than_was_too_much_and_leaves_the_rest(seed: int) -> None:
    problem = problem_of(seed, load=1.3)
    planned = value_greedy(problem)

    routing = within_capacity(problem, planned)

    before, after = loads(problem, planned), loads(problem, routing)
    assert (after.backend_rps <= problem.capacity_rps * (1 + 1e-9) + 1e-9).all()
    over = before.backend_rps > problem.capacity_rps
    assert over.any()
    assert (routing.dense()[:, :-1] <= planned.dense()[:, :-1] + 1e-12).all()
    calm = ~over[problem.backend_of(planned.row, planned.column)] & (planned.column != problem.fleet.shed)
    kept = routing.dense()[planned.row[calm], planned.column[calm]]
    assert kept == pytest.approx(planned.share[calm], abs=1e-8)
