"""From a weight table to the weights, standbys and map entries of an HAProxy, and from its weights back to a row."""

from collections.abc import Mapping, Sequence

import numpy as np

from connectors.connector import Refused
from connectors.fit import to_unit
from connectors.haproxy.programmed import WEIGHT_MAX, Programmed, Server, ServerKey
from connectors.haproxy.rows import Row, entries_of_table
from connectors.haproxy.spec import Address, HaproxySpec, cluster_of, server_name, standby_name
from placement.columns import Floats, Ints
from placement.fleet import ClusterId, ServiceId
from placement.weights import Target, WeightTable


def goal(table: WeightTable, spec: HaproxySpec, now: Programmed) -> Programmed:
    """What the HAProxy should run with. Raises Refused for a target without an endpoint or without its server.

    Maintenance and drain of a weighted server are its operator's: they stay as they are `now`. So do the backends
    of services that the table does not name.
    """
    servers: dict[ServerKey, Server] = {}
    for service, targets, _ in table.items():
        for target in targets:
            if not spec.endpoints.get((service, target.cluster)):
                raise Refused(f"{spec.origin}: no endpoint of {service} in {target.cluster} is known; add its address")
        servers |= _weighted(service, targets, spec, now)
        servers |= _standbys(service, targets, spec, now)
    return Programmed(servers, entries_of_table(table))


def _weighted(
    service: ServiceId, targets: Sequence[Target], spec: HaproxySpec, now: Programmed
) -> dict[ServerKey, Server]:
    names, wanted = parts(service, {t.cluster: t.weight for t in targets}, spec)
    weights = server_weights(wanted).tolist()
    return {
        (service, name): _known(service, name, spec, now)._replace(weight=weight, address=address)
        for (name, address), weight in zip(names, weights, strict=True)
        if weight or (service, name) in now.servers
    }


def parts(
    service: ServiceId, weight: Mapping[ClusterId, int], spec: HaproxySpec
) -> tuple[list[tuple[str, Address]], Floats]:
    """Every server of a service, and its even part of the weight of its cluster."""
    names: list[tuple[str, Address]] = []
    wanted: list[float] = []
    for (owner, cluster), addresses in sorted(spec.endpoints.items()):
        if owner == service:
            names += [(server_name(cluster, place), address) for place, address in enumerate(addresses, start=1)]
            wanted += [weight.get(cluster, 0) / len(addresses)] * len(addresses)
    return names, np.array(wanted)


def server_weights(wanted: Floats) -> Ints:
    """(n,) integers of 0..256 nearest to the ratios of (n,) `wanted`, exact where that is possible.

    Of the 256 choices for the largest weight the one with the smallest largest error of a share; what is above 0
    stays so. With two servers no share is off by more than 1/512; with more of them by less than that again.
    """
    if not wanted.any():
        return np.zeros(len(wanted), dtype=np.int64)
    largest = np.arange(1, WEIGHT_MAX + 1)[:, None]
    choices = np.maximum(np.rint(largest * (wanted / wanted.max())), wanted > 0)
    shares = choices / choices.sum(axis=1, keepdims=True)
    errors = np.abs(shares - wanted / wanted.sum()).max(axis=1)
    return np.asarray(choices[int(np.argmin(errors > errors.min() + 1e-12))], dtype=np.int64)


def rounding_error(table: WeightTable, spec: HaproxySpec) -> float:
    """The most by which the share of a server differs from what the table asks for."""
    worst = 0.0
    for service, targets, _ in table.items():
        _, wanted = parts(service, {t.cluster: t.weight for t in targets}, spec)
        if wanted.any():
            weights = server_weights(wanted)
            worst = max(worst, float(np.abs(weights / weights.sum() - wanted / wanted.sum()).max()))
    return worst


def _standbys(
    service: ServiceId, targets: Sequence[Target], spec: HaproxySpec, now: Programmed
) -> dict[ServerKey, Server]:
    """The standbys' addresses in their order: HAProxy uses the first backup server that lives, and no other."""
    ordered = sorted((t for t in targets if t.priority > 0), key=lambda target: target.priority)
    addresses = [a for target in ordered for a in spec.endpoints[service, target.cluster]]
    found: dict[ServerKey, Server] = {}
    for place in range(1, spec.standbys + 1):
        given = addresses[place - 1] if place <= len(addresses) else None
        if given is None and (service, standby_name(place)) not in now.servers:
            continue
        known = _known(service, standby_name(place), spec, now)
        found[service, standby_name(place)] = known._replace(address=given or known.address, in_use=given is not None)
    return found


def _known(service: ServiceId, name: str, spec: HaproxySpec, now: Programmed) -> Server:
    server = now.servers.get((service, name))
    if server is None:
        raise Refused(
            f"{spec.origin}: HAProxy at {spec.socket} has no server {service}/{name}; "
            "add it to its configuration, as `equipoise bootstrap` prints it, and reload"
        )
    return server


def row_in_force(service: str, row: Row, shed: int, unit: int, spec: HaproxySpec, now: Programmed) -> Row:
    """A row as the servers really have it: itself, or the weights that somebody else has set since.

    A reload brings back the weights of the configuration file, and people have the same socket.
    """
    key = ServiceId(service)
    names, wanted = parts(key, {ClusterId(c): weight for c, (weight, _) in row.items()}, spec)
    actual = np.array([now.servers[key, n].weight if (key, n) in now.servers else 0 for n, _ in names], dtype=np.int64)
    if np.array_equal(actual, server_weights(wanted)):
        return row
    total: dict[str, int] = {}
    for (name, _), weight in zip(names, actual.tolist(), strict=True):
        total[cluster_of(name)] = total.get(cluster_of(name), 0) + weight
    kept = {cluster: place for cluster, place in row.items() if place[1] > 0 and not total.get(cluster)}
    return {c: (w, 0) for c, w in to_unit(total, unit - shed).items() if w} | kept
