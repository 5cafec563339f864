"""Properties of what is done at once after a loss, on random fleets with three tiers, fences and gateways.

The names in the tests are those of the invariants: I2 nothing to the dead, I3 within capacity and shed by priority,
I4 nothing unlawful, I7 tiers go where their dependencies are.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement.callgraph import inherited
from placement.chains import Paths, asks, p95_ms, viable
from placement.columns import bools, floats, ints
from placement.cost import loads
from placement.crossings import shared_limits
from placement.evacuation import Bounds, admitted, refused_usd, rerouted, shed_share, spare_rps, spill
from placement.failover import shed_by_priority
from placement.fleet import Calls, Sites, backends_of, reachable_flows
from placement.losses import Loss, after, losses, pair
from placement.problem import Prices, Problem, formulate
from placement.readings import Readings
from placement.routing import Routing, from_dense
from placement.solve.routing import solve_routing
from tests.oracles import demand_of
from tests.placement.fleets import problem_of, random_routing, snapshot_of, tiered
from tests.placement.solve.test_routing import autoscaled_problem

FLOOR_RPS = 0.05
"""Flows that nobody uses are solved with a little: no limit is held against that."""


@st.composite
def evacuations(draw: st.DrawFn) -> tuple[Problem, Loss, Problem, Routing]:
    """(before, loss, what is left, where the spill sends it)."""
    seed = draw(st.integers(0, 10_000))
    services, clusters, load = draw(st.integers(3, 9)), draw(st.integers(2, 6)), draw(st.sampled_from((0.4, 0.7, 0.9)))
    problem = tiered(seed, services, clusters, load, draw(st.booleans()))
    found = losses(problem.fleet)
    loss = found[draw(st.integers(0, len(found) - 1))]
    if draw(st.booleans()):
        loss = pair(loss, found[draw(st.integers(0, len(found) - 1))])
    left = after(problem, loss)
    usable = ~loss.dead(problem.fleet)
    return problem, loss, left, spill(left, problem.standing, usable, spare_rps(problem, usable, 1.0))


@settings(max_examples=120, deadline=None, derandomize=True)
@given(evacuations())
def test_spill_after_any_loss_keeps_i2_i3_i4_and_i7(case: tuple[Problem, Loss, Problem, Routing]) -> None:
    before, loss, left, routing = case
    fleet, served = left.fleet, routing.column != left.fleet.shed
    backend = left.backend_of(routing.row, routing.column)

    assert not np.isin(backend[served], loss.backends).any(), "I2"
    assert (left.route_of(routing.row, routing.column)[served] >= 0).all(), "I4: a route that is not offered"
    paths = Paths.of(left, routing)
    load = paths.load(left.external_rps, asks(fleet))
    limit = np.maximum(before.capacity_rps, loads(before, before.standing).backend_rps)
    assert (load <= limit * (1 + 1e-6) + FLOOR_RPS).all(), "I3: above what the receivers have to spare"
    stood = Paths.of(before, before.standing)
    stood.load(before.external_rps, asks(fleet))
    most = np.maximum(shared_limits(fleet).most, stood.taken)
    assert (paths.taken <= most * (1 + 1e-6) + FLOOR_RPS).all(), "I3: gateways and links"
    inner = ~fleet.services.exposed[fleet.flows.service]
    made = loads(left, routing)
    assert (made.shed_rps[inner] <= FLOOR_RPS + loads(left, left.standing).shed_rps[inner]).all(), (
        "I7: a tier was sent where what it calls is refused"
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(evacuations())
def test_spill_after_any_loss_sends_tiers_only_where_the_chain_below_is_alive(
    case: tuple[Problem, Loss, Problem, Routing],
) -> None:
    before, loss, left, routing = case
    chain = asks(left.fleet)
    good = viable(left, ~loss.dead(left.fleet), chain)
    fresh = np.maximum(routing.dense() - before.standing.dense(), 0.0)[:, : left.fleet.shed] > 1e-6

    flow, cluster = np.nonzero(fresh)

    assert good[left.backend_of(flow, cluster)].all(), "I7"


@pytest.mark.parametrize("seed", range(12))
def test_viable_backend_agrees_with_walking_its_chain(seed: int) -> None:
    problem = tiered(seed, services=7, clusters=4)
    fleet = problem.fleet
    usable = np.random.default_rng(seed).random(len(fleet.backends)) < 0.6

    def works(backend: int) -> bool:
        if not usable[backend]:
            return False
        service, cluster = fleet.backends.service[backend], fleet.backends.cluster[backend]
        mesh = int(np.flatnonzero(fleet.origins.cluster == cluster)[0])
        for child in fleet.calls.child[fleet.calls.parent == service].tolist():
            flow = int(np.flatnonzero((fleet.flows.service == child) & (fleet.flows.origin == mesh))[0])
            if not any(works(int(b)) for b in problem.routes.backend[problem.routes.flow == flow]):
                return False
        return True

    assert viable(problem, usable, asks(fleet)).tolist() == [works(b) for b in range(len(fleet.backends))]


def test_spill_when_not_everything_fits_refuses_the_lowest_priority_that_shares_the_full_tier() -> None:
    problem = shared_back()
    usable = problem.fleet.backends.cluster != 0

    routing = spill(after(problem, losses(problem.fleet)[0]), problem.standing, usable)

    left = after(problem, losses(problem.fleet)[0])
    priorities = sorted(set(problem.fleet.services.priority.tolist()), reverse=True)
    high, low = shed_by_priority(left, routing, priorities)
    assert low > 1.0, "the fleet is too small for all"
    assert high == pytest.approx(0.0, abs=FLOOR_RPS), "high goes first"
    assert loads(left, routing).utilization(left.capacity_rps).max() <= 1 + 1e-4


def test_spill_when_a_called_service_has_users_of_its_own_serves_its_callers_as_high_as_they_are() -> None:
    problem = shared_back(exposed_back=True)
    left = after(problem, losses(problem.fleet)[0])

    routing = spill(left, problem.standing, problem.fleet.backends.cluster != 0)

    made = loads(left, routing)
    back = problem.fleet.backends.service == 2
    assert (made.backend_rps[back] > 0).sum() == 2, "the back tier refused its callers with its own users"
    assert made.utilization(left.capacity_rps).max() <= 1 + 1e-4


def test_spill_when_what_is_called_has_users_of_its_own_refuses_no_more_than_it_has_to() -> None:
    problem = shared_back(exposed_back=True, back_rps=120.0)
    left = after(problem, losses(problem.fleet)[0])

    routing = spill(left, problem.standing, problem.fleet.backends.cluster != 0)

    made = loads(left, routing)
    back = (problem.fleet.backends.service == 2) & (problem.fleet.backends.cluster != 0)
    assert made.backend_rps[back] == pytest.approx(left.capacity_rps[back], rel=1e-4), "cut at callers and at its door"


def test_spill_when_callers_bring_more_than_one_backend_serves_sends_their_calls_on_to_the_next() -> None:
    problem = shared_back(exposed_back=True, back_rps=70.0)
    left = after(problem, losses(problem.fleet)[0])

    routing = spill(left, problem.standing, problem.fleet.backends.cluster != 0)

    priorities = sorted(set(problem.fleet.services.priority.tolist()), reverse=True)
    assert shed_by_priority(left, routing, priorities)[0] == pytest.approx(0.0, abs=FLOOR_RPS), "there was room for all"


def test_spill_when_trying_again_would_refuse_more_leaves_it_at_the_first_try() -> None:
    problem = tiered(41, 6, 4, 0.9)
    loss = losses(problem.fleet)[3]
    left, usable, nobody = after(problem, loss), ~loss.dead(problem.fleet), np.zeros(len(problem.fleet.flows))
    chain = asks(problem.fleet)
    bounds, sound = Bounds(left.pieces.served_rps, chain, bools(nobody > 0)), viable(left, usable, chain)
    first = admitted(left, rerouted(left, problem.standing, sound, sound, floats(nobody), bounds), bounds)

    routing = spill(left, problem.standing, usable)

    assert str(loss) == "cluster cluster-003"
    assert refused_usd(left, first) == pytest.approx(1057.15, rel=1e-4), "trying again refused 1716 $/h"
    assert refused_usd(left, routing) <= refused_usd(left, first)


def test_priority_of_a_called_service_is_the_highest_of_those_who_call_it() -> None:
    fleet = shared_back().fleet

    assert inherited(fleet.services.priority, fleet.calls).tolist() == [10.0, 1.0, 10.0]


def shared_back(exposed_back: bool = False, back_rps: float = 20.0) -> Problem:
    """Two front tiers of priority high and low, everywhere, call one back tier, which is what gets short."""
    fleet = tiered(3, services=3, clusters=3).fleet
    services = replace(
        fleet.services, priority=floats([10.0, 1.0, 1.0]), exposed=bools([True, True, exposed_back]),
        rtt_max_ms=floats([np.inf] * 3),
    )  # fmt: skip
    calls = Calls(ints([0, 1]), ints([2, 2]), floats([1.0, 1.0]))
    service, cluster = np.repeat([0, 1, 2], 3), np.tile(np.arange(3), 3)
    backends, row = backends_of(service, cluster, 3)
    flows = reachable_flows(services, calls, fleet.origins.cluster)
    fleet = replace(
        fleet,
        services=services,
        calls=calls,
        sites=Sites(ints(service), ints(cluster), row, floats(np.full(9, 10.0)), floats(np.full(9, 0.1))),
        backends=backends,
        flows=flows,
        allowed=bools(np.ones((3, 3))),
    )
    demand = np.where(flows.service < 2, 50.0, back_rps * exposed_back)
    capacity = np.where(backends.service < 2, 500.0, 110.0)
    readings = Readings(0.0, floats(demand), floats(capacity), floats(np.full(9, 5.0)), floats(np.zeros(9)))
    plan = solve_routing(formulate(fleet, snapshot_of(fleet, readings), Prices()))
    return formulate(fleet, snapshot_of(fleet, readings, plan.routing), Prices())


@pytest.mark.parametrize("seed", range(10))
def test_spill_without_calls_refuses_no_flow_while_one_of_its_backends_has_room(seed: int) -> None:
    problem = problem_of(seed, services=1, clusters=5, load=0.7)
    standing = solve_routing(problem).routing
    usable = problem.fleet.backends.cluster != seed % 5

    routing = spill(problem, standing, usable)

    room = problem.capacity_rps - loads(problem, routing).backend_rps
    worse = np.flatnonzero(shed_share(routing) > shed_share(standing) + 1e-6)
    for flow in worse.tolist():
        mine = problem.routes.backend[problem.routes.flow == flow]
        mine = mine[usable[mine]]
        assert (room[mine] <= 1e-3 * problem.capacity_rps[mine] + FLOOR_RPS).all(), f"seed {seed}"


@pytest.mark.parametrize("seed", range(5))
def test_paths_carry_the_same_load_as_the_call_graph_walked_request_by_request(seed: int) -> None:
    problem = tiered(seed, services=4, clusters=3)
    routing = random_routing(problem, seed)

    load = Paths.of(problem, routing).load(problem.external_rps, asks(problem.fleet))

    demand = demand_of(problem, routing.dense())
    wanted = np.zeros(len(load))
    for backend in range(len(load)):
        service, cluster = problem.fleet.backends.service[backend], problem.fleet.backends.cluster[backend]
        mine = problem.fleet.flows.service == service
        wanted[backend] = (demand * routing.dense()[:, cluster])[mine].sum()
    assert load == pytest.approx(wanted)


def test_spill_when_nothing_is_out_and_all_fits_changes_nothing() -> None:
    problem = tiered(4)

    assert spill(problem, problem.standing, problem.capacity_rps >= 0, np.full(len(problem.capacity_rps), np.inf)) is (
        problem.standing
    )


def test_spare_of_a_capacity_that_nobody_measured_is_a_part_of_it_but_never_below_what_stands() -> None:
    problem = tiered(5, load=0.4)
    measured = np.arange(len(problem.capacity_rps)) % 2 == 0

    spare = spare_rps(problem, measured, 0.5)

    standing = loads(problem, problem.standing).backend_rps
    assert spare[measured] == pytest.approx(np.maximum(problem.capacity_rps, standing)[measured])
    assert spare[~measured] == pytest.approx(np.maximum(0.5 * problem.capacity_rps, standing)[~measured])


def test_spare_where_less_stands_by_now_keeps_no_more_than_that() -> None:
    problem = problem_of(4, load=0.9)
    over = replace(problem, capacity_rps=floats(0.1 * problem.capacity_rps))
    measured = np.ones(len(problem.capacity_rps), dtype=bool)

    spare = spare_rps(over, measured, 1.0, np.zeros(len(measured)))

    assert (spare <= over.pieces.served_rps + 1e-9).all()


def test_p95_of_a_chain_adds_the_round_trips_and_times_of_its_calls() -> None:
    problem = shared_back()
    latency = np.full(len(problem.fleet.backends), 5.0)
    dense = np.zeros((len(problem.fleet.flows), 4))
    dense[:, 0] = 1.0

    took = p95_ms(problem, latency, from_dense(dense), asks(problem.fleet))

    rtt = problem.fleet.network.rtt_ms[:, 0]
    assert took == pytest.approx(rtt.max() + 5.0 + rtt[0] + 5.0)


@pytest.mark.parametrize("seed", range(4))
def test_spill_where_replicas_follow_load_fills_what_the_most_of_them_serve(seed: int) -> None:
    problem = autoscaled_problem(seed, 0.8)
    scaler = problem.fleet.scaler
    assert scaler is not None
    larger = autoscaled_problem(seed, 0.8, scaled=replace(scaler, replicas_max=floats(2 * scaler.replicas_max)))
    alive = problem.fleet.backends.cluster != seed % len(problem.fleet.clusters)

    shed, load = [], []
    for now in (problem, larger):
        after_loss = spill(now, solve_routing(now).routing, alive)
        made = loads(now, after_loss)
        assert (made.backend_rps <= now.pieces.served_rps * (1 + 1e-6) + FLOOR_RPS).all()
        shed.append(made.shed_rps.sum())
        load.append(made.backend_rps)

    assert shed[0] > shed[1]
    assert (load[1] > larger.capacity_rps * (1 + 1e-6)).any(), "more than the replicas of now would serve"
