"""The routing solve: shares of every flow over clusters, with replicas as they are.

Sets        f flows, x routes (f, b) offered, b backends, i pieces of their cost, l limits that routes share
            (crossings.py: gateways and links)
Data        external_f demand rps; w_x share of x in the standing routing; d_f demand under it; width_bi, slope_bi the
            convex pieces of b's cost (sitecost.py); calls_kf requests that route x of a parent makes at flow f;
            amount_xl what a request on x takes of l
Variables   kept_x    rps that stay where they are, 0 <= kept_x <= w_x d_f     (only where w_x > 0 and churn_f > 0)
            moved_x   rps that come new to x
            load_bi   rps in piece i of b, 0 <= load_bi <= width_bi
            shed_f    rps refused
Minimise    sum_x usd_x (kept_x + moved_x) + churn_f moved_x + sum_bi slope_bi load_bi + sum_f shed_usd_f shed_f
Subject to
  demand    sum_{x of f} (kept_x + moved_x) + shed_f - sum_{x of parents at f's mesh} calls_xf (kept_x + moved_x)
                = external_f                                                         for each f
  capacity  sum_{x at b} (kept_x + moved_x) - sum_i load_bi = 0                      for each b
  shared    sum_x amount_xl (kept_x + moved_x) <= most_l                             for each l
shed_f gives every demand a way out, so a valid problem is never infeasible. Slopes rise with i, so the pieces fill in
order; they may start below 0, hence the equality. The kept/moved split prices sum (w' - w)^+: shares sum to one, so it
is half the L1 distance.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from placement.columns import Floats, Ints, floats, lookup
from placement.cost import evaluate, loads, objective_of_sets, standing_rps
from placement.crossings import crossings, shared_limits
from placement.plan import Plan, Reason
from placement.problem import Problem
from placement.routing import Routing, blend, from_triplets
from placement.sitecost import Curve
from placement.solve.chunks import chunk_of, solve_chunks
from placement.solve.linear import LinearProgram, Solution, solve, solve_with_prices

CHUNK_FLOWS = 200
"""A chunk of applications has about so many flows."""


@dataclass(frozen=True, slots=True)
class RoutingProgram:
    """A linear program and where its columns and rows came from."""

    program: LinearProgram
    kept: Ints
    """(K,) the route of each kept column; they are the first columns."""
    routes: int
    demand_rows: slice
    capacity_rows: slice
    shared_rows: slice


@dataclass(frozen=True, slots=True)
class ShadowPrices:
    """$/h: what one more unit of a limit would save (capacity, shared) or of demand would cost."""

    demand_usd: Floats
    """(F,)"""
    capacity_usd: Floats
    """(B,) slope of the backend's cost at its load: what one more rps there costs beyond its route's price."""
    shared_usd: Floats
    """(L,) >= 0, of a request/s of a gateway, a megabyte/s of a link."""


def solve_routing(problem: Problem) -> Plan:
    """The cheapest routing of a problem, or where site costs are not convex a good one and a bound. Raises Unsolved."""
    built = build(problem)
    return _plan(problem, built, optimum(problem, built))


def solve_with_shadow_prices(problem: Problem) -> tuple[Plan, ShadowPrices]:
    """The same, and what the limits are worth at the optimum. Raises Unsolved."""
    built = build(problem)
    solution = optimum(problem, built)
    return _plan(problem, built, solution), _shadow_prices(built, solution)


def _plan(problem: Problem, built: RoutingProgram, solution: Solution) -> Plan:
    routing = _routing(problem, built, solution)
    if problem.curve is not None:
        routing = refined(problem, problem.curve, routing)
    return Plan(routing, evaluate(problem, routing), Reason.SOLVED, lower_bound_usd_per_hour=solution.objective)


def optimum(problem: Problem, built: RoutingProgram) -> Solution:
    """The optimum, found in chunks of applications where no shared limit ties all together. Raises Unsolved."""
    if built.shared_rows.start < built.shared_rows.stop:
        return solve(built.program)
    fleet = problem.fleet
    label = fleet.applications()
    flows = np.bincount(fleet.flows.service, minlength=len(label))
    service_chunk = chunk_of(label, flows, CHUNK_FLOWS)
    flow_chunk, backend_chunk = service_chunk[fleet.flows.service], service_chunk[fleet.backends.service]
    route_chunk = flow_chunk[problem.routes.flow]
    piece_chunk = backend_chunk[np.nonzero(problem.pieces.rps > 0)[0]]
    columns = np.concatenate([route_chunk[built.kept], route_chunk, piece_chunk, flow_chunk])
    return solve_chunks(built.program, np.concatenate([flow_chunk, backend_chunk]), columns)


def refined(problem: Problem, curve: Curve, hull: Routing) -> Routing:
    """The best of what a step of the convex-concave procedure finds from the optimum on the hulls and from what stands.

    Services that share no limit choose apart from each other, so every application gets its own best. A second step
    finds next to nothing (2e-5 of the objective on the policy fleets). Raises Unsolved.
    """
    fleet = problem.fleet
    label = fleet.applications()
    best, least = hull, objective_of_sets(problem, hull, label)
    for start in (hull, problem.standing):
        convex = replace(problem, pieces=curve.majorant(loads(problem, start).backend_rps), curve=None)
        built = build(convex)
        routing = _routing(convex, built, optimum(convex, built))
        usd = objective_of_sets(problem, routing, label)
        best = blend(best, routing, (usd < least)[label[fleet.flows.service]].astype(np.float64))
        least = np.minimum(usd, least)
    return best


def shadow_prices(problem: Problem) -> ShadowPrices:
    """What the limits of a problem are worth at its optimum. Raises Unsolved."""
    built = build(problem)
    return _shadow_prices(built, optimum(problem, built))


def _shadow_prices(built: RoutingProgram, solution: Solution) -> ShadowPrices:
    price = solution.row_price
    if price is None:
        price = solve_with_prices(built.program).row_price
    assert price is not None
    parts = price[built.demand_rows], -price[built.capacity_rows], -price[built.shared_rows]
    return ShadowPrices(*(floats(part) for part in parts))


def build(problem: Problem) -> RoutingProgram:
    """Assemble the program from column arrays; no Python loop over rows or columns."""
    routes, flows, backends = problem.routes, len(problem.fleet.flows), len(problem.fleet.backends)
    standing = standing_rps(problem)
    kept = np.flatnonzero((standing > 0) & (problem.churn_usd[routes.flow] > 0))
    route_of = np.concatenate([kept, np.arange(len(routes))])
    most = shared_limits(problem.fleet).most
    backend, piece = np.nonzero(problem.pieces.rps > 0)
    rows = (
        _demand_entries(problem, route_of),
        _capacity_entries(problem, route_of, flows),
        _shared_entries(problem, route_of, flows + backends),
        (flows + backend, len(route_of) + np.arange(len(backend)), np.full(len(backend), -1.0)),
        (np.arange(flows), len(route_of) + len(backend) + np.arange(flows), np.ones(flows)),
    )
    row, column, value = (np.concatenate([part[i] for part in rows]) for i in range(3))
    shape = (flows + backends + len(most), len(route_of) + len(backend) + flows)
    matrix = csr_matrix(coo_matrix((value, (row, column)), shape=shape))
    usd = routes.usd
    slope = problem.pieces.usd[backend, piece]
    cost = np.concatenate([usd[kept], usd + problem.churn_usd[routes.flow], slope, problem.shed_usd])
    upper = np.full(shape[1], np.inf)
    upper[: len(kept)] = standing[kept]
    upper[len(route_of) : len(route_of) + len(backend)] = problem.pieces.rps[backend, piece]
    full = np.zeros(backends)
    program = LinearProgram(
        cost=cost,
        matrix=matrix,
        row_lower=np.concatenate([problem.external_rps, full, np.full(len(most), -np.inf)]),
        row_upper=np.concatenate([problem.external_rps, full, most]),
        lower=np.zeros(shape[1]),
        upper=upper,
    )
    capacity_rows, shared_rows = slice(flows, flows + backends), slice(flows + backends, shape[0])
    return RoutingProgram(program, kept, len(routes), slice(0, flows), capacity_rows, shared_rows)


Entries = tuple[Ints, Ints, Floats]


def _demand_entries(problem: Problem, route_of: Ints) -> Entries:
    """Each route serves its own flow, and takes from it what it makes its children's flows demand."""
    routes, fleet = problem.routes, problem.fleet
    own = (routes.flow[route_of], np.arange(len(route_of)), np.ones(len(route_of)))
    if not len(fleet.calls):
        return own
    order = np.argsort(fleet.calls.parent, kind="stable")
    parent = fleet.calls.parent[order]
    service = fleet.flows.service[routes.flow[route_of]]
    first, last = np.searchsorted(parent, service, "left"), np.searchsorted(parent, service, "right")
    count = last - first
    column = np.repeat(np.arange(len(route_of)), count)
    call = order[np.arange(len(column)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)]
    origins = len(fleet.origins)
    mesh = fleet.origin_of_cluster()[routes.cluster[route_of[column]]]
    flow_key = fleet.flows.service * origins + fleet.flows.origin
    wanted = fleet.calls.child[call] * origins + mesh
    row = np.where(mesh >= 0, lookup(flow_key, wanted), -1)
    real = row >= 0
    called = (row[real], column[real], -fleet.calls.per_request[call[real]])
    return tuple(np.concatenate(pair) for pair in zip(own, called, strict=True))  # type: ignore[return-value]


def _capacity_entries(problem: Problem, route_of: Ints, first_row: int) -> Entries:
    return first_row + problem.routes.backend[route_of], np.arange(len(route_of)), np.ones(len(route_of))


def _shared_entries(problem: Problem, route_of: Ints, first_row: int) -> Entries:
    routes = problem.routes
    limit, column, amount = crossings(problem.fleet, routes.flow[route_of], routes.cluster[route_of]).entries()
    return first_row + limit, column, amount


def _routing(problem: Problem, built: RoutingProgram, solution: Solution) -> Routing:
    """Shares from rps. A flow that nobody may serve is all shed."""
    kept, routes, flows = len(built.kept), built.routes, len(problem.fleet.flows)
    y = solution.x[kept : kept + routes].copy()
    y[built.kept] += solution.x[:kept]
    shed = solution.x[-flows:] if flows else solution.x[:0]
    total = np.bincount(problem.routes.flow, weights=y, minlength=flows) + shed
    shed = np.where(total > 0, shed, 1.0)
    flow = np.concatenate([problem.routes.flow, np.arange(flows)])
    column = np.concatenate([problem.routes.cluster, np.full(flows, problem.fleet.shed)])
    share = np.concatenate([y, shed]) / np.where(total > 0, total, 1.0)[flow]
    return from_triplets(flow, column, np.maximum(share, 0.0), (flows, problem.fleet.shed + 1))
