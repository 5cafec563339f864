"""Routings that need no solver: where to start from when nothing is known."""

import numpy as np

from placement.columns import Bools
from placement.fleet import Fleet
from placement.routing import Routing, from_triplets


def nearest(fleet: Fleet, usable: Bools | None = None) -> Routing:
    """Every flow to the lawful cluster with the least round trip that runs the service; SHED where there is none.

    `usable` is (B,); None means all. It ignores capacity: the latency-greedy policy that most meshes start with.
    """
    clusters, flows = len(fleet.clusters), len(fleet.flows)
    runs = np.zeros((len(fleet.services), clusters), dtype=bool)
    good = np.ones(len(fleet.backends), dtype=bool) if usable is None else usable
    runs[fleet.backends.service[good], fleet.backends.cluster[good]] = True
    lawful = (runs & fleet.allowed)[fleet.flows.service]
    rtt = np.where(lawful, fleet.network.rtt_ms[fleet.flows.origin], np.inf)
    rtt = np.where(rtt <= fleet.services.rtt_max_ms[fleet.flows.service][:, None], rtt, np.inf)
    column = np.where(np.isfinite(rtt).any(axis=1), rtt.argmin(axis=1), fleet.shed)
    return from_triplets(np.arange(flows), column, np.ones(flows), (flows, clusters + 1))
