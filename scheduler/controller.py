"""The edges of a running controller, and how they follow new documents: probes, sources, connectors."""

import asyncio
import time
from collections.abc import Awaitable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog

from config.configuration import Configuration as Documents
from config.telemetry import LoadReports as LoadReporting
from connectors.connector import Connector, Refused
from connectors.fenced import FencedConnector
from connectors.haproxy.connector import HaproxyConnector
from connectors.haproxy.dataplane import DataPlaneConnector
from connectors.haproxy.spec import HaproxySpec
from connectors.haproxy.statistics import HaproxyStatistics
from connectors.kubernetes.connector import KubernetesConnector
from connectors.otlp import OtlpMetrics
from connectors.telemetry import TelemetrySource
from connectors.xds.connector import XdsConnector
from connectors.xds.load import LoadReports
from connectors.xds.server import XdsServer
from connectors.xds.serving import ServingQuality
from connectors.xds.spec import MeshSpec
from health.destinations import Destinations
from health.prober import Prober
from placement.columns import Floats, Ints, floats
from placement.fleet import ClusterId, OriginId, ServiceId
from scheduler.drill_probes import PathProbes
from scheduler.endpoints import Endpoints
from scheduler.index import index_fleet
from scheduler.intake import Collector
from scheduler.kubernetes import Reach, Reached, kubernetes_meshes
from scheduler.meshes import Scene, connector_of, scenes
from scheduler.ports import Configuration
from scheduler.sources import Asked, sources_of
from scheduler.state import backend_rows
from scheduler.translate import haproxy_specs, loop_configuration, mesh_specs, pace_of, probe_targets
from scheduler.vantages import Roster
from scheduler.watch import ProbeWatch

DEMAND_EVERY_S = 1.0
"""Load reports become demand this often at most, or it would be noise; what clients saw is taken as it comes."""

log = structlog.get_logger()


@dataclass(slots=True)
class Controller:
    """Everything a running controller holds. Made by `serve`, and changed between two ticks when documents change."""

    xds: XdsServer
    watch: ProbeWatch
    collector: Collector
    prober: Prober
    endpoints: Endpoints
    roster: Roster
    connectors: dict[OriginId, Connector] = field(default_factory=dict)
    reports: dict[OriginId, LoadReports | HaproxyStatistics] = field(default_factory=dict)
    scenes: dict[OriginId, Scene] = field(default_factory=dict)
    reaches: dict[OriginId, Reach] = field(default_factory=dict)
    """Where the API server of a connector is."""
    otlp: OtlpMetrics = field(default_factory=lambda: OtlpMetrics(time.monotonic, time.time))
    """What exporters of OpenTelemetry push to us."""
    asked: list[Asked] = field(default_factory=list)
    """Sources that documents ask for."""
    backend_row: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    """(service, cluster) -> row."""
    current: Configuration | None = None
    tasks: set[asyncio.Task[object]] = field(default_factory=set)
    places: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Latitude and longitude of what the regions of clouds do not tell."""

    def apply(self, documents: Documents) -> Configuration:
        """Let probes, sources and connectors follow new documents, and hand the loop its part of them."""
        configuration = loop_configuration(documents)
        fleet = configuration.fleet
        rows = backend_rows(self.current.fleet, fleet) if self.current else np.full(len(fleet.backends), -1)
        self._probe(documents, configuration, rows)
        self.backend_row = index_fleet(fleet, configuration.declared.capacity_rps).backends
        for origin, spec in mesh_specs(documents).items():
            self._connect(origin, spec, documents)
        steered = haproxy_specs(documents)
        for origin, haproxy in steered.items():
            self._steer(origin, haproxy, documents)
        reached = kubernetes_meshes(documents)
        for origin, mesh in reached.items():
            self._reach(origin, mesh)
        keeping = scenes(documents)
        for origin, scene in keeping.items():
            self._keep(origin, scene)
        for gone in set(self.connectors) - set(mesh_specs(documents)) - set(steered) - set(reached) - set(keeping):
            self._let_go(gone)
            del self.connectors[gone]
        self.close()
        self.collector.start(self._sources(documents))
        self.current = configuration
        return configuration

    async def start(self, xds: tuple[str, int]) -> None:
        """Listen for proxies."""
        await self.xds.start(*xds)

    def path_probes(self) -> PathProbes:
        """Who asks along the paths of failovers."""
        return PathProbes(time.time)

    def works(self) -> Iterable[Coroutine[Any, Any, None]]:
        """What runs for as long as the controller."""
        return (self.prober.run(),)

    def witness(self, seen: Sequence[tuple[ServiceId, ClusterId, int, int]], from_s: float, at_s: float) -> None:
        """What clients saw of backends: (service, cluster, answered well, failed)."""
        known = [(self.backend_row[s, c], good, bad) for s, c, good, bad in seen if (s, c) in self.backend_row]
        if known:
            row, good, bad = np.array(known, dtype=np.int64).T
            self.watch.witness(row, good.astype(np.float64), bad.astype(np.float64), from_s, at_s)

    def probed_p95_ms(self) -> Floats:
        """(B,) p95 of the controller's probes of each backend, of its slowest address; NaN where there are too few."""
        took, backend = self.prober.p95_s() * 1e3, self.endpoints.backend
        worst = np.full(len(self.backend_row), np.nan)
        if len(took) == len(backend):
            np.fmax.at(worst, backend, took)
        return floats(worst)

    def _probe(self, documents: Documents, configuration: Configuration, rows: Ints) -> None:
        """`rows`: where each backend was before, -1 for new ones."""
        probes, backends = documents.policy.probes, configuration.fleet.backends
        probed = list(probe_targets(documents, configuration.fleet))
        targets, pace = [p.target for p in probed], pace_of(documents.policy)
        vantage_rows = self.roster.assign(probes.vantages, targets, pace)
        self.watch.retarget(rows, configuration.policy.rules, vantage_rows, backends.service, backends.cluster,
            clusters=len(configuration.fleet.clusters))  # fmt: skip
        self.endpoints.replace(probed, len(vantage_rows), backends.cluster)
        self.prober.pace, self.prober.destinations = pace, Destinations.of(probes.allow)
        self.prober.replace(targets)

    def _connect(self, origin: OriginId, spec: MeshSpec, documents: Documents) -> None:
        known = self.connectors.get(origin)
        if isinstance(known, XdsConnector):
            self._background(_follow(known, spec))
            return
        self._let_go(origin)
        reports = LoadReports(spec, time.monotonic, _interval_s(documents, origin), self.witness)
        self.reports[origin] = reports
        self.connectors[origin] = XdsConnector(spec, self.xds, reports)

    def _steer(self, origin: OriginId, spec: HaproxySpec, documents: Documents) -> None:
        known, counted = self.connectors.get(origin), self.reports.get(origin)
        if isinstance(known, HaproxyConnector) and isinstance(counted, HaproxyStatistics):
            known.spec = counted.spec = spec
            return
        self._let_go(origin)
        interval_s = _interval_s(documents, origin)
        statistics = HaproxyStatistics(spec, time.monotonic, interval_s, self.witness, DEMAND_EVERY_S)
        self.reports[origin] = statistics
        self.connectors[origin] = HaproxyConnector(spec, statistics)

    def _reach(self, origin: OriginId, mesh: Reached) -> None:
        """All state of such a mesh is in its cluster: a new connector knows what the old one knew."""
        known = self.connectors.get(origin)
        same = isinstance(known, KubernetesConnector) and self.reaches.get(origin) == mesh.reach
        if not same:
            self._let_go(origin)
        api = known.api if isinstance(known, KubernetesConnector) and same else None
        self.connectors[origin], self.reaches[origin] = mesh.connector(api), mesh.reach

    def _keep(self, origin: OriginId, scene: Scene) -> None:
        """A mesh that keeps our table itself: a new connector knows what the old one knew."""
        if self.scenes.get(origin) == scene and origin in self.connectors:
            return
        self._let_go(origin)
        self.connectors[origin], self.scenes[origin] = connector_of(scene), scene

    def _let_go(self, origin: OriginId) -> None:
        """What an origin held when its mesh was another one."""
        self.xds.dismiss(origin)
        for held in (self.reports, self.reaches, self.scenes):
            held.pop(origin, None)
        closing = _closing(self.connectors.get(origin))
        if closing is not None:
            self._background(closing)

    def _background(self, work: Awaitable[None]) -> None:
        task: asyncio.Task[object] = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def hang_up(self) -> None:
        """Give up the connections to the APIs of meshes."""
        for connector in self.connectors.values():
            closing = _closing(connector)
            if closing is not None:
                await closing

    def close(self) -> None:
        """Stop collecting, and give up what sources hold."""
        self.collector.stop()
        while self.asked:
            closing = self.asked.pop().close()
            if closing is not None:
                self._background(closing)

    def _sources(self, documents: Documents) -> list[tuple[TelemetrySource, float]]:
        """Every source and how often to ask it."""
        sources: list[tuple[TelemetrySource, float]] = [
            (r, r.interval_s if isinstance(r, HaproxyStatistics) else max(r.interval_s, DEMAND_EVERY_S))
            for r in self.reports.values()
        ]
        self.asked = sources_of(documents)
        sources.append((self.otlp, documents.policy.tick.period_seconds))
        told = [r.serving for r in self.reports.values() if isinstance(r, LoadReports)]
        sources.append((ServingQuality(lambda: told, time.monotonic), documents.policy.tick.period_seconds))
        return sources + [(asked.source, asked.every_s) for asked in self.asked]


def _closing(connector: Connector | None) -> Awaitable[None] | None:
    """Giving up the connections of a connector that has some."""
    if isinstance(connector, KubernetesConnector):
        return connector.api.close()
    return connector.close() if isinstance(connector, FencedConnector | DataPlaneConnector) else None


def _interval_s(documents: Documents, origin: OriginId) -> float:
    asked = (o.spec.telemetry.load_reports for o in documents.origins if o.name == origin)
    return next((reports.interval_seconds for reports in asked if reports), LoadReporting().interval_seconds)


async def _follow(connector: XdsConnector, spec: MeshSpec) -> None:
    try:
        await connector.replace_spec(spec)
    except Refused as refusal:
        log.warning("address book refused", origin=connector.origin, detail=str(refusal))
