"""What the loop gets when the optimizer gives up."""

import math
from dataclasses import replace

import numpy as np
import pytest
import structlog.testing

from benchmarks.fleets import synthetic
from health.rules import Rules
from placement.columns import bools
from placement.cost import evaluate, loads
from placement.failover import FailoverTable
from placement.plan import Plan, Reason
from placement.problem import Prices, Problem
from placement.solve.failover import TableOrder
from placement.solve.linear import Unsolved
from placement.solve.routing import solve_routing
from scheduler.solver import ThreadSolver, solved_or_greedy
from scheduler.tabulation import Tabulation
from scheduler.watch import ProbeWatch
from tests.placement.fleets import problem_of, snapshot_of
from tests.scheduler.running import eventually


def gives_up(_: Problem) -> Plan:
    raise Unsolved("glop: ABNORMAL")


@pytest.mark.parametrize("seed", range(5))
def test_solved_or_greedy_without_a_solution_is_cheaper_than_what_stands_and_says_it_is_greedy(seed: int) -> None:
    problem = problem_of(seed, services=8, clusters=5, load=0.5)

    plan = solved_or_greedy(problem, gives_up)

    assert plan.cost.objective_usd_per_hour < evaluate(problem, problem.standing).objective_usd_per_hour
    assert plan.reason is Reason.SOLVED, "so that the guards bound it like any other step"
    assert plan.detail == "value-greedy, because the optimizer gave up: glop: ABNORMAL"
    assert math.isnan(plan.gap)
    routing = plan.routing
    assert (problem.route_of(routing.row, routing.column)[routing.column != problem.fleet.shed] >= 0).all()
    assert (loads(problem, routing).backend_rps <= problem.capacity_rps * (1 + 1e-6) + 1e-6).all()


def test_solved_or_greedy_when_greedy_is_no_better_keeps_what_stands() -> None:
    problem = problem_of(2)
    best = replace(problem, standing=solve_routing(problem).routing)

    with pytest.raises(Unsolved):
        solved_or_greedy(best, gives_up)


def test_solved_or_greedy_with_a_solution_is_that() -> None:
    plan = solved_or_greedy(problem_of(3), solve_routing)

    assert (plan.reason, plan.detail) == (Reason.SOLVED, "")
    assert abs(plan.gap) < 1e-6


async def test_thread_solver_whose_optimizer_gives_up_answers_with_a_greedy_plan() -> None:
    problem = problem_of(4)
    solver = ThreadSolver(ProbeWatch(len(problem.fleet.backends), Rules()), gives_up)
    try:
        plan = await solver.solve(problem)
    finally:
        solver.close()

    assert plan is not None
    assert plan.detail.startswith("value-greedy")


async def test_thread_solver_whose_optimizer_has_a_fault_answers_nothing_and_goes_on() -> None:
    def faulty(problem: Problem) -> Plan:
        raise IndexError(len(problem.fleet.flows))

    problem = problem_of(4)
    solver = ThreadSolver(ProbeWatch(len(problem.fleet.backends), Rules()), faulty)
    try:
        assert await solver.solve(problem) is None
        assert await solver.price(problem) is not None
    finally:
        solver.close()


async def test_refresh_of_tables_that_ends_late_in_a_fault_is_said_and_begun_anew() -> None:
    class Faulty(Tabulation):
        def refreshed(self, order: TableOrder) -> FailoverTable:
            raise IndexError(len(order.fleet.flows))

    fleet, readings = synthetic(5, 4, 1)
    snapshot = snapshot_of(fleet, readings)
    order = TableOrder(fleet, snapshot, snapshot.routing, Prices())
    solver = ThreadSolver(ProbeWatch(len(fleet.backends), Rules()), tabulation=Faulty(), tables_within_s=0.0)

    async def said_twice() -> bool:
        assert await solver.tabulate(order) is None
        return sum("fault of its own" in str(line["event"]) for line in lines) >= 2

    try:
        with structlog.testing.capture_logs() as lines:
            await eventually(said_twice, "the fault of two refreshes, one after the other")
    finally:
        solver.close()


async def test_refresh_of_tables_that_takes_long_holds_no_turn_and_is_taken_up_by_a_later_one() -> None:
    fleet, readings = synthetic(5, 4, 1)
    snapshot = snapshot_of(fleet, readings)
    order = TableOrder(fleet, snapshot, snapshot.routing, Prices())
    lost = replace(order, snapshot=replace(snapshot, usable=bools(np.arange(len(fleet.backends)) > 0)))
    solver = ThreadSolver(ProbeWatch(len(fleet.backends), Rules()), tables_within_s=0.0)
    found: list[FailoverTable] = []

    async def taken_up(asked: TableOrder) -> bool:
        table = await solver.tabulate(asked)
        found.extend([table] if table is not None else [])
        return table is not None

    try:
        assert await solver.tabulate(order) is None
        await eventually(lambda: taken_up(order), "a later call has the table")
        assert await solver.tabulate(order) is None, "and the next one is begun"
        await eventually(lambda: taken_up(lost), "a table of what is lost")
    finally:
        solver.close()

    assert np.array_equal(found[0].usable, snapshot.usable)
    assert not found[1].usable[0], "what was asked for before the loss is worth nothing after it"
