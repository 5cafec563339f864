"""What a controller would decide for some documents, without one running: declared demand, the production solver."""

from dataclasses import dataclass

import numpy as np

from config.configuration import Configuration as Documents
from placement.baseline import nearest
from placement.columns import bools, floats
from placement.cost import Cost, evaluate
from placement.explain import Explanation, explain
from placement.fleet import Fleet, OriginId
from placement.plan import Plan
from placement.problem import Problem, formulate
from placement.quantize import routing_of
from placement.readings import Snapshot
from placement.routing import Routing
from placement.solve.routing import shadow_prices, solve_routing
from placement.weights import WeightTable
from scheduler.ledger import Ledger
from scheduler.ports import LedgerDown
from scheduler.summary import Json, cost_summary, finite, flow_rows, load_rows
from scheduler.translate import loop_configuration


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan and what it would change."""

    fleet: Fleet
    problem: Problem
    before: Routing
    before_cost: Cost
    before_source: str
    """Where `before` comes from, for people."""
    plan: Plan


async def preview(documents: Documents) -> Preview:
    """The plan for declared demand, against what the ledger says stands, or else every flow to its nearest cluster.

    Raises placement.solve.linear.Unsolved.
    """
    configuration = loop_configuration(documents)
    fleet = configuration.fleet
    tables, source = await standing_tables(documents.policy.server.ledger)
    before = routing_of(fleet, tables, nearest(fleet))
    whole = np.ones(len(fleet.backends))
    snapshot = Snapshot(0.0, configuration.declared, before, bools(whole), floats(whole))
    problem = formulate(fleet, snapshot, configuration.policy.prices)
    return Preview(fleet, problem, before, evaluate(problem, before), source, solve_routing(problem))


async def standing_tables(url: str) -> tuple[dict[OriginId, WeightTable], str]:
    """What a ledger says stands. It is only read; one that is not there yet means that nothing stands."""
    ledger = Ledger(url, readonly=True)
    try:
        return await ledger.tables(), f"ledger {url}"
    except LedgerDown:
        return {}, "nearest cluster (no ledger yet)"
    finally:
        ledger.close()


def explanations(found: Preview, wanted: str) -> list[Explanation]:
    """Why the plan's shares are what they are, for `service@origin` or all flows of `service`; empty if unknown."""
    names = [found.fleet.flow_name(f) for f in range(len(found.fleet.flows))]
    chosen = [f for f, name in enumerate(names) if wanted in {name, name.split("@")[0]}]
    prices = shadow_prices(found.problem)
    return [explain(found.problem, found.plan.routing, prices, f) for f in chosen]


def preview_summary(found: Preview) -> Json:
    """The shape of `GET /api/v1/plan`, for what it has in common with it."""
    return {
        "format_version": 1,
        "reason": str(found.plan.reason),
        "before_source": found.before_source,
        "certified_gap": finite(found.plan.gap),
        "guards": [],
        "cost_before_usd_per_hour": cost_summary(found.before_cost),
        "cost_usd_per_hour": cost_summary(found.plan.cost),
        "flows_before": flow_rows(found.fleet, found.problem, found.before, {}),
        "flows": flow_rows(found.fleet, found.problem, found.plan.routing, {}),
        "backends": load_rows(found.fleet, found.problem, found.plan.routing),
    }
