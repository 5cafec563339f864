"""Ticks between solves: `python -m benchmarks.tick --size 2000x50 --json`. In one process, a thread per shard.

Keys that end in `_cpu_s` are processor time, which is the same whoever else is busy.

`tick_s`: 5 % of the services get another demand, five times in a row, and this is the median. The shards are told,
certify the standing plan at yesterday's prices, and solve services again until the certified gap is at its target
(`tick_certified_gap` is the worst of the five). `tick_by_source_s`: the same, but every source of such a service moves
by itself. `full_solve_s` is HiGHS on the whole program of the last day, `decomposed_s` the climb and rounds from
nothing. `build_share` is the part of a tick's processor time in which price models and row limits take over what
changed and programs of the services that are solved again are assembled; medians of five.

`region_loss_reprice_s`: the largest region has no capacity; a plan was made ready for that (`foresee_s`, beforehand, at
low priority), and the time is from the news to a certified plan. `stale_gap` is what the certificate says of
yesterday's prices after that loss: it is what tells a shock from a drift. `region_loss_moved`: the same, but 5 % of
the services have another demand than the plan was made for.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # else idle BLAS threads spin beside the solvers

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial, wraps
from typing import Any, NamedTuple, TypeVar

import numpy as np

from benchmarks.instances import synthetic
from benchmarks.solve import Found, timed
from placement.assignment import AssignmentProblem
from placement.columns import Bools, floats
from placement.solve.assignment import build
from placement.solve.blocks import Block
from placement.solve.linear import solve
from placement.solve.prices import PriceModel
from placement.solve.shard import Delta
from placement.solve.sharded import InProcess, Partition, Standing, partition, solve_sharded
from placement.solve.standby import NOTHING, Understudy, pools_of, without
from placement.solve.ticks import tick
from scheduler.standby import Standby

T = TypeVar("T")

MOVED = 0.05
TICKS = 5
ASSEMBLING = ((Delta, "applied"), (PriceModel, "moved"), (Block, "move"), (Block, "part"), (Block, "program"))
"""What a tick builds, and nothing else."""


def measure(services: int, clusters: int, seed: int, shards: int) -> Found:
    """A full solve, ticks and a loss."""
    problem = synthetic(services, clusters, seed)
    layout = partition(problem, shards)
    fanout = InProcess(layout.parts(problem))
    fanout.call("warm_up", [()] * shards)
    decomposed_s, standing = timed(lambda: solve_sharded(problem, layout, fanout))
    rng = np.random.default_rng(seed + 1)
    whole = ticks(problem, layout, fanout, standing, rng, by_source=False)
    certify_s, _ = timed(lambda: fanout.call("certify", [whole.standing.price] * shards))
    built = build(whole.problem)
    full_s, (full_cpu_s, optimum) = timed(partial(busy, lambda: solve(built.program).objective))
    sources = ticks(whole.problem, layout, fanout, whole.standing, rng, by_source=True)
    found: Found = {
        "size": f"{services}x{clusters}",
        "seed": seed,
        "shards": shards,
        "full_solve_s": round(full_s, 4),
        "full_solve_cpu_s": round(full_cpu_s, 4),
        "decomposed_s": round(decomposed_s, 4),
        "certify_s": round(certify_s, 5),
        "tick_s": round(whole.median_s, 4),
        "tick_cpu_s": round(whole.median_cpu_s, 4),
        "build_share": round(whole.build_cpu_s / whole.median_cpu_s, 4),
        "build_share_by_source": round(sources.build_cpu_s / sources.median_cpu_s, 4),
        "tick_certified_gap": round(whole.gap, 6),
        "tick_true_gap": round(whole.standing.assignment.objective_usd_per_hour / optimum - 1, 6),
        "full_solve_over_tick": round(full_s / whole.median_s, 1),
        "tick_by_source_s": round(sources.median_s, 4),
        "tick_by_source_cpu_s": round(sources.median_cpu_s, 4),
        "full_solve_over_tick_by_source": round(full_s / sources.median_s, 1),
        "tick_by_source_certified_gap": round(sources.gap, 6),
    }
    return found | region_loss(sources.problem, layout, fanout, sources.standing)


class Ticked(NamedTuple):
    """After some ticks in a row: medians, the worst gap, and where they led."""

    median_s: float
    median_cpu_s: float
    build_cpu_s: float
    gap: float
    problem: AssignmentProblem
    standing: Standing


def ticks(
    problem: AssignmentProblem,
    layout: Partition,
    fanout: InProcess,
    standing: Standing,
    rng: np.random.Generator,
    *,
    by_source: bool,
) -> Ticked:
    """TICKS of them."""
    build_s, tick_s, cpu_s, gap = [], [], [], []
    for _ in range(TICKS):
        moved = rng.random(problem.services) < MOVED
        before, problem = problem, moved_demand(problem, moved, rng, by_source=by_source)
        with metering() as spent:
            seconds, (busy_s, standing) = timed(partial(busy, partial(tick, before, problem, layout, fanout, standing)))
        build_s.append(sum(spent))
        tick_s.append(seconds)
        cpu_s.append(busy_s)
        gap.append(standing.assignment.gap)
    middle_s, middle_cpu_s, middle_build_s = (float(np.median(each)) for each in (tick_s, cpu_s, build_s))
    return Ticked(middle_s, middle_cpu_s, middle_build_s, max(gap), problem, standing)


def busy(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of a processor, all threads together, and the result."""
    start_s = time.process_time()
    result = work()
    return time.process_time() - start_s, result


def region_loss(problem: AssignmentProblem, layout: Partition, fanout: InProcess, standing: Standing) -> Found:
    """The largest region is gone: from prices kept ready."""
    regions = range(int(problem.site_domains[:, 0].max()) + 1)
    largest = max(regions, key=lambda region: float(problem.capacity[pools_of(problem, region), 0].sum()))
    lost = without(problem, largest)
    prices = layout.whole(problem, fanout.call("prices", [standing.price] * layout.shards))
    standby = Standby()
    alone = partition(problem, 1)
    understudy = Understudy(alone, InProcess(alone.parts(problem)), problem)
    foresee_s, _ = timed(standby.prepare(understudy, problem, prices, [NOTHING, largest]).result)
    found: Found = {"foresee_s": round(foresee_s, 4)}
    rng = np.random.default_rng(largest)
    moved = moved_demand(lost, rng.random(lost.services) < MOVED, rng, by_source=False)
    for name, today in (("region_loss", lost), ("region_loss_moved", moved)):
        loss = partial(tick, problem, today, layout, fanout, standing, standby.ready)
        reprice_s, (cpu_s, after) = timed(partial(busy, loss))
        plan, optimum = after.assignment, solve(build(today).program).objective
        found |= {
            f"{name}_stale_gap": round(1 - PriceModel(today).bound(prices) / optimum, 4),
            f"{name}_reprice_s": round(reprice_s, 4),
            f"{name}_reprice_cpu_s": round(cpu_s, 4),
            f"{name}_certified_gap": round(plan.gap, 6),
            f"{name}_true_gap": round(plan.objective_usd_per_hour / optimum - 1, 6),
        }
        tick(today, problem, layout, fanout, after, standby.ready)
    standby.close()
    return found


@contextmanager
def metering() -> Iterator[list[float]]:
    """Seconds of a processor of every call that takes over what changed or assembles a program, on any thread."""
    spent: list[float] = []
    before = [(owner, name, getattr(owner, name)) for owner, name in ASSEMBLING]
    for owner, name, method in before:
        setattr(owner, name, _metered(method, spent))
    try:
        yield spent
    finally:
        for owner, name, method in before:
            setattr(owner, name, method)


def _metered(method: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    @wraps(method)
    def timed_call(*arguments: Any) -> Any:
        start_s = time.thread_time()
        try:
            return method(*arguments)
        finally:
            spent.append(time.thread_time() - start_s)

    return timed_call


def moved_demand(
    problem: AssignmentProblem, moved: Bools, rng: np.random.Generator, *, by_source: bool = True
) -> AssignmentProblem:
    """Another demand for some services, half to one and a half of what it was, as a whole or source by source.

    What must survive follows their totals.
    """
    g, losses, count = problem.demands, problem.losses, problem.services
    factor = rng.uniform(0.5, 1.5, len(g)) if by_source else rng.uniform(0.5, 1.5, count)[g.service]
    rps = g.rps * np.where(moved[g.service], factor, 1.0)
    total = np.bincount(g.service, g.rps, count)
    growth = np.where(moved & (total > 0), np.bincount(g.service, rps, count) / np.maximum(total, 1e-12), 1.0)
    return replace(
        problem,
        demands=replace(g, rps=floats(rps)),
        losses=replace(losses, survive_rps=floats(losses.survive_rps * growth[losses.service])),
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
