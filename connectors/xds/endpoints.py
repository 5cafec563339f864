"""EDS: clusters as localities, weighted at priority 0, with the standbys as fail-over priorities behind them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.type.v3 import percent_pb2

from connectors.xds import names
from connectors.xds.resources import Resource, resource
from connectors.xds.spec import Addresses, MeshSpec
from placement.fleet import ClusterId, ServiceId
from placement.weights import Target

Level = Sequence[tuple[ClusterId, int]]
"""The clusters of one priority with their weights, each at least 1: a locality without a weight is skipped."""


def levels(targets: Iterable[Target]) -> list[Level]:
    """Targets by priority. Numbered anew from 0, because a gap makes gRPC refuse the whole assignment."""
    ordered = sorted(targets, key=lambda target: target.priority)
    ranks = groupby(ordered, key=lambda target: target.priority)
    return [[(target.cluster, max(target.weight, 1)) for target in rank] for _, rank in ranks]


def assignments(
    spec: MeshSpec, service: ServiceId, targets: Sequence[Target], shed_ratio: float, known: Addresses
) -> Iterable[Resource]:
    """One assignment of a service whose localities are weighted, else one for each cluster where it has endpoints."""
    if spec.split.get(service, "locality") == "locality":
        yield _assignment(spec, names.upstream(service), levels(targets), shed_ratio, known)
        return
    # Envoy 1.40 gives its workers a new drop ratio only together with a change of a locality. Where the locality
    # weights are the weights, that is the case; here the weight of the only locality has to say it.
    kept = round((1 - shed_ratio) * 1e6) + 1
    for cluster in known:
        standbys = [target for target in targets if target.priority > 0 and target.cluster != cluster]
        ladder = [[(cluster, kept)], *levels(standbys)]
        yield _assignment(spec, names.upstream(service, cluster), ladder, shed_ratio, known)


def rehearsal(
    spec: MeshSpec, service: ServiceId, targets: Sequence[Target], shed_ratio: float, known: Addresses
) -> Resource:
    """The failover weights of a service, as localities."""
    return _assignment(spec, names.rehearsal(service), levels(targets), shed_ratio, known)


def _assignment(
    spec: MeshSpec, name: str, by_priority: Sequence[Level], shed_ratio: float, known: Addresses
) -> Resource:
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    # With Envoy's default of 140 nothing moves until 29 % of a locality is gone; at 100 the loss moves as it happens.
    message.policy.overprovisioning_factor.value = 100
    if shed_ratio:
        drop = message.policy.drop_overloads.add(category="shed").drop_percentage
        drop.numerator, drop.denominator = round(shed_ratio * 1e6), percent_pb2.FractionalPercent.MILLION
    for priority, level in enumerate(by_priority):
        for cluster, weight in level:
            region, zone = spec.localities.get(cluster, ("", ""))
            group = message.endpoints.add(priority=priority)
            # Localities must differ within a priority, and load reports name nothing but the locality.
            group.locality.region, group.locality.zone, group.locality.sub_zone = region, zone, cluster
            group.load_balancing_weight.value = weight
            for host, port in known[cluster]:
                address = group.lb_endpoints.add().endpoint.address.socket_address
                address.address, address.port_value = host, port
    return resource(message, name)


def weighted(targets: Sequence[Target], known: Mapping[ClusterId, object]) -> dict[ClusterId, int]:
    """Weights for a route over upstreams. Where all is shed any cluster will do, for its assignment drops all."""
    found = {target.cluster: target.weight for target in targets if target.weight > 0}
    return found or dict.fromkeys(known, 1)
