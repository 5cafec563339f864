"""Ticks between solves: `python -m benchmarks.tick --size 2000x50 --json`. In one process, a thread per shard.

`tick_s`: 5 % of the services get another demand; the shards are told, certify the standing plan at yesterday's prices,
and solve services again until the certified gap is at its target. `full_solve_s` is HiGHS on the whole program of that
day, `decomposed_s` the climb and rounds from nothing, `build_share` the part of a tick in which models take over what
changed. `region_loss_reprice_s`: the largest region has no capacity; prices were kept ready for it (`foresee_s` each,
beforehand), and the time is from the news to a certified plan. `stale_gap` is what the certificate says of yesterday's
prices after that loss: it is what tells a shock from a drift.
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
from placement.solve.assignment import build
from placement.solve.linear import solve
from placement.solve.prices import PriceModel
from placement.solve.sharded import InProcess, Partition, Standing, partition, solve_sharded
from placement.solve.standby import pools_of, without
from placement.solve.ticks import tick
from scheduler.standby import Standby

MOVED = 0.05


def measure(services: int, clusters: int, seed: int, shards: int) -> Found:
    """A full solve, a tick and a loss."""
    problem = synthetic(services, clusters, seed)
    layout = partition(problem, shards)
    fanout = InProcess(layout.parts(problem))
    fanout.call("warm_up", [()] * shards)
    decomposed_s, standing = timed(lambda: solve_sharded(problem, layout, fanout))
    rng = np.random.default_rng(seed + 1)
    moved = rng.random(services) < MOVED
    today = moved_demand(problem, moved, rng)
    full_s, whole = timed(lambda: solve(build(today).program))
    update_s, _ = timed(lambda: fanout.update(layout.deltas(problem, today)))
    certify_s, accounts = timed(lambda: fanout.call("certify", [standing.price] * shards))
    bound = sum(account.own.sum() for account in accounts) - coupling(today, standing)
    fanout.update(layout.deltas(today, problem))
    solve_sharded(problem, layout, fanout)
    tick_s, after = timed(lambda: tick(problem, today, layout, fanout, standing))
    found: Found = {
        "size": f"{services}x{clusters}",
        "seed": seed,
        "shards": shards,
        "moved_services": int(moved.sum()),
        "full_solve_s": round(full_s, 4),
        "decomposed_s": round(decomposed_s, 4),
        "update_s": round(update_s, 5),
        "certify_s": round(certify_s, 5),
        "bound_below_optimum": round(1 - bound / whole.objective, 6),
        "tick_s": round(tick_s, 4),
        "build_share": round(update_s / tick_s, 4),
        "tick_certified_gap": round(after.assignment.gap, 6),
        "tick_true_gap": round(after.assignment.objective_usd_per_hour / whole.objective - 1, 6),
        "full_solve_over_tick": round(full_s / tick_s, 1),
    }
    return found | region_loss(today, layout, fanout, after)


def region_loss(problem: AssignmentProblem, layout: Partition, fanout: InProcess, standing: Standing) -> Found:
    """The largest region is gone: from prices kept ready."""
    regions = range(int(problem.site_domains[:, 0].max()) + 1)
    largest = max(regions, key=lambda region: float(problem.capacity[pools_of(problem, region), 0].sum()))
    lost = without(problem, largest)
    prices = layout.whole(problem, fanout.call("prices", [standing.price] * layout.shards))
    standby = Standby()
    foresee_s, _ = timed(standby.prepare(problem, prices, [largest]).result)
    reprice_s, plan = timed(lambda: tick(problem, lost, layout, fanout, standing, standby.ready).assignment)
    standby.close()
    optimum = solve(build(lost).program).objective
    return {
        "region_loss_stale_gap": round(1 - PriceModel(lost).bound(prices) / optimum, 4),
        "foresee_s": round(foresee_s, 4),
        "region_loss_reprice_s": round(reprice_s, 4),
        "region_loss_certified_gap": round(plan.gap, 6),
        "region_loss_true_gap": round(plan.objective_usd_per_hour / optimum - 1, 6),
    }


def coupling(problem: AssignmentProblem, standing: Standing) -> float:
    """What all capacity is worth, $/h: the coordinator's part of the bound."""
    pool, link = standing.price
    return float((pool * problem.capacity).sum() + (link * problem.links.bandwidth).sum())


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
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    services, clusters = (int(n) for n in asked.size.split("x"))
    result = measure(services, clusters, asked.seed, asked.shards)
    sys.stdout.write(json.dumps(result) + "\n" if asked.json else "".join(f"{k:26} {v}\n" for k, v in result.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
