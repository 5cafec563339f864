"""The world: its state, and the one step that moves it. Events make its truth; connectors and clients its weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from placement.baseline import nearest
from placement.columns import Bools, Floats, Ints
from placement.fleet import Fleet, OriginId
from placement.quantize import routing_of, table_entries
from placement.readings import Readings
from placement.weights import WeightTable
from simulator.physics.demand import Curves
from simulator.physics.hops import Conditions, Passage, traverse
from simulator.physics.layout import Entries, Layout, entries_of, total
from simulator.physics.mesh import DelayedMesh
from simulator.physics.queues import amplified, approached
from simulator.physics.replicas import Replicas
from simulator.physics.standbys import Attempts, nobody, ranked, with_second_attempts
from simulator.physics.truth import Truth
from simulator.scenario.model import WorldShape

DRIFT_S = 120.0
"""How long noise of demand remembers itself."""
IMPATIENT_S = 1.0
"""How long it takes until failures make retries."""
SETTLED = 1e-4
"""Shares closer than this to where they go are there."""


@dataclass(frozen=True, slots=True)
class Happening:
    """What one step was like, for who keeps the books."""

    at_s: float
    """Its end."""
    step_s: float
    asked_rps: Floats
    """(F,) by users."""
    came_rps: Floats
    """(F,) that reached a mesh, by users."""
    again_rps: Floats
    """(F,) retries."""
    entries: Entries
    again: Floats
    """(N,) shares of retries."""
    passage: Passage
    path_ok: Floats
    """(N,) part of the requests that passes."""
    lost: Bools
    """(N,) entries that lead to what is dead."""
    moved_rps: float
    """Requests/s that changed cluster since the step before."""
    replica_usd: float | None
    """$/h of the replicas that run; None where they are taken to follow load exactly."""


class World:
    """Everything that is not the controller. Deterministic by its seed."""

    def __init__(
        self,
        layout: Layout,
        declared: Readings,
        curves: Curves,
        meshes: Mapping[OriginId, DelayedMesh],
        shape: WorldShape,
        rng: np.random.Generator,
        truth: Truth,
    ) -> None:
        self.layout, self.curves, self.meshes, self.shape, self.rng = layout, curves, meshes, shape, rng
        self.now_s = 0.0
        self.truth = truth
        fleet = layout.fleet
        self.replicas = Replicas(fleet, declared.capacity_rps, shape)
        self.drift = rng.standard_normal(len(fleet.flows))
        self.backlog = np.zeros(len(fleet.backends) + 1)
        self.fail_ratio = np.zeros(len(fleet.flows))
        self.gone = np.zeros(len(fleet.origins))
        """(O,) part of the clients of each mesh that come in at its heir."""
        self.rank = nobody(fleet)
        """(F, C) the order in which meshes try clusters; kept where they try again by themselves."""
        self.aim = nearest(fleet).dense()
        self.share = self.aim
        self.again = np.zeros(0)
        self._weights_changed(self.share)
        self.alter(truth)

    @property
    def fleet(self) -> Fleet:
        """What exists."""
        return self.layout.fleet

    def alter(self, truth: Truth) -> None:
        """An event begins or ends: meshes and paths feel it."""
        fleet = self.fleet
        revived = truth.answers(fleet) & ~self.truth.answers(fleet)
        self.replicas.cool(revived)
        self.truth = truth
        reached = truth.takes_weights(fleet)
        for row, origin in enumerate(fleet.origins.ids):
            mesh = self.meshes[origin]
            mesh.reachable = bool(reached[row])
            mesh.deaf = bool(truth.mesh_applies[row])
            mesh.objection = "a proxy says no" if truth.mesh_rejects[row] else ""
            mesh.part = float(truth.mesh_part[row])
        self.heir = _heirs(fleet, truth.meshes_up(fleet))
        self._paths_changed()

    def begin(self, tables: Mapping[OriginId, WeightTable]) -> None:
        """Weights that stand already when time begins."""
        for origin, table in tables.items():
            self.meshes[origin].table = table
            self._rank(origin, table)
        self.share = self.aim = routing_of(self.fleet, tables, nearest(self.fleet)).dense()
        self._weights_changed(self.share)

    def reprice(self, layout: Layout) -> None:
        """The same fleet with other prices."""
        self.layout = layout

    def step(self, step_s: float) -> Happening:
        """One interval of traffic."""
        shape = self.shape
        self.now_s = round(self.now_s + step_s, 6)
        moved = self._apply_weights(step_s)
        asked, came = self._asked(step_s)
        again_rps = came * amplified(self.fail_ratio, shape.clients.retries, shape.clients.retry_budget)
        passage = traverse(self.layout, self.entries, came, again_rps, self.again, self._conditions(step_s))
        self.backlog = passage.backlog
        fails = 1 - total(self.entries.row, self.entries.share * passage.ok, len(came)) - self.entries.shed
        self.fail_ratio = approached(self.fail_ratio, np.clip(fails, 0.0, 1.0), step_s, IMPATIENT_S)
        self.again = _elsewhere(self.entries, passage.ok, len(came))
        self.replicas.follow(passage.load_rps[:-1], self.now_s, step_s)
        lost = ~self.answers[self.entries.backend] | (self.path_ok <= 0.0)
        moved_rps = float((moved * passage.arrived_rps).sum())
        spent = self.replicas.usd_per_hour()
        return Happening(
            self.now_s,
            step_s,
            asked,
            came,
            again_rps,
            self.entries,
            self.again,
            passage,
            self.path_ok,
            lost,
            moved_rps,
            spent,
        )

    def capacity_rps(self) -> Floats:
        """(B,) requests/s that each back end could serve now, were it warm."""
        return np.asarray(self.replicas.capacity_rps() * self.truth.capacity * self.answers[:-1], dtype=np.float64)

    def _conditions(self, step_s: float) -> Conditions:
        warm = self.capacity_rps() * self.replicas.warmth()
        error = np.append(np.where(self.answers[:-1], self.truth.error_ratio, 1.0), 1.0)
        return Conditions(
            capacity_rps=np.append(warm * self.shape.saturation, 0.0),
            rated_rps=np.append(warm, 0.0),
            error_ratio=error,
            slow_ms=np.append(self.truth.slow_ms, 0.0),
            path_ok=self.path_ok,
            path_ms=self.path_ms,
            backlog=self.backlog,
            queue_s=self.shape.queue,
            step_s=step_s,
            timeout_s=self.shape.clients.timeout,
        )

    def _asked(self, step_s: float) -> tuple[Floats, Floats]:
        """(F,) what users ask for, and what of it reaches a mesh: clients of a dead one leave it by and by."""
        fleet, keep = self.fleet, float(np.exp(-step_s / DRIFT_S))
        noise = self.rng.standard_normal(len(self.drift))
        self.drift = keep * self.drift + np.sqrt(1 - keep**2) * noise
        asked = self.curves.rps(self.now_s, self.drift) * self.truth.demand
        up = self.truth.meshes_up(fleet)
        self.gone = approached(self.gone, (~up).astype(np.float64), step_s, self.shape.clients.dns_ttl)
        if not (self.gone > SETTLED).any() and up.all():
            return asked, asked
        gone = self.gone[fleet.flows.origin]
        stays = asked * (1 - gone) * up[fleet.flows.origin]
        return asked, stays + total(self.heir, asked * gone, len(asked)) * up[fleet.flows.origin]

    def _apply_weights(self, step_s: float) -> Floats:
        """(F,) part of each flow that changes cluster in this step."""
        fleet = self.fleet
        for origin in fleet.origins.ids:
            mesh = self.meshes[origin]
            mesh.now_s = self.now_s
            for table, part in mesh.taking_effect(self.now_s) if mesh.due else ():
                self.retarget(origin, table, part)
        if self.aim is self.share:
            return np.zeros(len(fleet.flows))
        before = self.share
        slow = fleet.origins.cluster[fleet.flows.origin] < 0
        near = np.abs(self.aim - before).max(axis=1) < SETTLED
        eased = approached(before, self.aim, step_s, self.shape.clients.dns_ttl)
        self.share = np.where((slow & ~near)[:, None], eased, self.aim)
        if near[slow].all():
            self.aim = self.share
        self._weights_changed(self.share)
        moved = np.maximum(self.share - before, 0.0).sum(axis=1)
        return np.asarray(moved, dtype=np.float64)

    def retarget(self, origin: OriginId, table: WeightTable, part: float) -> None:
        """The flows of one origin go where a table says; `part` of its proxies took it."""
        self._rank(origin, table)
        told = table_entries(self.fleet, {origin: table})
        rows = np.unique(told.flow)
        wanted = np.zeros_like(self.aim)
        np.add.at(wanted, (told.flow, told.column), told.weight / told.unit)
        aim = self.aim.copy()
        aim[rows] = (1 - part) * aim[rows] + part * wanted[rows]
        self.aim = aim

    def _weights_changed(self, share: Floats) -> None:
        self.first = entries_of(self.layout, share)
        self._paths_changed()
        self.again = _elsewhere(self.entries, np.ones(len(self.entries.row)), len(share))

    def _rank(self, origin: OriginId, table: WeightTable) -> None:
        if self.shape.meshes.standby_retry:
            self.rank = ranked(self.fleet, self.rank, origin, table)

    def _paths_changed(self) -> None:
        """(N,) columns of paths for the entries in force, and (B + 1,) what answers."""
        truth = self.truth
        self.answers = np.append(truth.answers(self.fleet), False)
        attempts = self._attempts()
        entries = self.entries = attempts.entries
        door = np.where(entries.outside, truth.gateway_up[entries.cluster], True)
        self.path_ok = truth.path_ok[entries.origin, entries.cluster] * door
        self.path_ms = truth.path_ms[entries.origin, entries.cluster] + attempts.tried_ms
        if len(self.again) != len(entries.row):
            self.again = _elsewhere(entries, np.ones(len(entries.row)), len(self.share))

    def _attempts(self) -> Attempts:
        """What the weights say, and where the mesh sends on by itself what is refused."""
        first, fleet, truth = self.first, self.fleet, self.truth
        refused = ~self.answers[first.backend]
        if not (self.shape.meshes.standby_retry and refused.any()):
            return Attempts(first, np.zeros(len(first.row)))
        flows, every = fleet.flows, np.arange(len(fleet.clusters))
        backend = fleet.backend_of(np.arange(len(flows))[:, None], every[None, :])
        inside = fleet.origins.cluster[flows.origin][:, None] == every
        open_ = self.answers[backend] & (truth.path_ok[flows.origin] > 0) & (inside | truth.gateway_up)
        return with_second_attempts(self.layout, first, self.rank, refused, open_)


def _heirs(fleet: Fleet, up: Bools) -> Ints:
    """(F,) the flow at which clients of each flow come in when its mesh is gone: the same service, nearest mesh."""
    origins, flows = fleet.origins, fleet.flows
    mesh = np.flatnonzero((origins.cluster >= 0) & up)
    heir = np.arange(len(origins))
    if len(mesh):
        near = mesh[fleet.network.rtt_ms[:, origins.cluster[mesh]].argmin(axis=1)]
        heir = np.where(up, heir, near)
    key = flows.service * len(origins) + flows.origin
    wanted = flows.service * len(origins) + heir[flows.origin]
    place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    return np.where(key[place] == wanted, place, np.arange(len(key)))


def _elsewhere(entries: Entries, ok: Floats, flows: int) -> Floats:
    """(N,) shares of retries: as the weights say, among those that answered."""
    weight = entries.share * np.maximum(ok, 1e-3)
    return np.asarray(weight / np.maximum(total(entries.row, weight, flows), 1e-12)[entries.row], dtype=np.float64)
