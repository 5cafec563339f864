"""Whole replicas with a certified gap: `python -m benchmarks.integers --size 500x30 --seed 0 --json`.

Cold, then warm after 5 % of the services moved (demand times 0.7 to 1.4); a thread per core, or as `--mapper` tells;
kernels are compiled on a small problem before the clock starts.
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from benchmarks.instances import synthetic
from cli.streams import keep_stdout
from placement.assignment import AssignmentProblem
from placement.columns import floats
from placement.solve.integers import WholeAssignment, solve_integers
from placement.solve.layout import fits
from placement.solve.pricing import Mapper
from scheduler.pricing_fanout import RayMapper

MOVED = 0.05


def drifted(problem: AssignmentProblem, seed: int) -> AssignmentProblem:
    """The problem after 5 % of its services moved."""
    rng = np.random.default_rng(seed)
    factor = np.ones(problem.services)
    some = rng.choice(problem.services, max(1, round(MOVED * problem.services)), replace=False)
    factor[some] = rng.uniform(0.7, 1.4, len(some))
    demands = replace(problem.demands, rps=floats(problem.demands.rps * factor[problem.demands.service]))
    losses = replace(problem.losses, survive_rps=floats(problem.losses.survive_rps * factor[problem.losses.service]))
    return replace(problem, demands=demands, losses=losses)


def timed(problem: AssignmentProblem, before: WholeAssignment | None, mapper: Mapper) -> tuple[float, WholeAssignment]:
    """Seconds and the answer."""
    start_s = time.perf_counter()
    answer = solve_integers(problem, None if before is None else before.standing, mapper)
    return time.perf_counter() - start_s, answer


@contextmanager
def mapper_of(kind: str) -> Iterator[Mapper]:
    """`serial`, `threads` or `ray`, on all processors that there are."""
    if kind == "ray":
        with RayMapper() as mapper:
            yield mapper
    elif kind == "threads":
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            yield lambda work, tasks, /: pool.map(work, tasks)
    else:
        yield map


def measure(services: int, clusters: int, seed: int, kind: str = "threads") -> dict[str, float | int | str]:
    """One size, cold and warm."""
    with mapper_of(kind) as mapper:
        small = synthetic(20, 10, seed)
        _, compiled = timed(small, None, mapper)
        timed(drifted(small, seed), compiled, mapper)
        problem = synthetic(services, clusters, seed)
        start_s = time.process_time()
        seconds, cold = timed(problem, None, mapper)
        cpu_seconds = time.process_time() - start_s
        warm_seconds, warm = timed(drifted(problem, seed), cold, mapper)
    return {
        "size": f"{services}x{clusters}",
        "seed": seed,
        "mapper": kind,
        "plan_usd_per_hour": round(cold.assignment.objective_usd_per_hour, 2),
        "bound_usd_per_hour": round(cold.assignment.lower_bound_usd_per_hour, 2),
        "integer_gap": round(cold.assignment.gap, 5),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "warm_seconds": round(warm_seconds, 2),
        "warm_integer_gap": round(warm.assignment.gap, 5),
        "pools_over": int(sum((~fits(a.standing.layout, a.standing.n)).sum() for a in (cold, warm))),
        "columns": cold.columns,
        "rounds": cold.rounds,
        "mips": cold.mips,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main(argv: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.integers", description=__doc__)
    parser.add_argument("--size", default="500x30", help="services x clusters")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mapper", choices=("serial", "threads", "ray"), default="threads")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    services, clusters = (int(n) for n in arguments.size.split("x"))
    result = measure(services, clusters, arguments.seed, arguments.mapper)
    sys.stdout.write(
        json.dumps(result) + "\n" if arguments.json else "".join(f"{k:22} {v}\n" for k, v in result.items())
    )


if __name__ == "__main__":
    keep_stdout()
    main(sys.argv[1:])
