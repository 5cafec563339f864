from dataclasses import replace
from itertools import pairwise

import numpy as np

from placement.baseline import nearest
from placement.columns import bools, floats
from placement.cost import loads
from placement.problem import Prices, Problem, formulate
from placement.readings import Snapshot
from placement.solve.routing import solve_routing
from scheduler.calm import calmed
from scheduler.loop import tick
from simulator.trio import declared, trio
from tests.scheduler.ports import Bench, bench


def problem_of(load: float) -> Problem:
    fleet = trio()
    expected = declared(fleet)
    readings = replace(expected, demand_rps=floats(expected.demand_rps * load))
    usable = bools(np.ones(len(fleet.backends), dtype=bool))
    snapshot = Snapshot(0.0, readings, nearest(fleet), usable, floats(np.ones(len(fleet.backends))))
    return formulate(fleet, snapshot, Prices())


def served(problem: Problem, solved: Problem) -> tuple[float, float]:
    """(load of the first backend, requests refused) when `problem` is solved."""
    plan = solve_routing(problem)
    found = loads(solved, plan.routing)
    return float(found.backend_rps[0]), float(found.shed_rps.sum())


def ceiling(problem: Problem, rps: float) -> Problem:
    ceilings = np.full(len(problem.fleet.backends), np.inf)
    ceilings[0] = rps
    return calmed(problem, ceilings)


def test_calmed_backend_gives_away_what_is_above_its_ceiling() -> None:
    problem = problem_of(load=1.0)
    before, _ = served(problem, problem)

    after, refused = served(ceiling(problem, 0.75 * before), problem)

    assert before > 90
    assert after <= 0.75 * before + 0.5
    assert refused < 0.1


def test_calmed_backend_keeps_what_nobody_else_has_room_for() -> None:
    problem = problem_of(load=1.9)
    before, refused_before = served(problem, problem)

    after, refused = served(ceiling(problem, 0.25 * before), problem)

    assert after > 0.5 * before
    assert refused <= refused_before + 0.5


def test_calmed_without_a_ceiling_is_the_same_problem() -> None:
    problem = problem_of(load=1.0)

    assert calmed(problem, np.full(len(problem.fleet.backends), np.inf)) is problem


async def live(bench: Bench, seconds: float, errors: float) -> list[float]:
    """Ticks on time and on alarm, while clients of the first backend fail in part; its load after each tick."""
    end_s, due_s, fleet, loaded = bench.clock.at_s + seconds, bench.clock.at_s, bench.fleet, []
    while bench.clock.at_s < end_s:
        bench.clock.at_s = round(bench.clock.at_s + 0.25, 3)
        bench.probe(rounds=1)
        if bench.state.problem is not None:
            rps = loads(bench.state.problem, bench.state.routing).backend_rps
            bad = rps * 0.25 * np.where(np.arange(len(rps)) == 0, errors, 0.0)
            now_s = bench.clock.at_s
            bench.watch.witness(np.arange(len(rps)), floats(rps * 0.25 - bad), floats(bad), now_s - 0.25, now_s)
        if bench.clock.at_s >= due_s or bench.watch.alarmed:
            bench.measure()
            bench.state, _ = await tick(bench.state, bench.ports, bench.policy)
            assert bench.state.problem is not None
            loaded.append(float(loads(bench.state.problem, bench.state.routing).backend_rps[0]))
            due_s = max(due_s, bench.clock.at_s + 5.0)
    assert len(fleet.backends) == len(rps)
    return loaded


async def test_loop_takes_load_from_a_gray_backend_in_steps_and_leaves_a_trickle() -> None:
    lab = bench()
    before = (await live(lab, 10.0, errors=0.0))[-1]

    after = await live(lab, 60.0, errors=0.05)

    parts = [round(rps / before, 2) for rps in after]
    assert parts[0] >= 0.74
    assert all(earlier - later <= 0.27 for earlier, later in pairwise(parts)), parts
    assert 0.005 < parts[-1] < 0.1, parts
    assert lab.state.verdicts.steps.taken.max() > 1
