import numpy as np
import pytest

from benchmarks.fleets import synthetic
from placement.cost import evaluate, loads
from placement.failover import failover_routing, losses, spill
from placement.problem import Prices, formulate
from placement.solve.failover import failover_table
from placement.solve.routing import solve_routing
from simulator.trio import declared, trio
from tests.placement.fleets import problem_of, random_routing, snapshot_of


def test_losses_name_every_cluster_and_every_shared_region_and_provider() -> None:
    problem = problem_of(0, clusters=7)

    names = [str(loss) for loss in losses(problem.fleet)]

    assert names[:7] == [f"cluster cluster-{i:03d}" for i in range(7)]
    assert "region region-000" in names
    assert "region region-002" not in names, "a region of one cluster is that cluster"


@pytest.mark.parametrize("seed", range(8))
def test_failover_table_leaves_nothing_on_what_is_lost_and_overfills_nobody(seed: int) -> None:
    fleet, readings = synthetic(6, 5, seed)
    snapshot = snapshot_of(fleet, readings)
    problem = formulate(fleet, snapshot, Prices())
    plan = solve_routing(problem)

    table = failover_table(problem.fleet, snapshot, plan.routing, Prices())

    for loss, routing in zip(table.losses, table.routings, strict=True):
        used = np.zeros(problem.fleet.shed + 1, dtype=bool)
        used[routing.column] = True
        assert not used[: problem.fleet.shed][loss.clusters].any(), f"seed {seed}: {loss} still gets traffic"
    assert (table.worst_utilization <= 1 + 1e-6).all(), f"seed {seed}"


def test_failover_routing_for_a_lost_cluster_comes_from_the_table() -> None:
    fleet = trio()
    snapshot = snapshot_of(fleet, declared(fleet))
    problem = formulate(fleet, snapshot, Prices())
    plan = solve_routing(problem)
    table = failover_table(fleet, snapshot, plan.routing, Prices())
    alive = fleet.backends.cluster != 1

    routing, source = failover_routing(problem, table, plan.routing, alive)

    assert source == "cluster fra"
    assert 1 not in routing.column


def test_failover_routing_for_a_loss_no_table_foresaw_spills() -> None:
    fleet = trio()
    snapshot = snapshot_of(fleet, declared(fleet))
    problem = formulate(fleet, snapshot, Prices())
    plan = solve_routing(problem)
    only_front_of_fra = ~((fleet.backends.cluster == 1) & (fleet.backends.service == 0))

    routing, source = failover_routing(problem, None, plan.routing, only_front_of_fra)

    assert source == "spill"
    front = fleet.flows.service[routing.row] == 0
    assert 1 not in routing.column[front]


@pytest.mark.parametrize("seed", range(10))
def test_spill_keeps_the_law_and_gives_nobody_more_than_there_is_room_for(seed: int) -> None:
    problem = problem_of(seed, services=6, clusters=5, load=0.7)
    before = solve_routing(problem).routing
    alive = problem.fleet.backends.cluster != seed % 5

    after = spill(problem, before, alive)

    route = problem.route_of(after.row, after.column)
    shed = after.column == problem.fleet.shed
    assert ((route >= 0) | shed).all(), f"seed {seed}"
    assert alive[problem.routes.backend[route[~shed]]].all(), f"seed {seed}: share on a dead backend"
    demand = loads(problem, before).demand_rps[after.row]
    took = np.bincount(problem.routes.backend[route[~shed]], (demand * after.share)[~shed], len(alive))
    assert (took <= problem.capacity_rps * (1 + 1e-9) + 1e-6).all(), f"seed {seed}: overfilled"


def test_spill_when_nothing_is_out_changes_nothing() -> None:
    problem = problem_of(4)
    routing = random_routing(problem, 4)

    assert spill(problem, routing, problem.capacity_rps >= 0) is routing
    assert evaluate(problem, routing).objective_usd_per_hour > 0
