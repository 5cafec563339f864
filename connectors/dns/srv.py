"""Rows as SRV records (RFC 2782), the one kind of answer in which plain DNS carries weights and priorities."""

import ipaddress
from collections.abc import Mapping
from typing import NamedTuple

from connectors.connector import Refused
from connectors.dns.spec import Names
from connectors.fenced import Row
from connectors.fit import to_unit
from placement.fleet import ClusterId, ServiceId


class Srv(NamedTuple):
    """One SRV record."""

    priority: int
    weight: int
    port: int
    target: str
    """With a dot at its end."""

    def text(self) -> str:
        """As a zone file has it."""
        return f"{self.priority} {self.weight} {self.port} {self.target}"


def service_name(names: Names, service: ServiceId) -> str:
    """`_frontend._tcp.fleet.example.`, or what the address book says."""
    return names.own.get(service) or f"_{service}._tcp.{names.zone}"


def host_name(names: Names, service: ServiceId, cluster: ClusterId, place: int) -> str:
    """What an endpoint is called that is known by its address alone, since an SRV record names its target."""
    host, _ = names.endpoints[service, cluster][place]
    if _address(host):
        return f"{place + 1}.{cluster}.{service}.{names.zone}"
    return host if host.endswith(".") else f"{host}."


def hosts(names: Names, service: ServiceId) -> dict[str, tuple[str, str]]:
    """(A or AAAA, address) of every name that `host_name` makes up for a service."""
    found = {}
    for (owner, cluster), addresses in names.endpoints.items():
        for place, (host, _) in enumerate(addresses):
            if owner == service and (version := _address(host)):
                found[host_name(names, service, cluster, place)] = ("A" if version == 4 else "AAAA", host)
    return found


def _address(host: str) -> int:
    """4, 6, or 0 for a name."""
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return 0


def records_of(row: Row, names: Names, service: ServiceId) -> tuple[Srv, ...]:
    """The records of a row: the weight of a cluster divided among its endpoints, a priority for every standby."""
    found: list[Srv] = []
    for cluster, weight in row.weights.items():
        count = len(names.endpoints[service, cluster])
        each = to_unit({f"{place:05}": 1 for place in range(count)}, weight)
        found += [_srv(names, service, cluster, place, 0, each[f"{place:05}"]) for place in range(count)]
    for rank, cluster in enumerate(row.standbys, start=1):
        count = len(names.endpoints[service, cluster])
        found += [_srv(names, service, cluster, place, rank, 0) for place in range(count)]
    if any(len(label) > 63 or not label for srv in found for label in srv.target.rstrip(".").split(".")):
        raise Refused(f"{names.origin}: {service}: {found[0].target} is no name that DNS can carry")
    return tuple(sorted(found))


def _srv(names: Names, service: ServiceId, cluster: ClusterId, place: int, priority: int, weight: int) -> Srv:
    port = names.endpoints[service, cluster][place][1]
    return Srv(priority, weight, port, host_name(names, service, cluster, place))


def row_of(texts: tuple[str, ...], names: Names, service: ServiceId) -> Row | None:
    """The row that some SRV records say; None where they are none of ours."""
    clusters: Mapping[str, ClusterId] = {
        host_name(names, service, cluster, place): cluster
        for (owner, cluster), addresses in names.endpoints.items() if owner == service
        for place in range(len(addresses))
    }  # fmt: skip
    found = [srv for srv in map(_parsed, texts) if srv is not None]
    if not found or len(found) < len(texts) or any(srv.target not in clusters for srv in found):
        return None
    weights: dict[ClusterId, int] = {}
    standbys: dict[int, ClusterId] = {}
    for srv in sorted(found):
        cluster = clusters[srv.target]
        if srv.priority:
            standbys[srv.priority] = cluster
        else:
            weights[cluster] = weights.get(cluster, 0) + srv.weight
    row = Row({cluster: weight for cluster, weight in weights.items() if weight}, tuple(standbys.values()))
    return row if records_of(row, names, service) == tuple(sorted(found)) else None


def _parsed(text: str) -> Srv | None:
    match text.split():
        case [priority, weight, port, target] if all(n.isascii() and n.isdigit() for n in (priority, weight, port)):
            return Srv(int(priority), int(weight), int(port), target)
    return None
