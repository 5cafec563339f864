"""An instance in the terms of production: a fleet, its autoscalers, and the problem of some demand."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from benchmarks.policy_fleets.instances import Instance
from benchmarks.policy_fleets.physics import UTILIZATION_TARGET
from placement.baseline import nearest
from placement.columns import Floats, Ints, bools, floats, ints
from placement.fleet import (
    Calls,
    ClusterId,
    Clusters,
    Fleet,
    Flows,
    Network,
    OriginId,
    Origins,
    Pools,
    ServiceId,
    Services,
    Sites,
    backends_of,
)
from placement.problem import DEMAND_FLOOR_RPS, Prices, Problem, formulate
from placement.readings import Readings, Snapshot
from placement.routing import Routing
from placement.sitecost import Autoscaler

GATEWAYS = np.inf


@dataclass(frozen=True, slots=True)
class Model:
    """What production would know of an instance in one situation."""

    instance: Instance
    fleet: Fleet
    snapshot: Snapshot
    shed_usd: Floats
    """(F,) $/h per rps."""

    def problem(self, demand_rps: Floats, load_error: Floats | None = None, prices: Prices | None = None) -> Problem:
        """The problem of (A, O) user demand; nothing is charged for moving, as the study does not."""
        wanted = prices or Prices(churn_ratio=0.0)
        refused = floats(3600 * self.instance.shed_usd)
        made = formulate(self.fleet, self.snapshot, wanted, load_error=load_error, refused_usd=refused)
        return replace(made, shed_usd=self.shed_usd, external_rps=self.external_rps(demand_rps))

    def external_rps(self, demand_rps: Floats) -> Floats:
        """(F,) user demand of every flow."""
        flows = self.fleet.flows
        root = self.fleet.origins.cluster[flows.origin] < 0
        app = self.instance.app[flows.service]
        rps = np.where(root, demand_rps[app, np.where(root, flows.origin, 0)], 0.0)
        return floats(np.maximum(rps, DEMAND_FLOOR_RPS))

    def shares(self, routings: list[Routing]) -> list[Floats]:
        """Per service (N, sources, C) shares of N routings, as the physics wants them."""
        clusters = len(self.fleet.clusters)
        dense = np.stack([routing.dense()[:, :clusters] for routing in routings])
        ends = np.searchsorted(self.fleet.flows.service, np.arange(len(self.fleet.services) + 1))
        return [dense[:, a:b] for a, b in pairwise(ends.tolist())]


def model(instance: Instance) -> Model:
    """Origins are users' places, then clusters' meshes; a root has flows from the former, others from the latter."""
    clusters, origins = len(instance.cluster), len(instance.origin)
    service, cluster = np.nonzero(instance.replicas_max > 0)
    at = (service, cluster)
    backends, row = backends_of(service, cluster, clusters)
    root = instance.parent < 0
    sources = np.concatenate([np.full(origins, True), np.full(clusters, False)])
    flow_service, flow_origin = np.nonzero(root[:, None] == sources)
    child = np.flatnonzero(~root)
    fleet = Fleet(
        clusters=Clusters(
            ids=tuple(ClusterId(name) for name in instance.cluster),
            region=instance.cluster,
            provider=("azure",) * clusters,
            jurisdiction=("any",) * clusters,
            gateway_rps=floats(np.full(clusters, GATEWAYS)),
        ),
        pools=_pools(clusters),
        services=_services(instance),
        sites=Sites(
            ints(service), ints(cluster), row, floats(instance.replica_rps[at]), floats(instance.replica_usd[at])
        ),
        backends=backends,
        origins=Origins(
            tuple(OriginId(f"users-{name}") for name in instance.origin) + tuple(OriginId(n) for n in instance.cluster),
            ints(np.concatenate([np.full(origins, -1), np.arange(clusters)])),
        ),
        flows=Flows(ints(flow_service), ints(flow_origin)),
        calls=Calls(ints(instance.parent[child]), ints(child), floats(instance.calls[child])),
        network=Network(
            floats(np.vstack([instance.origin_rtt_ms, instance.cluster_rtt_ms])),
            floats(np.vstack([instance.origin_egress_usd_per_gb[1], instance.cluster_egress_usd_per_gb[1]])),
            floats(np.vstack([instance.origin_egress_usd_per_gb[0], instance.cluster_egress_usd_per_gb[0]])),
        ),
        allowed=bools(np.ones((len(instance.app), clusters), dtype=bool)),
        scaler=_scaler(instance, service, cluster),
    )
    whole = np.ones(len(backends))
    readings = Readings(
        at_s=0.0,
        demand_rps=floats(np.zeros(len(fleet.flows))),
        capacity_rps=floats(instance.raw_rps[at]),
        latency_ms=floats(instance.extra_ms[at]),
        error_ratio=floats(np.zeros(len(backends))),
    )
    snapshot = Snapshot(0.0, readings, nearest(fleet), bools(whole), floats(whole))
    return Model(instance, fleet, snapshot, floats(3600 * instance.shed_usd[fleet.flows.service]))


def _scaler(instance: Instance, service: Ints, cluster: Ints) -> Autoscaler:
    """Replicas follow load at once, fractions of one included; a site keeps one, or all it may have if that is less."""
    at = (service, cluster)
    return Autoscaler(
        follows=bools(np.ones(len(service), dtype=bool)),
        rps_per_replica=floats(instance.replica_rps[at]),
        usd_per_replica_hour=floats(instance.replica_usd[at]),
        replicas_min=floats(np.minimum(1.0, instance.replicas_max[at])),
        replicas_max=floats(instance.replicas_max[at]),
        utilization_target=floats(np.full(len(service), UTILIZATION_TARGET)),
        service_ms=floats(instance.service_ms[at]),
        slots=floats(instance.servers[service]),
        variability=floats(instance.scv[service]),
        lead_s=floats(np.zeros(len(service))),
    )


def _services(instance: Instance) -> Services:
    count = len(instance.app)
    return Services(
        ids=tuple(ServiceId(f"{kind}-{s}") for s, kind in enumerate(instance.kind)),
        priority=floats(np.ones(count)),
        rtt_max_ms=floats(np.full(count, np.inf)),
        rtt_target_ms=floats(np.full(count, np.inf)),
        usd_per_request_ms=floats(instance.latency_usd),
        request_bytes=floats(0.1 * instance.bytes),
        response_bytes=floats(instance.bytes),
        utilization_target=floats(np.full(count, UTILIZATION_TARGET)),
        exposed=bools(instance.parent < 0),
    )


def _pools(clusters: int) -> Pools:
    """One nameless pool a cluster: replicas' prices come with the sites."""
    return Pools(
        cluster=ints(np.arange(clusters)),
        node_type=("any",) * clusters,
        nodes=ints(np.ones(clusters)),
        capacity=floats(np.zeros((clusters, 4))),
        usd_per_node_hour=floats(np.zeros(clusters)),
    )
