"""The routing solve on synthetic fleets: `python -m benchmarks.solve --size 500x30 --json`.

Times of one process, so that their ratios mean something: making the problem, building the program, HiGHS, weights,
and the decision that a loss takes instead (a table row and a spill).
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from benchmarks.fleets import synthetic
from placement.baseline import nearest
from placement.columns import bools, floats
from placement.failover import failover_routing
from placement.problem import Prices, formulate
from placement.quantize import Rounding, weight_tables
from placement.readings import Snapshot
from placement.solve.routing import build, solve_routing

T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds and the result."""
    start_s = time.perf_counter()
    result = work()
    return time.perf_counter() - start_s, result


def measure(services: int, clusters: int, seed: int) -> dict[str, float | int | str]:
    """One size."""
    fleet, readings = synthetic(services, clusters, seed)
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.solve", description=__doc__)
    parser.add_argument("--size", default="500x30", help="services x clusters")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    services, clusters = (int(n) for n in arguments.size.split("x"))
    result = measure(services, clusters, arguments.seed)
    sys.stdout.write(
        json.dumps(result) + "\n" if arguments.json else "".join(f"{k:22} {v}\n" for k, v in result.items())
    )


if __name__ == "__main__":
    main(sys.argv[1:])
