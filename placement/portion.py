"""One application out of a problem: what it does depends on nothing else, so a loss in it concerns nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from placement.columns import Bools, Floats, Ints, floats, ints, lookup
from placement.fleet import Backends, Calls, Fleet, Flows, Services, Sites
from placement.losses import Loss
from placement.problem import Problem
from placement.routes import Routes
from placement.routing import Routing
from placement.sitecost import Curve, Pieces

OF_CLUSTERS = ("shared limits", "meshes")
"""What was worked out of a fleet's clusters, network and origins alone, and so holds for every part of it."""


class Portion(NamedTuple):
    """A problem of its own and where its rows came from."""

    problem: Problem
    flow: Ints
    """Rows of the whole, ascending."""
    backend: Ints

    def local(self, loss: Loss) -> Loss:
        """The loss in the rows of this portion."""
        row = lookup(self.backend, loss.backends)
        return replace(loss, backends=ints(row[row >= 0]))


@dataclass(frozen=True)
class Applications:
    """The applications of a problem, cut out when they are asked for."""

    problem: Problem

    @cached_property
    def label(self) -> Ints:
        """(S,) application of each service."""
        return self.problem.fleet.applications()

    def of_service(self, service: int) -> int:
        """Its application."""
        return int(self.label[service])

    @cached_property
    def _members(self) -> dict[str, list[Ints]]:
        fleet = self.problem.fleet
        route_service = fleet.flows.service[self.problem.routes.flow]
        owners = {
            "service": np.arange(len(fleet.services)),
            "site": fleet.sites.service,
            "backend": fleet.backends.service,
            "flow": fleet.flows.service,
            "call": fleet.calls.parent,
            "route": route_service,
            "share": fleet.flows.service[self.problem.standing.row],
        }
        return {kind: _split(self.label[owner], int(self.label.max(initial=-1)) + 1) for kind, owner in owners.items()}

    def portion(self, application: int) -> Portion:
        """One of them."""
        return cut_out(self.problem, {kind: rows[application] for kind, rows in self._members.items()})


def cut_out(problem: Problem, part: Mapping[str, Ints]) -> Portion:
    """The problem of some rows, ascending, of each kind: service, site, backend, flow, call, route and share.

    Whatever the flows may use has to be there, and the flows that it calls.
    """
    flow, backend, route = part["flow"], part["backend"], part["route"]
    routes = Routes(**{name: getattr(problem.routes, name)[route] for name in Routes.__slots__})
    routes = replace(
        routes,
        flow=ints(np.searchsorted(flow, routes.flow)),
        backend=ints(np.searchsorted(backend, routes.backend)),
    )
    standing, share = problem.standing, part["share"]
    size = np.diff(standing.row_start)[flow]
    curve = problem.curve
    cut = Problem(
        fleet=_fleet(problem.fleet, part),
        routes=routes,
        external_rps=floats(problem.external_rps[flow]),
        demand_rps=floats(problem.demand_rps[flow]),
        capacity_rps=floats(problem.capacity_rps[backend]),
        pieces=Pieces(floats(problem.pieces.rps[backend]), floats(problem.pieces.usd[backend])),
        shed_usd=floats(problem.shed_usd[flow]),
        churn_usd=floats(problem.churn_usd[flow]),
        standing=Routing(
            ints(np.concatenate([[0], np.cumsum(size)])),
            ints(standing.column[share]),
            floats(standing.share[share]),
            standing.columns,
        ),
        lost=problem.lost,
        curve=None if curve is None else Curve(floats(curve.rps[backend]), floats(curve.usd[backend])),
    )
    return Portion(cut, flow, backend)


def digest(problem: Problem, *more: Floats | Bools) -> int:
    """A hash of what decides about a problem: equal ones have equal answers."""
    routes, standing = problem.routes, problem.standing
    columns = (
        problem.external_rps, problem.capacity_rps, problem.shed_usd, routes.usd, routes.flow, routes.backend,
        standing.row_start, standing.column, standing.share, *more,
    )  # fmt: skip
    return hash(b"".join(np.ascontiguousarray(column).tobytes() for column in columns))


def _split(label: Ints, count: int) -> list[Ints]:
    """Rows of each label, ascending."""
    order = np.argsort(label, kind="stable")
    return np.split(order, np.searchsorted(label[order], np.arange(1, count)))


def _fleet(fleet: Fleet, part: Mapping[str, Ints]) -> Fleet:
    service, site, backend, flow, call = (part[kind] for kind in ("service", "site", "backend", "flow", "call"))

    def row(column: Ints, rows: Ints) -> Ints:
        return ints(np.searchsorted(service, column[rows]))

    kept = {name: getattr(fleet.services, name)[service] for name in Services.__slots__ if name != "ids"}
    cut = {
        "services": Services(ids=tuple(fleet.services.ids[s] for s in service.tolist()), **kept),
        "sites": Sites(
            row(fleet.sites.service, site),
            ints(fleet.sites.pool[site]),
            ints(np.searchsorted(backend, fleet.sites.backend[site])),
            floats(fleet.sites.rps_per_replica[site]),
            floats(fleet.sites.usd_per_replica_hour[site]),
        ),
        "backends": Backends(row(fleet.backends.service, backend), ints(fleet.backends.cluster[backend])),
        "flows": Flows(row(fleet.flows.service, flow), ints(fleet.flows.origin[flow])),
        "calls": Calls(
            row(fleet.calls.parent, call), row(fleet.calls.child, call), floats(fleet.calls.per_request[call])
        ),
        "allowed": fleet.allowed[service],
        "known": {name: fleet.known[name] for name in OF_CLUSTERS if name in fleet.known},
    }
    same = object.__new__(Fleet)  # what was checked is not checked again: the round trips of a thousand clusters
    for name in Fleet.__slots__:
        object.__setattr__(same, name, cut.get(name, getattr(fleet, name)))
    return same
