from dataclasses import replace

import numpy as np
import pytest

from placement.columns import bools, floats, ints
from placement.cost import loads
from placement.fleet import Calls
from placement.losses import after, losses
from placement.problem import DEMAND_FLOOR_RPS, INNER_SHED_MULTIPLE, Prices, formulate, headroom_slopes
from placement.routes import tree_usd
from placement.solve.routing import solve_routing
from simulator.trio import declared, trio
from tests.placement.fleets import snapshot_of


def test_formulate_when_a_backend_is_down_offers_no_route_to_it() -> None:
    fleet = trio()
    whole = snapshot_of(fleet, declared(fleet))

    alive = bools(fleet.backends.cluster != 2)

    problem = formulate(fleet, replace(whole, usable=alive), Prices())

    assert 2 not in problem.routes.cluster
    assert (problem.capacity_rps[~alive] == 0).all()


def test_formulate_when_a_jurisdiction_is_not_allowed_offers_no_route_there() -> None:
    fleet = trio()

    allowed = fleet.allowed.copy()
    allowed[0, 2] = False
    problem = formulate(replace(fleet, allowed=allowed), snapshot_of(fleet, declared(fleet)), Prices())

    front = fleet.flows.service[problem.routes.flow] == 0
    assert 2 not in problem.routes.cluster[front]
    assert 2 in problem.routes.cluster[~front]


@pytest.mark.parametrize("somewhere", [True, False], ids=["served somewhere", "served nowhere"])
def test_price_of_refusing_a_called_service_hangs_on_where_its_clients_are_only_if_somebody_may_serve_it(
    somewhere: bool,
) -> None:
    fleet, called = trio(), 1
    exposed, allowed = fleet.services.exposed.copy(), fleet.allowed.copy()
    exposed[called], allowed[called] = True, somewhere
    fleet = replace(fleet, services=replace(fleet.services, exposed=bools(exposed)), allowed=bools(allowed))
    mine = np.flatnonzero(fleet.flows.service == called)
    demand = declared(fleet).demand_rps.copy()
    demand[mine] = 0.0
    demand[mine[0]] = 1_000.0

    problem = formulate(fleet, snapshot_of(fleet, replace(declared(fleet), demand_rps=floats(demand))), Prices())
    lost = after(problem, losses(fleet)[int(fleet.origins.cluster[fleet.flows.origin[mine[0]]])])

    clients = problem.external_rps[mine] > 1.0
    assert clients.tolist() == [True, *[False] * (len(mine) - 1)]
    for priced in (problem, lost):
        idle = priced.external_rps[mine] <= DEMAND_FLOOR_RPS
        usd = priced.shed_usd[mine] / priced.shed_usd[mine].min()
        assert usd == pytest.approx(np.where(idle & somewhere, INNER_SHED_MULTIPLE, 1.0))
    assert (lost.external_rps[mine] > 1.0).tolist() != clients.tolist(), "they come in elsewhere"


def test_headroom_slopes_rise_and_stay_below_refusing() -> None:
    slopes = headroom_slopes(Prices().headroom_multiple)

    assert (np.diff(slopes) > 0).all()
    assert slopes[-1] + 1 < Prices().shed_multiple


def test_formulate_of_a_cheap_caller_of_something_dear_serves_it_all_the_same() -> None:
    """Refusing the caller spares what it calls, so it must cost more than all of that."""
    fleet = trio()
    dear = np.where(fleet.sites.service == 1, 1e4, 1.0) * fleet.sites.usd_per_replica_hour
    fleet = replace(fleet, sites=replace(fleet.sites, usd_per_replica_hour=floats(dear)))
    problem = formulate(fleet, snapshot_of(fleet, declared(fleet)), Prices())

    routing = solve_routing(problem).routing

    assert loads(problem, routing).shed_rps.max() < 1e-6
    front = fleet.flows.service == 0
    assert problem.shed_usd[front].min() > problem.routes.compute_usd.max()


def test_tree_usd_is_what_serving_a_request_to_the_end_takes() -> None:
    fleet = trio()
    calls = Calls(ints([0]), ints([1]), floats([3.0]))

    whole = tree_usd(replace(fleet, calls=calls), floats([2.0, 5.0]))

    assert whole.tolist() == [17.0, 5.0]
