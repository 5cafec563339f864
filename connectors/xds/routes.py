"""RDS: which upstream takes a request, and what is tried again."""

from collections.abc import Mapping, Sequence

from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from envoy.extensions.retry.priority.previous_priorities.v3 import previous_priorities_config_pb2

from connectors.xds import names
from connectors.xds.endpoints import weighted
from connectors.xds.overlay import RATIO_KEY
from connectors.xds.resources import Resource, resource
from connectors.xds.spec import Addresses, MeshSpec
from placement.fleet import ServiceId
from placement.weights import Target

NOT_SENT = "connect-failure,refused-stream,reset-before-request"
"""Safe for every request: no backend has seen it. An answer of 503 is not in it: to retry it feeds an overload."""
CUT_OFF = NOT_SENT + ",reset"
"""For methods that may be repeated: the backend may have seen the request before it died."""
GRPC_NOT_SENT = NOT_SENT + ",unavailable"
"""gRPC clients know no other word for a connection that failed."""

RESELECTIONS_MAX = 200
"""How often a retry draws again when it drew a host that failed: by weight, so a heavy one is drawn many times."""


def host(
    spec: MeshSpec, service: ServiceId, targets: Sequence[Target], known: Addresses, rehearsed: bool = False
) -> route_components_pb2.VirtualHost:
    """The requests whose Host (or :authority, or xds:/// target) is the service, with or without a port.

    `rehearsed`: for as many of them as the runtime layer says there is a twin of each route before it.
    """
    found = route_components_pb2.VirtualHost(name=service, domains=[service, f"{service}:*"])
    http2 = spec.protocol.get(service, "http1") == "http2"
    if not http2:
        repeatable = found.routes.add()
        method = repeatable.match.headers.add(name=":method")
        method.string_match.safe_regex.regex = "GET|HEAD|OPTIONS"
        _route(repeatable, spec, service, targets, known, CUT_OFF)
    rest = found.routes.add()
    _route(rest, spec, service, targets, known, GRPC_NOT_SENT if http2 else NOT_SENT)
    if http2:
        rest.route.timeout.seconds = 0  # a stream may stay open; a call has the deadline of its caller
    if rehearsed:
        _rehearse(found, service)
    return found


def _rehearse(found: route_components_pb2.VirtualHost, service: ServiceId) -> None:
    """All twins come before all regular routes: a request draws once, and the draw counts for every match."""
    twins = [_twin(route, names.rehearsal(service)) for route in found.routes]
    regular = list(found.routes)
    del found.routes[:]
    found.routes.extend([*twins, *regular])


def _twin(route: route_components_pb2.Route, upstream: str) -> route_components_pb2.Route:
    """The same route to another upstream, taken by no request unless the runtime layer says so."""
    twin = route_components_pb2.Route()
    twin.CopyFrom(route)
    twin.match.runtime_fraction.runtime_key = RATIO_KEY
    twin.match.runtime_fraction.default_value.SetInParent()
    twin.route.cluster = upstream
    return twin


def configuration(
    name: str, hosts: Mapping[ServiceId, tuple[route_components_pb2.VirtualHost, frozenset[str]]]
) -> Resource:
    """A route configuration of some hosts, each given with the names of its upstreams."""
    message = route_pb2.RouteConfiguration(name=name, virtual_hosts=[found for found, _ in hosts.values()])
    refers = frozenset[str]().union(*(upstreams for _, upstreams in hosts.values()))
    return resource(message, name, refers, listed=name == names.OUTBOUND)


def refers(spec: MeshSpec, service: ServiceId, targets: Sequence[Target], known: Addresses) -> frozenset[str]:
    """The upstreams that the routes of a service name."""
    if spec.split.get(service, "locality") == "locality":
        return frozenset({names.upstream(service)})
    return frozenset(names.upstream(service, cluster) for cluster in weighted(targets, known))


def _route(
    route: route_components_pb2.Route, spec: MeshSpec, service: ServiceId, targets: Sequence[Target],
    known: Addresses, retry_on: str,
) -> None:  # fmt: skip
    route.match.prefix = "/"
    if spec.split.get(service, "locality") == "locality":
        route.route.cluster = names.upstream(service)
    else:
        for cluster, weight in weighted(targets, known).items():
            part = route.route.weighted_clusters.clusters.add(name=names.upstream(service, cluster))
            part.weight.value = weight
    if spec.retries:
        _retry(route.route.retry_policy, spec.retries, retry_on)


def _retry(policy: route_components_pb2.RetryPolicy, retries: int, retry_on: str) -> None:
    """Another attempt goes elsewhere: to the next priority if there is one, and never to a host that was tried."""
    policy.retry_on = retry_on
    policy.num_retries.value = retries
    policy.retry_back_off.base_interval.FromMilliseconds(5)
    policy.retry_back_off.max_interval.FromMilliseconds(50)
    tried = policy.retry_host_predicate.add(name="envoy.retry_host_predicates.previous_hosts")
    tried.typed_config.Pack(previous_hosts_pb2.PreviousHostsPredicate(), deterministic=True)
    policy.host_selection_retry_max_attempts = RESELECTIONS_MAX
    policy.retry_priority.name = "envoy.retry_priorities.previous_priorities"
    onward = previous_priorities_config_pb2.PreviousPrioritiesConfig(update_frequency=1)
    policy.retry_priority.typed_config.Pack(onward, deterministic=True)
