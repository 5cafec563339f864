"""From a weight table and an address book to everything that the proxies of one origin may have."""

from types import MappingProxyType

from connectors.connector import Refused
from connectors.xds import endpoints, listeners, names, routes, upstreams
from connectors.xds.resources import CDS, EDS, LDS, RDS, Resource, Resources, by_name
from connectors.xds.spec import MeshSpec
from placement.weights import WeightTable


def translate(table: WeightTable, spec: MeshSpec) -> Resources:
    """The resources of every service in the table; raises Refused for a target without an endpoint.

    A share that is shed becomes a drop at the proxy, in front of every upstream of the service.
    """
    assert table.origin == spec.origin, f"a table for {table.origin} is given to the mesh of {spec.origin}"
    book = spec.addresses()
    clusters: list[Resource] = []
    assignments: list[Resource] = []
    hosts = {}
    for service, targets, shed in table.items():
        known = book.get(service, {})
        for target in targets:
            if target.cluster not in known:
                raise Refused(f"{spec.origin}: no endpoint of {service} in {target.cluster} is known; add its address")
        clusters += upstreams.upstreams(spec, service, known)
        assignments += endpoints.assignments(spec, service, targets, shed / table.unit, known)
        hosts[service] = routes.host(spec, service, targets, known), routes.refers(spec, service, targets, known)
    configurations = [routes.configuration(service, {service: found}) for service, found in hosts.items()]
    listening = [listeners.proxyless(service) for service in hosts]
    if spec.listener:
        configurations.append(routes.configuration(names.OUTBOUND, hosts))
        listening.append(listeners.outbound(spec.listener, spec.upstream_log_path))
    return MappingProxyType({
        CDS: by_name(clusters), EDS: by_name(assignments), LDS: by_name(listening), RDS: by_name(configurations),
    })  # fmt: skip
