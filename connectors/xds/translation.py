"""From a weight table and an address book to everything that the proxies of one origin may have."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from connectors.connector import Refused
from connectors.xds import endpoints, listeners, names, routes, upstreams
from connectors.xds.overlay import Overlay, layer
from connectors.xds.resources import CDS, EDS, LDS, RDS, RTDS, Resource, Resources, by_name
from connectors.xds.spec import Addresses, MeshSpec
from placement.fleet import ServiceId
from placement.weights import Target, WeightTable


def translate(table: WeightTable, spec: MeshSpec, overlay: Overlay | None = None) -> Resources:
    """The resources of every service in the table; raises Refused for a target without an endpoint.

    A share that is shed becomes a drop at the proxy, in front of every upstream of the service. With an `overlay`
    there are failover weights beside the regular ones, and routes to them for a ratio of the requests.
    """
    assert table.origin == spec.origin, f"a table for {table.origin} is given to the mesh of {spec.origin}"
    book = spec.addresses()
    clusters: list[Resource] = []
    assignments: list[Resource] = []
    hosts = {}
    rehearsed = _rehearsed(overlay, spec, book, clusters, assignments) if overlay else frozenset[ServiceId]()
    for service, targets, shed in table.items():
        known = _known(spec, service, targets, book)
        clusters += upstreams.upstreams(spec, service, known)
        assignments += endpoints.assignments(spec, service, targets, shed / table.unit, known)
        leads = routes.refers(spec, service, targets, known)
        leads |= {names.rehearsal(service)} if service in rehearsed else set()
        hosts[service] = routes.host(spec, service, targets, known, service in rehearsed), leads
    configurations = [routes.configuration(service, {service: found}) for service, found in hosts.items()]
    listening = [listeners.proxyless(service) for service in hosts]
    if spec.listener:
        configurations.append(routes.configuration(names.OUTBOUND, hosts))
        listening.append(listeners.outbound(spec.listener, spec.upstream_log_path))
    return MappingProxyType({
        CDS: by_name(clusters), EDS: by_name(assignments), LDS: by_name(listening), RDS: by_name(configurations),
        RTDS: by_name([layer(overlay)]),
    })  # fmt: skip


def _rehearsed(
    overlay: Overlay, spec: MeshSpec, book: Mapping[ServiceId, Addresses],
    clusters: list[Resource], assignments: list[Resource],
) -> frozenset[ServiceId]:  # fmt: skip
    """Adds the upstreams of a rehearsal; returns the services of which routes lead there."""
    for service, targets, shed in overlay.table.items():
        known = _known(spec, service, targets, book)
        clusters.append(upstreams.rehearsal(spec, service))
        assignments.append(endpoints.rehearsal(spec, service, targets, shed / overlay.table.unit, known))
    return frozenset(overlay.table.services if overlay.routed else ())


def _known(
    spec: MeshSpec, service: ServiceId, targets: Sequence[Target], book: Mapping[ServiceId, Addresses]
) -> Addresses:
    known = book.get(service, {})
    for target in targets:
        if target.cluster not in known:
            raise Refused(f"{spec.origin}: no endpoint of {service} in {target.cluster} is known; add its address")
    return known
