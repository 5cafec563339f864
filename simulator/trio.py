"""A fleet small enough to follow by eye: three clusters, a front end that calls a back end."""

import numpy as np

from placement.columns import bools, floats, ints
from placement.fleet import (
    Calls,
    ClusterId,
    Clusters,
    Fleet,
    Network,
    OriginId,
    Origins,
    Pools,
    ServiceId,
    Services,
    Sites,
    backends_of,
    reachable_flows,
)
from placement.readings import Readings

CLUSTERS = ("ams", "fra", "iad")
RTT_MS = ((1.0, 10.0, 90.0), (10.0, 1.0, 95.0), (90.0, 95.0, 1.0))
DEMAND_RPS = {"ams": 100.0, "fra": 60.0, "iad": 80.0}
CAPACITY_RPS = 160.0
"""Of every backend: 480 for 240 rps, so that one loss leaves three quarters in use."""
EGRESS_USD_PER_GB = 0.02


def trio() -> Fleet:
    """Near ams lies fra, where compute is cheapest; iad is far."""
    count = len(CLUSTERS)
    services = Services(
        ids=(ServiceId("front"), ServiceId("back")),
        priority=floats([10.0, 10.0]),
        rtt_max_ms=floats([150.0, 150.0]),
        rtt_target_ms=floats([np.inf, np.inf]),
        usd_per_request_ms=floats([1e-8, 1e-8]),
        request_bytes=floats([1e3, 1e3]),
        response_bytes=floats([2e4, 5e3]),
        utilization_target=floats([0.8, 0.8]),
        exposed=bools([True, False]),
    )
    calls = Calls(ints([0]), ints([1]), floats([1.0]))
    origins = Origins(tuple(OriginId(c) for c in CLUSTERS), ints(range(count)))
    service, cluster = np.repeat([0, 1], count), np.tile(np.arange(count), 2)
    backends, row = backends_of(service, cluster, count)
    price = np.array([0.10, 0.09, 0.10])
    apart = 1 - np.eye(count)
    return Fleet(
        clusters=Clusters(
            ids=tuple(ClusterId(c) for c in CLUSTERS),
            region=CLUSTERS,
            provider=("metal",) * count,
            jurisdiction=("EU", "EU", "US"),
            gateway_rps=floats(np.full(count, np.inf)),
        ),
        pools=Pools(
            cluster=ints(range(count)),
            node_type=("node",) * count,
            nodes=ints([8] * count),
            capacity=floats(np.tile([16.0, 64.0, 0.0, 0.0], (count, 1))),
            usd_per_node_hour=floats(price * 8),
        ),
        services=services,
        sites=Sites(ints(service), ints(cluster), row, floats(np.full(6, 20.0)), floats(price[cluster])),
        backends=backends,
        origins=origins,
        flows=reachable_flows(services, calls, origins.cluster),
        calls=calls,
        network=Network(floats(RTT_MS), floats(EGRESS_USD_PER_GB * apart), floats(EGRESS_USD_PER_GB * apart)),
        allowed=bools(np.ones((2, count), dtype=bool)),
    )


def declared(fleet: Fleet) -> Readings:
    """What the trio expects before anybody measured."""
    front = np.array([DEMAND_RPS[fleet.origins.ids[o]] for o in fleet.flows.origin.tolist()])
    return Readings(
        at_s=0.0,
        demand_rps=floats(np.where(fleet.flows.service == 0, front, 0.0)),
        capacity_rps=floats(np.full(len(fleet.backends), CAPACITY_RPS)),
        latency_ms=floats(np.full(len(fleet.backends), 5.0)),
        error_ratio=floats(np.zeros(len(fleet.backends))),
    )
