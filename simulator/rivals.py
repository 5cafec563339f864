"""What others do, on the same world: the same eyes (probes, verdicts, telemetry) and hands (meshes), another head.

A rival has no optimizer, no guards and no failover tables: each period, and at once when a probe alarm is raised, it
routes by its rule what it last measured. That is generous to rules that live in a data plane and know no telemetry.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from health.verdict import all_up, judge, usable
from placement.baseline import nearest
from placement.columns import bools, floats
from placement.fleet import OriginId
from placement.policies.loaded import cost_greedy, proportional, spray_to_region, value_greedy, waterfall
from placement.policies.proximity import latency_greedy, local, locality_failover
from placement.policies.slate import slate
from placement.problem import Problem, formulate
from placement.quantize import weight_tables
from placement.readings import Snapshot
from placement.routing import Routing
from placement.solve.linear import Unsolved
from placement.weights import WeightTable
from scheduler.hygiene import Memory, clean
from scheduler.ports import Configuration, Ports
from scheduler.push import write_tables

Rule = Callable[[Problem], Routing]
EQUIPOISE = "equipoise"


def _healthy(problem: Problem) -> Routing:
    return locality_failover(problem, (problem.capacity_rps > 0).astype(np.float64))


RIVALS: dict[str, Rule] = {
    "locality-failover": _healthy,
    "waterfall": waterfall,
    "local": local,
    "latency-greedy": latency_greedy,
    "proportional": proportional,
    "spray-to-region": spray_to_region,
    "cost-greedy": cost_greedy,
    "value-greedy": value_greedy,
    "slate": slate,
}
"""Their sources are in placement/policies."""


async def follow(rule: Rule, configuration: Configuration, ports: Ports) -> None:
    """Route by a rule until told to close."""
    fleet, policy = configuration.fleet, configuration.policy
    verdicts = all_up(len(fleet.backends), ports.clock.now_s())
    readings, memory = configuration.declared, Memory.empty()
    routing, tables, version = nearest(fleet), dict[OriginId, WeightTable](), 0
    due_s = ports.clock.now_s()
    while not ports.desk.closing():
        at_s = ports.clock.now_s()
        verdicts = judge(verdicts, ports.watch.evidence(), fleet.backends, at_s, policy.rules)
        readings, memory, _ = clean(readings, memory, ports.intake.drain(), fleet, at_s, policy.hygiene)
        alive = usable(verdicts)
        whole = floats(np.ones(len(alive)))
        problem = formulate(fleet, Snapshot(at_s, readings, routing, bools(alive), whole), policy.prices)
        try:
            routing = rule(problem)
        except Unsolved:
            pass
        else:
            made = weight_tables(problem, routing, replace(policy.rounding, sticky_band=0.0), tables)
            differs = {o: t for o, t in made.items() if o not in tables or not t.same_weights(tables[o])}
            version += 1
            fenced = {o: t.fenced(1, version) for o, t in differs.items()}
            outcomes = await write_tables(ports.connectors, fenced, policy.push_deadline_s, ports.watch, at_s)
            tables |= {o: outcome.table for o, outcome in outcomes.items() if outcome.landed}
        due_s = due_s if at_s < due_s else due_s + policy.period_s
        await ports.clock.sleep_until(due_s)
