"""The relaxation of the assignment problem as one linear program; see `placement.assignment` for its letters.

Columns, in this order: y_x routes, n_h replicas, u_g refused, T_s raw capacity of services that are guarded or spread,
v_l shortfall, started_h where starting a replica costs something.

    min  sum usd_x y_x + usd_h n_h + shed_g u_g + short_l v_l + migration_h started_h

    demand    sum_{x of g} y_x + u_g - sum_{x of parents at g's mesh} calls_xg y_x = demand_g
    serve     sum_{x at h} y_x - utilization_s rps_h n_h                          <= 0
    pool      sum_{h in p} use_hr n_h                                             <= capacity_pr
    link      sum_{x over k} amount_xk y_x                                        <= bandwidth_k
    total     sum_{h of s} rps_h n_h - T_s                                        = 0
    loss      T_s - sum_{h of s in domain of l} rps_h n_h + v_l                   >= survive_l
    spread    rps_h n_h - spread_s T_s                                            <= 0
    start     n_h - started_h                                                     <= standing_h
    bounds    replicas_min_h <= n_h <= replicas_max_h, the rest >= 0

The total keeps the loss rows sparse: each holds one T and the sites of one domain, not all the others.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix, csr_matrix

from placement.assignment import Assignment, AssignmentProblem
from placement.columns import Floats, Ints, floats
from placement.solve.linear import LinearProgram, Unsolved

Entries = tuple[Ints, Ints, Floats]


@dataclass(frozen=True, slots=True)
class AssignmentProgram:
    """A linear program and where its columns and rows came from."""

    program: LinearProgram
    routes: slice
    sites: slice
    pool_rows: slice
    """P x R, pool-major."""
    link_rows: slice
    loss_rows: slice
    start_rows: slice
    column_service: Ints
    """(columns,) the service that owns each."""


def solve_relaxation(problem: AssignmentProblem) -> Assignment:
    """The exact optimum with fractional replicas, by one solve of everything: its bound is its objective.

    SciPy's HiGHS and not OR-Tools': the pool prices are its duals. Raises Unsolved.
    """
    built = build(problem)
    lp = built.program
    equal = lp.row_lower == lp.row_upper
    upper, lower = ~equal & np.isfinite(lp.row_upper), ~equal & np.isfinite(lp.row_lower)
    rows = np.concatenate([np.flatnonzero(upper), np.flatnonzero(lower)])
    sign = np.concatenate([np.ones(upper.sum()), -np.ones(lower.sum())])
    answer = linprog(  # type: ignore[call-overload]  # its stubs do not know sparse rows
        lp.cost,
        A_ub=lp.matrix[rows].multiply(sign[:, None]).tocsr(),
        b_ub=sign * np.concatenate([lp.row_upper[upper], lp.row_lower[lower]]),
        A_eq=lp.matrix[equal],
        b_eq=lp.row_lower[equal],
        bounds=np.column_stack([lp.lower, lp.upper]),
        method="highs-ds",
    )
    if answer.status != 0:
        raise Unsolved(f"assignment of {problem.services} services: {answer.message}")
    price = np.zeros(len(lp.row_lower))
    price[rows] = -sign * answer.ineqlin.marginals
    return Assignment(
        replicas=floats(answer.x[built.sites]),
        route_rps=floats(answer.x[built.routes]),
        objective_usd_per_hour=float(answer.fun),
        lower_bound_usd_per_hour=float(answer.fun),
        pool_usd=floats(np.maximum(price[built.pool_rows], 0.0).reshape(problem.capacity.shape)),
    )


def build(problem: AssignmentProblem) -> AssignmentProgram:
    """Assemble the program from column arrays; no Python loop over rows or columns."""
    x, h, g, losses = problem.routes, problem.sites, problem.demands, problem.losses
    totals, starting, sizes = _families(problem)
    counts = (len(x), len(h), len(g), len(totals), len(losses), len(starting))
    column = np.concatenate([[0], np.cumsum(counts)])
    families = (
        _demand_rows(problem, column[2]),
        _serve_rows(problem, column[1]),
        _pool_rows(problem, column[1]),
        _link_rows(problem),
        _total_rows(problem, totals, column[1], column[3]),
        _loss_rows(problem, totals, column),
        _spread_rows(problem, totals, column[1], column[3]),
        _start_rows(starting, column[1], column[5]),
    )
    first = np.concatenate([[0], np.cumsum(sizes)])
    row = np.concatenate([entries[0] + start for entries, start in zip(families, first, strict=False)])
    col, value = (np.concatenate([entries[i] for entries in families]) for i in (1, 2))
    matrix = csr_matrix(coo_matrix((value, (row, col)), shape=(first[-1], column[-1])))
    row_lower, row_upper = _row_limits(problem)
    lower, upper = np.zeros(column[-1]), np.full(column[-1], np.inf)
    sites = slice(int(column[1]), int(column[2]))
    lower[sites], upper[sites] = h.replicas_min, h.replicas_max
    cost = np.concatenate(
        [x.usd, h.usd_per_replica_hour, g.shed_usd, np.zeros(len(totals)), losses.short_usd, h.migration_usd[starting]]
    )
    return AssignmentProgram(
        program=LinearProgram(cost, matrix, row_lower, row_upper, lower, upper),
        routes=slice(0, len(x)),
        sites=sites,
        pool_rows=slice(int(first[2]), int(first[3])),
        link_rows=slice(int(first[3]), int(first[4])),
        loss_rows=slice(int(first[5]), int(first[6])),
        start_rows=slice(int(first[7]), int(first[8])),
        column_service=np.concatenate([x.service, h.service, g.service, totals, losses.service, h.service[starting]]),
    )


def moved(built: AssignmentProgram, problem: AssignmentProblem) -> AssignmentProgram:
    """The program of a problem that differs only in demands, survival, capacity and standing replicas."""
    row_lower, row_upper = built.program.row_lower.copy(), built.program.row_upper.copy()
    row_lower[: len(problem.demands)] = row_upper[: len(problem.demands)] = problem.demands.rps
    row_upper[built.pool_rows] = problem.capacity.ravel()
    row_lower[built.loss_rows] = problem.losses.survive_rps
    row_upper[built.start_rows] = problem.sites.standing[problem.sites.migration_usd > 0]
    return replace(built, program=replace(built.program, row_lower=row_lower, row_upper=row_upper))


def _families(problem: AssignmentProblem) -> tuple[Ints, Ints, tuple[int, ...]]:
    """Services that have a total, sites whose starts cost something, and how many rows each family has."""
    h, spread = problem.sites, problem.spread_max < 1
    totals = np.flatnonzero(spread | (np.bincount(problem.losses.service, minlength=problem.services) > 0))
    starting = np.flatnonzero(h.migration_usd > 0)
    pools, links, spreads = problem.capacity.size, len(problem.links.bandwidth), int(spread[h.service].sum())
    return totals, starting, (
        len(problem.demands), len(h), pools, links, len(totals), len(problem.losses), spreads, len(starting),
    )  # fmt: skip


def _row_limits(problem: AssignmentProblem) -> tuple[Floats, Floats]:
    """Row bounds, family by family as in the docstring of this module."""
    _, starting, (demands, sites, _, _, totals, losses, spreads, _) = _families(problem)
    below = np.full
    lower = [
        problem.demands.rps,
        below(sites + problem.capacity.size + len(problem.links.bandwidth), -np.inf),
        np.zeros(totals),
        problem.losses.survive_rps,
        below(spreads + len(starting), -np.inf),
    ]
    upper = [
        problem.demands.rps,
        np.zeros(sites),
        problem.capacity.ravel(),
        problem.links.bandwidth,
        np.zeros(totals),
        below(losses, np.inf),
        np.zeros(spreads),
        problem.sites.standing[starting].astype(np.float64),
    ]
    assert demands == len(problem.demands)
    return np.concatenate(lower), np.concatenate(upper)


def _demand_rows(problem: AssignmentProblem, shed: int) -> Entries:
    """Each route serves its own demand and takes from what it makes its children's demands; u fills the rest."""
    route, child, calls = problem.called()
    routes, demands = np.arange(len(problem.routes)), np.arange(len(problem.demands))
    return (
        np.concatenate([problem.routes.demand, demands, child]),
        np.concatenate([routes, shed + demands, route]),
        np.concatenate([np.ones(len(routes) + len(demands)), -calls]),
    )


def _serve_rows(problem: AssignmentProblem, replicas: int) -> Entries:
    h, routes = problem.sites, np.arange(len(problem.routes))
    sites = np.arange(len(h))
    return (
        np.concatenate([problem.routes.site, sites]),
        np.concatenate([routes, replicas + sites]),
        np.concatenate([np.ones(len(routes)), -problem.utilization[h.service] * h.rps_per_replica]),
    )


def _pool_rows(problem: AssignmentProblem, replicas: int) -> Entries:
    site, resource = np.nonzero(problem.sites.use)
    row = problem.sites.pool[site] * problem.capacity.shape[1] + resource
    return row, replicas + site, problem.sites.use[site, resource]


def _link_rows(problem: AssignmentProblem) -> Entries:
    links = problem.links
    return links.link, links.route, links.amount


def _total_rows(problem: AssignmentProblem, totals: Ints, replicas: int, total: int) -> Entries:
    place = _places(problem, totals)
    site = np.flatnonzero(place[problem.sites.service] >= 0)
    mine = np.arange(len(totals))
    return (
        np.concatenate([place[problem.sites.service[site]], mine]),
        np.concatenate([replicas + site, total + mine]),
        np.concatenate([problem.sites.rps_per_replica[site], -np.ones(len(totals))]),
    )


def _loss_rows(problem: AssignmentProblem, totals: Ints, column: Ints) -> Entries:
    lost = problem.site_losses()
    site, which = np.nonzero(lost >= 0)
    rows = np.arange(len(problem.losses))
    return (
        np.concatenate([rows, lost[site, which], rows]),
        np.concatenate(
            [column[3] + _places(problem, totals)[problem.losses.service], column[1] + site, column[4] + rows]
        ),
        np.concatenate([np.ones(len(rows)), -problem.sites.rps_per_replica[site], np.ones(len(rows))]),
    )


def _spread_rows(problem: AssignmentProblem, totals: Ints, replicas: int, total: int) -> Entries:
    h = problem.sites
    site = np.flatnonzero(problem.spread_max[h.service] < 1)
    row = np.arange(len(site))
    return (
        np.concatenate([row, row]),
        np.concatenate([replicas + site, total + _places(problem, totals)[h.service[site]]]),
        np.concatenate([h.rps_per_replica[site], -problem.spread_max[h.service[site]]]),
    )


def _start_rows(starting: Ints, replicas: int, started: int) -> Entries:
    row = np.arange(len(starting))
    return (
        np.concatenate([row, row]),
        np.concatenate([replicas + starting, started + row]),
        np.concatenate([np.ones(len(row)), -np.ones(len(row))]),
    )


def _places(problem: AssignmentProblem, totals: Ints) -> Ints:
    """(S,) the total of each service, -1 where it has none."""
    place = np.full(problem.services, -1)
    place[totals] = np.arange(len(totals))
    return place
