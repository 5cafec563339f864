"""Index arrays of a fleet that the physics uses in every step, and the same for the weights in force."""

from dataclasses import dataclass

import numpy as np

from placement.columns import Bools, Floats, Ints
from placement.fleet import Fleet
from placement.routes import compute_usd


@dataclass(frozen=True, slots=True)
class Layout:
    """What does not change while a fleet does not. Row B of anything about back ends is 'nobody'."""

    fleet: Fleet
    depth: int
    """Longest chain of calls."""
    level: Ints
    """(F,) of each flow's service in the call graph; 0 for roots."""
    call_backend: Ints
    """(M,) a parent's back end ..."""
    call_flow: Ints
    """(M,) ... the flow its calls make, in its own cluster's mesh ..."""
    call_rate: Floats
    """(M,) ... and how many per request."""
    service_ms: Floats
    """(B + 1,)"""
    slots: Floats
    """(B + 1,)"""
    variability: Floats
    """(B + 1,) squared coefficient of variation of the time in a back end."""
    compute_usd: Floats
    """(B + 1,) $/h per rps."""
    egress_usd: Floats
    """(2, O, C) out and back, $ per byte."""


def layout_of(fleet: Fleet, service_ms: Floats, slots: Floats, variability: Floats | None = None) -> Layout:
    """`service_ms`, `slots` and `variability` are (S,); without the last all times are exponential."""
    varies = np.ones(len(fleet.services)) if variability is None else variability
    backends, flows, origins = fleet.backends, fleet.flows, len(fleet.origins)
    level = fleet.depth()
    mesh = fleet.origin_of_cluster()
    call, backend = np.nonzero(fleet.calls.parent[:, None] == backends.service[None, :])
    wanted = fleet.calls.child[call] * origins + mesh[backends.cluster[backend]]
    key = flows.service * origins + flows.origin
    place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    real = (mesh[backends.cluster[backend]] >= 0) & (key[place] == wanted)
    network = fleet.network
    return Layout(
        fleet=fleet,
        depth=int(level.max(initial=0)),
        level=level[flows.service],
        call_backend=backend[real],
        call_flow=place[real],
        call_rate=fleet.calls.per_request[call[real]],
        service_ms=np.append(service_ms[backends.service], 0.0),
        slots=np.append(slots[backends.service], 1.0),
        variability=np.append(varies[backends.service], 1.0),
        compute_usd=np.append(compute_usd(fleet), 0.0),
        egress_usd=np.stack([network.egress_out_usd_per_gb, network.egress_back_usd_per_gb]) / 1e9,
    )


@dataclass(frozen=True, slots=True)
class Entries:
    """(N,) the shares in force that are above 0, refused ones apart."""

    row: Ints
    """Flow."""
    cluster: Ints
    origin: Ints
    backend: Ints
    """B where the service does not run there."""
    share: Floats
    outside: Bools
    """Whether the request enters the cluster from elsewhere."""
    shed: Floats
    """(F,) part that is refused."""
    rtt_ms: Floats
    usd_per_request: Floats
    """Egress."""


def entries_of(layout: Layout, share: Floats) -> Entries:
    """From (F, C + 1) shares."""
    clusters = len(layout.fleet.clusters)
    row, cluster = np.nonzero(share[:, :clusters] > 1e-9)
    return entry_rows(layout, row, cluster, share[row, cluster], share[:, clusters])


def entry_rows(layout: Layout, row: Ints, cluster: Ints, share: Floats, shed: Floats) -> Entries:
    """From (N,) flows, clusters and shares, and (F,) what is refused."""
    fleet, clusters = layout.fleet, len(layout.fleet.clusters)
    service, origin = fleet.flows.service[row], fleet.flows.origin[row]
    backend = fleet.backends.row(service, cluster, clusters)
    out, back = layout.egress_usd[:, origin, cluster]
    sizes = fleet.services
    return Entries(
        row=row,
        cluster=cluster,
        origin=origin,
        backend=np.where(backend < 0, len(fleet.backends), backend),
        share=share,
        outside=fleet.origins.cluster[origin] != cluster,
        shed=shed,
        rtt_ms=fleet.network.rtt_ms[origin, cluster],
        usd_per_request=sizes.request_bytes[service] * out + sizes.response_bytes[service] * back,
    )


def total(row: Ints, values: Floats, count: int) -> Floats:
    """Sums of values by row."""
    return np.asarray(np.bincount(row, weights=values, minlength=count), dtype=np.float64)
