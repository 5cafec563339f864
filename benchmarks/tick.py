"""Ticks between solves: `python -m benchmarks.tick --size 2000x50 --json`. In one process, on one thread.

`tick_s`: 5 % of the services get another demand; the standing plan is certified at yesterday's prices and those
services are solved again within the room the others leave. `full_solve_s` is HiGHS on the whole program of that day,
`decomposed_s` the climb and blocks from nothing. `region_loss_reprice_s`: the largest region has no capacity; prices
were kept ready for it, and the time is from there to a certified plan. `stale_gap` is what the certificate says of
yesterday's prices after that loss: it is what tells a shock from a drift.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # else idle BLAS threads spin beside the solvers

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.instances import synthetic
from benchmarks.solve import Found, timed
from placement.assignment import AssignmentProblem
from placement.columns import Bools, floats
from placement.solve.ascent import PACE, ascend
from placement.solve.assignment import build
from placement.solve.linear import solve
from placement.solve.prices import PriceModel, Prices
from placement.solve.sharded import InProcess, climb, partition, solve_sharded
from placement.solve.ticks import move, stand

MOVED = 0.05


def measure(services: int, clusters: int, seed: int) -> Found:
    """A full solve, a tick and a loss."""
    problem = synthetic(services, clusters, seed)
    layout = partition(problem, 2)
    shards = InProcess(layout.parts(problem))
    shards.call("warm_up", [()] * 2)
    decomposed_s, plan = timed(lambda: solve_sharded(problem, layout, shards))
    model = PriceModel(problem)
    _, prices, _ = ascend(model)
    standing = stand(problem, plan, prices)
    rng = np.random.default_rng(seed + 1)
    moved = rng.random(services) < MOVED
    today = moved_demand(problem, moved, rng)
    full_s, whole = timed(lambda: solve(build(today).program))
    certify_s, bound = timed(lambda: model.moved(today).bound(prices))
    move(model.moved(today), standing, moved)  # loads what is compiled
    tick_s, after = timed(lambda: move(model.moved(today), standing, moved))
    found: Found = {
        "size": f"{services}x{clusters}",
        "seed": seed,
        "moved_services": int(moved.sum()),
        "full_solve_s": round(full_s, 4),
        "decomposed_s": round(decomposed_s, 4),
        "certify_s": round(certify_s, 5),
        "bound_below_optimum": round(1 - bound / whole.objective, 6),
        "tick_s": round(tick_s, 4),
        "tick_certified_gap": round(after.assignment.gap, 6),
        "tick_true_gap": round(after.assignment.objective_usd_per_hour / whole.objective - 1, 6),
        "full_solve_over_tick": round(full_s / tick_s, 1),
    }
    return found | region_loss(problem, model, prices)


def region_loss(problem: AssignmentProblem, model: PriceModel, prices: Prices) -> Found:
    """The largest region is gone: from prices kept ready, and from nothing."""
    region = np.full(len(problem.capacity), -1)
    region[problem.sites.pool] = problem.site_domains[:, 0]
    largest = int(np.argmax(np.bincount(region[region >= 0], problem.capacity[region >= 0, 0])))
    lost = replace(problem, capacity=floats(np.where((region == largest)[:, None], 0.0, problem.capacity)))
    layout = partition(lost, 2)
    shards = InProcess(layout.parts(lost))
    shards.call("warm_up", [()] * 2)
    climb_s, ready = timed(lambda: climb(lost, layout.shards, shards, PACE))
    reprice_s, plan = timed(lambda: solve_sharded(lost, layout, shards, ready=ready))
    optimum = solve(build(lost).program).objective
    return {
        "region_loss_stale_gap": round(1 - model.moved(lost).bound(prices) / optimum, 4),
        "region_loss_climb_s": round(climb_s, 4),
        "region_loss_reprice_s": round(reprice_s, 4),
        "region_loss_certified_gap": round(plan.gap, 6),
        "region_loss_true_gap": round(plan.objective_usd_per_hour / optimum - 1, 6),
    }


def moved_demand(problem: AssignmentProblem, moved: Bools, rng: np.random.Generator) -> AssignmentProblem:
    """Another demand, half to one and a half of what it was, for some services; what must survive follows."""
    factor = np.where(moved, rng.uniform(0.5, 1.5, problem.services), 1.0)
    rps = problem.demands.rps * factor[problem.demands.service]
    survive = problem.losses.survive_rps * factor[problem.losses.service]
    return replace(
        problem,
        demands=replace(problem.demands, rps=floats(rps)),
        losses=replace(problem.losses, survive_rps=floats(survive)),
    )


def main(argv: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tick", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="500x30", help="services x clusters")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    services, clusters = (int(n) for n in asked.size.split("x"))
    result = measure(services, clusters, asked.seed)
    sys.stdout.write(json.dumps(result) + "\n" if asked.json else "".join(f"{k:26} {v}\n" for k, v in result.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
