from dataclasses import replace

import numpy as np
import pytest

from placement.baseline import nearest
from placement.columns import floats
from placement.policies.proximity import latency_greedy, local, locality_failover, priority_load
from placement.problem import Prices, Problem, formulate
from placement.routing import RoutingView
from simulator.trio import declared, trio
from tests.placement.fleets import problem_of, snapshot_of


def of_trio() -> Problem:
    fleet = trio()
    return formulate(fleet, snapshot_of(fleet, declared(fleet)), Prices())


@pytest.mark.parametrize("seed", range(5))
def test_local_on_random_fleets_is_the_nearest_lawful_cluster(seed: int) -> None:
    problem = problem_of(seed)

    np.testing.assert_allclose(local(problem).dense(), nearest(problem.fleet).dense(), atol=1e-12)


@pytest.mark.parametrize(
    ("healthy", "load"),
    [
        ((1.0, 1.0), (1.0, 0.0)),
        ((0.72, 1.0), (1.0, 0.0)),
        ((0.71, 1.0), (0.994, 0.006)),
        ((0.50, 1.0), (0.70, 0.30)),
        ((0.25, 1.0), (0.35, 0.65)),
        ((0.0, 1.0), (0.0, 1.0)),
        ((0.25, 0.25), (0.5, 0.5)),
        ((0.0, 0.0), (0.0, 0.0)),
    ],
)
def test_priority_load_for_healthy_parts_is_what_envoys_documentation_tabulates(
    healthy: tuple[float, float], load: tuple[float, float]
) -> None:
    """Envoy, "Priority levels": 1.4 times the healthy part, what is missing to 100 % goes to the next priority; and
    when the scores of all priorities together are below 100 % they are scaled up.
    """
    np.testing.assert_allclose(priority_load(np.array([healthy]))[0], load, atol=1e-9)


def test_locality_failover_while_over_71_percent_are_healthy_keeps_all_load_local_whatever_it_is() -> None:
    """Istio, "Locality Load Balancing": failover follows health; load never moves it."""
    problem = of_trio()
    crowd = replace(problem, external_rps=floats(100 * problem.external_rps))

    routing = locality_failover(crowd, floats(np.full(6, 0.75)))

    np.testing.assert_allclose(routing.dense(), local(problem).dense(), atol=1e-12)


def test_locality_failover_when_half_of_a_cluster_is_unhealthy_sends_three_tenths_on() -> None:
    problem = of_trio()
    healthy = np.ones(6)
    healthy[0] = 0.5

    view = RoutingView(problem.fleet, locality_failover(problem, floats(healthy)))

    assert view["front@ams"]["ams"] == pytest.approx(0.7)
    assert view["front@fra"] == pytest.approx({"fra": 1.0})


def test_latency_greedy_follows_the_call_tree_and_not_the_hop() -> None:
    """Where the child is far from the near parent, the next parent is the better one."""
    fleet = trio()
    rows = (fleet.backends.service == 0) | (fleet.backends.cluster != 0)
    snapshot = replace(snapshot_of(fleet, declared(fleet)), usable=rows)
    problem = formulate(fleet, snapshot, Prices())

    view = RoutingView(fleet, latency_greedy(problem))

    assert view["front@ams"] == pytest.approx({"ams": 1.0})  # 1 + 10 by ams, 10 + 1 by fra: the first of equals
    dear = replace(fleet, calls=replace(fleet.calls, per_request=floats([2.0])))
    twice = formulate(dear, snapshot, Prices())
    assert RoutingView(dear, latency_greedy(twice))["front@ams"] == pytest.approx({"fra": 1.0})
