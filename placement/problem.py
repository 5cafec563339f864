"""The routing problem as arrays, in dollars per hour. `formulate` is pure: a snapshot in, a problem out.

Sets      flows f = (service s, origin o); backends b = (service, cluster c); routes x = (f, b)
Offered   a route is a column only if the service may use the cluster, the round trip is within its limit, the
          backend is usable and its cluster is not lost: sovereignty and SLO hold because nothing else can be chosen.
Prices    per rps for one hour, of sending f to b:
            latency   3600 V_s (rtt_oc + w_b)                 V_s $/(request ms), w_b measured time in the backend
            quality   3600 V_s QUALITY_MS e_b                 e_b measured share of failed requests (see qoe.py)
            egress    3600 (request_bytes out_oc + response_bytes back_oc) / 1e9
            compute   price of a replica-hour / (rps per replica x target utilization)
          refusing    priority_s x shed_multiple x unit cost of the service (its dearest lawful route) and of all that
                      it calls, or a cheap service with dear children would rather refuse: scale-consistent,
                      where a flat price per request makes either refusing or serving absurd for services that
                      differ a thousandfold in cost
          moving      churn_ratio x the service's own unit, per rps that changes cluster
          A request refused is worth its priority and also the patience of who made it: + 3600 V_s PATIENCE_MS.
          Without that a service whose latency is dear would rather refuse than make anybody wait. And a called
          service refuses no cheaper than who calls it: one refused call is one request that fails further up.
Pieces    what load costs a backend beyond that is convex (sitecost.py). With replicas as they are: the first
          utilization_target of capacity is free, the rest is to be had at a price that rises by SEGMENTS and stays
          below the price of refusing. With a bounded autoscaler: the hull of its replicas' price and waiting.
Calls     the demand of (child, mesh of c) is `per_request` times what its parents serve in c.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from placement.callgraph import inherited
from placement.columns import Bools, Floats, Ints, bools, floats, lookup
from placement.demand import displaced, external_demand, total_demand
from placement.fleet import Fleet
from placement.qoe import waiting_factor
from placement.readings import Snapshot
from placement.routes import Routes, compute_usd, inside, kept, lawful_routes, tree_usd, unit_usd
from placement.routing import Routing
from placement.sitecost import Autoscaler, Curve, Outlook, Pieces, SitePrices, autoscaled, either, expected, headroom

T = TypeVar("T")
SEGMENTS = 3
"""Convex pieces of the headroom between utilization_target and 1."""
DEMAND_FLOOR_RPS = 1e-3
"""A flow nobody uses still has a routing, so it is solved as if this little came in from outside."""
PATIENCE_MS = 2_000.0
"""How long somebody who would be refused would rather wait."""
INNER_SHED_MULTIPLE = 10.0
"""Flows without clients of their own are refused last. A called service that refuses wastes the work of its callers,
so load is refused where it enters; and an idle flow takes no room, while who turns up first should find it open."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What the policy fixes; ratios are of a service's unit serving cost."""

    shed_multiple: float = 10.0
    churn_ratio: float = 0.02
    headroom_multiple: float = 0.5


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything the solver needs and nothing that it does not."""

    fleet: Fleet
    routes: Routes
    external_rps: Floats
    """(F,) demand from outside the fleet."""
    demand_rps: Floats
    """(F,) external plus what the call graph adds under the standing routing; bounds what can be kept."""
    capacity_rps: Floats
    """(B,) with warmth applied; 0 where a backend is not usable or lost."""
    pieces: Pieces
    """What load costs at each backend on top of the prices of its routes, convex: a bound where `curve` is not."""
    shed_usd: Floats
    """(F,) $/h per rps refused."""
    churn_usd: Floats
    """(F,) $/h per rps moved to another cluster."""
    standing: Routing
    """The routing in force: what moving is counted from."""
    lost: Bools
    """(C,) clusters taken as lost."""
    curve: Curve | None = None
    """What load really costs at each backend where that is not convex; None where `pieces` are exact."""
    known: dict[tuple[str, int], tuple[Routing, Any]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What was worked out of routings; see `once`."""

    def once(self, name: str, routing: Routing, work: Callable[["Problem", Routing], T]) -> T:
        """The result of `work` on this problem and a routing, worked out at the first call: a tick asks for the loads
        and the cost of the same few routings many times over.
        """
        held = self.known.get((name, id(routing)))
        if held is None:
            held = self.known[name, id(routing)] = routing, work(self, routing)  # held, so that its id stays its own
        found: T = held[1]
        return found

    def site_usd(self, load_rps: Floats) -> Floats:
        """(B,) $/h that a load costs at each backend on top of the prices of its routes."""
        return (self.curve or self.pieces).cost(load_rps)

    def route_of(self, flow: Ints, column: Ints) -> Ints:
        """The route of each (flow, column), -1 where it is refusal or not offered."""
        columns = self.fleet.shed + 1
        return lookup(self.routes.flow * columns + self.routes.cluster, flow * columns + column)

    def routes_of(self, routing: Routing) -> Ints:
        """(N,) the route of each share, as in `route_of`."""
        return self.once("routes", routing, lambda problem, shares: problem.route_of(shares.row, shares.column))

    def backend_of(self, flow: Ints, column: Ints) -> Ints:
        """The backend of each (flow, column), offered or not; -1 for SHED and where the service does not run."""
        return self.fleet.backend_of(flow, column)


def formulate(
    fleet: Fleet,
    snapshot: Snapshot,
    prices: Prices,
    lost: Bools | None = None,
    load_error: Floats | None = None,
    refused_usd: Floats | None = None,
) -> Problem:
    """The problem of one instant; `lost` (C,) marks clusters to plan without, for failover tables.

    Where the fleet has autoscalers replicas follow load within their bounds, elsewhere they are as they are.
    `load_error` (B,), the relative error to expect of each backend's load, is priced; None: readings are exact. Load
    that comes and does not fit is priced as refused: a data plane that spills it elsewhere only does better.
    `refused_usd` (S,) $/h per rps refused, where that is known and not derived from priorities.
    """
    gone = np.zeros(len(fleet.clusters), dtype=bool) if lost is None else lost
    usable = snapshot.usable & ~gone[fleet.backends.cluster]
    readings = snapshot.readings
    capacity = np.where(usable, readings.capacity_rps * snapshot.warmth, 0.0)
    lawful = lawful_routes(fleet, readings.latency_ms, readings.error_ratio)
    routes = lawful if usable.all() else kept(lawful, usable[lawful.backend])
    if snapshot.cut is not None and snapshot.cut.any():
        routes = kept(routes, inside(fleet, routes, snapshot.cut))
    unit = unit_usd(fleet, lawful)
    external = displaced(fleet, external_demand(fleet, readings.demand_rps, snapshot.routing), gone)
    inner = external <= DEMAND_FLOOR_RPS
    external = np.maximum(external, DEMAND_FLOOR_RPS)
    flow_unit = unit[fleet.flows.service]
    shed = tree_usd(fleet, unit) * fleet.services.priority * prices.shed_multiple
    shed = inherited(shed + 3600 * PATIENCE_MS * fleet.services.usd_per_request_ms, fleet.calls)
    shed = shed if refused_usd is None else refused_usd
    target = fleet.services.utilization_target[fleet.backends.service]
    slopes = unit[fleet.backends.service][:, None] * headroom_slopes(prices.headroom_multiple)
    pieces, curve = headroom(capacity, target, slopes), None
    error = np.zeros(len(capacity)) if load_error is None else load_error
    if error.any():
        pieces = expected(pieces, error, shed[fleet.backends.service])
    if fleet.scaler is not None:
        outlook = Outlook(floats(np.where(usable, snapshot.warmth, 0.0)), floats(capacity), floats(error))
        curve = either(fleet.scaler.follows, _autoscaled(fleet, fleet.scaler, outlook, shed), pieces)
        pieces = curve.hull()
    return Problem(
        fleet=fleet,
        routes=routes,
        external_rps=floats(external),
        demand_rps=floats(total_demand(fleet, external, snapshot.routing)),
        capacity_rps=floats(capacity),
        pieces=pieces,
        curve=curve,
        shed_usd=floats(shed[fleet.flows.service] * refused_last(fleet, bools(inner))),
        churn_usd=floats(flow_unit * prices.churn_ratio),
        standing=snapshot.routing,
        lost=bools(gone),
    )


def refused_last(fleet: Fleet, inner: Bools) -> Floats:
    """(F,) multiples of the price of refusing, where (F,) `inner` flows have no clients of their own.

    All of a service that may be served nowhere is refused, wherever it enters. Where such a service has clients as well
    its price does not hang on the meshes that they were seen at: its callers would be moved to those, and move them on.
    """
    last = fleet.once("refused last", _refused_last)[fleet.flows.service]
    return floats(np.where(inner & last, INNER_SHED_MULTIPLE, 1.0))


def _refused_last(fleet: Fleet) -> Bools:
    """(S,) services that somebody may serve, or that have no clients anyway."""
    backends = fleet.backends
    lawful = fleet.allowed[backends.service, backends.cluster]
    return bools((np.bincount(backends.service[lawful], minlength=len(fleet.services)) > 0) | ~fleet.services.exposed)


def _autoscaled(fleet: Fleet, scaler: Autoscaler, outlook: Outlook, shed: Floats) -> Curve:
    service = fleet.backends.service
    priced = SitePrices(
        usd_per_request_ms=floats(fleet.services.usd_per_request_ms[service]),
        linear_usd=compute_usd(fleet),
        overflow_usd=floats(shed[service]),
    )
    return autoscaled(scaler, outlook, priced)


def headroom_slopes(multiple: float) -> Floats:
    """(SEGMENTS,) price of each headroom piece in units of serving cost: how waiting grows, from `multiple` up."""
    middle = (np.arange(SEGMENTS) + 0.5) / SEGMENTS
    return multiple * waiting_factor(middle)
