"""Where workloads should run, for some documents: declared demand, whole replicas, and what more capacity is worth."""

from dataclasses import dataclass

from config.configuration import Configuration as Documents
from config.workloads import workloads_of
from placement.assignment import AssignmentProblem
from placement.baseline import nearest
from placement.fleet import Fleet
from placement.solve.place import Placed, place
from placement.workloads import Workloads, assignment_problem
from scheduler.assigned import assignment_summary, placing_prices, pool_names
from scheduler.fanout import solve_assignment
from scheduler.preview import declared_snapshot
from scheduler.pricing_fanout import pricing_mapper
from scheduler.summary import Json
from scheduler.translate import loop_configuration


@dataclass(frozen=True, slots=True)
class Placement:
    """An answer and what it was asked for."""

    fleet: Fleet
    workloads: Workloads
    pool_names: tuple[str, ...]
    """(P,) `cluster/pool`."""
    placed: Placed
    problem: AssignmentProblem


def placement_of(
    documents: Documents, ray_address: str | None = None, relaxed: bool = False, shards: int = 1
) -> Placement:
    """Whole replicas for declared demand; large fleets are priced on the Ray cluster at an address, where one is given.

    `relaxed`: fractional replicas, which are solved in so many shards where the fleet is large, and take seconds where
    whole ones take minutes. Raises Unsolved, Lost, and ValueError where the documents ask the impossible.
    """
    configuration = loop_configuration(documents)
    fleet = configuration.fleet
    snapshot = declared_snapshot(configuration, nearest(fleet))
    workloads = workloads_of(documents, fleet)
    names = pool_names(documents)
    problem = assignment_problem(fleet, workloads, snapshot, placing_prices(documents))
    if relaxed:
        answer = solve_assignment(problem, shards, address=ray_address)
        return Placement(fleet, workloads, names, Placed(answer, "relaxation"), problem)
    with pricing_mapper(problem, address=ray_address) as mapper:
        return Placement(fleet, workloads, names, place(problem, mapper), problem)


def placement_summary(found: Placement) -> Json:
    """Replicas before and after, the certificate, and shadow prices in $/h per unit."""
    return assignment_summary(
        found.fleet, found.workloads, found.pool_names, found.problem, found.placed.assignment, found.placed.bound_kind
    )
