"""Whole replicas for a fleet, call graph included: the integer solve, and what goes around it where services call."""

from dataclasses import dataclass, replace

import numpy as np

from placement.assignment import Assignment, AssignmentProblem
from placement.columns import floats, ints
from placement.solve.assignment import solve_relaxation
from placement.solve.integers import solve_integers


@dataclass(frozen=True, slots=True)
class Placed:
    """Where workloads should run. `assignment.gap` is certified against `bound_kind`."""

    assignment: Assignment
    bound_kind: str
    """`integer`: no whole-replica assignment is cheaper. `relaxation`: nothing at all is, so the gap is pessimistic."""


def place(problem: AssignmentProblem) -> Placed:
    """Whole replicas within the pools. Raises Unsolved, and ValueError for link and spread rows.

    Without calls between services this is the integer solve with its integer bound. With calls, demand of called
    services is first taken from the relaxation, whole replicas are found for that, and the load is routed anew over
    them with the call graph in force: feasible and exactly priced, certified against the relaxation.
    """
    if not len(problem.calls_parent):
        return Placed(solve_integers(problem).assignment, "integer")
    relaxed = solve_relaxation(problem)
    whole = solve_integers(apart(problem, relaxed)).assignment
    n = ints(np.rint(whole.replicas))
    fixed = replace(problem.sites, replicas_min=n, replicas_max=n)
    routed = solve_relaxation(replace(problem, sites=fixed))
    return Placed(
        replace(
            routed,
            replicas=n,
            lower_bound_usd_per_hour=relaxed.lower_bound_usd_per_hour,
            pool_usd=relaxed.pool_usd,
        ),
        "relaxation",
    )


def apart(problem: AssignmentProblem, relaxed: Assignment) -> AssignmentProblem:
    """The problem without calls, in which called services have the demand that a relaxed answer gives them."""
    route, demand, per_request = problem.called()
    called = np.bincount(demand, relaxed.route_rps[route] * per_request, len(problem.demands))
    nothing = ints([])
    return replace(
        problem,
        demands=replace(problem.demands, rps=floats(problem.demands.rps + called)),
        block=ints(np.arange(problem.services)),
        calls_parent=nothing,
        calls_child=nothing,
        calls_per_request=floats([]),
    )
