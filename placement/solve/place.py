"""Whole replicas for a fleet: plans of single services where only pools couple them, else programs of applications."""

from dataclasses import dataclass

from placement.assignment import Assignment, AssignmentProblem
from placement.solve.integers import solve_integers
from placement.solve.pricing import Mapper
from placement.solve.whole import solve_whole


@dataclass(frozen=True, slots=True)
class Placed:
    """Where workloads should run, certified: no whole-replica assignment costs less than the assignment's bound."""

    assignment: Assignment
    bound_kind: str
    """`integer`"""


def place(problem: AssignmentProblem, mapper: Mapper = map) -> Placed:
    """Whole replicas within the pools. Raises Unsolved, and ValueError where least replicas do not fit.

    Calls, links and spread couple services or routes beyond the pools: such a fleet is solved by applications.
    """
    coupled = len(problem.calls_parent) or len(problem.links.bandwidth) or (problem.spread_max < 1).any()
    return Placed(solve_whole(problem) if coupled else solve_integers(problem, mapper=mapper).assignment, "integer")
