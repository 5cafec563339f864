"""What one unit more of capacity would save, by backend and by pool: where the next dollar belongs.

At a price pi of load (the slope of the backend's cost where it stands) a backend with cost C keeps max_y pi y - C(y).
More capacity stretches C without changing its shape, so that this gain grows in proportion, and the derivative with
respect to capacity is the gain over the capacity: the envelope theorem, exact for a small change while replicas stay as
they are, and to first order where an autoscaler keeps a least number of them. All is net of what the replicas cost.
"""

from dataclasses import dataclass

import numpy as np

from placement.columns import Floats, Ints, floats, ints
from placement.fleet import RESOURCES, Fleet
from placement.problem import Problem
from placement.sitecost import FULL
from placement.solve.routing import ShadowPrices

VCPU, GPU = RESOURCES.index("vcpu"), RESOURCES.index("gpu")


@dataclass(frozen=True, slots=True)
class Worth:
    """$/h saved by one unit more; 0 where it would stay unused."""

    backend_usd: Floats
    """(B,) per rps that its replicas serve at full use."""
    pool_usd: Floats
    """(P,) per unit of `pool_resource`, when the replicas that fit on it are those of `pool_service`."""
    pool_resource: Ints
    """(P,) what its nodes are bought for: GPUs where they have some, else vCPUs; a column of RESOURCES."""
    pool_service: Ints
    """(P,) -1 where no service would gain."""


def capacity_worth(problem: Problem, prices: ShadowPrices) -> Worth:
    """The worth of capacity at the shadow prices of a problem."""
    fleet, pieces = problem.fleet, problem.pieces
    gain = (np.maximum(prices.capacity_usd[:, None] - pieces.usd, 0.0) * pieces.rps).sum(axis=1)
    capacity = pieces.served_rps
    if fleet.scaler is not None:
        capacity = np.where(fleet.scaler.follows, capacity / FULL, capacity)
    target = fleet.services.utilization_target[fleet.backends.service]
    first = np.maximum(prices.capacity_usd, 0.0) * target
    backend = np.where(capacity > 0, gain / np.where(capacity > 0, capacity, 1.0), first)
    per_node = _site_usd_per_node(fleet, backend)
    resource = np.where(fleet.pools.capacity[:, GPU] > 0, GPU, VCPU)
    units = fleet.pools.capacity[np.arange(len(resource)), resource]
    node, service = np.zeros(len(resource)), np.full(len(resource), -1)
    order = np.argsort(per_node, kind="stable")
    node[fleet.sites.pool[order]], service[fleet.sites.pool[order]] = per_node[order], fleet.sites.service[order]
    pool = np.where(units > 0, node / np.where(units > 0, units, 1.0), 0.0)
    return Worth(floats(backend), floats(pool), ints(resource), ints(np.where(pool > 0, service, -1)))


def _site_usd_per_node(fleet: Fleet, backend_usd: Floats) -> Floats:
    """(H,) $/h saved by one node more, full of replicas of the site's service; a replica costs its part of a node."""
    sites = fleet.sites
    usd = sites.usd_per_replica_hour
    replicas = np.where(usd > 0, fleet.pools.usd_per_node_hour[sites.pool] / np.where(usd > 0, usd, 1.0), 0.0)
    return np.asarray(replicas * sites.rps_per_replica * backend_usd[sites.backend], dtype=np.float64)
