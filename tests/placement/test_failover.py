from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fleets import synthetic
from placement.columns import bools, floats
from placement.cost import loads
from placement.failover import failover_routing, shed_words
from placement.losses import losses, reduced
from placement.problem import Prices, formulate
from placement.readings import Readings, Snapshot
from placement.solve.failover import TableOrder, failover_table, refreshed
from placement.solve.routing import solve_routing
from simulator.trio import declared, trio
from tests.placement.fleets import snapshot_of, tiered


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
        on = problem.backend_of(routing.row, routing.column)
        assert not np.isin(on, loss.backends).any(), f"seed {seed}: {loss} still gets traffic"
    assert (table.worst_utilization <= 1 + 1e-4).all(), f"seed {seed}"


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


def test_failover_routing_for_more_than_one_loss_takes_the_largest_domain_and_spills_the_rest() -> None:
    fleet, readings = synthetic(6, 6, 1)
    snapshot = snapshot_of(fleet, readings)
    plan = solve_routing(formulate(fleet, snapshot, Prices()))
    table = failover_table(fleet, snapshot, plan.routing, Prices())
    problem = formulate(fleet, replace(snapshot, routing=plan.routing), Prices())
    other = next(b for b in range(len(fleet.backends)) if fleet.backends.cluster[b] != 0)
    usable = fleet.backends.cluster != 0
    usable[other] = False

    routing, source = failover_routing(problem, table, plan.routing, usable)

    assert source == "cluster cluster-000"
    assert usable[problem.backend_of(routing.row, routing.column)[routing.column != fleet.shed]].all()


def test_failover_routing_when_demand_grew_since_the_table_was_made_stays_within_what_is_spare_now() -> None:
    fleet = trio()
    calm, busy = (replace(declared(fleet), demand_rps=floats(declared(fleet).demand_rps * load)) for load in (1.0, 1.6))
    plan = solve_routing(formulate(fleet, snapshot_of(fleet, calm), Prices()))
    table = failover_table(fleet, snapshot_of(fleet, calm), plan.routing, Prices())
    problem = formulate(fleet, snapshot_of(fleet, busy, plan.routing), Prices())
    alive = fleet.backends.cluster != 1

    routing, _ = failover_routing(problem, table, plan.routing, alive)

    left = reduced(problem, alive, plan.routing)
    made = loads(left, routing)
    standing = loads(problem, plan.routing).backend_rps
    assert (made.backend_rps <= np.maximum(problem.capacity_rps, standing) * (1 + 1e-4)).all()
    assert 0 < made.shed_rps.sum() < 0.5 * made.demand_rps.sum()


def test_failover_routing_when_there_is_more_room_than_when_the_table_was_made_refuses_nobody_who_finds_it() -> None:
    fleet = trio()
    calm, busy = (replace(declared(fleet), demand_rps=floats(declared(fleet).demand_rps * load)) for load in (1.0, 1.6))
    plan = solve_routing(formulate(fleet, snapshot_of(fleet, calm), Prices()))
    table = failover_table(fleet, snapshot_of(fleet, busy), plan.routing, Prices())
    problem = formulate(fleet, snapshot_of(fleet, calm, plan.routing), Prices())
    alive = fleet.backends.cluster != 1
    row = table.row_for(alive)
    assert row is not None
    assert row.shed_rps > 1.0

    routing, source = failover_routing(problem, table, plan.routing, alive)

    assert source == str(row.loss)
    assert loads(reduced(problem, alive, plan.routing), routing).shed_rps.sum() == pytest.approx(0.0, abs=0.05)


def test_shed_words_name_the_service_the_rate_and_who_is_full() -> None:
    fleet = trio()
    busy = replace(declared(fleet), demand_rps=floats(declared(fleet).demand_rps * 1.6))
    problem = formulate(fleet, snapshot_of(fleet, busy), Prices())
    standing = solve_routing(problem).routing
    alive = fleet.backends.cluster != 1
    after, _ = failover_routing(problem, None, standing, alive)

    words = shed_words(reduced(problem, alive, standing), standing, after)

    assert words
    assert all(w.startswith("shed ") and " rps of front because " in w and "full" in w for w in words)


def test_row_when_two_losses_take_the_same_backends_is_that_of_the_larger_kind() -> None:
    fleet = trio()
    snapshot = snapshot_of(fleet, declared(fleet))
    plan = solve_routing(formulate(fleet, snapshot, Prices()))
    table = failover_table(fleet, snapshot, plan.routing, Prices())

    row = table.row_for(fleet.backends.cluster != 2)

    assert row is not None
    assert str(row.loss) == "cluster iad"


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(3, 6), st.integers(2, 5), st.floats(0.6, 1.6), st.data())
def test_decision_from_a_table_made_for_other_demand_keeps_i2_i3_and_i4_after_one_loss_or_two(
    seed: int, services: int, clusters: int, growth: float, data: st.DataObject
) -> None:
    before = tiered(seed, services, clusters, 0.5)
    fleet, whole = before.fleet, np.ones(len(before.capacity_rps))
    readings = Readings(0.0, before.external_rps, before.capacity_rps, floats(whole), floats(0 * whole))
    snapshot = Snapshot(0.0, readings, before.standing, bools(whole), floats(whole))
    table = refreshed(TableOrder(fleet, snapshot, before.standing, Prices(), work=50_000.0))
    wide = replace(before, external_rps=floats(before.external_rps * growth))
    found = [loss for loss in losses(fleet) if not len(loss.gateways)]
    hit = [found[data.draw(st.integers(0, len(found) - 1))] for _ in range(data.draw(st.integers(1, 2)))]
    usable = ~np.logical_or.reduce([loss.dead(fleet) for loss in hit])

    routing, _ = failover_routing(wide, table, wide.standing, usable)

    left = reduced(wide, usable, wide.standing)
    served = routing.column != fleet.shed
    backend = left.backend_of(routing.row, routing.column)[served]
    assert usable[backend].all(), "I2"
    assert (left.route_of(routing.row, routing.column)[served] >= 0).all(), "I4"
    standing = loads(wide, wide.standing).backend_rps
    made = loads(left, routing).backend_rps
    assert (made <= np.maximum(wide.capacity_rps, standing) * (1 + 1e-6) + 0.05).all(), "I3"
