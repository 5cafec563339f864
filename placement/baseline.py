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
    good = np.ones(len(fleet.backends), dtype=bool) if usable is None else usable
    column = np.full(flows, fleet.shed)
    order = np.argsort(fleet.backends.service, kind="stable")
    of = np.split(order, np.searchsorted(fleet.backends.service[order], np.arange(1, len(fleet.services))))
    by_service = np.argsort(fleet.flows.service, kind="stable")
    rows_of = np.split(by_service, np.searchsorted(fleet.flows.service[by_service], np.arange(1, len(fleet.services))))
    for service, (backends, rows) in enumerate(zip(of, rows_of, strict=True)):
        where = np.unique(fleet.backends.cluster[backends[good[backends]]])
        where = where[fleet.allowed[service, where]]
        if len(where) and len(
            rows
        ):  # one service at a time: all at once is flows x clusters, gigabytes for the largest
            rtt = fleet.network.rtt_ms[np.ix_(fleet.flows.origin[rows], where)]
            best = rtt.argmin(axis=1)
            near = rtt[np.arange(len(rows)), best] <= fleet.services.rtt_max_ms[service]
            column[rows[near]] = where[best[near]]
    return from_triplets(np.arange(flows), column, np.ones(flows), (flows, clusters + 1))
