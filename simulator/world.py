"""A small world in virtual time: clusters that live and die, demand, what probes see and what telemetry says.

Fluid physics in steps of one probe interval. A dead cluster answers nothing and its mesh cannot be reached; its
clients come in at the nearest mesh that lives. A backend serves up to its capacity; the rest fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from connectors.telemetry import Batch, Signal
from placement.baseline import nearest
from placement.columns import Bools, Floats, bools, floats
from placement.demand import displaced, total_demand
from placement.fleet import Fleet, OriginId
from placement.quantize import routing_of
from placement.readings import Readings
from simulator.mesh import SimulatedMesh

STEP_S = 0.25
TELEMETRY_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true now. Events replace it."""

    alive: Bools
    """(C,)"""
    load: float = 1.0
    """Factor on all demand."""
    telemetry: bool = True
    """Whether anything is measured."""
    probes: bool = True
    """Whether probes come through; broken probes see every backend dead."""


@dataclass(slots=True)
class Tally:
    """Requests since the last look."""

    served: float = 0.0
    failed: float = 0.0
    shed: float = 0.0

    @property
    def failed_ratio(self) -> float:
        """Failed over all, 0 when nothing was asked."""
        total = self.served + self.failed + self.shed
        return self.failed / total if total else 0.0


@dataclass(slots=True)
class World:
    """The state of everything that is not us. `advance` is its one law."""

    fleet: Fleet
    declared: Readings
    meshes: Mapping[OriginId, SimulatedMesh]
    facts: Facts
    now_s: float = 0.0
    batches: list[Batch] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def change(self, **facts: object) -> None:
        """An event: replace some facts, and let the meshes feel it."""
        self.facts = replace(self.facts, **facts)  # type: ignore[arg-type]  # names and types are those of Facts
        dead = frozenset(c for c, alive in zip(self.fleet.clusters.ids, self.facts.alive, strict=True) if not alive)
        for index, origin in enumerate(self.fleet.origins.ids):
            cluster = self.fleet.origins.cluster[index]
            self.meshes[origin].reachable = bool(cluster < 0 or self.facts.alive[cluster])
            self.meshes[origin].dead = frozenset(str(c) for c in dead)

    def external_rps(self) -> Floats:
        """(F,) what clients ask of each mesh now."""
        return displaced(self.fleet, self.declared.demand_rps * self.facts.load, ~self.facts.alive)

    def step(self) -> None:
        """One interval of traffic, and telemetry when it is due."""
        fleet = self.fleet
        tables = {origin: mesh.table for origin, mesh in self.meshes.items() if mesh.table is not None}
        routing = routing_of(fleet, tables, nearest(fleet))
        demand = total_demand(fleet, self.external_rps(), routing)
        rps = demand[routing.row] * routing.share
        refused = routing.column == fleet.shed
        cluster = np.minimum(routing.column, len(fleet.clusters) - 1)
        backend = fleet.backends.row(fleet.flows.service[routing.row], cluster, len(fleet.clusters))
        alive = self.facts.alive[fleet.backends.cluster]
        load = np.bincount(backend[~refused], weights=rps[~refused], minlength=len(fleet.backends))
        served = np.minimum(load, np.where(alive, self.declared.capacity_rps, 0.0))
        self.tally.served += float(served.sum()) * STEP_S
        self.tally.failed += float((load - served).sum()) * STEP_S
        self.tally.shed += float(rps[refused].sum()) * STEP_S
        self.now_s = round(self.now_s + STEP_S, 6)
        if self.facts.telemetry and self.now_s % TELEMETRY_EVERY_S == 0:
            self.batches += self._measured(demand)

    def probe(self) -> Bools:
        """(B,) what every probe of this instant says."""
        alive = self.facts.alive[self.fleet.backends.cluster]
        return bools(alive & self.facts.probes)

    def _measured(self, demand: Floats) -> list[Batch]:
        fleet = self.fleet
        mesh = fleet.origins.cluster[fleet.flows.origin]
        heard = np.flatnonzero((mesh < 0) | self.facts.alive[np.maximum(mesh, 0)])
        flows = tuple(
            (fleet.services.ids[s], fleet.origins.ids[o])
            for s, o in zip(fleet.flows.service[heard].tolist(), fleet.flows.origin[heard].tolist(), strict=True)
        )
        return [Batch(Signal.DEMAND_RPS, "world", self.now_s, flows, floats(demand[heard]))]
