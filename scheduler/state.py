"""What the loop carries from one tick to the next, and how it is carried over to a changed fleet."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from health.verdict import Verdicts, all_up, carried_verdicts, usable
from placement.baseline import nearest
from placement.columns import Floats, Ints, floats, index_of, ints, lookup
from placement.failover import FailoverTable
from placement.fleet import Fleet, OriginId
from placement.problem import Problem
from placement.quantize import routing_of
from placement.readings import Readings
from placement.routing import Routing
from placement.weights import WeightTable
from scheduler.conduct import Conduct, ConductLimits, carried_conduct, first_conduct
from scheduler.foresight import Foresight
from scheduler.hygiene import Memory

CONDUCT_LIMITS = ConductLimits()


class Mode(StrEnum):
    """What the loop may do on its own."""

    AUTO = "auto"
    FROZEN = "frozen"
    """The optimizer moves nothing; a confirmed loss is still evacuated."""
    STOPPED = "stopped"
    """Nothing is pushed, whatever happens."""
    DRILLING = "drilling"
    """As frozen, for as long as a drill moves traffic: nobody sets it by hand."""
    SAFE = "safe"
    """As frozen, for as long as the loop cannot trust its senses or tools; see scheduler.safety. Nor is this set."""


@dataclass(frozen=True, slots=True)
class State:
    """The memory of the loop. Frozen: a tick returns the next one."""

    fleet: Fleet
    readings: Readings
    memory: Memory
    verdicts: Verdicts
    routing: Routing
    """What was last decided; stands in for a mesh that has no table."""
    tables: Mapping[OriginId, WeightTable]
    """What each mesh last said it has, or took from us."""
    epoch: int
    version: int = 0
    turn: int = 0
    solved_at_s: float = -np.inf
    """When the optimizer last took a step."""
    problem: Problem | None = None
    """Of the last tick: its prices serve a loss that cannot wait for a new one."""
    foresight: Foresight | None = None
    """What is believed of demand; None until some was measured."""
    failover: FailoverTable | None = None
    gateways: Verdicts = field(kw_only=True)
    """(C,) what is believed of the ways into the clusters; those that nobody probes apart are UP."""
    conduct: Conduct = field(kw_only=True)
    """What we did, which bounds what we do next."""


def initial_state(
    fleet: Fleet,
    declared: Readings,
    tables: Mapping[OriginId, WeightTable],
    epoch: int,
    at_s: float,
    limits: ConductLimits = CONDUCT_LIMITS,
    good: Mapping[OriginId, WeightTable] | None = None,
) -> State:
    """Where a controller starts: what the meshes have stands; a fleet without any begins at the nearest clusters.

    Declared readings are infinitely old, so a restarted controller holds until something was measured. Only where
    nothing stands yet does it plan with what was declared. `good` is what an earlier controller knew to be.
    """
    declared = replace(declared, at_s=-np.inf if tables else at_s)
    routing = routing_of(fleet, tables, nearest(fleet))
    version = max((table.version for table in tables.values()), default=0)
    known = routing_of(fleet, good, routing) if good else None
    return State(
        fleet=fleet,
        readings=declared,
        memory=Memory.empty(),
        verdicts=all_up(len(fleet.backends), at_s),
        routing=routing,
        tables=tables,
        epoch=epoch,
        version=version,
        gateways=all_up(len(fleet.clusters), at_s),
        conduct=first_conduct(fleet, routing, at_s, limits, known),
    )


def adopt(state: State, fleet: Fleet, declared: Readings, at_s: float, limits: ConductLimits = CONDUCT_LIMITS) -> State:
    """The same memory for a fleet that was reloaded: rows are found by name, new ones start as declared and up."""
    flow_row, backend_row = _flow_rows(state.fleet, fleet), backend_rows(state.fleet, fleet)
    last = state.readings
    readings = Readings(
        at_s=last.at_s,
        demand_rps=_carried(last.demand_rps, flow_row, declared.demand_rps),
        capacity_rps=declared.capacity_rps,
        latency_ms=_carried(last.latency_ms, backend_row, declared.latency_ms),
        error_ratio=_carried(last.error_ratio, backend_row, declared.error_ratio),
    )
    verdicts = carried_verdicts(state.verdicts, backend_row, at_s)
    services = _renamed(state.fleet.services.ids, fleet.services.ids)
    same = len(flow_row) == len(state.fleet.flows) and bool((flow_row == np.arange(len(flow_row))).all())
    same = same and state.fleet.clusters.ids == fleet.clusters.ids
    return replace(
        state,
        fleet=fleet,
        readings=readings,
        memory=Memory.empty(),
        verdicts=verdicts,
        routing=routing_of(fleet, state.tables, nearest(fleet, usable(verdicts))),
        problem=None,
        foresight=None,
        failover=None,
        gateways=carried_verdicts(state.gateways, _renamed(state.fleet.clusters.ids, fleet.clusters.ids), at_s),
        conduct=carried_conduct(state.conduct, backend_row, services, same, at_s, limits),
    )


def _carried(last: Floats, row: Ints, declared: Floats) -> Floats:
    return floats(np.where(row >= 0, last[np.maximum(row, 0)] if len(last) else 0.0, declared))


def _renamed(old: tuple[str, ...], new: tuple[str, ...]) -> Ints:
    """(new,) the row of each new name among the old ones, -1 where it is new."""
    rows = index_of(old)
    return ints([rows.get(name, -1) for name in new])


def _flow_rows(old: Fleet, new: Fleet) -> Ints:
    service, origin = _renamed(old.services.ids, new.services.ids), _renamed(old.origins.ids, new.origins.ids)
    s, o = service[new.flows.service], origin[new.flows.origin]
    row = lookup(old.flows.service * len(old.origins) + old.flows.origin, s * len(old.origins) + o)
    return ints(np.where((s >= 0) & (o >= 0), row, -1))


def backend_rows(old: Fleet, new: Fleet) -> Ints:
    """(B of new,) the row that each backend had in the old fleet, -1 where it is new."""
    service, cluster = _renamed(old.services.ids, new.services.ids), _renamed(old.clusters.ids, new.clusters.ids)
    s, c = service[new.backends.service], cluster[new.backends.cluster]
    row = old.backends.row(np.maximum(s, 0), np.maximum(c, 0), len(old.clusters))
    return ints(np.where((s >= 0) & (c >= 0), row, -1))
