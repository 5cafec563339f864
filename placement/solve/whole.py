"""Whole replicas where services are coupled by more than pools: call graph, links, spread. Application by application.

Each application, its rows as placement.assignment states them, is one mixed-integer program, solved twice:

    bound   at pool prices pi, alone: sum over applications of the least they can cost, less pi . capacity. Holds for
            any pi >= 0; a link or pool no application overfills alone stays a row of each.
    plan    in turn, the dearest first, within what those before it took and what those after it need at least by
            the relaxation. A pool is never overfull.

A problem of few columns is one program, and its bound then has no duality gap. SciPy's HiGHS and not OR-Tools': it
tells its dual bound, also when the limit of nodes ends it.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp

from placement.assignment import Assignment, AssignmentProblem
from placement.columns import Bools, Floats, Ints, floats, ints
from placement.solve.accounts import service_usd
from placement.solve.assignment import build, solve_relaxation
from placement.solve.linear import Unsolved

TOGETHER = 4000
"""Routes and sites up to which everything is one program."""
ROUNDING = 1e-6
"""What a floating-point whole number, and what a pool that is exactly full, may be off."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to try."""

    nodes: int = 2000
    """of a program: a work limit"""
    stop: float = 1e-3
    """Relative gap at which a program is solved."""


def solve_whole(problem: AssignmentProblem, effort: Effort = Effort()) -> Assignment:
    """Whole replicas within pools and links, certified against an integer bound. Raises Unsolved."""
    return in_parts(problem, _applications(problem), effort)


def in_parts(problem: AssignmentProblem, parts: list[Bools], effort: Effort = Effort()) -> Assignment:
    """That, with the services of each mask (S,) in `parts` as one program. Raises Unsolved."""
    relaxed = solve_relaxation(problem)
    n, bound = _in_turn(problem, relaxed, parts, effort)
    if len(parts) > 1:
        rent = float((relaxed.pool_usd * problem.capacity).sum())
        bound = sum(_least(problem, keep, relaxed.pool_usd, effort) for keep in parts) - rent
    fixed = replace(problem.sites, replicas_min=n, replicas_max=n)
    routed = solve_relaxation(replace(problem, sites=fixed))
    return Assignment(
        replicas=n,
        route_rps=routed.route_rps,
        objective_usd_per_hour=routed.objective_usd_per_hour,
        lower_bound_usd_per_hour=max(bound, relaxed.lower_bound_usd_per_hour),
        pool_usd=relaxed.pool_usd,
    )


def _applications(problem: AssignmentProblem) -> list[Bools]:
    """(S,) masks of what is solved as one."""
    if len(problem.routes) + len(problem.sites) <= TOGETHER:
        return [np.ones(problem.services, bool)]
    return [problem.block == each for each in np.unique(problem.block)]


def _least(problem: AssignmentProblem, keep: Bools, price: Floats, effort: Effort) -> float:
    """$/h that these services cost at least at pool prices (P, R)."""
    part = problem.only(keep)
    shadow = (part.sites.use * price[part.sites.pool]).sum(axis=1)
    priced = replace(part.sites, usd_per_replica_hour=floats(part.sites.usd_per_replica_hour + shadow))
    found = _solved(replace(part, sites=priced), effort)
    return float(found.mip_dual_bound) if found.mip_dual_bound is not None else 0.0


def _in_turn(problem: AssignmentProblem, relaxed: Assignment, parts: list[Bools], effort: Effort) -> tuple[Ints, float]:
    """((H,) replicas, bound of the last program)."""
    usd = service_usd(problem, floats(relaxed.replicas), relaxed.route_rps)
    n, load, bound = np.zeros(len(problem.sites), np.int64), np.zeros(len(problem.routes)), 0.0
    wanted = np.maximum(relaxed.replicas, problem.sites.replicas_min)
    for keep in sorted(parts, key=lambda each: -float(usd[each].sum())):
        site, route = keep[problem.sites.service], keep[problem.routes.service]
        wanted[site] = 0.0
        taken = problem.pool_use(n + wanted)
        part = problem.only(keep)
        links = replace(part.links, bandwidth=_left(problem, load))
        low = part.pool_use(part.sites.replicas_min)
        capacity = floats(np.maximum(problem.capacity - taken, low))
        found = _solved(replace(part, capacity=capacity, links=links), effort)
        if found.x is None:
            raise Unsolved(f"application of {int(keep.sum())} services: {found.message}")
        built = build(part)
        n[site] = np.rint(found.x[built.sites]).astype(np.int64)
        load[route] = found.x[built.routes]
        bound = float(found.mip_dual_bound)
    over = problem.pool_use(n) > problem.capacity + ROUNDING * np.maximum(problem.capacity, 1.0)
    if over.any():
        raise Unsolved(f"the least replicas leave no room in pools {np.flatnonzero(over.any(axis=1)).tolist()}")
    return ints(n), bound


def _left(problem: AssignmentProblem, load: Floats) -> Floats:
    """(K,) bytes/s that routes (X,) leave of the links."""
    links = problem.links
    over = load[links.route] * links.amount
    return floats(np.maximum(0.0, links.bandwidth - np.bincount(links.link, over, len(links.bandwidth))))


def _solved(problem: AssignmentProblem, effort: Effort) -> OptimizeResult:
    built = build(problem)
    lp = built.program
    whole = np.zeros(len(lp.cost), np.int64)
    whole[built.sites] = 1
    upper = lp.upper.copy()
    upper[built.sites] = most_replicas(problem)
    return milp(
        lp.cost,
        integrality=whole,
        bounds=Bounds(lp.lower, upper),
        constraints=LinearConstraint(lp.matrix, lp.row_lower, lp.row_upper),
        options={"mip_rel_gap": effort.stop, "node_limit": effort.nodes},
    )


def most_replicas(problem: AssignmentProblem) -> Floats:
    """(H,) replicas beyond which nothing is gained; the solver is unsound with bounds that mean infinity."""
    count, h = problem.services, problem.sites
    total = np.bincount(problem.demands.service, problem.demands.rps, count)
    entering = total.copy()
    for _ in range(count):  # the call graph has no cycle, so this ends
        deeper = entering.copy()
        np.add.at(deeper, problem.calls_child, problem.calls_per_request * total[problem.calls_parent])
        if np.array_equal(deeper, total):
            break
        total = deeper
    least = np.bincount(h.service, h.rps_per_replica * h.replicas_min, count)
    raw = np.maximum(total / problem.utilization, least)
    np.maximum.at(raw, problem.losses.service, problem.losses.survive_rps)
    raw = raw / np.minimum(problem.spread_max, 1.0)
    slack = 1 + np.ceil(h.rps_per_replica.max(initial=0.0) / h.rps_per_replica)
    return floats(np.clip(np.ceil(raw[h.service] / h.rps_per_replica) + slack, h.replicas_min, h.replicas_max))
