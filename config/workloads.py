"""From documents to what decides where workloads run."""

import numpy as np

from config.autoscaler import site_room
from config.configuration import Configuration
from config.fleet import declared_replicas
from placement.columns import floats, ints
from placement.fleet import Fleet
from placement.workloads import Workloads


def workloads_of(configuration: Configuration, fleet: Fleet) -> Workloads:
    """The slow inputs for a fleet that was made from the same configuration."""
    specs = [service.spec for service in configuration.services]
    resources = floats([spec.resources.row() for spec in specs])
    service = fleet.sites.service
    room = site_room(fleet.pools, fleet.sites, resources)
    most = np.array([np.inf if s.placing.replicas_max is None else s.placing.replicas_max for s in specs])
    least = np.array([spec.placing.replicas_min for spec in specs])
    return Workloads(
        resources=resources,
        survive_ratio=floats([spec.placing.survive_ratio for spec in specs]),
        spread_max=floats([spec.placing.spread_max_ratio for spec in specs]),
        standing=declared_replicas(configuration, fleet),
        replicas_min=ints(least[service]),
        replicas_max=ints(np.maximum(np.minimum(most[service], room), least[service])),
    )
