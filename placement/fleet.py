"""What exists: clusters and their pools, services and where they may run, origins and the flows that enter there.

Every table is columnar and read-only; its row order is the order of `ids`, or as its docstring says. Letters used
for shapes here and in the rest of the package:

    C clusters   P pools   R resources   S services   H sites   B backends   O origins   F flows   K calls
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NewType, TypeVar

import numpy as np

from placement.callgraph import call_depth, coupled_services
from placement.columns import Bools, Floats, Ints, check_numbers, ints, lookup
from placement.sitecost import Autoscaler

ClusterId = NewType("ClusterId", str)
ServiceId = NewType("ServiceId", str)
OriginId = NewType("OriginId", str)
T = TypeVar("T")

RESOURCES = ("vcpu", "memory_gib", "storage_gib", "gpu")
"""The columns of every (.., R) array."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """(C,) A cluster is one Kubernetes (or VM) cluster with one mesh."""

    ids: tuple[ClusterId, ...]
    region: tuple[str, ...]
    provider: tuple[str, ...]
    jurisdiction: tuple[str, ...]
    gateway_rps: Floats
    """(C,) most requests/s the gateway passes; inf where nothing is declared."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Pools:
    """(P,) Nodes of one type in one cluster."""

    cluster: Ints
    node_type: tuple[str, ...]
    nodes: Ints
    capacity: Floats
    """(P, R) of one node, in the units of RESOURCES."""
    usd_per_node_hour: Floats


@dataclass(frozen=True, slots=True)
class Services:
    """(S,) A service is a named workload, present in one or more clusters."""

    ids: tuple[ServiceId, ...]
    priority: Floats
    """(S,) 10 high, 3 normal, 1 low: multiplies the price of refusing a request."""
    rtt_max_ms: Floats
    """(S,) a route slower than this is not offered; inf for none."""
    rtt_target_ms: Floats
    """(S,) a millisecond of round trip beyond this counts LATE_MULTIPLE times; inf for none."""
    usd_per_request_ms: Floats
    """(S,) what one millisecond less is worth, for one request."""
    request_bytes: Floats
    response_bytes: Floats
    utilization_target: Floats
    """(S,) the part of capacity to plan for; the rest is headroom, to be had at a price."""
    exposed: Bools
    """(S,) takes requests from outside the fleet, not only from other services."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Sites:
    """(H,) Where replicas of a service may stand: one row per (service, pool), service-major."""

    service: Ints
    pool: Ints
    backend: Ints
    """(H,) the row of Backends this site belongs to."""
    rps_per_replica: Floats
    usd_per_replica_hour: Floats


@dataclass(frozen=True, slots=True)
class Backends:
    """(B,) A service in a cluster: what traffic is sent to. One row per (service, cluster), sorted."""

    service: Ints
    cluster: Ints

    def __len__(self) -> int:
        return len(self.service)

    def row(self, service: Ints, cluster: Ints, clusters: int) -> Ints:
        """Rows of (service, cluster) pairs, -1 where that service does not run there."""
        return lookup(self.service * clusters + self.cluster, service * clusters + cluster)


@dataclass(frozen=True, slots=True)
class Origins:
    """(O,) Where a routing decision is applied: one cluster's mesh, or one client region's DNS view."""

    ids: tuple[OriginId, ...]
    cluster: Ints
    """(O,) the cluster whose mesh this is, -1 for an origin outside every cluster."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Flows:
    """(F,) (service, origin): the unit we route. Sorted by service, then origin."""

    service: Ints
    origin: Ints

    def __len__(self) -> int:
        return len(self.service)


@dataclass(frozen=True, slots=True)
class Calls:
    """(K,) The call graph: one request to `parent` makes `per_request` requests to `child`. Acyclic."""

    parent: Ints
    child: Ints
    per_request: Floats

    def __len__(self) -> int:
        return len(self.parent)


@dataclass(frozen=True, slots=True)
class Network:
    """Distances and transfer prices between origins and clusters."""

    rtt_ms: Floats
    """(O, C) round trip."""
    egress_out_usd_per_gb: Floats
    """(O, C) price of a gigabyte (1e9 bytes) from the origin to the cluster."""
    egress_back_usd_per_gb: Floats
    """(O, C) price of a gigabyte from the cluster back to the origin."""
    link_bytes: Floats | None = None
    """(O, C) most bytes/s of requests and answers between the two, inf for no limit; None: there is none anywhere."""


NUMBERS = {
    "clusters": ("gateway_rps",),
    "pools": ("capacity", "usd_per_node_hour"),
    "services": (
        "priority",
        "rtt_max_ms",
        "rtt_target_ms",
        "usd_per_request_ms",
        "request_bytes",
        "response_bytes",
        "utilization_target",
    ),
    "sites": ("rps_per_replica", "usd_per_replica_hour"),
    "calls": ("per_request",),
    "network": ("rtt_ms", "egress_out_usd_per_gb", "egress_back_usd_per_gb"),
}
"""The columns of each table that have to be numbers of 0 or more ..."""
UNLIMITED = {"gateway_rps", "rtt_max_ms", "rtt_target_ms"}
"""... and those of them in which inf stands for no limit."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """All clusters we steer and all that exists in them. Big values elsewhere are rows of these tables."""

    clusters: Clusters
    pools: Pools
    services: Services
    sites: Sites
    backends: Backends
    origins: Origins
    flows: Flows
    calls: Calls
    network: Network
    allowed: Bools
    """(S, C) whether the service's jurisdictions admit the cluster."""
    scaler: Autoscaler | None = None
    """(B,) how the replicas of backends follow their load; None: they stay as they are everywhere."""
    known: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was worked out of it, by name: a fleet never changes."""

    def __post_init__(self) -> None:
        """Raises ValueError where there is no cluster, for an id that occurs twice, a cycle, and bad numbers."""
        if not len(self.clusters):
            raise ValueError("a fleet needs at least one cluster")
        for table in (self.clusters, self.services, self.origins):
            twice = [name for name, count in Counter(table.ids).items() if count > 1]
            if twice:
                kind = type(table).__name__.lower()
                raise ValueError(f"{twice[0]!r} occurs more than once among the {kind}; ids are unique")
        for part, names in NUMBERS.items():
            for name in names:
                column = getattr(getattr(self, part), name)
                check_numbers(f"{part}.{name}", column, infinite=name in UNLIMITED)
        if self.network.link_bytes is not None:
            check_numbers("network.link_bytes", self.network.link_bytes, infinite=True)
        call_depth(len(self.services), self.calls)

    def once(self, name: str, work: Callable[["Fleet"], T]) -> T:
        """The result of `work` on this fleet, worked out at the first call."""
        if name not in self.known:
            self.known[name] = work(self)
        found: T = self.known[name]
        return found

    @property
    def shed(self) -> int:
        """The routing column that stands for refused load: one past the last cluster."""
        return len(self.clusters)

    def backend_of(self, flow: Ints, column: Ints) -> Ints:
        """The backend of each (flow, column), lawful or not; -1 for SHED and where the service does not run."""
        return self.once("backend_rows", _backend_rows)[self.flows.service[flow], column]

    def flow_name(self, flow: int) -> str:
        """`service@origin`, as people write it."""
        service, origin = self.flows.service[flow], self.flows.origin[flow]
        return f"{self.services.ids[service]}@{self.origins.ids[origin]}"

    def backend_name(self, backend: int) -> str:
        """`service/cluster`, as people write it."""
        service, cluster = self.backends.service[backend], self.backends.cluster[backend]
        return f"{self.services.ids[service]}/{self.clusters.ids[cluster]}"

    def column_name(self, column: int) -> str:
        """The id of a cluster, or SHED."""
        return "SHED" if column == self.shed else self.clusters.ids[column]

    def origin_of_cluster(self) -> Ints:
        """(C,) the origin that is each cluster's mesh, -1 where there is none."""
        return self.once("meshes", _meshes)

    def applications(self) -> Ints:
        """(S,) see `coupled_services`."""
        return self.once(
            "applications", lambda f: ints(coupled_services(len(f.services), f.calls, shared=_shares_limits(f)))
        )

    def depth(self) -> Ints:
        """(S,) see `call_depth`."""
        return self.once("depth", lambda f: ints(call_depth(len(f.services), f.calls)))


def _backend_rows(fleet: Fleet) -> Ints:
    """(S, C + 1) the backend of each service and routing column, -1 where there is none."""
    rows = np.full((len(fleet.services), fleet.shed + 1), -1, dtype=np.int64)
    rows[fleet.backends.service, fleet.backends.cluster] = np.arange(len(fleet.backends))
    return ints(rows)


def _shares_limits(fleet: Fleet) -> bool:
    """Whether a gateway or a link has a declared limit."""
    link_bytes = fleet.network.link_bytes
    return bool(
        np.isfinite(fleet.clusters.gateway_rps).any() or (link_bytes is not None and np.isfinite(link_bytes).any())
    )


def _meshes(fleet: Fleet) -> Ints:
    out = np.full(len(fleet.clusters), -1, dtype=np.int64)
    inside = fleet.origins.cluster >= 0
    out[fleet.origins.cluster[inside]] = np.flatnonzero(inside)
    return ints(out)


def backends_of(service: Ints, cluster: Ints, clusters: int) -> tuple[Backends, Ints]:
    """Distinct (service, cluster) pairs of some sites, sorted, and for each site its row among them."""
    keys, row = np.unique(service * clusters + cluster, return_inverse=True)
    return Backends(service=ints(keys // clusters), cluster=ints(keys % clusters)), ints(row)


def reachable_flows(fleet_services: Services, calls: Calls, origin_cluster: Ints) -> Flows:
    """Every (service, origin) that can carry load: exposed services everywhere, called ones at each mesh."""
    called = np.zeros(len(fleet_services), dtype=bool)
    called[calls.child] = True
    carries = fleet_services.exposed[:, None] | (called[:, None] & (origin_cluster >= 0)[None, :])
    service, origin = np.nonzero(carries)
    return Flows(service=ints(service), origin=ints(origin))
