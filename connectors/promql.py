"""Ready-made PromQL: what each mesh exports, as the signals of connectors.telemetry with our labels.

A preset is data: series of the mesh and where its labels say service, origin and cluster. What a mesh does not say is
left out, and `PrometheusSource` fills in the cluster that a Prometheus belongs to. Series and labels are those of:

istio    istio.io/latest/docs/reference/config/metrics: istio_requests_total, istio_request_duration_milliseconds
linkerd  linkerd2-proxy, outbound policy metrics: outbound_http_route_backend_requests_total and its statuses;
         response_latency_ms of the proxies that receive
envoy    envoyproxy.io, cluster statistics; a cluster's name says service and destination (`destination`)
consul   Envoy's, with the tags consul_destination_service and consul_destination_datacenter of Consul's bootstrap
kuma     Envoy's, with the tag kuma_io_zone; `localhost_` clusters are what a proxy receives
haproxy  HAProxy's own exporter (haproxy.org, "prometheus-exporter"): haproxy_server_http_responses_total
nginx    nginx-prometheus-exporter for NGINX Plus: nginxplus_upstream_server_requests and _responses
vllm     vLLM: vllm:time_to_first_token_seconds, vllm:kv_cache_usage_perc, vllm:request_success_total
kube     kube-state-metrics: kube_deployment_status_replicas_ready, times what a replica serves
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from connectors.telemetry import KEYS, Signal

BUSY_LEAST = 0.3
"""A GPU whose cache is emptier than this says little about how much it could serve."""
DESTINATION = "(.+)[|/](.+)"
"""Envoy clusters named `SERVICE/CLUSTER` or `SERVICE|CLUSTER`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What queries are made for."""

    window_s: float = 60.0
    """Over which counters become rates: four scrapes or more."""
    destination: str = DESTINATION
    """For `envoy` and `haproxy`: a regular expression over the name of an upstream, with one group for the service and,
    where the name says it, one for the cluster."""
    clusters: tuple[str, ...] = ()
    """For `linkerd` and `haproxy`, whose names end in one of these."""
    endpoints: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """For `nginx`, whose servers are addresses: host:port by (service, cluster)."""
    replica_rps: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """For `kube`: what one replica serves, by (service, cluster)."""

    @property
    def window(self) -> str:
        """As PromQL writes it."""
        return f"[{self.window_s:g}s]"


@dataclass(frozen=True, slots=True)
class Renamed:
    """A label of ours and where it is in a series."""

    label: str
    source: str
    pattern: str = "(.+)"
    group: int = 1


SERVICE = "service"
Preset = Callable[[Scope], dict[Signal, str]]


def queries(meshes: Iterable[str], scope: Scope) -> dict[Signal, str]:
    """The queries of some presets; where several know a signal, the first. KeyError for a mesh without a preset."""
    found: dict[Signal, str] = {}
    for mesh in meshes:
        found = PRESETS[mesh](scope) | found
    return found


def named(expression: str, *labels: Renamed) -> str:
    """The same series with our labels beside theirs."""
    for renamed in labels:
        pattern = renamed.pattern.replace("\\", "\\\\").replace('"', '\\"')
        value = f"${renamed.group}"
        expression = f'label_replace({expression}, "{renamed.label}", "{value}", "{renamed.source}", "{pattern}")'
    return expression


def summed(signal: Signal, expression: str, *labels: Renamed) -> str:
    """A sum over everything but the keys of a signal; labels that a series does not have are left to the source."""
    return f"sum by ({', '.join(KEYS[signal])}) ({named(expression, *labels)})"


def ratio(signal: Signal, part: str, whole: str, *labels: Renamed) -> str:
    """`part` over `whole`, by the keys of a signal. No part is 0, and nothing over nothing is no series."""
    over = summed(signal, whole, *labels)
    return f"({summed(signal, part, *labels)} or 0 * {over}) / ({over} > 0)"


def p95(bucket: str, scope: Scope, *labels: Renamed) -> str:
    """The time within which 95 % were answered, in the unit of the buckets."""
    keys = ", ".join(("le", *KEYS[Signal.LATENCY_P95_MS]))
    return f"histogram_quantile(0.95, sum by ({keys}) ({named(rate(bucket, scope), *labels)}))"


def rate(series: str, scope: Scope) -> str:
    """Requests/s of a counter."""
    return f"rate({series}{scope.window})"


def istio(scope: Scope) -> dict[Signal, str]:
    """Sidecars and gateways at the sending side; latency and errors where they arise."""
    service, origin = Renamed(SERVICE, "destination_service_name"), Renamed("origin", "source_cluster")
    cluster = Renamed("cluster", "destination_cluster")
    sent = rate('istio_requests_total{reporter="source"}', scope)
    failed = rate('istio_requests_total{reporter="source",response_code=~"5..|0"}', scope)
    took = 'istio_request_duration_milliseconds_{}{{reporter="destination"}}'
    return {
        Signal.DEMAND_RPS: summed(Signal.DEMAND_RPS, sent, service, origin),
        Signal.SENT_RPS: summed(Signal.SENT_RPS, sent, service, origin, cluster),
        Signal.ERROR_RATIO: ratio(Signal.ERROR_RATIO, failed, sent, service, cluster),
        Signal.LATENCY_MS: ratio(
            Signal.LATENCY_MS, rate(took.format("sum"), scope), rate(took.format("count"), scope), service, cluster
        ),
        Signal.LATENCY_P95_MS: p95(took.format("bucket"), scope, service, cluster),
    }


def linkerd(scope: Scope) -> dict[Signal, str]:
    """Route backends: a mirrored service is called SERVICE-CLUSTER, the local one SERVICE."""
    known = "|".join(re.escape(name) for name in scope.clusters) or "[^-]+"
    service, cluster = Renamed(SERVICE, "parent_name"), Renamed("cluster", "backend_name", f".+-({known})")
    backend = 'outbound_http_route_backend_{}{{parent_kind="Service"{}}}'
    sent = rate(backend.format("requests_total", ""), scope)
    statuses = rate(backend.format("response_statuses_total", ""), scope)
    failed = rate(backend.format("response_statuses_total", ',http_status=~"5..|"'), scope)
    took = 'response_latency_ms_{}{{direction="inbound"}}'
    return {
        Signal.DEMAND_RPS: summed(Signal.DEMAND_RPS, sent, service),
        Signal.SENT_RPS: summed(Signal.SENT_RPS, sent, service, cluster),
        Signal.ERROR_RATIO: ratio(Signal.ERROR_RATIO, failed, statuses, service, cluster),
        Signal.LATENCY_MS: ratio(
            Signal.LATENCY_MS,
            rate(took.format("sum"), scope),
            rate(took.format("count"), scope),
            Renamed(SERVICE, "deployment"),
        ),
    }


def envoy(scope: Scope) -> dict[Signal, str]:
    """Any Envoy whose clusters are named after service and destination. Its times include the network."""
    service = Renamed(SERVICE, "envoy_cluster_name", scope.destination)
    cluster = Renamed("cluster", "envoy_cluster_name", scope.destination, 2)
    of = f'{{envoy_cluster_name=~"{_quoted(scope.destination)}"}}'
    sent = rate(f"envoy_cluster_upstream_rq_total{of}", scope)
    failed = rate(f'envoy_cluster_upstream_rq_xx{of[:-1]},envoy_response_code_class="5"}}', scope)
    return {
        Signal.DEMAND_RPS: summed(Signal.DEMAND_RPS, sent, service),
        Signal.SENT_RPS: summed(Signal.SENT_RPS, sent, service, cluster),
        Signal.ERROR_RATIO: ratio(Signal.ERROR_RATIO, failed, sent, service, cluster),
    }


def consul(scope: Scope) -> dict[Signal, str]:
    """Envoys of Consul's mesh; a datacenter is a cluster of ours."""
    service = Renamed(SERVICE, "consul_destination_service")
    origin = Renamed("origin", "consul_source_datacenter")
    cluster = Renamed("cluster", "consul_destination_datacenter")
    of = 'consul_destination_service!=""'
    sent = rate(f"envoy_cluster_upstream_rq_total{{{of}}}", scope)
    failed = rate(f'envoy_cluster_upstream_rq_xx{{{of},envoy_response_code_class="5"}}', scope)
    return {
        Signal.DEMAND_RPS: summed(Signal.DEMAND_RPS, sent, service, origin),
        Signal.SENT_RPS: summed(Signal.SENT_RPS, sent, service, origin, cluster),
        Signal.ERROR_RATIO: ratio(Signal.ERROR_RATIO, failed, sent, service, cluster),
    }


def kuma(scope: Scope) -> dict[Signal, str]:
    """Demand at the sender's clusters, `SERVICE_NAMESPACE_svc_PORT`; errors and latency at the receiver's."""
    outgoing = rate('envoy_cluster_upstream_rq_total{envoy_cluster_name=~".+_svc_[0-9]+.*"}', scope)
    asked = Renamed(SERVICE, "envoy_cluster_name", "([^_]+)_.+_svc_[0-9]+.*")
    service = Renamed(SERVICE, "kuma_io_service", "([^_]+)_.+_svc_[0-9]+.*")
    cluster = Renamed("cluster", "kuma_io_zone")
    of = 'envoy_cluster_name=~"localhost_.*"'
    took = f"envoy_cluster_upstream_rq_time_{{}}{{{{{of}}}}}"
    return {
        Signal.DEMAND_RPS: summed(Signal.DEMAND_RPS, outgoing, asked, Renamed("origin", "kuma_io_zone")),
        Signal.ERROR_RATIO: ratio(
            Signal.ERROR_RATIO,
            rate(f'envoy_cluster_upstream_rq_xx{{{of},envoy_response_code_class="5"}}', scope),
            rate(f"envoy_cluster_upstream_rq_total{{{of}}}", scope),
            service,
            cluster,
        ),
        Signal.LATENCY_MS: ratio(
            Signal.LATENCY_MS, rate(took.format("sum"), scope), rate(took.format("count"), scope), service, cluster
        ),
    }


def haproxy(scope: Scope) -> dict[Signal, str]:
    """Its own exporter: a backend is a service, a server begins with the name of its cluster."""
    known = "|".join(re.escape(name) for name in scope.clusters) or "[^:_]+"
    service, cluster = Renamed(SERVICE, "proxy"), Renamed("cluster", "server", f"({known})(?:[:_.-].*)?")
    sent = rate("haproxy_server_http_responses_total", scope)
    failed = rate('haproxy_server_http_responses_total{code="5xx"}', scope)
    return {
        Signal.DEMAND_RPS: summed(Signal.DEMAND_RPS, sent, service),
        Signal.SENT_RPS: summed(Signal.SENT_RPS, sent, service, cluster),
        Signal.ERROR_RATIO: ratio(Signal.ERROR_RATIO, failed, sent, service, cluster),
    }


def nginx(scope: Scope) -> dict[Signal, str]:
    """NGINX Plus: an upstream is a service, a server an address, which the documents give to a cluster."""
    by_cluster: dict[str, set[str]] = {}
    for (_, cluster), addresses in scope.endpoints.items():
        by_cluster.setdefault(cluster, set()).update(addresses)
    service = Renamed(SERVICE, "upstream")

    def placed(series: str) -> str:
        parts = []
        for cluster, addresses in sorted(by_cluster.items()):
            server = "|".join(re.escape(address) for address in sorted(addresses))
            of = f'server=~"{_quoted(server)}"' + (f",{series.partition('{')[2][:-1]}" if "{" in series else "")
            found = rate(f"{series.partition('{')[0]}{{{of}}}", scope)
            parts.append(f'label_replace({found}, "cluster", "{cluster}", "", "")')
        return f"({' or '.join(parts)})"

    sent = placed("nginxplus_upstream_server_requests")
    failed = placed('nginxplus_upstream_server_responses{code="5xx"}')
    if not by_cluster:
        return {}
    return {
        Signal.DEMAND_RPS: summed(Signal.DEMAND_RPS, sent, service),
        Signal.SENT_RPS: summed(Signal.SENT_RPS, sent, service),
        Signal.ERROR_RATIO: ratio(Signal.ERROR_RATIO, failed, sent, service),
    }


def vllm(scope: Scope) -> dict[Signal, str]:
    """A model is a service. What users wait for is the first token; what fills a GPU is its cache of keys and values.

    Capacity is what it serves now over how full the cache is: an estimate that is only made above BUSY_LEAST.
    """
    model = Renamed(SERVICE, "model_name")
    took = "vllm:time_to_first_token_seconds_{}"
    served = summed(Signal.CAPACITY_RPS, rate("vllm:request_success_total", scope), model)
    used = f"avg by (service, cluster) ({named('vllm:kv_cache_usage_perc', model)})"
    waiting = summed(Signal.CAPACITY_RPS, "vllm:num_requests_waiting", model)
    return {
        Signal.CAPACITY_RPS: f"{served} / ({used} > {BUSY_LEAST:g}) / (1 + 0 * {waiting})",
        Signal.LATENCY_MS: "1000 * "
        + ratio(Signal.LATENCY_MS, rate(took.format("sum"), scope), rate(took.format("count"), scope), model),
        Signal.LATENCY_P95_MS: f"1000 * {p95(took.format('bucket'), scope, model)}",
    }


def kube(scope: Scope) -> dict[Signal, str]:
    """Ready replicas of the Deployment with a service's name, times what one of them serves."""
    parts = [
        f'label_replace({rps:g} * sum(kube_deployment_status_replicas_ready{{deployment="{service}"}}), '
        f'"service", "{service}", "", "")'
        for (service, _), rps in sorted(scope.replica_rps.items())
    ]
    return {Signal.CAPACITY_RPS: " or ".join(parts)} if parts else {}


def _quoted(pattern: str) -> str:
    return pattern.replace("\\", "\\\\").replace('"', '\\"')


PRESETS: Mapping[str, Preset] = {
    "istio": istio,
    "linkerd": linkerd,
    "envoy": envoy,
    "consul": consul,
    "kuma": kuma,
    "haproxy": haproxy,
    "nginx": nginx,
    "vllm": vllm,
    "kube": kube,
}
