"""From documents to how the replicas of backends follow their load."""

from collections.abc import Sequence

import numpy as np

from config.service import Autoscaling, Service
from placement.columns import Floats, Ints, bools, floats
from placement.fleet import Backends, Pools, Sites
from placement.sitecost import Autoscaler

COUNT_MAX = 1e6
"""Of replicas in a pool whose nodes limit nothing."""
STILL = Autoscaling()
"""Stands in where replicas stay: the numbers are not used."""


def scaler_of(
    services: Sequence[Service], pools: Pools, sites: Sites, backends: Backends, standing: Ints
) -> Autoscaler | None:
    """(B,) columns, None where no service has an autoscaler; `standing` (H,) are the declared replicas.

    A backend in several pools counts as one of the average replica of its sites.
    """
    if not any(service.spec.autoscaler for service in services):
        return None
    specs = [service.spec.autoscaler or STILL for service in services]
    least = np.array([spec.replicas_min for spec in specs])[backends.service]
    has = np.array([service.spec.autoscaler is not None for service in services])[backends.service]
    present = _by_backend(sites, backends, standing.astype(np.float64)) > 0
    follows = has & (present | (least == 0))

    resources = floats([service.spec.resources.row() for service in services])
    room = site_room(pools, sites, resources)
    weight = np.maximum(room, 1e-9)
    total = _by_backend(sites, backends, weight)
    mu = _by_backend(sites, backends, weight * sites.rps_per_replica) / total
    usd = _by_backend(sites, backends, weight * sites.usd_per_replica_hour) / total
    declared = np.array([np.inf if spec.replicas_max is None else spec.replicas_max for spec in specs])
    most = declared[backends.service]
    most = np.where(np.isfinite(most), most, _by_backend(sites, backends, room))
    slots = np.array([spec.slots for spec in specs], dtype=np.float64)[backends.service]
    given_ms = np.array([np.nan if spec.service_ms is None else spec.service_ms for spec in specs])[backends.service]
    return Autoscaler(
        follows=bools(follows),
        rps_per_replica=floats(mu),
        usd_per_replica_hour=floats(usd),
        replicas_min=floats(least),
        replicas_max=floats(np.maximum(most, least)),
        utilization_target=floats([service.spec.utilization_target for service in services])[backends.service],
        service_ms=floats(np.where(np.isnan(given_ms), 1000 * slots / mu, given_ms)),
        slots=floats(slots),
        variability=floats(np.array([spec.variability for spec in specs])[backends.service]),
        lead_s=floats(np.array([spec.lead_seconds for spec in specs])[backends.service]),
    )


def site_room(pools: Pools, sites: Sites, resources: Floats) -> Floats:
    """(H,) replicas that the nodes of each site's pool hold when nothing else is there; `resources` (S, R) of one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        per_node = np.floor(pools.capacity[sites.pool] / resources[sites.service])
    room = np.where(resources[sites.service] > 0, per_node, np.inf).min(axis=1) * pools.nodes[sites.pool]
    return floats(np.minimum(room, COUNT_MAX))


def _by_backend(sites: Sites, backends: Backends, values: Floats) -> Floats:
    return np.asarray(np.bincount(sites.backend, weights=values, minlength=len(backends)), dtype=np.float64)
