from dataclasses import replace

import numpy as np
import pytest

from placement.columns import floats
from placement.cost import evaluate, loads
from placement.guard import IDLE_RPS, Limits, Step, guard, left_share
from placement.pace import Pace, PaceLimits, carried_pace, moved_ratio, no_pace, paced, remembered
from placement.problem import Problem
from placement.routing import Routing, blend, moved_share
from placement.solve.routing import solve_routing
from tests.placement.fleets import problem_of, random_routing

FREE = PaceLimits(moved_per_minute=1.0, changes_per_hour=1000, dwell_s=0.0, reversals_per_hour=1000)


def fresh(problem: Problem, limits: PaceLimits) -> Pace:
    return no_pace(len(problem.fleet.backends), len(problem.fleet.services), limits)


def step_to(problem: Problem, routing: Routing) -> Step:
    return Step(routing, 1.0, ())


def there_and_back(problem: Problem, seed: int) -> tuple[Problem, Problem, Routing]:
    """The problem, the same standing on another routing, and that routing."""
    other = random_routing(problem, seed + 500)
    return problem, replace(problem, standing=other), other


def in_use(problem: Problem) -> np.ndarray:
    return problem.demand_rps > IDLE_RPS


@pytest.mark.parametrize("seed", range(6))
def test_paced_step_moves_no_more_of_all_traffic_in_a_minute_than_the_blast_radius(seed: int) -> None:
    limits = replace(FREE, moved_per_minute=0.1)
    problem = problem_of(seed)
    pace, total, now = fresh(problem, limits), 0.0, problem
    goal = random_routing(problem, seed + 500)

    for tick in range(12):
        step = paced(pace, now, step_to(now, goal), 5.0 * tick, limits)
        total += moved_ratio(now, step.routing, in_use(now))
        pace = remembered(pace, now, step.routing, 5.0 * tick, limits)
        now = replace(now, standing=step.routing)

    assert 0.05 < total <= 0.1 * 1.05, f"seed {seed}"
    assert any(said.startswith("blast radius") for said in step.guards)
    later = paced(pace, now, step_to(now, goal), 61.0 + 60.0, limits)
    assert moved_ratio(now, later.routing, in_use(now)) > 0.05, "the next minute has a budget of its own"


def test_paced_within_the_dwell_time_turns_nothing_round_and_says_so() -> None:
    limits = replace(FREE, dwell_s=60.0)
    problem, back, other = there_and_back(problem_of(3), 3)
    pace = remembered(fresh(problem, limits), problem, other, 0.0, limits)

    soon = paced(pace, back, step_to(back, problem.standing), 30.0, limits)
    late = paced(pace, back, step_to(back, problem.standing), 61.0, limits)

    assert moved_share(other, soon.routing)[in_use(back)].max() < 1e-9
    assert any(said.startswith("dwell") for said in soon.guards)
    assert moved_share(other, late.routing)[in_use(back)].max() > 0.1


def test_paced_does_not_hold_what_takes_load_from_an_overload() -> None:
    limits = replace(FREE, dwell_s=60.0, changes_per_hour=1)
    problem, back, other = there_and_back(problem_of(3), 3)
    pace = remembered(fresh(problem, limits), problem, other, 0.0, limits)
    crowded = replace(back, capacity_rps=floats(loads(back, other).backend_rps / 1.2))

    step = paced(pace, crowded, step_to(crowded, problem.standing), 30.0, limits)

    assert not step.guards
    assert moved_share(other, step.routing)[in_use(back)].max() > 0.1


def test_paced_after_six_reversals_in_an_hour_holds_until_the_hour_is_over() -> None:
    limits = replace(FREE, reversals_per_hour=6)
    problem, back, other = there_and_back(problem_of(4), 4)
    pace, at_s, turns = fresh(problem, limits), 0.0, 0
    for tick in range(30):
        at_s = 100.0 * tick
        now, goal = (problem, other) if tick % 2 == 0 else (back, problem.standing)
        step = paced(pace, now, step_to(now, goal), at_s, limits)
        if moved_share(now.standing, step.routing)[in_use(now)].max() < 1e-9:
            break
        turns += 1
        pace = remembered(pace, now, step.routing, at_s, limits)

    assert turns == 7, "one move, and six times round"
    assert any(said.startswith("oscillation") for said in step.guards)
    assert not paced(pace, now, step_to(now, goal), 100.0 + 3601.0, limits).guards


def test_paced_beyond_the_change_budget_holds_while_steps_of_one_move_are_one_change() -> None:
    limits = replace(FREE, changes_per_hour=2, dwell_s=30.0)
    problem = problem_of(5)
    goals = [random_routing(problem, seed) for seed in (901, 902, 903)]
    pace, now, held = fresh(problem, limits), problem, []
    for change, goal in enumerate(goals):
        for tick in range(4):
            at_s = 200.0 * change + 5.0 * tick
            wanted = blend(now.standing, goal, 0.25)
            step = paced(pace, now, step_to(now, wanted), at_s, limits)
            held.append(any(said.startswith("change budget") for said in step.guards))
            if not held[-1]:
                pace = remembered(pace, now, step.routing, at_s, limits)
            now = replace(now, standing=step.routing)

    assert held[:8] == [False] * 8 or not any(held[:4]), "four steps are one change"
    assert held[8], "the third change is one too many"


def test_paced_never_holds_up_what_stands_where_it_may_not() -> None:
    limits = PaceLimits(moved_per_minute=1e-9, changes_per_hour=1, dwell_s=1e9, reversals_per_hour=1)
    problem = problem_of(6)
    routes = problem.routes
    keep = routes.cluster != 0
    gone = replace(problem, routes=type(routes)(**{n: getattr(routes, n)[keep] for n in type(routes).__slots__}))
    plan = solve_routing(gone)
    pace = remembered(fresh(problem, limits), problem, random_routing(problem, 77), 0.0, limits)

    step = paced(pace, gone, step_to(gone, plan.routing), 1.0, limits)

    assert 0 not in step.routing.column


def test_carried_pace_finds_backends_and_services_by_their_rows() -> None:
    problem = problem_of(2)
    pace = remembered(fresh(problem, FREE), problem, random_routing(problem, 5), 7.0, FREE)
    backends, services = len(problem.fleet.backends), len(problem.fleet.services)

    turned = carried_pace(pace, np.arange(backends)[::-1], np.arange(services)[::-1], FREE)
    new = carried_pace(pace, np.full(3, -1), np.full(2, -1), FREE)

    assert turned.direction.tolist() == pace.direction.tolist()[::-1]
    assert turned.pushed_at_s.tolist() == pace.pushed_at_s.tolist()[::-1]
    assert not new.direction.any()
    assert new.moved == pace.moved


@pytest.mark.parametrize("seed", range(4))
def test_guarded_and_paced_step_of_the_optimizer_keeps_both_limits(seed: int) -> None:
    problem = problem_of(seed)
    plan = solve_routing(problem)
    step = guard(problem, plan, evaluate(problem, problem.standing).objective_usd_per_hour, Limits())

    slow = paced(fresh(problem, PaceLimits()), problem, step, 0.0, PaceLimits())

    assert moved_ratio(problem, slow.routing, in_use(problem)) <= 0.1 + 1e-9
    assert (
        left_share(problem.standing, slow.routing)[in_use(problem)].max()
        <= left_share(problem.standing, step.routing)[in_use(problem)].max() + 1e-9
    )
