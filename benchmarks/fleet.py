"""A day of a fleet over three clouds: the production routing solve against policies that people run.

Regions, list prices, round trips, transfer prices, users and demand shapes are from public lists (benchmarks.realfleet
says which, and what is assumed); replicas are as they are. Every policy sees the demand of the hour without error, and
its own routing of the hour before as the one in force. All are priced by the same `placement.cost.evaluate`, load above
capacity as if refused. Means are over the hours.

    p95_ms        round trip and time in the backend of users' requests that are served; models apart: they take seconds
    refused       load of all hops that is shed or above capacity, as part of it, in the worst hour
    n_minus_1     at the hour of most demand, over every single loss of a cluster, a region or a provider: ours from the
                  failover table, a policy by its own answer to the problem without the lost

Ours is run as the services are, and with other settings that a planner has: what a millisecond is worth, a round trip
to stay within (`rttTargetMs`), and the price of headroom. A policy is compared with the cheapest of them that is at
least as good in p95 of both kinds (to 0.1 %), in what is refused, and after every loss; prices are those of the
services as they are.

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
from benchmarks.realfleet.settings import OURS, SETTINGS, Setting
from placement.baseline import nearest
from placement.columns import Floats, bools, floats
from placement.cost import COMPONENTS, Cost, Loads, evaluate, loads
from placement.losses import DOMAINS, Loss, domains
from placement.plan import Plan
from placement.policies.loaded import cost_greedy, proportional, spray_to_region, value_greedy, waterfall
from placement.policies.proximity import latency_greedy, local
from placement.policies.slate import slate
from placement.problem import Prices, Problem, formulate
from placement.readings import Snapshot
from placement.routing import Routing
from placement.solve.failover import failover_table
from placement.solve.routing import solve_routing

ALIKE = 1.001
"""A p95 that is higher by less counts as equal."""
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


def play(
    day: Day, policies: dict[str, Callable[[Problem], Routing]], settings: Sequence[Setting] = (Setting(),)
) -> tuple[dict[str, Record], dict[str, list[Plan]]]:
    """Every hour under every setting of ours and every policy, and our plans by setting."""
    fleets = {str(setting): (setting.fleet(day), Prices(headroom_multiple=setting.headroom)) for setting in settings}
    records = {name: Record(nearest(day.fleet)) for name in (*fleets, *policies)}
    plans: dict[str, list[Plan]] = {name: [] for name in fleets}
    for hour in range(len(day.readings)):
        for name, record in records.items():
            start_s, seen = time.perf_counter(), snapshot(day, hour, record.standing)
            problem = formulate(day.fleet, seen, Prices())
            if name in fleets:
                fleet, prices = fleets[name]
                plans[name].append(solve_routing(formulate(fleet, seen, prices)))
                routing = plans[name][-1].routing
            else:
                routing = policies[name](problem)
            note(record, day, problem, routing, time.perf_counter() - start_s)
    return records, plans


Losses = dict[str, dict[str, float]]
"""By kind of loss the worst utilization, and the most requests/s refused."""


def peak_hour(day: Day) -> int:
    """The one of most demand."""
    return int(np.argmax([readings.demand_rps.sum() for readings in day.readings]))


def our_losses(day: Day, setting: Setting, standing: Routing) -> Losses:
    """What the failover table of a plan holds at the hour of most demand."""
    base = snapshot(day, peak_hour(day), standing)
    table = failover_table(setting.fleet(day), base, standing, Prices(headroom_multiple=setting.headroom))
    rows = zip(table.losses, table.routings, strict=True)
    return _worst(day, base, [(loss, routing) for loss, routing in rows if loss.kind in DOMAINS])


def their_losses(day: Day, policy: Callable[[Problem], Routing], standing: Routing) -> Losses:
    """What a policy answers there."""
    base = snapshot(day, peak_hour(day), standing)
    rows = [(loss, policy(formulate(day.fleet, base, Prices(), loss.clusters))) for loss in domains(day.fleet)]
    return _worst(day, base, rows)


def _worst(day: Day, base: Snapshot, rows: Sequence[tuple[Loss, Routing]]) -> Losses:
    worst: Losses = {}
    for loss, routing in rows:
        problem = formulate(day.fleet, base, Prices(), loss.clusters)
        made, entry = loads(problem, routing), worst.setdefault(loss.kind, {"utilization": 0.0, "refused_rps": 0.0})
        entry["utilization"] = max(entry["utilization"], round(float(made.utilization(problem.capacity_rps).max()), 4))
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


@dataclass(slots=True)
class Played:
    """A day under everybody."""

    day: Day
    policies: dict[str, Callable[[Problem], Routing]]
    records: dict[str, Record]
    plans: dict[str, list[Plan]]
    dollars: dict[str, dict[str, float]]
    known: dict[str, Losses] = field(default_factory=dict)

    def losses(self, name: str) -> Losses:
        """After the losses; looked at once."""
        if name not in self.known:
            if name in self.plans:
                setting = next(s for s in SETTINGS if str(s) == name)
                routing = self.plans[name][peak_hour(self.day)].routing
                self.known[name] = our_losses(self.day, setting, routing)
            else:
                self.known[name] = their_losses(self.day, self.policies[name], self.records[name].standing)
        return self.known[name]

    def worse(self, ours: str, theirs: str) -> list[str]:
        """In what a setting of ours is worse than a policy; empty where in nothing."""
        one, other = self.records[ours], self.records[theirs]
        found = [
            f"{words} {p95_ms(one, model=m)} ms against {p95_ms(other, model=m)}"
            for m, words in ((False, "p95"), (True, "p95 of models"))
            if p95_ms(one, model=m) > ALIKE * p95_ms(other, model=m)
        ]
        found += ["refused"] if max(one.refused) > max(other.refused) + 1e-9 else []
        if not found:
            before, after = self.losses(theirs), self.losses(ours)
            found = [f"loss of a {k}" for k in after if after[k]["refused_rps"] > before[k]["refused_rps"] + 1e-3]
        return found

    def compared(self, name: str) -> dict[str, object]:
        """Ours against one policy: the cheapest setting that is as good, what it saves in $/h, and where that is from.

        Moving is left out: it is paid once. Without such a setting: ours as the services are, and in what it is worse.
        """
        cheapest = sorted(self.plans, key=lambda setting: self.dollars[setting]["billed"])
        good = next((setting for setting in cheapest if not self.worse(setting, name)), None)
        ours, theirs = self.dollars[good or OURS], self.dollars[name]
        every = {c: round(theirs[c] - ours[c], 2) for c in COMPONENTS if c != "churn"}
        parts = {c: usd for c, usd in every.items() if abs(usd) >= 0.005}
        billed = theirs["billed"] - ours["billed"]
        return {
            "setting": good or OURS,
            "as_good": good is not None,
            "worse_in": [] if good else self.worse(OURS, name),
            "billed_saving_usd_per_hour": round(billed, 2),
            "billed_saving_ratio": round(billed / theirs["billed"], 4),
            "saving_usd_per_hour": round(sum(parts.values()), 2),
            "saving_ratio": round(sum(parts.values()) / max(theirs["objective"] - theirs["churn"], 1e-9), 4),
            "from": parts,
        }


def measure(day: Day, policies: dict[str, Callable[[Problem], Routing]]) -> dict[str, object]:
    """The whole benchmark."""
    start_s = time.process_time()
    records, plans = play(day, policies, SETTINGS)
    played = Played(day, policies, records, plans, {name: money(record) for name, record in records.items()})
    dollars = played.dollars
    against = {name: played.compared(name) for name in policies}
    best = min(policies, key=lambda name: dollars[name]["objective"])
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
        "certified_gap_max": abs(round(max(plan.gap for plan in plans[OURS]), 9)),
        "n_minus_1_worst_utilization": max(worst["utilization"] for worst in played.losses(OURS).values()),
        "solve_s_median": round(float(np.median(records[OURS].seconds)), 3),
        "compared": against,
        "usd_per_hour": dollars,
        "p95_ms": {name: p95_ms(record, model=False) for name, record in records.items()},
        "llm_p95_ms": {name: p95_ms(record, model=True) for name, record in records.items()},
        "refused_share_max": {name: round(max(record.refused), 6) for name, record in records.items()},
        "n_minus_1": {name: played.losses(name) for name in records if name in played.known},
        "decide_s_median": {name: round(float(np.median(r.seconds)), 3) for name, r in records.items()},
        "cpu_s": round(time.process_time() - start_s, 1),
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
