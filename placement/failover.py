"""Routings for losses, computed ahead, and the decision that takes one of them.

Nothing here solves: a decision from a table is a lookup plus array arithmetic, so it fits on the failover path.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from placement.columns import Bools, Floats, Ints, bools, floats, ints
from placement.cost import loads, utilization
from placement.evacuation import spare_rps, spill
from placement.fleet import Fleet
from placement.losses import DOMAINS, Loss, lost_clusters, reduced
from placement.patch import Patch, applied, rows_of
from placement.problem import DEMAND_FLOOR_RPS, Problem
from placement.routing import Routing

SHOWN_RPS = 0.05
"""Refusals below this are rounding."""
FULL = 0.999
"""Utilization at which a backend takes no more."""


@dataclass(frozen=True, slots=True)
class Row:
    """What to do after one loss, and what that would be like: checked by arithmetic, whoever found it."""

    loss: Loss
    change: Patch
    """Of the standing routing."""
    solved: bool
    """By the optimizer; otherwise it is what the spill makes of it at the moment."""
    worst_utilization: float
    """Of the fullest backend that takes over, or where nobody does, of the fullest that is left."""
    worst_backend: str
    shed_by_priority: tuple[float, ...]
    """Requests/s of the whole fleet that are refused, highest priority first, as in `FailoverTable.priorities`."""
    p95_ms: float
    """Of the requests that come in from outside and are served, in what the loss concerns; NaN where none is."""
    usd_per_hour: float
    """Billed, of the whole fleet."""
    objective_usd_per_hour: float
    """Of the whole fleet."""
    made_at_s: float
    """When it was last proved on what was measured."""
    changed_at_s: float
    """When what it is proved on last changed."""
    solved_at_s: float
    """When the optimizer last looked at it; -inf where it never did."""
    digest: int
    """Of what it was proved on: with equal input there is nothing to do again."""

    @property
    def shed_rps(self) -> float:
        """Of all priorities."""
        return float(sum(self.shed_by_priority))


@dataclass(frozen=True, slots=True)
class FailoverTable:
    """For every single loss, and for the worst pairs, the routing to use."""

    rows: tuple[Row, ...]
    standing: Routing
    """What the rows change."""
    usable: Bools
    """(B,) when it was made: a loss counts from there."""
    priorities: tuple[float, ...]
    """Descending."""
    by_backends: Mapping[bytes, int]
    """The row for exactly these lost backends and gateways, see `_key`."""
    made_at_s: float
    """When it was last refreshed; its rows have times of their own."""
    ranked_at_s: float = float("-inf")
    """When the pairs in it were chosen."""
    cut: Bools | None = None
    """(C,) gateways that were lost when it was made; None for none."""

    @property
    def losses(self) -> tuple[Loss, ...]:
        """(L,)"""
        return tuple(row.loss for row in self.rows)

    @property
    def routings(self) -> tuple[Routing, ...]:
        """(L,) whole routings; built on every look."""
        return tuple(applied(self.standing, row.change) for row in self.rows)

    @property
    def worst_utilization(self) -> Floats:
        """(L,)"""
        return floats([row.worst_utilization for row in self.rows])

    @property
    def shed_rps(self) -> Floats:
        """(L,)"""
        return floats([row.shed_rps for row in self.rows])

    def row_for(self, usable: Bools, cut: Bools | None = None) -> Row | None:
        """The row for what went out since the table was made: exactly that, or the largest domain within it.

        `cut` (C,) marks clusters whose gateway is lost now, None for none. With backends gone as well it is these that
        choose the row: what a gateway took is then spilled.
        """
        gone = self.usable & ~usable
        place = exact_place(self.by_backends, gone, self.cut, cut)
        if place is None:
            place = widest_place(self.losses, gone, self.usable)
        return None if place is None else self.rows[place]


def table_of(
    rows: Iterable[Row], standing: Routing, usable: Bools, priorities: Floats, at_s: float, cut: Bools | None = None
) -> FailoverTable:
    """A table. Of rows that lose the same the first is found: the kinds come in order of size."""
    kept = tuple(rows)
    index = places((row.loss for row in kept), usable)
    descending = tuple(sorted(set(priorities.tolist()), reverse=True))
    return FailoverTable(kept, standing, usable, descending, index, at_s, cut=cut)


def places(found: Iterable[Loss], usable: Bools) -> dict[bytes, int]:
    """The place of each loss under what it takes of what is `usable`, (B,): see `exact_place`."""
    index: dict[bytes, int] = {}
    for i, loss in enumerate(found):
        left = loss.backends[usable[loss.backends]]
        if len(left) or (len(loss.gateways) and not len(loss.backends)):
            index.setdefault(_key(left, loss.gateways), i)
    return index


def exact_place(index: Mapping[bytes, int], gone: Bools, was: Bools | None, cut: Bools | None) -> int | None:
    """The place of the loss that takes exactly what is `gone`, (B,); where nothing is, of the first lost gateway of
    those that are `cut` now and were not: (C,) each, None for none.
    """
    if gone.any():
        return index.get(_key(np.flatnonzero(gone), ints([])))
    gates = ints([]) if cut is None else np.flatnonzero(cut if was is None else cut & ~was)
    first = (index.get(_key(ints([]), gates[i : i + 1])) for i in range(len(gates)))
    return next((i for i in first if i is not None), None)


def widest_place(found: Iterable[Loss], gone: Bools, usable: Bools) -> int | None:
    """The place of the largest domain of which all that was `usable` is `gone`, (B,) both; None where nothing is."""
    best, most = None, 0
    for i, loss in enumerate(found):
        lost = loss.backends
        if loss.kind in (*DOMAINS, "pair") and len(lost) > most and gone[lost[usable[lost]]].all():
            best, most = (i if gone[lost].any() else None), len(lost)
    return best


def failover_routing(
    problem: Problem,
    table: FailoverTable | None,
    standing: Routing,
    usable: Bools,
    limit_rps: Floats | None = None,
    cut: Bools | None = None,
    asked: Problem | None = None,
) -> tuple[Routing, str]:
    """The routing to use at once when only `usable` (B,) is left, and which row of the table it came from.

    `cut` (C,) marks clusters whose gateway is lost, None for none.

    The flows that the row speaks of take its shares, all others stay; then whatever is left on an unusable backend, or
    exceeds what its receiver was measured to have spare (`limit_rps`, else by capacity), is spilled or refused at the
    door, and what the row refuses that was not refused so far is let in where there is room by now. Lawful and within
    capacity at every point, whether the clients of a lost cluster come in elsewhere by now or still where they were
    `asked` for last (the problem itself if nothing is given).
    """
    row = table.row_for(usable, cut) if table is not None and len(table.standing) == len(standing) else None
    base = standing if row is None else applied(standing, row.change)
    limit = spare_rps(problem, np.ones(len(usable), dtype=bool), 1.0) if limit_rps is None else limit_rps
    left = reduced(problem, usable, standing, cut)
    routing = spill(left, base, usable, limit, stood=standing)
    known = reduced(problem if asked is None else asked, usable, standing, cut, displaces=False)
    routing = _where_it_came_in(known, routing, usable, limit)
    return routing, "spill" if row is None else str(row.loss)


def _where_it_came_in(asked: Problem, routing: Routing, usable: Bools, limit: Floats) -> Routing:
    """The routing with rows for the meshes of lost clusters that fit were those alive and their clients still there.

    A cluster may be judged lost whose mesh works: then nobody came elsewhere, and what the others were given without
    these clients leaves room for them. Loads are linear in what enters, so every mixture of the two fits as well.
    """
    fleet = asked.fleet
    home = fleet.origins.cluster[fleet.flows.origin]
    orphan = (home >= 0) & lost_clusters(fleet, usable)[np.maximum(home, 0)]
    if not (orphan & (asked.external_rps > DEMAND_FLOOR_RPS)).any():
        return routing
    before = applied(routing, rows_of(asked.standing, np.flatnonzero(orphan)))
    return spill(asked, before, usable, limit, first=bools(~orphan))


def summary(problem: Problem, routing: Routing, before_rps: Floats) -> tuple[float, str]:
    """(utilization, name) of the fullest backend that takes more than (B,) `before_rps`, else of the fullest."""
    return fullest(problem.fleet, loads(problem, routing).backend_rps, before_rps, problem.capacity_rps)


def fullest(fleet: Fleet, load_rps: Floats, before_rps: Floats, capacity_rps: Floats) -> tuple[float, str]:
    """The same of (B,) loads."""
    full, takes = utilization(load_rps, capacity_rps), load_rps > before_rps * (1 + 1e-6) + 1e-3
    shown = np.where(takes, full, -1.0) if takes.any() else full
    worst = int(shown.argmax()) if len(shown) else -1
    return (float(shown[worst]), fleet.backend_name(worst)) if worst >= 0 else (0.0, "")


def shed_by_priority(problem: Problem, routing: Routing, priorities: Iterable[float]) -> tuple[float, ...]:
    """Requests/s refused, by priority."""
    refused = loads(problem, routing).shed_rps
    of_flow = problem.fleet.services.priority[problem.fleet.flows.service]
    return tuple(float(refused[of_flow == p].sum()) for p in priorities)


def shed_words(problem: Problem, before: Routing, after: Routing, most: int = 5) -> tuple[str, ...]:
    """What one routing refuses that another did not, for people: one line per service, the largest first."""
    fleet = problem.fleet
    now, was = loads(problem, after), loads(problem, before)
    by_service = np.bincount(fleet.flows.service, now.shed_rps - was.shed_rps, len(fleet.services))
    utilization = now.utilization(problem.capacity_rps)
    lines = []
    for s in np.argsort(-by_service, kind="stable")[:most].tolist():
        if by_service[s] >= SHOWN_RPS:
            mine = np.flatnonzero((fleet.backends.service == s) & (problem.capacity_rps > 0))
            full = [fleet.backend_name(b) for b in mine[utilization[mine] > FULL].tolist()]
            why = (
                f"{', '.join(full)} full" if full else "what it calls is full" if len(mine) else "it runs nowhere else"
            )
            lines.append(f"shed {by_service[s]:.1f} rps of {fleet.services.ids[s]} because {why}")
    return tuple(lines)


def _key(backends: Ints, gateways: Ints) -> bytes:
    return np.concatenate([backends, [-1], gateways]).astype(np.int64).tobytes()
