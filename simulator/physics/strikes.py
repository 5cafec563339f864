"""What each fault does to the truth: one function per fault. The order of events does not matter."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from placement.columns import Bools, Floats
from placement.fleet import Fleet
from simulator.physics.truth import Truth, undisturbed
from simulator.scenario import faults as f

CONTROLLER = "controller"
GPU = 3
"""Column of placement.fleet.RESOURCES."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Where things happen, and when: what a fault needs to know beside itself."""

    fleet: Fleet
    zones: Mapping[str, int]
    """By cluster; one without an entry has 3."""
    now_s: float

    def clusters(self, name: str) -> Bools:
        """(C,) the named cluster, or all."""
        return np.array([name in (c, "*") for c in self.fleet.clusters.ids])

    def origins(self, name: str) -> Bools:
        """(O,) the named origin, the mesh of the named cluster, or all."""
        homes = [self.fleet.clusters.ids[c] if c >= 0 else "" for c in self.fleet.origins.cluster.tolist()]
        return np.array([name in (o, c, "*") for o, c in zip(self.fleet.origins.ids, homes, strict=True)])

    def backends(self, cluster: str, service: str = "*") -> Bools:
        """(B,) of the named cluster and service."""
        here = np.array([service in (s, "*") for s in self.fleet.services.ids])
        return np.asarray(self.clusters(cluster)[self.fleet.backends.cluster] & here[self.fleet.backends.service])


def truth_at(events: Iterable[f.Event], scene: Scene) -> Truth:
    """All events that are going on at the time of the scene, folded."""
    truth = undisturbed(scene.fleet)
    for event in events:
        if going_on(event, scene.now_s):
            strike(event, truth, scene)
    return truth


def going_on(event: f.Event, now_s: float) -> bool:
    """Whether an event has begun and not ended."""
    return event.at <= now_s and (event.lasts is None or now_s < event.at + event.lasts)


def boundaries(event: f.Event, until_s: float) -> list[float]:
    """When an event changes the truth."""
    end_s = until_s if event.lasts is None else min(until_s, event.at + event.lasts)
    times = [event.at, end_s]
    if isinstance(event, f.AzOutage):
        times.append(event.at + event.eject)
    if isinstance(event, f.Flapping):
        rounds = np.arange(event.at, end_s, event.period)
        times += [*rounds.tolist(), *(rounds + (1 - event.up_ratio) * event.period).tolist()]
    return sorted({t for t in times if t <= end_s})


@singledispatch
def strike(event: f.Event, truth: Truth, scene: Scene) -> None:
    """Let an event take effect on the truth."""
    raise NotImplementedError(type(event).__name__)


@strike.register
def _(event: f.ClusterOutage, truth: Truth, scene: Scene) -> None:
    truth.cluster_up &= ~scene.clusters(event.cluster)


@strike.register
def _(event: f.RegionOutage, truth: Truth, scene: Scene) -> None:
    truth.cluster_up &= np.array([r != event.region for r in scene.fleet.clusters.region])


@strike.register
def _(event: f.ProviderOutage, truth: Truth, scene: Scene) -> None:
    truth.cluster_up &= np.array([p != event.provider for p in scene.fleet.clusters.provider])


@strike.register
def _(event: f.AzOutage, truth: Truth, scene: Scene) -> None:
    part = np.where(scene.backends(event.cluster), 1 / scene.zones.get(event.cluster, 3), 0.0)
    truth.capacity *= 1 - part
    if scene.now_s < event.at + event.eject:
        truth.error_ratio = _either(truth.error_ratio, part)
        truth.probe_error_ratio = _either(truth.probe_error_ratio, part)


@strike.register
def _(event: f.GatewayLoss, truth: Truth, scene: Scene) -> None:
    truth.gateway_up &= ~scene.clusters(event.cluster)


@strike.register
def _(event: f.ServiceOutage, truth: Truth, scene: Scene) -> None:
    truth.backend_up &= ~scene.backends(event.cluster, event.service)


@strike.register
def _(event: f.Gray, truth: Truth, scene: Scene) -> None:
    here = scene.backends(event.cluster, event.service)
    truth.error_ratio = _either(truth.error_ratio, np.where(here, event.error_ratio, 0.0))
    truth.slow_ms = truth.slow_ms + np.where(here, event.slowdown_ms, 0.0)
    if event.probed:
        truth.probe_error_ratio = _either(truth.probe_error_ratio, np.where(here, event.error_ratio, 0.0))


@strike.register
def _(event: f.Latency, truth: Truth, scene: Scene) -> None:
    truth.path_ms += np.where(_path(event.origin, event.cluster, scene), event.ms, 0.0)


@strike.register
def _(event: f.Loss, truth: Truth, scene: Scene) -> None:
    truth.path_ok *= np.where(_path(event.origin, event.cluster, scene), 1 - event.ratio, 1.0)
    if event.origin in {CONTROLLER, "*"}:
        truth.control_ok *= np.where(scene.clusters(event.cluster), 1 - event.ratio, 1.0)


@strike.register
def _(event: f.Partition, truth: Truth, scene: Scene) -> None:
    ways = [(event.origin, event.cluster), (event.cluster, event.origin)]
    for sender, receiver in ways if event.two_way else ways[:1]:
        if receiver == CONTROLLER:
            truth.heard[:-1] &= ~_homes(sender, scene)
        elif sender == CONTROLLER:
            truth.control_ok *= np.where(_homes(receiver, scene), 0.0, 1.0)
        else:
            truth.path_ok *= np.where(_path(sender, receiver, scene), 0.0, 1.0)


@strike.register
def _(event: f.CapacityLoss, truth: Truth, scene: Scene) -> None:
    truth.capacity *= np.where(scene.backends(event.cluster, event.service), 1 - event.ratio, 1.0)


@strike.register
def _(event: f.GpuPreemption, truth: Truth, scene: Scene) -> None:
    sites, pools = scene.fleet.sites, scene.fleet.pools
    on_gpu = np.zeros(len(scene.fleet.backends), dtype=bool)
    on_gpu[sites.backend[pools.capacity[sites.pool, GPU] > 0]] = True
    truth.capacity *= np.where(on_gpu & scene.backends(event.cluster), 1 - event.ratio, 1.0)


@strike.register
def _(event: f.PriceChange, truth: Truth, scene: Scene) -> None:
    truth.price *= np.where(scene.clusters(event.cluster), event.factor, 1.0)


@strike.register
def _(event: f.DemandSurge, truth: Truth, scene: Scene) -> None:
    flows = scene.fleet.flows
    service = np.array([event.service in (s, "*") for s in scene.fleet.services.ids])[flows.service]
    truth.demand *= np.where(service & scene.origins(event.origin)[flows.origin], event.factor, 1.0)


@strike.register
def _(event: f.TelemetryStale, truth: Truth, scene: Scene) -> None:
    truth.heard &= np.append(~scene.clusters(event.cluster), event.cluster != "*")


@strike.register
def _(event: f.TelemetryLie, truth: Truth, scene: Scene) -> None:
    factor = float("nan") if event.not_a_number else event.factor
    truth.lies.append((event.signal, scene.clusters(event.cluster), factor))


@strike.register
def _(event: f.ClockSkew, truth: Truth, scene: Scene) -> None:
    truth.skew_s += np.where(scene.clusters(event.cluster), event.seconds, 0.0)


@strike.register
def _(event: f.ConnectorError, truth: Truth, scene: Scene) -> None:
    here = scene.origins(event.origin)
    truth.mesh_reached &= ~here
    truth.mesh_applies |= here & event.applies


@strike.register
def _(event: f.PushReject, truth: Truth, scene: Scene) -> None:
    truth.mesh_rejects |= scene.origins(event.origin)


@strike.register
def _(event: f.PushPartial, truth: Truth, scene: Scene) -> None:
    truth.mesh_part = np.minimum(truth.mesh_part, np.where(scene.origins(event.origin), event.ratio, 1.0))


@strike.register
def _(event: f.ProbeFailure, truth: Truth, scene: Scene) -> None:
    truth.probe_loss = 1 - (1 - truth.probe_loss) * (1 - event.ratio)


@strike.register
def _(event: f.SolverOutage, truth: Truth, scene: Scene) -> None:
    truth.solves = False


@strike.register
def _(event: f.LedgerOutage, truth: Truth, scene: Scene) -> None:
    truth.records = False


@strike.register
def _(event: f.ControllerCrash, truth: Truth, scene: Scene) -> None:
    truth.controls = False


@strike.register
def _(event: f.Flapping, truth: Truth, scene: Scene) -> None:
    into = (scene.now_s - event.at) % event.period
    if into < (1 - event.up_ratio) * event.period - 1e-9:
        truth.cluster_up &= ~scene.clusters(event.cluster)


def _either(one: Floats, other: Floats) -> Floats:
    """Probability that one of two independent things happens."""
    return np.asarray(1 - (1 - one) * (1 - other), dtype=np.float64)


def _path(sender: str, receiver: str, scene: Scene) -> Bools:
    """(O, C) the paths from an origin or a cluster's mesh to a cluster."""
    return np.asarray(scene.origins(sender)[:, None] & scene.clusters(receiver)[None, :])


def _homes(name: str, scene: Scene) -> Bools:
    """(C,) the cluster of that name, or that an origin of that name is the mesh of."""
    homes = scene.fleet.origins.cluster[scene.origins(name)]
    out = scene.clusters(name)
    out[homes[homes >= 0]] = True
    return out
