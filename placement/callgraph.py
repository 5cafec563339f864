"""The call graph of a fleet: how deep it is, what callers hand down, and which services share limits."""

from typing import TYPE_CHECKING

import numpy as np

from placement.columns import Floats, Ints

if TYPE_CHECKING:
    from placement.fleet import Calls


def call_depth(services: int, calls: "Calls") -> Ints:
    """(S,) longest chain of calls that ends at each service.

    Raises ValueError for a cycle, which would make demand feed itself.
    """
    depth = np.zeros(services, dtype=np.int64)
    for _ in range(services + 1):
        deeper = depth.copy()
        np.maximum.at(deeper, calls.child, depth[calls.parent] + 1)
        if np.array_equal(deeper, depth):
            return depth
        depth = deeper
    raise ValueError("the call graph has a cycle")


def inherited(value: Floats, calls: "Calls") -> Floats:
    """(S,) the highest `value` of each service and of all that call it, directly or not."""
    depth = call_depth(len(value), calls)
    high = np.array(value)
    for level in range(int(depth.max(initial=0))):
        mine = depth[calls.parent] == level
        np.maximum.at(high, calls.child[mine], high[calls.parent[mine]])
    return high


def coupled_services(services: int, calls: "Calls", *, shared: bool) -> Ints:
    """(S,) label of the set of services that a service shares limits with: its application in the call graph.

    `shared`: gateways or links have declared limits. Those everybody shares, so then all are one set.
    """
    if shared:
        return np.zeros(services, dtype=np.int64)
    from scipy.sparse import csr_array  # noqa: PLC0415  half of what a command that reads documents would import
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415  as above

    edges = csr_array((np.ones(len(calls)), (calls.parent, calls.child)), shape=(services, services))
    return np.asarray(connected_components(edges, directed=False)[1], dtype=np.int64)
