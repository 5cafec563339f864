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
from placement.solve.blocks import Block, room_of, screen, uses
from placement.solve.prices import PriceModel, Prices

SLACK = 0.05
"""As for blocks."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A plan that stands, what each service costs under it, and the prices that certify it."""

    assignment: Assignment
    service_usd: Floats
    """(S,) $/h"""
    prices: Prices


def service_usd(problem: AssignmentProblem, replicas: Floats, route_rps: Floats) -> Floats:
    """(S,) $/h of each service under an assignment: replicas, starts, routes, what is refused and what losses lack."""
    h, g, x, losses, count = problem.sites, problem.demands, problem.routes, problem.losses, problem.services
    route, child, calls = problem.called()
    wanted = g.rps + np.bincount(child, calls * route_rps[route], len(g))
    refused = np.maximum(wanted - np.bincount(x.demand, route_rps, len(g)), 0.0)
    raw = replicas * h.rps_per_replica
    total = np.bincount(h.service, raw, count)
    lost = problem.site_losses()
    site, which = np.nonzero(lost >= 0)
    gone = np.bincount(lost[site, which], raw[site], len(losses))
    missing = np.maximum(losses.survive_rps - total[losses.service] + gone, 0.0)
    site_usd = h.usd_per_replica_hour * replicas + h.migration_usd * np.maximum(replicas - h.standing, 0.0)
    return floats(
        np.bincount(h.service, site_usd, count)
        + np.bincount(x.service, x.usd * route_rps, count)
        + np.bincount(g.service, g.shed_usd * refused, count)
        + np.bincount(losses.service, losses.short_usd * missing, count)
    )


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
    offered = screen(PriceModel(part), prices, slack)
    answer = Block(part).solve(*offered, room, np.zeros_like(problem.capacity))
    replicas, route_rps = np.array(old.replicas, dtype=np.float64), old.route_rps.copy()
    replicas[site], route_rps[route] = answer.replicas, answer.route_rps
    usd = standing.service_usd.copy()
    usd[again] = service_usd(part, answer.replicas, answer.route_rps)
    assignment = Assignment(floats(replicas), floats(route_rps), float(usd.sum()), bound, floats(prices.pool))
    return Standing(assignment, floats(usd), standing.prices)
