"""Failover tables: how long a decision takes, and how long a table takes to make and to keep fresh.

A synthetic fleet stands on its optimum. The table is made by refreshes of bounded work, as the controller does; then
every kind of loss happens, one after the other, and the decision is timed: the lookup, what the row changes, and the
check that no receiver gets more than it has to spare. Losses that no row speaks of are timed apart (`spill`).

    decide_*_ms        a single loss or a pair, from the table
    decide_cpu_ms      the same in processor time, mean: what it takes where nobody else works
    spill_*_ms         two random backends at once, or two domains for which there is no row
    refresh_s          one refresh, median
    cycle_refreshes    refreshes until every row was proved
    solved_rows        rows the optimizer has looked at by then; the others are the spill's
    spill_cost_ratio   what the spill's answer costs over the optimizer's, after every domain loss: median and worst

    python -m benchmarks.failover_table --size 200x40 --json
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.fleets import synthetic
from placement.baseline import nearest
from placement.columns import Bools, bools, floats
from placement.cost import evaluate
from placement.evacuation import spill
from placement.failover import FailoverTable, failover_routing
from placement.losses import after, domains, losses
from placement.problem import Prices, Problem, formulate
from placement.readings import Snapshot
from placement.routing import Routing
from placement.solve.failover import TableOrder, refreshed
from placement.solve.routing import solve_routing

PERIOD_S = 5.0


def stood(services: int, clusters: int, seed: int, load: float) -> tuple[Snapshot, Problem]:
    """A fleet on its optimum."""
    fleet, readings = synthetic(services, clusters, seed, load)
    whole = np.ones(len(fleet.backends))
    snapshot = Snapshot(0.0, readings, nearest(fleet), bools(whole), floats(whole))
    plan = solve_routing(formulate(fleet, snapshot, Prices()))
    snapshot = replace(snapshot, routing=plan.routing)
    return snapshot, formulate(fleet, snapshot, Prices())


def made(snapshot: Snapshot, problem: Problem, most: int) -> tuple[FailoverTable, list[float]]:
    """The table after as many refreshes as every row takes, and how long each took in seconds."""
    table: FailoverTable | None = None
    single, spent = len(losses(problem.fleet)), []
    for tick in range(most):
        now = replace(snapshot, at_s=PERIOD_S * tick)
        order = TableOrder(problem.fleet, now, snapshot.routing, Prices(), last=table)
        start_s = time.perf_counter()
        table = refreshed(order)
        spent.append(time.perf_counter() - start_s)
        if len(table.rows) >= single:
            break
    assert table is not None
    return table, spent


def timed(problem: Problem, table: FailoverTable, standing: Routing, cases: Sequence[Bools]) -> list[float]:
    """Seconds of the decision for each (B,) usable."""
    spent = []
    for usable in cases:
        start_s = time.perf_counter()
        failover_routing(problem, table, standing, usable)
        spent.append(time.perf_counter() - start_s)
    return spent


def unforeseen(problem: Problem, count: int, rng: np.random.Generator) -> list[Bools]:
    """Two random backends at once, and three random clusters at once, in turn."""
    fleet, cases = problem.fleet, []
    for i in range(count):
        usable = np.ones(len(fleet.backends), dtype=bool)
        if i % 2:
            usable[rng.choice(len(usable), 2, replace=False)] = False
        else:
            usable[np.isin(fleet.backends.cluster, rng.choice(len(fleet.clusters), 3, replace=False))] = False
        cases.append(usable)
    return cases


def spill_cost(problem: Problem, most: int) -> list[float]:
    """What the spill costs over the optimum after the loss of each domain, as a ratio of objectives."""
    ratios = []
    for loss in domains(problem.fleet)[:most]:
        left = after(problem, loss)
        quick = spill(left, problem.standing, ~loss.dead(problem.fleet))
        best = solve_routing(left).cost.objective_usd_per_hour
        ratios.append(evaluate(left, quick).objective_usd_per_hour / best)
    return ratios


def measure(services: int, clusters: int, seed: int, load: float, refreshes: int) -> dict[str, float | int]:
    """The whole benchmark."""
    snapshot, problem = stood(services, clusters, seed, load)
    table, spent = made(snapshot, problem, refreshes)
    cases = [~row.loss.dead(problem.fleet) for row in table.rows if not len(row.loss.gateways)]
    rng = np.random.default_rng(seed)
    if len(cases) > 500:
        cases = cases[: 2 * clusters] + [cases[i] for i in rng.choice(len(cases), 400, replace=False).tolist()]
    begun_s = time.process_time()
    decide_s = timed(problem, table, snapshot.routing, cases)
    cpu_s = time.process_time() - begun_s
    spill_s = timed(problem, table, snapshot.routing, unforeseen(problem, 100, rng))
    ratios = spill_cost(problem, 40)
    return {
        "clusters": clusters,
        "services": services,
        "flows": len(problem.fleet.flows),
        "backends": len(problem.fleet.backends),
        "single_losses": len(losses(problem.fleet)),
        "rows": len(table.rows),
        "solved_rows": sum(row.solved for row in table.rows),
        "decisions": len(decide_s),
        "decide_p50_ms": round(float(np.quantile(decide_s, 0.5)) * 1e3, 3),
        "decide_p99_ms": round(float(np.quantile(decide_s, 0.99)) * 1e3, 3),
        "decide_cpu_ms": round(cpu_s / len(decide_s) * 1e3, 3),
        "decide_max_ms": round(max(decide_s) * 1e3, 3),
        "spill_p50_ms": round(float(np.quantile(spill_s, 0.5)) * 1e3, 3),
        "spill_p99_ms": round(float(np.quantile(spill_s, 0.99)) * 1e3, 3),
        "refresh_s": round(float(np.median(spent)), 3),
        "refresh_s_max": round(max(spent), 3),
        "cycle_refreshes": len(spent),
        "spill_cost_ratio_median": round(float(np.median(ratios)), 4),
        "spill_cost_ratio_max": round(max(ratios), 4),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print what was measured; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failover_table", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--size", default="200x40", help="services x clusters; %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--load", type=float, default=0.4, help="of capacity; %(default)s")
    parser.add_argument("--refreshes", type=int, default=40, help="at most; %(default)s")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    asked = parser.parse_args(argv)
    services, clusters = (int(n) for n in asked.size.split("x"))
    values = measure(services, clusters, asked.seed, asked.load, asked.refreshes)
    print(json.dumps(values) if asked.json else "\n".join(f"{name:26} {value}" for name, value in values.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
