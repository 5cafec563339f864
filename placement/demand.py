"""Where demand comes from: what enters from outside, what services of the fleet cause among each other, and where
clients come in once a mesh is gone.
"""

from typing import NamedTuple

import numpy as np

from placement.columns import Bools, Floats, Ints, bools, ints, lookup
from placement.fleet import Fleet
from placement.routing import Routing


def external_demand(fleet: Fleet, measured_rps: Floats, routing: Routing) -> Floats:
    """(F,) measured demand less what other services of the fleet caused, never negative; 0 where not exposed."""
    caused = called_rps(fleet, measured_rps, routing)
    exposed = fleet.services.exposed[fleet.flows.service]
    return np.where(exposed, np.maximum(measured_rps - caused, 0.0), 0.0)


def displaced(fleet: Fleet, external_rps: Floats, lost: Bools) -> Floats:
    """(F,) external demand once the meshes of lost clusters are gone: clients come in at the nearest surviving mesh.

    That is what anycast, DNS and client retries do. Where no mesh survives the demand stays, to be seen as refused.
    """
    heir = heirs(fleet, lost)
    if heir is None:
        return external_rps
    keys = fleet.flows.service * len(heir) + fleet.flows.origin
    row = lookup(keys, fleet.flows.service * len(heir) + heir[fleet.flows.origin])
    row = np.where(row >= 0, row, np.arange(len(keys)))
    return np.asarray(np.bincount(row, weights=external_rps, minlength=len(keys)), dtype=np.float64)


def heirs(fleet: Fleet, lost: Bools) -> Ints | None:
    """(O,) where the clients of each origin come in once the meshes of lost clusters, (C,), are gone: mostly itself.

    None where no mesh is lost, or none is left.
    """
    mesh = fleet.origins.cluster
    alive = (mesh >= 0) & ~lost[np.maximum(mesh, 0)]
    gone = (mesh >= 0) & ~alive
    if not gone.any() or not alive.any():
        return None
    left = np.flatnonzero(alive)
    heir = np.arange(len(mesh))
    heir[gone] = left[fleet.network.rtt_ms[np.ix_(gone, mesh[left])].argmin(axis=1)]
    return heir


class Caused(NamedTuple):
    """What one routing hands down the call graph: who calls, from where, and the flows that it makes."""

    row: Ints
    """(M,) flows of the callers' shares ..."""
    share: Floats
    key: Ints
    """(M,) ... and where each is served: service times C + 1 plus column."""


def caused(fleet: Fleet, routing: Routing) -> Caused:
    """The shares of a routing that call somebody. Of the last routing they are kept: a turn asks many times."""
    last: tuple[Routing, Caused] | None = fleet.known.get("caused")
    if last is None or last[0] is not routing:
        last = fleet.known["caused"] = routing, _caused(fleet, routing)
    return last[1]


def _caused(fleet: Fleet, routing: Routing) -> Caused:
    calls = callers(fleet)[routing.row]
    row, column = routing.row[calls], routing.column[calls]
    return Caused(row, routing.share[calls], fleet.flows.service[row] * (fleet.shed + 1) + column)


def callers(fleet: Fleet) -> Bools:
    """(F,) flows of services that call another."""
    return fleet.once("callers", _callers)


def _callers(fleet: Fleet) -> Bools:
    return bools(np.isin(fleet.flows.service, fleet.calls.parent))


def handed_down(fleet: Fleet, made: Caused, per_share: Floats, per_request: Floats) -> Floats:
    """(F,) what (M,) amounts of the callers' shares bring to the meshes where they are served, times (K,)
    `per_request`.
    """
    services, columns = len(fleet.services), fleet.shed + 1
    served = np.bincount(made.key, weights=per_share, minlength=services * columns)
    sent = per_request[:, None] * served.reshape(services, columns)[fleet.calls.parent]
    called = np.bincount(fleet.once("called", _called), weights=sent.ravel(), minlength=services * columns)
    return np.where(fleet.once("inside", _inside), called[fleet.once("entrances", _entrances)], 0.0)


def _called(fleet: Fleet) -> Ints:
    """(K * (C + 1),) service times C + 1 plus column of what each call asks for, in each column."""
    columns = fleet.shed + 1
    return ints((fleet.calls.child[:, None] * columns + np.arange(columns)).ravel())


def _inside(fleet: Fleet) -> Bools:
    """(F,) flows that enter by the mesh of a cluster."""
    return bools(fleet.origins.cluster[fleet.flows.origin] >= 0)


def _entrances(fleet: Fleet) -> Ints:
    """(F,) service times C + 1 plus the cluster whose mesh a flow enters; for others any that there is."""
    home = fleet.origins.cluster[fleet.flows.origin]
    return ints(fleet.flows.service * (fleet.shed + 1) + np.maximum(home, 0))


def called_rps(fleet: Fleet, demand_rps: Floats, routing: Routing) -> Floats:
    """(F,) requests/s that parents served in a cluster send on into that cluster's mesh."""
    if not len(fleet.calls):
        return np.zeros(len(fleet.flows))
    made = caused(fleet, routing)
    return handed_down(fleet, made, demand_rps[made.row] * made.share, fleet.calls.per_request)


def total_demand(fleet: Fleet, external_rps: Floats, routing: Routing) -> Floats:
    """(F,) external demand plus called demand, followed down the (acyclic) call graph under a routing."""
    depth = int(fleet.depth().max(initial=0))
    if not depth:
        return external_rps
    made, demand = caused(fleet, routing), external_rps
    for _ in range(depth):
        down = handed_down(fleet, made, demand[made.row] * made.share, fleet.calls.per_request)
        demand = external_rps + down
    return demand
