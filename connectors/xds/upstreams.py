"""CDS: how a proxy connects to the endpoints of a service, and what it does when they fail."""

from collections.abc import Iterable

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2, outlier_detection_pb2
from envoy.config.core.v3 import config_source_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from connectors.xds import names
from connectors.xds.resources import Resource, resource
from connectors.xds.serving import REPORTED
from connectors.xds.spec import Addresses, HttpVersion, MeshSpec
from placement.fleet import ServiceId

ADS = config_source_pb2.ConfigSource(ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=2)
"""From the stream on which the reference itself came."""
LIMIT = 100_000
"""Of connections, requests and retries to one upstream: more than a gateway carries."""
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def upstreams(spec: MeshSpec, service: ServiceId, known: Addresses) -> Iterable[Resource]:
    """One per service, or one per (service, cluster) where routes carry the weights.

    It depends on the address book alone: new weights never remove an upstream that a route still refers to.
    """
    whole = spec.split.get(service, "locality") == "locality"
    wanted = [names.upstream(service)] if whole else [names.upstream(service, cluster) for cluster in known]
    for name in wanted:
        yield _upstream(spec, name, spec.protocol.get(service, "http1"))


def rehearsal(spec: MeshSpec, service: ServiceId) -> Resource:
    """One whose localities carry the failover weights, whatever carries the regular ones."""
    return _upstream(spec, names.rehearsal(service), spec.protocol.get(service, "http1"))


def _upstream(spec: MeshSpec, name: str, protocol: HttpVersion) -> Resource:
    message = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.EDS)
    message.eds_cluster_config.eds_config.CopyFrom(ADS)
    message.connect_timeout.FromMilliseconds(round(spec.connect_timeout_s * 1e3))
    # Without this Envoy ignores the weights of localities, and says nothing.
    message.common_lb_config.locality_weighted_lb_config.SetInParent()
    message.lrs_server.self.SetInParent()
    if spec.endpoint_metrics:
        message.lrs_report_endpoint_metrics.append(REPORTED)
    message.circuit_breakers.CopyFrom(_limits())
    if spec.outlier_detection:
        message.outlier_detection.CopyFrom(_outliers())
    options = http_protocol_options_pb2.HttpProtocolOptions()
    speaks = options.explicit_http_config
    (speaks.http2_protocol_options if protocol == "http2" else speaks.http_protocol_options).SetInParent()
    message.typed_extension_protocol_options[_HTTP_OPTIONS].Pack(options, deterministic=True)
    return resource(message, name, refers=[name])


def _limits() -> circuit_breaker_pb2.CircuitBreakers:
    """Room for a retry of every request in flight: when the only weighted cluster dies, all of them need one at once.

    A retry budget would refuse half of them: Envoy holds the retries that wait against the requests that are still
    active, and those that were cut off no longer are. What bounds retries is the route: one per request, and only for
    what never reached a backend or was cut off by it, so that they do not feed an overload. Envoy's other limits, 1024
    connections and requests, are below what one gateway carries and would refuse load that the plan had placed.
    """
    limits = circuit_breaker_pb2.CircuitBreakers()
    threshold = limits.thresholds.add()
    for limit in (
        threshold.max_connections, threshold.max_pending_requests, threshold.max_requests, threshold.max_retries,
    ):  # fmt: skip
        limit.value = LIMIT
    return limits


def _outliers() -> outlier_detection_pb2.OutlierDetection:
    """Three failed connections, or five errors of a gateway, in a row put an endpoint aside for five seconds."""
    found = outlier_detection_pb2.OutlierDetection(split_external_local_origin_errors=True)
    found.consecutive_local_origin_failure.value = 3
    found.consecutive_gateway_failure.value = 5
    found.enforcing_consecutive_gateway_failure.value = 100
    found.enforcing_consecutive_5xx.value = 0
    found.enforcing_success_rate.value = 0
    found.enforcing_local_origin_success_rate.value = 0
    found.interval.seconds = 1
    found.base_ejection_time.seconds = 5
    # Every endpoint of a dead cluster must be able to go; the panic threshold guards against losing all of them.
    found.max_ejection_percent.value = 100
    return found
