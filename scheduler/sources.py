"""The telemetry sources that documents ask for, beside what the proxies that we steer report by themselves.

What a kind of source needs is imported when a document asks for it: those of AWS and of Prometheus are large.
"""

# ruff: noqa: PLC0415  as said above

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from config.addresses import addresses_of
from config.configuration import Configuration as Documents
from config.origin import Origin
from config.standing import standings
from config.telemetry import CloudWatchMetrics, EnvoyAdmin, Prometheus
from connectors.envoy_stats import EnvoyStats
from connectors.expressions import Scope
from connectors.http import Access, Edge
from connectors.promql import queries
from connectors.telemetry import Signal, TelemetrySource


@dataclass(frozen=True, slots=True)
class Asked:
    """A source, how often to ask it, and how to give it up."""

    source: TelemetrySource
    every_s: float
    close: Callable[[], Awaitable[None] | None]


def sources_of(documents: Documents) -> list[Asked]:
    """Every source of every origin, and those of the policy that know several."""
    found = []
    for origin in documents.origins:
        asked, home = origin.spec.telemetry, origin.spec.cluster or ""
        if asked.prometheus:
            found.append(_prometheus(documents, origin.name, asked.prometheus, home, {"origin": origin.name}))
        if asked.envoy:
            found.append(_envoy(origin.name, asked.envoy, home))
        if asked.cloud_watch:
            found.append(_cloud_watch(origin, asked.cloud_watch))
    return found + [_prometheus(documents, s.name, s, "", {}) for s in documents.policy.telemetry.prometheus]


def queries_of(documents: Documents, spec: Prometheus, home: str) -> dict[Signal, str]:
    """What a Prometheus is asked: its own queries, and those of what exports to it for what they leave open."""
    given = spec.queries.by_signal() if spec.queries else {}
    own = {Signal(signal): query for signal, query in given.items()}
    return queries(spec.exports, scope_of(documents, spec, home)) | own


def scope_of(documents: Documents, spec: Prometheus, home: str) -> Scope:
    """What ready-made queries have to know of the fleet. Replicas are counted where the Prometheus is."""
    clusters = {cluster.name: cluster for cluster in documents.clusters}
    replica_rps = {
        (service.name, standing.cluster): standing.rps_per_replica
        for service in documents.services
        for standing in standings(service, clusters)
        if not home or standing.cluster == home
    }
    endpoints = {(str(s), str(c)): addresses for (s, c), addresses in addresses_of(documents).endpoints.items()}
    gpus = {service.name: service.spec.resources.gpu for service in documents.services}
    replica_gpus = {(service, cluster): gpus[service] for service, cluster in replica_rps}
    return Scope(spec.window_seconds, spec.destination, tuple(clusters), endpoints, replica_rps, replica_gpus)


def _prometheus(documents: Documents, name: str, spec: Prometheus, home: str, labels: dict[str, str]) -> Asked:
    from connectors.prometheus import PrometheusSource

    source = PrometheusSource(
        f"prometheus:{name}",
        str(spec.url),
        queries_of(documents, spec, home),
        timeout_s=spec.timeout_seconds,
        now_s=time.monotonic,
        wall_s=time.time,
        defaults=labels | ({"cluster": home} if home else {}),
    )
    return Asked(source, documents.policy.tick.period_seconds, source.close)


def _envoy(origin: str, spec: EnvoyAdmin, home: str) -> Asked:
    edge = Edge(Access(str(spec.url)), f"{origin}: Envoy at {spec.url}")
    return Asked(EnvoyStats(origin, edge, time.monotonic, home, spec.destination), spec.interval_seconds, edge.close)


def _cloud_watch(origin: Origin, spec: CloudWatchMetrics) -> Asked:
    from connectors.aws.api import AwsAccess, AwsApi
    from connectors.cloudwatch import PERIOD_S, CloudWatch, TargetGroup

    access = AwsAccess(spec.region, str(spec.endpoint or ""), spec.profile or "")
    api = AwsApi("cloudwatch", access, f"{origin.name}: CloudWatch in {spec.region}")
    groups = [TargetGroup(g.service, g.cluster, g.target_group, g.load_balancer) for g in spec.target_groups]
    return Asked(CloudWatch(origin.name, api, groups, time.monotonic, time.time), PERIOD_S, api.close)
