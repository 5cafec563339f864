"""Between full solves: certify what stands against new readings, and solve again only the services that moved.

1. certify  the bound at the standing prices holds for today's problem too (see `prices`); it takes milliseconds.
2. move     services whose inputs moved, with their whole applications, are one program within the room others leave.
3. detect   the gap of the result says whether prices still hold. After a capacity shock they do not: climb from cold,
            or from the prices kept ready for that loss.
"""

from dataclasses import dataclass, replace

import numpy as np

from placement.assignment import Assignment, AssignmentProblem
from placement.columns import Bools, Floats, floats
from placement.solve.accounts import room_of, service_usd, uses
from placement.solve.blocks import Block, screen
from placement.solve.prices import PriceModel, Prices

SLACK = 1.0
"""Wider than for blocks: the room is what others leave, which is seldom where prices would want it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A plan that stands, what each service costs under it, and the prices that certify it."""

    assignment: Assignment
    service_usd: Floats
    """(S,) $/h"""
    prices: Prices


def stand(problem: AssignmentProblem, assignment: Assignment, prices: Prices) -> Standing:
    """What a full solve leaves for the ticks after it."""
    usd = service_usd(problem, floats(assignment.replicas), assignment.route_rps)
    return Standing(assignment, usd, prices)


def move(model: PriceModel, standing: Standing, moved: Bools, slack: float = SLACK) -> Standing:
    """Solve the applications of `moved` (S,) again at the standing prices; `model` is of today's problem.

    The gap of the result is certified for today. Raises Unsolved.
    """
    problem, old = model.problem, standing.assignment
    again = np.isin(problem.block, problem.block[moved])
    bound = model.bound(standing.prices)
    site, route = again[problem.sites.service], again[problem.routes.service]
    rest = uses(problem, np.where(site, 0.0, old.replicas), np.where(route, 0.0, old.route_rps))
    room = np.maximum(room_of(problem.capacity, problem.links.bandwidth) - rest, 0.0)
    part = problem.only(again)
    prices = replace(
        standing.prices,
        loss=standing.prices.loss[again[problem.losses.service]],
        spread=standing.prices.spread[site],
        start=standing.prices.start[site],
    )
    routes, sites = screen(PriceModel(part), prices, slack)
    offered = routes | (old.route_rps[route] > 0), sites | (np.asarray(old.replicas)[site] > 0)
    answer = Block(part).solve(*offered, room, np.zeros_like(problem.capacity))
    replicas, route_rps = np.array(old.replicas, dtype=np.float64), old.route_rps.copy()
    replicas[site], route_rps[route] = answer.replicas, answer.route_rps
    usd = standing.service_usd.copy()
    usd[again] = service_usd(part, answer.replicas, answer.route_rps)
    assignment = Assignment(floats(replicas), floats(route_rps), float(usd.sum()), bound, floats(prices.pool))
    return Standing(assignment, floats(usd), standing.prices)
