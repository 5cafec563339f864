"""What a controller would decide for some documents, without one running: declared demand, the production solver."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from config.configuration import Configuration as Documents
from placement.baseline import nearest
from placement.columns import bools, floats
from placement.cost import Cost, evaluate
from placement.fleet import Fleet, OriginId
from placement.plan import Plan
from placement.problem import Problem, formulate
from placement.quantize import routing_of
from placement.readings import Snapshot
from placement.routing import Routing
from placement.solve.routing import solve_routing
from placement.weights import WeightTable
from scheduler.history import tables_at
from scheduler.ledger import Ledger
from scheduler.ports import Configuration, LedgerDown
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
    problem = formulate(fleet, declared_snapshot(configuration, before), configuration.policy.prices)
    return Preview(fleet, problem, before, evaluate(problem, before), source, solve_routing(problem))


def declared_snapshot(configuration: Configuration, routing: Routing) -> Snapshot:
    """Declared readings over a standing routing, with everything up and warm."""
    whole = np.ones(len(configuration.fleet.backends))
    return Snapshot(0.0, configuration.declared, routing, bools(whole), floats(whole))


async def standing_tables(url: str) -> tuple[dict[OriginId, WeightTable], str]:
    """What a ledger says stands. It is only read; one that is not there yet means that nothing stands."""
    ledger = Ledger(url, readonly=True)
    try:
        tables = await ledger.tables()
    except LedgerDown:
        return {}, "nearest cluster (no ledger yet)"
    finally:
        ledger.close()
    return tables, f"ledger {url}" if tables else f"nearest cluster (no weights yet in ledger {url})"


async def tables_that_stood(url: str, wall_s: float) -> tuple[dict[OriginId, WeightTable], str]:
    """What a ledger says stood at a time in seconds since 1970. Raises LedgerDown, scheduler.history.NothingYet."""
    ledger = Ledger(url, readonly=True)
    try:
        tables, at_s = await ledger.transact(lambda session: tables_at(session, wall_s))
    finally:
        ledger.close()
    when = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
    return tables, f"ledger {url}, after the turn of {when}"


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
        "flows_before": list(flow_rows(found.fleet, found.problem, found.before, {})),
        "flows": list(flow_rows(found.fleet, found.problem, found.plan.routing, {})),
        "backends": load_rows(found.fleet, found.problem, found.plan.routing),
    }
