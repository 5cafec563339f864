"""What routes share besides backends: gateways, where requests enter from elsewhere, and links of declared bandwidth.

A route crosses at most one of each. Gateways count requests, links the megabytes of requests and answers together, as
a Cluster document declares them (`gatewayRps`, `linkMbps`).
"""

from dataclasses import dataclass

import numpy as np

from placement.columns import Bools, Floats, Ints, floats, ints
from placement.fleet import Fleet

BYTES_PER_MB = 1e6


@dataclass(frozen=True, slots=True)
class SharedLimits:
    """The declared ones of a fleet, numbered: gateways in the order of clusters, then links by origin and cluster."""

    gateway: Ints
    """(C,) the limit of each cluster's gateway; `len` of these for none."""
    link: Ints
    """(O, C) the limit of each pair; the same for none."""
    most: Floats
    """(L,) requests/s of a gateway, megabytes/s of a link."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self.most)


@dataclass(frozen=True, slots=True)
class Crossings:
    """The limits that routes cross; a route that crosses fewer than two crosses limit L with nothing."""

    limit: Ints
    """(X, 2), or (X, 0) where there is none at all."""
    amount: Floats
    """What one request takes, in the same shape."""
    limits: int
    """L"""

    def taken(self, rps: Floats) -> Floats:
        """(L,) what (X,) requests/s take."""
        if not self.limits:
            return floats([])
        per_entry = np.bincount(self.limit.ravel(), (rps[:, None] * self.amount).ravel(), self.limits + 1)
        return floats(per_entry[:-1])

    def least(self, factor: Floats) -> Floats:
        """(X,) the smaller of the (L,) factors of the limits that a route crosses; 1 where it crosses none."""
        if not self.limits:
            return floats(np.ones(len(self.limit)))
        return floats(np.append(factor, 1.0)[self.limit].min(axis=1))

    def worth(self, usd: Floats) -> Floats:
        """(X,) $ for what a request takes, of (L,) $ for a unit of each limit."""
        return floats((np.append(usd, 0.0)[self.limit] * self.amount).sum(axis=1))

    def of(self, rows: Ints | Bools) -> "Crossings":
        """Those of some routes."""
        return Crossings(self.limit[rows], self.amount[rows], self.limits)

    def any(self) -> Bools:
        """(X,) whether a route crosses a limit."""
        return np.asarray((self.limit < self.limits).any(axis=1))

    def entries(self) -> tuple[Ints, Ints, Floats]:
        """(limit, route, amount) of every crossing that there is."""
        route, which = np.nonzero(self.limit < self.limits)
        return ints(self.limit[route, which]), ints(route), floats(self.amount[route, which])


def shared_limits(fleet: Fleet) -> SharedLimits:
    """Those of a fleet."""
    return fleet.once("shared limits", _shared_limits)


def crossings(fleet: Fleet, flow: Ints, cluster: Ints) -> Crossings:
    """What requests of (X,) flows cross on their way to (X,) clusters."""
    limits, origin = shared_limits(fleet), fleet.flows.origin[flow]
    if not len(limits):
        return Crossings(ints(np.zeros((len(flow), 0))), floats(np.zeros((len(flow), 0))), 0)
    gateway = np.where(fleet.origins.cluster[origin] == cluster, len(limits), limits.gateway[cluster])
    limit = np.stack([gateway, limits.link[origin, cluster]], axis=1)
    service = fleet.flows.service[flow]
    size = (fleet.services.request_bytes + fleet.services.response_bytes)[service] / BYTES_PER_MB
    amount = np.where(limit < len(limits), np.stack([np.ones(len(flow)), size], axis=1), 0.0)
    return Crossings(ints(limit), floats(amount), len(limits))


def _shared_limits(fleet: Fleet) -> SharedLimits:
    gateway_rps, link_bytes = fleet.clusters.gateway_rps, fleet.network.link_bytes
    if link_bytes is None:
        link_bytes = floats(np.full(fleet.network.rtt_ms.shape, np.inf))
    every = np.concatenate([gateway_rps, link_bytes.ravel() / BYTES_PER_MB])
    there = np.isfinite(every)
    number = np.where(there, np.cumsum(there) - 1, there.sum())
    clusters = len(gateway_rps)
    return SharedLimits(
        ints(number[:clusters]), ints(number[clusters:].reshape(link_bytes.shape)), floats(every[there])
    )
