"""The optimizer on synthetic problems: `python -m benchmarks.solve --size 2000x50 --json`.

`assignment` (default): climb and rounds against HiGHS on the whole program, both without building, which is timed
apart. The choice between threads of this process and Ray actors is the service's own; `--ray` and `--no-ray` override
it. The monolith runs on one thread, a shard has a thread or an actor each: with two shards the ratio compares two
processors with one, and `solve_cpu_s` and `monolith_cpu_s` tell what both took of a processor, whoever else was busy.
Compiled loops are loaded before the clock starts. `routing`: the routing solve.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # else idle BLAS threads spin beside the solvers

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from benchmarks.fleets import synthetic as synthetic_fleet
from benchmarks.instances import synthetic
from placement.baseline import nearest
from placement.columns import bools, floats
from placement.failover import failover_routing
from placement.problem import Prices, formulate
from placement.quantize import Rounding, weight_tables
from placement.readings import Snapshot
from placement.solve.assignment import build as build_assignment
from placement.solve.linear import solve
from placement.solve.routing import build, solve_routing
from placement.solve.sharded import solve_sharded
from scheduler.fanout import RayShards, fan_out

T = TypeVar("T")
Found = dict[str, float | int | str | bool | None]


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds and the result."""
    start_s = time.perf_counter()
    result = work()
    return time.perf_counter() - start_s, result


def measure(services: int, clusters: int, seed: int, shards: int, on_ray: bool | None, monolith: bool) -> Found:
    """One size: the decomposition, then the whole program."""
    problem = synthetic(services, clusters, seed)
    ship_s, (fanout, layout) = timed(lambda: fan_out(problem, shards, on_ray))
    fanout.call("warm_up", [()] * shards)
    cpu_s = time.process_time()
    solve_s, answer = timed(lambda: solve_sharded(problem, layout, fanout).assignment)
    cpu_s = time.process_time() - cpu_s
    ray = isinstance(fanout, RayShards)
    shard_mib = [int(each) for each in fanout.call("peak_memory_mib", [()] * shards)] if ray else []
    if isinstance(fanout, RayShards):
        fanout.close()
    build_s, built = timed(lambda: build_assignment(problem))
    found: Found = {
        "size": f"{services}x{clusters}",
        "seed": seed,
        "rows": built.program.matrix.shape[0],
        "columns": built.program.matrix.shape[1],
        "nonzeros": built.program.matrix.nnz,
        "on_ray": ray,
        "shards": shards,
        "ship_and_build_s": round(ship_s, 4),
        "solve_s": round(solve_s, 4),
        "solve_cpu_s": None if ray else round(cpu_s, 4),
        "objective_usd_per_hour": round(answer.objective_usd_per_hour, 4),
        "certified_gap": round(answer.gap, 6),
        "pool_overfill": float(max(0.0, (problem.pool_use(answer.replicas) - problem.capacity).max())),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 + sum(shard_mib),
    }
    if monolith:
        cpu_s = time.process_time()
        monolith_s, whole = timed(lambda: solve(built.program))
        cpu_s = time.process_time() - cpu_s
        found |= {
            "monolith_build_s": round(build_s, 4),
            "monolith_s": round(monolith_s, 4),
            "monolith_cpu_s": round(cpu_s, 4),
            "true_gap": round(answer.objective_usd_per_hour / whole.objective - 1, 6),
            "speedup_vs_monolith": round(monolith_s / solve_s, 2),
        }
    return found


def measure_routing(services: int, clusters: int, seed: int) -> Found:
    """The routing solve, its parts, and the decision that a loss takes instead (a table row and a spill)."""
    fleet, readings = synthetic_fleet(services, clusters, seed)
    whole = np.ones(len(fleet.backends))
    snapshot = Snapshot(0.0, readings, nearest(fleet), bools(whole), floats(whole))
    formulate_s, problem = timed(lambda: formulate(fleet, snapshot, Prices()))
    build_s, built = timed(lambda: build(problem))
    solve_s, plan = timed(lambda: solve_routing(problem))
    weights_s, _ = timed(lambda: weight_tables(problem, plan.routing, Rounding(), {}))
    alive = fleet.backends.cluster != 0
    decide_s, _ = timed(lambda: failover_routing(problem, None, plan.routing, alive))
    return {
        "size": f"{services}x{clusters}",
        "flows": len(fleet.flows),
        "rows": built.program.matrix.shape[0],
        "columns": built.program.matrix.shape[1],
        "formulate_s": round(formulate_s, 4),
        "build_s": round(build_s, 4),
        "solve_s": round(solve_s, 4),
        "build_part_of_solve": round(build_s / solve_s, 4),
        "weights_s": round(weights_s, 4),
        "failover_decision_s": round(decide_s, 4),
        "gap": abs(round(plan.gap, 9)),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main(argv: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.solve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="500x30", help="services x clusters")
    parser.add_argument("--part", choices=("assignment", "routing"), default="assignment")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--ray", action=argparse.BooleanOptionalAction, default=None)
    parser.add_argument("--monolith", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    services, clusters = (int(n) for n in asked.size.split("x"))
    result = (
        measure_routing(services, clusters, asked.seed)
        if asked.part == "routing"
        else measure(services, clusters, asked.seed, asked.shards, asked.ray, asked.monolith)
    )
    sys.stdout.write(json.dumps(result) + "\n" if asked.json else "".join(f"{k:24} {v}\n" for k, v in result.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
