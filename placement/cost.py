"""Money per hour of a routing, by component, and the loads that it makes."""

from dataclasses import dataclass

import numpy as np

from placement.columns import Floats, Ints, floats
from placement.demand import total_demand
from placement.fleet import Fleet
from placement.problem import Problem
from placement.routes import compute_usd
from placement.routing import Routing


@dataclass(frozen=True, slots=True)
class Cost:
    """$/h. `compute` and `egress` are billed; the others are what waiting, refusing and moving are worth.

    Compute is what load adds to it: replicas that an autoscaler keeps without any load are in no component.
    """

    compute: float
    egress: float
    latency: float
    quality: float
    headroom: float
    """What waiting at busy backends is worth, and what load that may come and not fit."""
    shed: float
    churn: float
    overload: float = 0.0
    """Load above capacity, priced as refused: a routing that overfills a backend is not cheap."""

    @property
    def objective_usd_per_hour(self) -> float:
        """Everything that the solver weighs."""
        return float(sum(getattr(self, name) for name in COMPONENTS))

    @property
    def billed_usd_per_hour(self) -> float:
        """What somebody sends an invoice for."""
        return self.compute + self.egress


COMPONENTS = ("compute", "egress", "latency", "quality", "headroom", "shed", "churn", "overload")


@dataclass(frozen=True, slots=True)
class Loads:
    """What a routing puts where."""

    demand_rps: Floats
    """(F,) with called demand."""
    backend_rps: Floats
    """(B,)"""
    shed_rps: Floats
    """(F,)"""

    def utilization(self, capacity_rps: Floats) -> Floats:
        """(B,) of these loads."""
        return utilization(self.backend_rps, capacity_rps)


def utilization(load_rps: Floats, capacity_rps: Floats) -> Floats:
    """(B,) load over capacity; 0 for an idle backend without capacity, inf for a loaded one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = load_rps / capacity_rps
    return np.where(load_rps <= 1e-9, 0.0, ratio)


def loads(problem: Problem, routing: Routing) -> Loads:
    """Follow the demand of the problem through a routing."""
    return problem.once("loads", routing, _loads)


def _loads(problem: Problem, routing: Routing) -> Loads:
    fleet = problem.fleet
    demand = total_demand(fleet, problem.external_rps, routing)
    refused = routing.column == fleet.shed
    shed = (demand[routing.row] * routing.share)[refused]
    return Loads(
        demand_rps=floats(demand),
        backend_rps=backend_loads(fleet, demand, routing),
        shed_rps=floats(np.bincount(routing.row[refused], weights=shed, minlength=len(fleet.flows))),
    )


def backend_loads(fleet: Fleet, demand_rps: Floats, routing: Routing) -> Floats:
    """(B,) rps that the (F,) demand of flows, calls included, puts on every backend."""
    backend = fleet.backend_of(routing.row, routing.column)
    there = backend >= 0
    rps = (demand_rps[routing.row] * routing.share)[there]
    return floats(np.bincount(backend[there], weights=rps, minlength=len(fleet.backends)))


def evaluate(problem: Problem, routing: Routing) -> Cost:
    """Dollars per hour of any routing under the prices of the problem, solved by us or not.

    Shares on routes that are not offered are priced as refused: they reach nobody who may answer.
    """
    return problem.once("cost", routing, _evaluate)


def _evaluate(problem: Problem, routing: Routing) -> Cost:
    made = loads(problem, routing)
    rps = made.demand_rps[routing.row] * routing.share
    route = problem.routes_of(routing)
    sent = route >= 0
    x, y = route[sent], rps[sent]
    shed_usd = problem.shed_usd[routing.row]
    stepped = _stepped_usd(problem, made.backend_rps)
    return Cost(
        compute=float(y @ problem.routes.compute_usd[x]) + stepped,
        egress=float(y @ problem.routes.egress_usd[x]),
        latency=float(y @ problem.routes.latency_usd[x]),
        quality=float(y @ problem.routes.quality_usd[x]),
        headroom=float(problem.site_usd(made.backend_rps).sum()) - stepped,
        shed=float(rps[~sent] @ shed_usd[~sent]),
        churn=_churn(problem, x, y),
        overload=float(_overload_usd(problem, made.backend_rps).sum()),
    )


def objective_of_sets(problem: Problem, routing: Routing, label: Ints) -> Floats:
    """(n,) objective of sets of services that share no limit, in $/h; `label` (S,) is 0 to n - 1."""
    made = loads(problem, routing)
    service = problem.fleet.flows.service
    rps = made.demand_rps[routing.row] * routing.share
    route = problem.routes_of(routing)
    sent = route >= 0
    usd = problem.shed_usd[routing.row] * rps
    usd[sent] = problem.routes.usd[route[sent]] * rps[sent]
    new = np.bincount(route[sent], weights=rps[sent], minlength=len(problem.routes)) - standing_rps(problem)
    moved = np.maximum(new, 0.0) * problem.churn_usd[problem.routes.flow]
    site = problem.site_usd(made.backend_rps) + _overload_usd(problem, made.backend_rps)
    sets = int(label.max(initial=-1)) + 1
    return np.asarray(
        np.bincount(label[service[routing.row]], weights=usd, minlength=sets)
        + np.bincount(label[service[problem.routes.flow]], weights=moved, minlength=sets)
        + np.bincount(label[problem.fleet.backends.service], weights=site, minlength=sets),
        dtype=np.float64,
    )


def free_rps(problem: Problem) -> Floats:
    """(B,) load that a backend takes within the target utilization."""
    target = problem.fleet.services.utilization_target[problem.fleet.backends.service]
    return np.asarray(target * problem.capacity_rps, dtype=np.float64)


def standing_rps(problem: Problem) -> Floats:
    """(X,) what the standing routing puts on each offered route."""
    return problem.once("standing", problem.standing, _standing_rps)


def _standing_rps(problem: Problem, _: Routing) -> Floats:
    routes, standing = problem.routes, problem.standing
    route = problem.routes_of(standing)
    share = np.zeros(len(routes))
    share[route[route >= 0]] = standing.share[route >= 0]
    return np.asarray(share * problem.demand_rps[routes.flow], dtype=np.float64)


def _stepped_usd(problem: Problem, backend_rps: Floats) -> float:
    """$/h that replicas of autoscalers add to the linear price of their load."""
    scaler = problem.fleet.scaler
    if scaler is None:
        return 0.0
    served = np.minimum(backend_rps, problem.pieces.served_rps)
    load = np.stack([served, np.zeros_like(served)], axis=1)
    more = -np.diff(scaler.running(load), axis=1)[:, 0] * scaler.usd_per_replica_hour
    return float((more - compute_usd(problem.fleet) * served)[scaler.follows].sum())


def _churn(problem: Problem, route: Ints, rps: Floats) -> float:
    """Load that comes new to a route is what moves."""
    new = np.bincount(route, weights=rps, minlength=len(problem.routes)) - standing_rps(problem)
    return float(np.maximum(new, 0.0) @ problem.churn_usd[problem.routes.flow])


def _overload_usd(problem: Problem, backend_rps: Floats) -> Floats:
    dearest = np.zeros(len(problem.fleet.services))
    np.maximum.at(dearest, problem.fleet.flows.service, problem.shed_usd)
    over = np.maximum(backend_rps - problem.pieces.served_rps, 0.0)
    return np.asarray(over * dearest[problem.fleet.backends.service], dtype=np.float64)
