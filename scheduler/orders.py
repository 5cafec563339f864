"""What people order of a running loop beside its switches: overrides for a while, and a way back.

An override is a price and no command: load above a `limit` goes elsewhere where there is room and stays where there is
none, and what is on `hold` moves only where staying would refuse it. So no override can lose a request that the fleet
has room for, every guard bounds what it makes the optimizer do, and an evacuation heeds none of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from placement.columns import Bools, Floats, bools, floats
from placement.fleet import Fleet, OriginId
from placement.problem import Problem
from placement.weights import WeightTable
from scheduler.calm import PART_OF_SHED, calmed

ORDERED = "override "
"""How the words of an override begin."""
ACTIVE_MAX = 50
LASTS_MAX_S = 7 * 86_400.0
LASTS_MIN_S = 60.0


class Kind(StrEnum):
    """What an override does."""

    LIMIT = "limit"
    """A cluster, or one service there, is planned with a part of its capacity; 0 drains it."""
    HOLD = "hold"
    """The flows of a service stay where they are."""


@dataclass(frozen=True, slots=True)
class Override:
    """Something that a human knows better, for a while."""

    id: str
    kind: Kind
    service: str
    """Empty for all services of the cluster."""
    origin: str
    """Of a hold; empty for all origins."""
    cluster: str
    """Of a limit."""
    ratio: float
    """Of a limit: part of the capacity that is planned with."""
    reason: str
    by: str
    made_wall_s: float
    expires_wall_s: float
    revision: int = 1

    @property
    def what(self) -> str:
        """For people, with its unit."""
        if self.kind is Kind.HOLD:
            return f"hold {self.service}{f'@{self.origin}' if self.origin else ''}"
        where = f"{self.service}/{self.cluster}" if self.service else self.cluster
        return f"limit {where} to {self.ratio:.0%} of its capacity"

    def __str__(self) -> str:
        return f"{ORDERED}{self.id}: {self.what}, by {self.by}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Return:
    """An order to go back to weights that were known good."""

    tables: Mapping[OriginId, WeightTable]
    turn: int
    words: str

    def __str__(self) -> str:
        return f"to turn {self.turn}: {self.words}"


@dataclass(frozen=True, slots=True)
class Orders:
    """All that is ordered now."""

    overrides: tuple[Override, ...] = ()
    back: Return | None = None
    """Until a tick obeyed."""

    @property
    def words(self) -> tuple[str, ...]:
        """For the record of the turn."""
        return tuple(str(override) for override in self.overrides)


def in_time(overrides: Iterable[Override], wall_s: float) -> tuple[Override, ...]:
    """Those that have not expired."""
    return tuple(o for o in overrides if o.made_wall_s <= wall_s < o.expires_wall_s)


def heeded(problem: Problem, overrides: tuple[Override, ...]) -> Problem:
    """The problem as overrides price it. Names that the fleet does not have (any more) do nothing."""
    held = held_flows(problem.fleet, overrides)
    if held.any():
        stay = np.where(held, np.maximum(problem.churn_usd, PART_OF_SHED * problem.shed_usd), problem.churn_usd)
        problem = replace(problem, churn_usd=floats(stay))
    return calmed(problem, ceilings_rps(problem, overrides))


def ceilings_rps(problem: Problem, overrides: tuple[Override, ...]) -> Floats:
    """(B,) load above which a backend is to be avoided; +inf where nobody said so. The lowest of several counts."""
    least = np.full(len(problem.fleet.backends), np.inf)
    for override in overrides:
        if override.kind is Kind.LIMIT:
            here = limited(problem.fleet, override)
            least = np.where(here, np.minimum(least, override.ratio * problem.capacity_rps), least)
    return floats(least)


def limited(fleet: Fleet, override: Override) -> Bools:
    """(B,) the backends that a limit speaks of."""
    cluster = np.array([name == override.cluster for name in fleet.clusters.ids])
    service = np.array([override.service in {"", name} for name in fleet.services.ids])
    return bools(cluster[fleet.backends.cluster] & service[fleet.backends.service])


def held_flows(fleet: Fleet, overrides: tuple[Override, ...]) -> Bools:
    """(F,) the flows on hold."""
    held = np.zeros(len(fleet.flows), dtype=bool)
    for override in overrides:
        if override.kind is Kind.HOLD:
            service = np.array([name == override.service for name in fleet.services.ids])
            origin = np.array([override.origin in {"", name} for name in fleet.origins.ids])
            held |= service[fleet.flows.service] & origin[fleet.flows.origin]
    return bools(held)


def objections(fleet: Fleet, overrides: tuple[Override, ...]) -> tuple[str, ...]:
    """Why a set of overrides cannot be taken: unknown names, and services that nowhere would be let in."""
    known: dict[str, tuple[str, ...]] = {
        "service": fleet.services.ids, "origin": fleet.origins.ids, "cluster": fleet.clusters.ids,
    }  # fmt: skip
    wrong = [
        f"the fleet has no {noun} {getattr(o, noun)!r}"
        for o in overrides
        for noun, ids in known.items()
        if getattr(o, noun) and getattr(o, noun) not in ids
    ]
    closed = np.zeros(len(fleet.backends), dtype=bool)
    for override in overrides:
        if override.kind is Kind.LIMIT and override.ratio <= 0:
            closed |= limited(fleet, override)
    open_at = np.bincount(fleet.backends.service[~closed], minlength=len(fleet.services))
    nowhere = [fleet.services.ids[s] for s in np.flatnonzero(open_at == 0).tolist()]
    if nowhere and closed.any():
        wrong.append(f"every cluster of {', '.join(nowhere[:5])} would be drained; leave one")
    if len(overrides) > ACTIVE_MAX:
        wrong.append(f"{len(overrides)} overrides are more than {ACTIVE_MAX}: change the documents instead")
    return tuple(dict.fromkeys(wrong))
