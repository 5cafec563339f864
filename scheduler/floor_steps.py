"""From an assignment to the next step of replica floors: pure, bounded, and never below what serves now.

A floor goes up as soon as more is wanted and down only after less was wanted for a while, as an autoscaler does, for
the price of a mistake is not the same: one costs a replica for some minutes, the other loses requests. What is wanted
is the assignment, rounded up to whole replicas, or what the load of now takes with some to spare, whichever is more.
The clusters that are lost are left as they are: nobody knows what still runs there.
"""

from dataclasses import dataclass

import numpy as np

from placement.columns import Bools, Floats, Ints, bools, floats, ints
from placement.cost import backend_loads
from placement.demand import external_demand, total_demand
from placement.fleet import Fleet
from placement.routing import Routing
from scheduler.assigned import Siting
from scheduler.turn import Turn

WHOLE = 1e-3
"""Of a replica: what a relaxed assignment has of a fraction below this is rounding of the solver."""
UNKNOWN = -1
"""Stands for the floor of what nobody keeps, or could be read."""


@dataclass(frozen=True, slots=True)
class StepLimits:
    """How floors move."""

    step_ratio: float = 0.2
    spare_ratio: float = 0.2
    lower_after_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """(B,) what an assignment asks of the backends of its fleet."""

    assigned: Ints
    """Replicas where the assignment has them, of all pools of the cluster together."""
    serving: Ints
    """Replicas that the load of now takes, with the spare."""
    left_alone: Bools
    """In lost clusters."""


def wanted_floors(siting: Siting, turn: Turn, limits: StepLimits) -> Wanted:
    """What there should be at least. The siting and the turn are of the same fleet."""
    fleet, sites = siting.fleet, siting.fleet.sites
    backends = len(fleet.backends)
    assigned = np.bincount(sites.backend, weights=siting.assignment.replicas, minlength=backends)
    slowest = np.full(backends, np.inf)
    np.minimum.at(slowest, sites.backend, sites.rps_per_replica)
    target = fleet.services.utilization_target[fleet.backends.service]
    demand = turn.snapshot.readings.demand_rps
    load = np.maximum(_load(fleet, demand, turn.snapshot.routing), _load(fleet, demand, turn.pushed))
    return Wanted(
        assigned=ints(np.ceil(assigned - WHOLE)),
        serving=ints(np.ceil((1 + limits.spare_ratio) * load / (slowest * target) - WHOLE)),
        left_alone=bools(siting.lost[fleet.backends.cluster]),
    )


def _load(fleet: Fleet, measured_rps: Floats, routing: Routing) -> Floats:
    """(B,) rps under a routing; of the two that a turn knows the higher counts, for weights may be under way."""
    external = external_demand(fleet, measured_rps, routing)
    return backend_loads(fleet, total_demand(fleet, floats(external), routing), routing)


def next_floors(
    now: Ints, wanted: Wanted, zero_allowed: Bools, less_since_s: Floats, at_s: float, limits: StepLimits
) -> tuple[Ints, Floats]:
    """(B,) floors after one step from those of `now`, and since when less is wanted: +inf where it is not.

    `zero_allowed`: where a floor may go to 0. Elsewhere it stays at 1 once it is there: a service that is asked for
    while it has no replica answers nothing.
    """
    known = (now >= 0) & ~wanted.left_alone
    least = np.where(zero_allowed, 0, np.minimum(now, 1))
    goal = np.maximum(np.maximum(wanted.assigned, wanted.serving), least)
    step = np.maximum(1, np.floor(limits.step_ratio * now)).astype(np.int64)
    since = np.where(known & (goal < now), np.minimum(less_since_s, at_s), np.inf)
    lowering = at_s - since >= limits.lower_after_s
    moved = np.where(goal > now, np.minimum(goal, now + step), np.where(lowering, np.maximum(goal, now - step), now))
    return ints(np.where(known, moved, now)), floats(since)
