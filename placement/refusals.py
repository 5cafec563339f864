"""Whom an assignment refuses, how much, and why: what a plan that sheds has to say."""

from dataclasses import dataclass

import numpy as np

from placement.assignment import Assignment, AssignmentProblem
from placement.columns import Bools, Floats, Ints, floats

NEGLIGIBLE = 1e-6
"""Part of a service's requests that is rounding and not a refusal."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is refused of one service."""

    service: int
    rps: float
    of_rps: float
    homeless: bool
    """Requests with no site at all that is allowed, near enough and has the nodes it runs on."""
    full: tuple[tuple[int, int], ...]
    """(pool, resource) of its sites where one more replica does not fit."""
    capped: bool
    """A site that could take more has the most replicas it may."""

    @property
    def dear(self) -> bool:
        """Nothing is in the way: serving costs more than refusing is priced at."""
        return not (self.homeless or self.full or self.capped)


def refusals(problem: AssignmentProblem, answer: Assignment) -> tuple[Refusal, ...]:
    """Of every service that is refused anything, most requests first."""
    asked = asked_rps(problem, answer.route_rps)
    refused = np.maximum(0.0, asked - np.bincount(problem.routes.demand, answer.route_rps, len(problem.demands)))
    service, count = problem.demands.service, problem.services
    by_service, whole = np.bincount(service, refused, count), np.bincount(service, asked, count)
    some = np.flatnonzero(by_service > NEGLIGIBLE * np.maximum(whole, NEGLIGIBLE))
    missing = refused > NEGLIGIBLE * np.maximum(asked, NEGLIGIBLE)
    room = problem.capacity - problem.pool_use(answer.replicas)
    return tuple(
        _refusal(problem, answer, int(s), (by_service[s], whole[s]), missing & (service == s), room)
        for s in some[np.argsort(-by_service[some], kind="stable")]
    )


def asked_rps(problem: AssignmentProblem, route_rps: Floats) -> Floats:
    """(G,) what comes from outside, and what served requests ask of the services they call."""
    route, child, calls = problem.called()
    return floats(problem.demands.rps + np.bincount(child, calls * route_rps[route], len(problem.demands)))


def _refusal(
    problem: AssignmentProblem,
    answer: Assignment,
    service: int,
    rps: tuple[float, float],
    missing: Bools,
    room: Floats,
) -> Refusal:
    ways = np.bincount(problem.routes.demand, minlength=len(problem.demands))
    mine: Ints = np.unique(problem.routes.site[missing[problem.routes.demand]])
    h = problem.sites
    cells = (h.use[mine] > room[h.pool[mine]] * (1 + NEGLIGIBLE) + NEGLIGIBLE).nonzero()
    full = sorted({(int(h.pool[mine[i]]), int(r)) for i, r in zip(*cells, strict=True)})
    capped = bool((answer.replicas[mine] >= h.replicas_max[mine]).any())
    return Refusal(service, float(rps[0]), float(rps[1]), bool((ways[missing] == 0).any()), tuple(full), capped)
