from dataclasses import replace

import numpy as np
import pytest

from placement.cost import evaluate, loads
from placement.guard import IDLE_RPS, Limits, between, guard, left_share, transit_fraction
from placement.plan import Plan, Reason
from placement.problem import Prices, formulate
from placement.routing import blend, from_dense
from placement.solve.routing import solve_routing
from simulator.trio import declared, trio
from tests.oracles import worst_mix_rps
from tests.placement.fleets import problem_of, random_routing, snapshot_of


@pytest.mark.parametrize("seed", range(10))
def test_guard_on_random_plans_moves_no_flow_further_than_the_step(seed: int) -> None:
    problem = problem_of(seed)
    plan = solve_routing(problem)
    standing = evaluate(problem, problem.standing).objective_usd_per_hour

    step = guard(problem, plan, standing, Limits(step_max=0.2))

    was, becomes = (loads(problem, routing).demand_rps for routing in (problem.standing, plan.routing))
    left_rps = left_share(problem.standing, step.routing) * was
    assert (left_rps <= 0.2 * np.maximum(was, becomes) + IDLE_RPS).all(), f"seed {seed}"


@pytest.mark.parametrize("seed", range(10))
def test_guard_on_calling_services_keeps_every_load_between_its_ends(seed: int) -> None:
    problem = problem_of(seed)
    plan = solve_routing(problem)
    fraction = np.full(len(problem.standing), 0.4)

    ends = [loads(problem, routing).backend_rps for routing in (problem.standing, plan.routing)]
    way = loads(problem, between(problem, problem.standing, plan.routing, fraction)).backend_rps

    assert way == pytest.approx(0.6 * ends[0] + 0.4 * ends[1], rel=1e-3, abs=1e-2), f"seed {seed}"


def test_guard_when_much_was_refused_lets_in_no_more_than_fits_in_transit() -> None:
    problem = problem_of(3, services=1, clusters=3, load=0.6)
    refused = np.zeros((len(problem.standing), problem.fleet.shed + 1))
    refused[:, -1] = 1.0
    problem = replace(problem, standing=from_dense(refused))
    plan = solve_routing(problem)
    limits = Limits(step_max=1.0, step_min=0.05)

    step = guard(problem, plan, evaluate(problem, problem.standing).objective_usd_per_hour, limits)

    demand = problem.demand_rps
    backends = range(len(problem.capacity_rps))
    worst = [worst_mix_rps(problem, problem.standing, step.routing, b, demand) for b in backends]
    assert (np.array(worst) <= problem.capacity_rps + limits.step_min * demand.sum() + 1e-6).all()


def test_guard_for_a_failover_takes_the_plan_whole() -> None:
    problem = problem_of(1)
    routing = random_routing(problem, 9)
    plan = Plan(routing, evaluate(problem, routing), Reason.FAILOVER)

    assert guard(problem, plan, 0.0, Limits(step_max=0.01)).routing is routing


def test_guard_when_the_gain_is_too_small_stays_and_says_so() -> None:
    problem = problem_of(2)
    plan = solve_routing(problem)

    step = guard(problem, plan, plan.cost.objective_usd_per_hour * 1.001, Limits(gain_min=0.01))

    assert step.routing is problem.standing
    assert "below 1.0%" in step.guards[0]


def test_guard_for_a_flow_on_a_dead_cluster_takes_its_whole_target() -> None:
    fleet = trio()
    snapshot = snapshot_of(fleet, declared(fleet), from_dense(np.tile([0.0, 1.0, 0.0, 0.0], (6, 1))))
    lost = np.array([False, True, False])
    problem = formulate(fleet, snapshot, Prices(), lost)
    plan = solve_routing(problem)

    step = guard(problem, plan, evaluate(problem, problem.standing).objective_usd_per_hour, Limits(step_max=0.1))

    assert 1 not in step.routing.column


@pytest.mark.parametrize("seed", range(10))
def test_transit_fraction_agrees_with_trying_every_mix(seed: int) -> None:
    problem = problem_of(seed, services=1, clusters=3, load=0.8)
    old, new = random_routing(problem, seed), random_routing(problem, seed + 50)

    k = transit_fraction(problem, old, new)

    demand = loads(problem, old).demand_rps
    for backend in range(len(problem.fleet.backends)):
        capacity = problem.capacity_rps[backend]
        before = worst_mix_rps(problem, old, old, backend, demand)
        if k[backend] > 0 and before <= capacity:
            reached = worst_mix_rps(problem, old, blend(old, new, float(k[backend])), backend, demand)
            assert reached <= capacity * (1 + 1e-9), f"seed {seed}"
        if 0 < k[backend] < 1:
            beyond = worst_mix_rps(problem, old, blend(old, new, min(1.0, float(k[backend]) + 0.01)), backend, demand)
            assert beyond > capacity, f"seed {seed}: a larger step would have been safe"
