"""The routes that a fleet offers its flows, and what sending a request along each costs whatever the load."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from placement.columns import Bools, Floats, Ints, floats, frozen, ints, starts
from placement.fleet import Fleet
from placement.qoe import QUALITY_MS

LATE_MULTIPLE = 10.0
"""What a millisecond of round trip beyond the target of its service counts, in milliseconds within it."""


@dataclass(frozen=True, slots=True)
class Routes:
    """(X,) the columns of the problem, flow-major, clusters ascending. Prices in $/h per rps."""

    flow: Ints
    backend: Ints
    cluster: Ints
    latency_usd: Floats
    quality_usd: Floats
    egress_usd: Floats
    compute_usd: Floats

    @property
    def usd(self) -> Floats:
        """(X,) all of it."""
        return self.latency_usd + self.quality_usd + self.egress_usd + self.compute_usd

    def __len__(self) -> int:
        return len(self.flow)


def lawful_routes(fleet: Fleet, latency_ms: Floats, error_ratio: Floats) -> Routes:
    """All (flow, backend) pairs that a fleet offers while everything is usable, with their prices."""
    flow, backend, cluster, value, rtt_ms, egress_usd, linear_usd = fleet.once("lawful", _lawful)
    return Routes(
        flow=flow,
        backend=backend,
        cluster=cluster,
        latency_usd=frozen(value * (rtt_ms + latency_ms[backend])),
        quality_usd=frozen(value * QUALITY_MS * error_ratio[backend]),
        egress_usd=egress_usd,
        compute_usd=linear_usd,
    )


class Lawful(NamedTuple):
    """(X,) the routes that a fleet offers while everything is usable, with what does not depend on measurements."""

    flow: Ints
    backend: Ints
    cluster: Ints
    usd_per_ms: Floats
    """$/h per rps of one millisecond."""
    rtt_ms: Floats
    egress_usd: Floats
    compute_usd: Floats


def _lawful(fleet: Fleet) -> Lawful:
    flow, backend = _pairs(fleet)
    service, origin = fleet.flows.service[flow], fleet.flows.origin[flow]
    cluster = fleet.backends.cluster[backend]
    rtt_ms = fleet.network.rtt_ms[origin, cluster]
    lawful = fleet.allowed[service, cluster] & (rtt_ms <= fleet.services.rtt_max_ms[service])
    flow, backend, service, origin, cluster = (a[lawful] for a in (flow, backend, service, origin, cluster))
    transfer = (
        fleet.services.request_bytes[service] * fleet.network.egress_out_usd_per_gb[origin, cluster]
        + fleet.services.response_bytes[service] * fleet.network.egress_back_usd_per_gb[origin, cluster]
    )
    return Lawful(
        flow=ints(flow),
        backend=ints(backend),
        cluster=ints(cluster),
        usd_per_ms=floats(3600 * fleet.services.usd_per_request_ms[service]),
        rtt_ms=felt_ms(fleet, service, rtt_ms[lawful]),
        egress_usd=floats(3600 * transfer / 1e9),
        compute_usd=floats(compute_usd(fleet)[backend]),
    )


def felt_ms(fleet: Fleet, service: Ints, rtt_ms: Floats) -> Floats:
    """Round trips as they are priced: what lies beyond the target of a service counts LATE_MULTIPLE times."""
    return floats(rtt_ms + (LATE_MULTIPLE - 1) * np.maximum(rtt_ms - fleet.services.rtt_target_ms[service], 0.0))


def inside(fleet: Fleet, routes: Routes, cut: Bools) -> Bools:
    """(X,) routes that are there although (C,) `cut` clusters have lost their gateway: those that need none."""
    home = fleet.origins.cluster[fleet.flows.origin[routes.flow]]
    return np.asarray(~cut[routes.cluster] | (home == routes.cluster), dtype=np.bool_)


def kept(routes: Routes, keep: Bools) -> Routes:
    """Some of the routes."""
    rows = np.flatnonzero(keep)
    return Routes(**{name: getattr(routes, name)[rows] for name in Routes.__slots__})


def compute_usd(fleet: Fleet) -> Floats:
    """(B,) $/h per rps: the cheapest of the backend's sites, at the service's target utilization."""
    return fleet.once("compute_usd", _compute_usd)


def _compute_usd(fleet: Fleet) -> Floats:
    sites = fleet.sites
    useful = sites.rps_per_replica * fleet.services.utilization_target[sites.service]
    cheapest = np.full(len(fleet.backends), np.inf)
    np.minimum.at(cheapest, sites.backend, sites.usd_per_replica_hour / useful)
    return floats(cheapest)


def unit_usd(fleet: Fleet, lawful: Routes) -> Floats:
    """(S,) unit serving cost in $/h per rps: the dearest route a service may ever use, so that serving comes first.

    Taken over all lawful routes whatever is usable now: prices must not jump when a cluster is lost.
    """
    unit = np.full(len(fleet.services), 1e-6)
    if not len(lawful):
        return unit
    service, first = fleet.once("served", _served)
    dearest = np.maximum.reduceat(lawful.usd, first)
    unit[service] = np.maximum(unit[service], dearest)
    return unit


def _served(fleet: Fleet) -> tuple[Ints, Ints]:
    """The services that have a lawful route, and the first one of each: routes stand flow by flow."""
    service = fleet.flows.service[fleet.once("lawful", _lawful).flow]
    first = starts(service)
    return ints(service[first]), ints(first)


def tree_usd(fleet: Fleet, unit: Floats) -> Floats:
    """(S,) `unit` (S,) and that of all that one request calls further down: what serving it to the end takes."""
    whole = unit
    for _ in range(len(unit)):
        deeper = unit.copy()
        np.add.at(deeper, fleet.calls.parent, fleet.calls.per_request * whole[fleet.calls.child])
        if np.array_equal(deeper, whole):
            break
        whole = deeper
    return whole


def _pairs(fleet: Fleet) -> tuple[Ints, Ints]:
    """Every (flow, backend) of the same service, flow-major: a join of two tables sorted by service."""
    services = np.arange(len(fleet.services) + 1)
    first = np.searchsorted(fleet.backends.service, services)
    count = np.diff(first)[fleet.flows.service]
    flow = np.repeat(np.arange(len(fleet.flows)), count)
    within = np.arange(len(flow)) - np.repeat(np.cumsum(count) - count, count)
    return flow, first[fleet.flows.service[flow]] + within
