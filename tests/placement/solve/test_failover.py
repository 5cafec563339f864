from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fleets import synthetic
from placement.columns import floats
from placement.cost import evaluate, loads
from placement.demand import called_rps
from placement.failover import FailoverTable
from placement.losses import after, losses
from placement.patch import applied
from placement.problem import Prices, Problem, formulate
from placement.readings import Readings, Snapshot
from placement.routing import Routing, from_dense
from placement.solve.failover import PAIRS_KEPT, TableOrder, failover_table, refreshed
from placement.solve.routing import solve_routing
from tests.placement.fleets import snapshot_of
from tests.placement.test_evacuation import shared_back


def stood(services: int = 8, clusters: int = 5, seed: int = 0, load: float = 0.55) -> tuple[Snapshot, Problem]:
    """A fleet that stands on its plan."""
    fleet, readings = synthetic(services, clusters, seed, load)
    plan = solve_routing(formulate(fleet, snapshot_of(fleet, readings), Prices()))
    snapshot = snapshot_of(fleet, readings, plan.routing)
    return snapshot, formulate(fleet, snapshot, Prices())


def order(snapshot: Snapshot, problem: Problem, **more: object) -> TableOrder:
    return TableOrder(problem.fleet, snapshot, snapshot.routing, Prices(), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
def test_failover_table_has_a_proved_row_for_every_single_loss_and_the_worst_pairs(seed: int) -> None:
    snapshot, problem = stood(seed=seed)

    table = failover_table(problem.fleet, snapshot, snapshot.routing, Prices())

    names = [str(row.loss) for row in table.rows]
    single = [str(loss) for loss in losses(problem.fleet)]
    assert names[: len(single)] == single
    assert {row.loss.kind for row in table.rows[len(single) :]} == {"pair"}
    assert len(names) - len(single) == PAIRS_KEPT
    for row in table.rows:
        left, routing = after(problem, row.loss), applied(table.standing, row.change)
        assert row.shed_rps == pytest.approx(loads(left, routing).shed_rps.sum(), abs=0.05), f"{seed} {row.loss}"
        cost = evaluate(left, routing).objective_usd_per_hour
        assert row.objective_usd_per_hour == pytest.approx(cost, rel=1e-4, abs=0.05), f"{seed} {row.loss}"


@pytest.mark.parametrize("seed", range(3))
def test_rows_of_single_losses_cost_no_more_than_what_the_whole_program_finds(seed: int) -> None:
    snapshot, problem = stood(6, 4, seed)

    table = failover_table(problem.fleet, snapshot, snapshot.routing, Prices())

    for row in table.rows:
        optimum = solve_routing(after(problem, row.loss)).cost.objective_usd_per_hour
        assert row.objective_usd_per_hour == pytest.approx(optimum, rel=1e-3, abs=0.05), f"{seed} {row.loss}"


def test_table_when_a_plan_moves_callers_counts_what_they_call_where_they_will_be_and_only_there() -> None:
    problem = shared_back(exposed_back=True)
    fleet, standing = problem.fleet, problem.standing
    gathered = standing.dense()
    gathered[fleet.flows.service == 0] = np.eye(4)[0]
    plan = from_dense(gathered)

    def table(measured_under: Routing) -> FailoverTable:
        demand, nothing = loads(problem, measured_under).demand_rps, floats(np.zeros(len(fleet.backends)))
        readings = Readings(0.0, demand, problem.capacity_rps, nothing, nothing)
        return failover_table(fleet, snapshot_of(fleet, readings, measured_under), plan, Prices())

    now, once_it_stands = table(standing), table(plan)

    assert called_rps(fleet, problem.external_rps, standing) != pytest.approx(
        called_rps(fleet, problem.external_rps, plan), abs=10.0
    )
    assert now.shed_rps == pytest.approx(once_it_stands.shed_rps, abs=0.1)
    assert now.worst_utilization == pytest.approx(once_it_stands.worst_utilization, abs=1e-3)


def test_refreshed_table_with_little_work_makes_near_losses_first_and_all_in_the_end() -> None:
    snapshot, problem = stood()
    fleet = problem.fleet
    near = np.arange(len(fleet.backends)) == len(fleet.backends) - 1
    table: FailoverTable | None = None

    table = refreshed(order(snapshot, problem, last=table, near=near, work=6_000.0))
    first = [row for row in table.rows if row.loss.kind != "pair"]
    for tick in range(1, 80):
        later = replace(snapshot, at_s=5.0 * tick)
        table = refreshed(order(later, problem, last=table, near=near, work=6_000.0))

    assert 0 < len(first) < len(losses(fleet))
    assert f"tier {fleet.backend_name(len(fleet.backends) - 1)}" in {str(row.loss) for row in first}
    assert {str(loss) for loss in losses(fleet)} <= {str(row.loss) for row in table.rows}
    assert all(row.made_at_s == 395.0 for row in table.rows), "equal input is proof enough"


def test_refreshed_table_when_nothing_changed_keeps_every_row_and_says_when_it_looked() -> None:
    snapshot, problem = stood()
    table = failover_table(problem.fleet, snapshot, snapshot.routing, Prices())

    again = refreshed(order(replace(snapshot, at_s=5.0), problem, last=table))

    assert [row.change for row in again.rows] == [row.change for row in table.rows]
    assert {row.made_at_s for row in again.rows} == {5.0}
    assert {row.solved_at_s for row in again.rows} == {0.0}


def test_refreshed_table_when_demand_of_one_application_changed_proves_its_rows_anew() -> None:
    snapshot, problem = stood(12, 5)
    fleet = problem.fleet
    table = failover_table(fleet, snapshot, snapshot.routing, Prices())
    demand = snapshot.readings.demand_rps * np.where(fleet.flows.service == 4, 1.3, 1.0)
    later = replace(snapshot, at_s=40.0, readings=replace(snapshot.readings, demand_rps=demand))

    again = refreshed(order(later, problem, last=table))

    new = {str(row.loss) for row in again.rows if row.changed_at_s == 40.0 and row.loss.kind == "tier"}
    assert new
    assert all(name.removeprefix("tier ").split("/")[0] in {"service-00004", "service-00005"} for name in new)


def test_refreshed_table_for_capacities_nobody_measured_fills_receivers_only_as_far_as_they_are_trusted() -> None:
    snapshot, problem = stood(load=0.4)
    nobody = replace(snapshot, measured=np.zeros(len(problem.fleet.backends), dtype=bool))

    table = refreshed(order(nobody, problem, trust=0.6, work=np.inf))

    standing = loads(problem, snapshot.routing).utilization(problem.capacity_rps)
    assert table.worst_utilization.max() <= max(0.6, standing.max()) + 1e-3
    assert table.worst_utilization.max() > 0.55
