"""A day of a fleet over three clouds: the production routing solve against policies that people run.

Regions, list prices, round trips, transfer prices, users and demand shapes are from public lists (benchmarks.realfleet
says which, and what is assumed); replicas are as they are. Every policy sees the demand of the hour without error, and
its own routing of the hour before as the one in force. All are priced by the same `placement.cost.evaluate`, load above
capacity as if refused. Means are over the hours.

    p95_ms        round trip and time in the backend of users' requests that are served; models apart: they take seconds
    refused       load of all hops that is shed or above capacity, as part of it, in the worst hour
    n_minus_1     at the hour of most demand, over every single loss of a cluster or a provider: ours from the failover
                  table, a policy by its own answer to the problem without the lost

    python -m benchmarks.fleet --json
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from benchmarks.policy_fleets.instances import DataAbsentError, data_folder
from benchmarks.realfleet.build import HOURS, Day, real_fleet
from placement.baseline import nearest
from placement.columns import Floats, bools, floats
from placement.cost import COMPONENTS, Cost, Loads, evaluate, loads
from placement.plan import Plan
from placement.policies.loaded import cost_greedy, proportional, spray_to_region, value_greedy, waterfall
from placement.policies.proximity import latency_greedy, local
from placement.policies.slate import slate
from placement.problem import Prices, Problem, formulate
from placement.readings import Snapshot
from placement.routing import Routing
from placement.solve.failover import failover_table
from placement.solve.routing import solve_routing

OURS = "equipoise"
LIMITS = (0.6, 0.7, 0.8)
"""Utilization at which the policies that have one go on to the next backend; each is a policy of its own."""
POLICIES: dict[str, Callable[[Problem], Routing]] = {
    "nearest": local,
    "latency_greedy": latency_greedy,
    "proportional": proportional,
    "spray_to_region": spray_to_region,
    **{f"waterfall_{limit}": partial(waterfall, limit=limit) for limit in LIMITS},
    **{f"cost_greedy_{limit}": partial(cost_greedy, limit=limit) for limit in LIMITS},
    **{f"value_greedy_{limit}": partial(value_greedy, limit=limit) for limit in LIMITS},
    "slate": slate,
}


@dataclass(slots=True)
class Record:
    """What a policy did, hour by hour."""

    standing: Routing
    cost: list[Cost] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    """Part of the hour's load, that between services too."""
    delay_ms: list[Floats] = field(default_factory=list)
    rps: list[Floats] = field(default_factory=list)
    model: list[Floats] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def snapshot(day: Day, hour: int, standing: Routing) -> Snapshot:
    """Everything up and warm."""
    whole = np.ones(len(day.fleet.backends))
    readings = day.readings[hour]
    return Snapshot(readings.at_s, readings, standing, bools(whole), floats(whole))


def note(record: Record, day: Day, problem: Problem, routing: Routing, seconds: float) -> None:
    """Price a routing and keep what users saw of it."""
    made = loads(problem, routing)
    fleet, row = day.fleet, routing.row
    users = fleet.origins.cluster[fleet.flows.origin[row]] < 0
    backend = problem.backend_of(row, routing.column)
    served = users & (backend >= 0)
    origin, service = fleet.flows.origin[row[served]], fleet.flows.service[row[served]]
    rtt_ms = fleet.network.rtt_ms[origin, routing.column[served]]
    record.standing = routing
    record.cost.append(evaluate(problem, routing))
    record.refused.append(refused_rps(problem, made) / float(made.demand_rps.sum()))
    record.delay_ms.append(rtt_ms + day.readings[0].latency_ms[backend[served]])
    record.rps.append((made.demand_rps[row] * routing.share)[served])
    record.model.append(np.array([day.kind[s] == "llm" for s in service]))
    record.seconds.append(seconds)


def play(day: Day, policies: dict[str, Callable[[Problem], Routing]]) -> tuple[dict[str, Record], list[Plan]]:
    """Every hour under every policy, ours first, and our plans."""
    names = [OURS, *policies]
    records = {name: Record(nearest(day.fleet)) for name in names}
    plans = []
    for hour in range(len(day.readings)):
        for name in names:
            start_s = time.perf_counter()
            problem = formulate(day.fleet, snapshot(day, hour, records[name].standing), Prices())
            if name == OURS:
                plans.append(solve_routing(problem))
                routing = plans[-1].routing
            else:
                routing = policies[name](problem)
            note(records[name], day, problem, routing, time.perf_counter() - start_s)
    return records, plans


def worst_losses(
    day: Day, plans: Sequence[Plan], policies: dict[str, Callable[[Problem], Routing]]
) -> dict[str, dict[str, dict[str, float]]]:
    """By policy and kind of loss the worst at the hour of most demand: utilization, and requests/s refused."""
    peak = int(np.argmax([readings.demand_rps.sum() for readings in day.readings]))
    base = snapshot(day, peak, plans[peak].routing)
    table = failover_table(day.fleet, base, plans[peak].routing, Prices())
    kinds = sorted({loss.kind for loss in table.losses})
    worst = {name: {kind: {"utilization": 0.0, "refused_rps": 0.0} for kind in kinds} for name in [OURS, *policies]}
    for loss, routing in zip(table.losses, table.routings, strict=True):
        problem = formulate(day.fleet, base, Prices(), loss.clusters)
        for name, answer in [(OURS, routing), *((name, policy(problem)) for name, policy in policies.items())]:
            made, entry = loads(problem, answer), worst[name][loss.kind]
            utilization = float(made.utilization(problem.capacity_rps).max())
            entry["utilization"] = max(entry["utilization"], round(utilization, 4))
            entry["refused_rps"] = max(entry["refused_rps"], round(refused_rps(problem, made), 3))
    return worst


def refused_rps(problem: Problem, made: Loads) -> float:
    """What is shed or above capacity."""
    over_rps = np.maximum(made.backend_rps - problem.pieces.served_rps, 0.0)
    return float(made.shed_rps.sum() + over_rps.sum())


def money(record: Record) -> dict[str, float]:
    """Mean $/h by component, what is billed of it, and the objective."""
    parts = {name: float(np.mean([getattr(cost, name) for cost in record.cost])) for name in COMPONENTS}
    parts["billed"] = float(np.mean([cost.billed_usd_per_hour for cost in record.cost]))
    parts["objective"] = float(np.mean([cost.objective_usd_per_hour for cost in record.cost]))
    return {name: round(value, 2) for name, value in parts.items()}


def p95_ms(record: Record, *, model: bool) -> float:
    """Of users' served requests over the day, to services that are language models or to those that are not."""
    delay, rps = np.concatenate(record.delay_ms), np.concatenate(record.rps)
    kept = np.concatenate(record.model) == model
    delay, rps = delay[kept], rps[kept]
    order = np.argsort(delay)
    return round(float(delay[order][np.searchsorted(np.cumsum(rps[order]), 0.95 * rps.sum())]), 1)


def compared(
    dollars: dict[str, dict[str, float]],
    records: dict[str, Record],
    without: dict[str, dict[str, dict[str, float]]],
    name: str,
) -> dict[str, object]:
    """What ours saves against one policy, $/h, where that is from, and whether its p95 and N-1 are no better than ours.

    N-1: requests/s refused and above capacity after the worst single loss of each kind. Moving is left out: it is paid
    once.
    """
    ours, theirs = dollars[OURS], dollars[name]
    parts = {c: round(theirs[c] - ours[c], 2) for c in COMPONENTS if c != "churn" and abs(theirs[c] - ours[c]) >= 0.005}
    p95 = [p95_ms(records[OURS], model=m) <= p95_ms(records[name], model=m) for m in (False, True)]
    losses = [without[OURS][kind]["refused_rps"] <= without[name][kind]["refused_rps"] + 1e-3 for kind in without[OURS]]
    return {
        "billed_saving_usd_per_hour": round(theirs["billed"] - ours["billed"], 2),
        "saving_usd_per_hour": round(sum(parts.values()), 2),
        "saving_ratio": round(sum(parts.values()) / max(theirs["objective"] - theirs["churn"], 1e-9), 4),
        "from": parts,
        "p95_no_worse": p95[0],
        "llm_p95_no_worse": p95[1],
        "n_minus_1_no_worse": all(losses),
    }


def measure(day: Day, policies: dict[str, Callable[[Problem], Routing]]) -> dict[str, object]:
    """The whole benchmark."""
    records, plans = play(day, policies)
    dollars = {name: money(record) for name, record in records.items()}
    best = min(policies, key=lambda name: dollars[name]["objective"])
    without = worst_losses(day, plans, policies)
    ours = dollars[OURS]["objective"]
    return {
        "clusters": len(day.fleet.clusters),
        "services": len(day.fleet.services),
        "flows": len(day.fleet.flows),
        "hours": len(day.readings),
        "rtt_measured_share": round(day.rtt_measured, 3),
        "saving_vs_nearest": round(1 - ours / dollars["nearest"]["objective"], 4),
        "saving_vs_best_baseline": round(1 - ours / dollars[best]["objective"], 4),
        "best_baseline": best,
        "certified_gap_max": abs(round(max(plan.gap for plan in plans), 9)),
        "n_minus_1_worst_utilization": max(worst["utilization"] for worst in without[OURS].values()),
        "solve_s_median": round(float(np.median(records[OURS].seconds)), 3),
        "usd_per_hour": dollars,
        "p95_ms": {name: p95_ms(record, model=False) for name, record in records.items()},
        "llm_p95_ms": {name: p95_ms(record, model=True) for name, record in records.items()},
        "refused_share_max": {name: round(max(record.refused), 6) for name, record in records.items()},
        "n_minus_1": without,
        "compared": {name: compared(dollars, records, without, name) for name in policies},
        "decide_s_median": {name: round(float(np.median(r.seconds)), 3) for name, r in records.items()},
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print what was measured; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--hours", type=int, default=HOURS, help="of the day; %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of what is assumed; %(default)s")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args(argv)
    try:
        day = real_fleet(data_folder().parent, arguments.seed)
    except DataAbsentError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    values = measure(Day(day.fleet, day.readings[: arguments.hours], day.kind, day.rtt_measured), POLICIES)
    print(json.dumps(values) if arguments.json else "\n".join(f"{name:28} {value}" for name, value in values.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
