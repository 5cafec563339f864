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
dcgm     NVIDIA's dcgm-exporter: the GPUs of a service's pods that did not report a fatal XID, as replicas
inference  the endpoint picker of the Gateway API inference extension: inference_objective_* (inference_model_* before),
         inference_pool_ready_pods, _average_queue_size, _average_kv_cache_utilization
"""

import re
from collections.abc import Callable, Iterable, Mapping

from connectors.expressions import Renamed, Scope, p95, quoted, rate, ratio, summed
from connectors.promql_models import dcgm, inference, vllm
from connectors.telemetry import Signal

SERVICE = "service"
Preset = Callable[[Scope], dict[Signal, str]]


def queries(meshes: Iterable[str], scope: Scope) -> dict[Signal, str]:
    """The queries of some presets; where several know a signal, the first. KeyError for a mesh without a preset."""
    found: dict[Signal, str] = {}
    for mesh in meshes:
        found = PRESETS[mesh](scope) | found
    return found


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
    of = f'{{envoy_cluster_name=~"{quoted(scope.destination)}"}}'
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
            of = f'server=~"{quoted(server)}"' + (f",{series.partition('{')[2][:-1]}" if "{" in series else "")
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


def kube(scope: Scope) -> dict[Signal, str]:
    """Ready replicas of the Deployment with a service's name, times what one of them serves."""
    parts = [
        f'label_replace({rps:g} * sum(kube_deployment_status_replicas_ready{{deployment="{service}"}}), '
        f'"service", "{service}", "", "")'
        for (service, _), rps in sorted(scope.replica_rps.items())
    ]
    return {Signal.CAPACITY_RPS: " or ".join(parts)} if parts else {}


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
    "dcgm": dcgm,
    "inference": inference,
}
