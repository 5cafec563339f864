"""From documents to what the edges are made of: the loop's policy, mesh specs, probe targets."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from config.addresses import Addresses, ProbeQuestion, addresses_of
from config.configuration import Configuration as Documents
from config.distances import round_trips, rtt_ms
from config.fleet import declared_readings, fleet_of
from config.guards import Guards
from config.origin import HaproxyMesh, Origin, XdsMesh
from config.policy import PolicySpec, Server
from connectors.haproxy.spec import HaproxySpec
from connectors.xds.credentials import TlsFiles
from connectors.xds.spec import Address, MeshSpec
from health.probe import ProbeTarget
from health.prober import Pace
from health.rules import Rules
from placement.fleet import ClusterId, Fleet, OriginId, ServiceId
from placement.guard import Limits
from placement.pace import PaceLimits
from placement.problem import Prices
from placement.quantize import Rounding
from placement.trial import TrialLimits
from scheduler.conduct import ConductLimits
from scheduler.policy import Policy
from scheduler.ports import Configuration
from scheduler.safety import SafetyLimits
from scheduler.sections import numbers

SILENT_PROBES = 5
"""A vantage that reported nothing for this many intervals is absent."""


def loop_configuration(documents: Documents) -> Configuration:
    """Fleet, declared readings and policy."""
    fleet = fleet_of(documents)
    policy = policy_of(documents.policy)
    if any(service.spec.ramp_seconds is not None for service in documents.services):
        ramps = {ServiceId(s.name): s.spec.ramp_seconds for s in documents.services}
        own = (ramps[name] for name in fleet.services.ids)
        ramps_s = tuple(policy.rules.ramp_s if ramp_s is None else ramp_s for ramp_s in own)
        policy = replace(policy, rules=replace(policy.rules, service_ramp_s=ramps_s))
    return Configuration(fleet, declared_readings(documents, fleet), policy)


def policy_of(spec: PolicySpec) -> Policy:
    """The loop's numbers of a Policy document."""
    probes, prices = spec.probes, spec.prices
    return Policy(
        period_s=spec.tick.period_seconds,
        readings_age_max_s=spec.tick.readings_max_age_seconds,
        push_deadline_s=spec.push.deadline_seconds,
        prices=Prices(prices.shed_multiple, prices.churn_ratio, prices.headroom_multiple),
        limits=Limits(step_max=spec.guards.step_max, gain_min=spec.guards.gain_min),
        conduct=conduct_of(spec.guards),
        trickle_ratio=spec.drills.trickle_ratio,
        rounding=Rounding(spec.weights.unit, spec.weights.sticky_band),
        rules=numbers(
            Rules,
            probes,
            silent_after_s=max(Rules().silent_after_s, (SILENT_PROBES * probes.interval_ms + probes.timeout_ms) / 1e3),
        ),
    )


def conduct_of(guards: Guards) -> ConductLimits:
    """The bounds of our own conduct."""
    return numbers(
        ConductLimits,
        guards,
        pace=numbers(PaceLimits, guards),
        trial=numbers(TrialLimits, guards.trial),
        safety=numbers(SafetyLimits, guards.safe),
    )


def pace_of(spec: PolicySpec) -> Pace:
    """How the prober works."""
    probes = spec.probes
    return Pace(
        interval_s=probes.interval_ms / 1e3,
        timeout_s=probes.timeout_ms / 1e3,
        fast_follow_s=probes.fast_follow_ms / 1e3,
        fall=probes.fall,
    )


def mesh_specs(documents: Documents) -> dict[OriginId, MeshSpec]:
    """The data plane of every origin that takes its weights over xDS."""
    book = addresses_of(documents)
    return {
        OriginId(o.name): mesh_spec(documents, book, o, o.spec.mesh.xds)
        for o in documents.origins
        if o.spec.mesh and o.spec.mesh.xds
    }


def haproxy_specs(documents: Documents) -> dict[OriginId, HaproxySpec]:
    """The HAProxy of every origin that has one."""
    book = addresses_of(documents)
    return {
        OriginId(o.name): _haproxy_spec(documents, book, o, o.spec.mesh.haproxy)
        for o in documents.origins
        if o.spec.mesh and o.spec.mesh.haproxy
    }


def endpoints_seen(
    documents: Documents, book: Addresses, origin: OriginId
) -> dict[tuple[ServiceId, ClusterId], tuple[Address, ...]]:
    """Where an origin reaches every service in every cluster, as far as that is declared."""
    pairs = [(ServiceId(s.name), ClusterId(c)) for s in documents.services for c in s.spec.replicas if s.spec.endpoints]
    seen = {pair: tuple(host_port(a) for a in book.seen_from(origin, *pair)) for pair in pairs}
    return {pair: addresses for pair, addresses in seen.items() if addresses}


def _haproxy_spec(documents: Documents, book: Addresses, origin: Origin, haproxy: HaproxyMesh) -> HaproxySpec:
    name, trips, clusters = OriginId(origin.name), round_trips(documents.latency_matrices), documents.cluster_by_name()
    known = {ClusterId(c.name): rtt_ms(trips, origin, c, clusters) for c in documents.clusters}
    return HaproxySpec(
        origin=name,
        socket=haproxy.socket,
        map_path=haproxy.map,
        endpoints=endpoints_seen(documents, book, name),
        listener=host_port(haproxy.listener),
        standbys=haproxy.standbys,
        retries=haproxy.retries,
        outlier_detection=haproxy.outlier_detection,
        rtt_ms={cluster: rtt for cluster, rtt in known.items() if rtt is not None},
    )


def mesh_spec(documents: Documents, book: Addresses, origin: Origin, xds: XdsMesh) -> MeshSpec:
    """The data plane of an origin with such a mesh."""
    name, reports = OriginId(origin.name), origin.spec.telemetry.load_reports
    return MeshSpec(
        origin=name,
        node=xds.node,
        endpoints=endpoints_seen(documents, book, name),
        listener=host_port(xds.listener),
        localities={ClusterId(c.name): (c.spec.region, c.name) for c in documents.clusters},
        protocol={ServiceId(s.name): s.spec.protocol for s in documents.services},
        split={ServiceId(s.name): s.spec.split for s in documents.services},
        retries=xds.retries,
        outlier_detection=xds.outlier_detection,
        upstream_log_path=xds.upstream_log,
        subjects=frozenset(xds.subjects),
        endpoint_metrics=reports is not None and reports.endpoint_metrics,
    )


def tls_files(server: Server) -> TlsFiles | None:
    """The TLS of the xDS server. Raises OSError for files that cannot be used: before there is a term to lead."""
    found = server.xds_tls
    if found is None:
        return None
    files = TlsFiles(found.certificate_file, found.key_file, found.client_ca_file)
    files.check()
    return files


@dataclass(frozen=True, slots=True)
class ProbedAddress:
    """One address that is probed for a backend."""

    backend: int
    """Its row."""
    gateway: bool
    """Whether it is the mesh gateway, and not an endpoint itself."""
    target: ProbeTarget


def probe_targets(documents: Documents, fleet: Fleet) -> Iterator[ProbedAddress]:
    """Every endpoint of every backend, and the gateways before them."""
    questions = addresses_of(documents).probes
    for row in range(len(fleet.backends)):
        service = fleet.services.ids[fleet.backends.service[row]]
        cluster = fleet.clusters.ids[fleet.backends.cluster[row]]
        question = questions.get((service, cluster))
        if question is not None:
            yield from (ProbedAddress(row, False, _probe_target(question, a)) for a in question.addresses)
            yield from (ProbedAddress(row, True, _probe_target(question, a)) for a in question.gateways)


def _probe_target(question: ProbeQuestion, address: str) -> ProbeTarget:
    host, port = host_port(address)
    return ProbeTarget(
        protocol=question.protocol,
        host=host,
        port=port,
        path=question.path,
        expect_status=question.expect_status,
        host_header=question.host_header,
        grpc_service=question.grpc_service,
        expect_header=question.expect_header,
        expect_body=question.expect_body,
        ca_file=question.ca_file,
    )


def host_port(address: str) -> Address:
    """`10.0.0.1:80` or `[::1]:80` in two parts."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
