"""Failover tables, kept fresh a part at a time: bounded work per refresh, what is nearest to happening first.

A row is first what the spill makes of a loss, then, as work allows, the optimum of the problem without what is lost,
with churn counted from the plan, so that flows that are not hit stay unless room is needed. A loss of one tier concerns
one application and is solved in it alone. Rows whose input did not change stand. Every row is proved by arithmetic on
what was measured, whoever found it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from placement.chains import asks, p95_ms
from placement.columns import Bools, Floats, bools, floats
from placement.cost import Cost, evaluate, loads
from placement.evacuation import spare_rps, spill
from placement.failover import (
    FailoverTable,
    Row,
    exact_place,
    places,
    shed_by_priority,
    summary,
    table_of,
    widest_place,
)
from placement.fleet import Fleet
from placement.losses import Loss, after, domains, losses, pair
from placement.patch import Patch, applied, patch, placed
from placement.portion import Applications, Portion, digest
from placement.problem import Prices, Problem, formulate
from placement.readings import Snapshot
from placement.routing import Routing
from placement.sitecost import Pieces
from placement.solve.linear import Unsolved
from placement.solve.pairs import screened
from placement.solve.routing import solve_routing

WORK = 400_000
"""Of one refresh, in flows looked at by the spill: two seconds of a processor, and every row of 200 services in 40
clusters proved within nine refreshes. A count and not a time, so that a run repeats."""
OVERHEAD = 500
"""What any problem costs, in flows."""
SOLVE = 2
"""What the optimizer costs more than the spill."""
PAIRS_KEPT = 8
"""Pairs of domains that get a row, of those that are estimated by the spill."""
PROVE_EVERY_S, SOLVE_EVERY_S = 10.0, 30.0
"""A row whose input changed is looked at again after this time: decisions are held against what is measured anyway.
One that somebody suspects, and any when something went out or came back, at once."""
RANK_EVERY_S = 30.0
"""How often pairs are ranked."""


@dataclass(frozen=True, slots=True)
class TableOrder:
    """What a refresh is asked for."""

    fleet: Fleet
    snapshot: Snapshot
    routing: Routing
    """The plan that stands from now on."""
    prices: Prices
    last: FailoverTable | None = None
    """The table before, of the same fleet."""
    near: Bools | None = None
    """(B,) backends that somebody suspects: their losses go first."""
    trust: float = 1.0
    """Part of a capacity that nobody measured which a receiver may be given."""
    work: float = WORK


def failover_table(fleet: Fleet, snapshot: Snapshot, routing: Routing, prices: Prices) -> FailoverTable:
    """The whole table for a plan, every row solved."""
    return refreshed(TableOrder(fleet, snapshot, routing, prices, work=np.inf))


def refreshed(order: TableOrder) -> FailoverTable:
    """The table for a plan, as far as the work goes; the rest as it was last proved."""
    fleet, last = order.fleet, order.last
    snapshot = replace(order.snapshot, routing=order.routing)
    study = _study(formulate(fleet, snapshot, order.prices), snapshot, order.trust, last)
    known = {str(row.loss): row for row in last.rows} if last else {}
    ranked_at_s = last.ranked_at_s if last else -np.inf
    if snapshot.at_s - ranked_at_s >= RANK_EVERY_S:
        pairs, ranked_at_s = study.worst_pairs(), snapshot.at_s
    else:
        pairs = tuple(row.loss for row in known.values() if row.loss.kind == "pair")
    near = np.zeros(len(fleet.backends), dtype=bool) if order.near is None else order.near
    rows = study.proved((*losses(fleet), *pairs), known, near, order.work)
    priorities = np.unique(fleet.services.priority)
    made = table_of(rows, order.routing, snapshot.usable, priorities, snapshot.at_s, snapshot.cut)
    return replace(made, ranked_at_s=ranked_at_s)


def failover_row(
    fleet: Fleet, snapshot: Snapshot, routing: Routing, prices: Prices, usable: Bools, cut: Bools | None = None
) -> Row | None:
    """What `failover_table` has for these back ends and gateways, solved alone: pairs are ranked only where it is no
    single loss.
    """
    snapshot = replace(snapshot, routing=routing)
    study = _study(formulate(fleet, snapshot, prices), snapshot, 1.0, None)
    gone, found = snapshot.usable & ~usable, losses(fleet)
    place = exact_place(places(found, snapshot.usable), gone, snapshot.cut, cut)
    if place is None and gone.any():
        found = (*found, *study.worst_pairs())
        place = exact_place(places(found, snapshot.usable), gone, snapshot.cut, cut)
        place = widest_place(found, gone, snapshot.usable) if place is None else place
    if place is None:
        return None
    return study.row(found[place], study.scope(found[place]), None, solve=True)


def _study(problem: Problem, snapshot: Snapshot, trust: float, last: FailoverTable | None) -> "Study":
    measured = np.ones(len(snapshot.usable), dtype=bool) if snapshot.measured is None else snapshot.measured
    spare = spare_rps(problem, measured, trust)
    priorities = np.unique(problem.fleet.services.priority)[::-1].tolist()
    shed = floats(shed_by_priority(problem, problem.standing, priorities))
    cost = evaluate(problem, problem.standing)
    moved = last is None or not np.array_equal(last.usable, snapshot.usable)
    if last is not None:
        was, now = (np.zeros(1, dtype=bool) if cut is None else cut for cut in (last.cut, snapshot.cut))
        moved = moved or bool((was != now).any())
    return Study(problem, Applications(problem), snapshot, spare, cost, shed, moved, {})


@dataclass(frozen=True, slots=True)
class Scope:
    """The problem in which a loss is looked at: the whole, or one application."""

    part: Portion
    usable: Bools
    latency_ms: Floats
    spare_rps: Floats
    before: Cost
    shed: Floats
    """By priority, as it stands."""
    digest: int


@dataclass(frozen=True, slots=True)
class Study:
    """One refresh."""

    problem: Problem
    applications: Applications
    snapshot: Snapshot
    spare_rps: Floats
    cost: Cost
    shed: Floats
    """By priority, as it stands."""
    moved: bool
    """Whether something went out or came back since the table before."""
    scopes: dict[int, Scope]
    """By application, -1 for the whole; made when needed."""

    def proved(self, found: Iterable[Loss], known: dict[str, Row], near: Bools, work: float) -> list[Row]:
        """Rows for losses, in their order: all that the work reaches, and the last ones of the others."""
        todo = list(found)
        rows = {str(loss): known[str(loss)] for loss in todo if str(loss) in known}
        urgent = {str(loss) for loss in todo if near[loss.backends].any()}
        spent = 0.0
        for loss in _first(todo, urgent, {name: row.made_at_s for name, row in rows.items()}):
            scope, last = self.scope(loss), rows.get(str(loss))
            if last is not None and last.digest == scope.digest:
                rows[str(loss)] = replace(last, loss=loss, made_at_s=self.snapshot.at_s)
            elif spent < work / 2 and (last is None or self._due(loss, last, urgent)):
                rows[str(loss)] = self.row(loss, scope, last, solve=False)
                spent += OVERHEAD + len(scope.part.flow)
        for loss in _first(todo, urgent, {name: row.solved_at_s for name, row in rows.items()}):
            last = rows.get(str(loss))
            if last is None or spent >= work:
                continue
            scope = self.scope(loss)
            late = self.snapshot.at_s - last.solved_at_s >= SOLVE_EVERY_S
            if last.digest == scope.digest and last.solved_at_s < last.changed_at_s and late:
                rows[str(loss)] = self.row(loss, scope, last, solve=True)
                spent += SOLVE * (OVERHEAD + len(scope.part.flow))
        return [rows[str(loss)] for loss in todo if str(loss) in rows]

    def row(self, loss: Loss, scope: Scope, last: Row | None, *, solve: bool) -> Row:
        """One row, proved in its scope."""
        part, problem = scope.part, scope.part.problem
        here = part.local(loss)
        left, usable = after(problem, here), scope.usable & ~here.dead(problem.fleet)
        change = None if last is None or not last.solved else last.change
        start = problem.standing if change is None else _local(change, part, problem.standing)
        best = spill(left, start, usable, scope.spare_rps)
        solved = change is not None
        if solve:
            try:
                optimum = solve_routing(_within(left, scope.spare_rps)).routing
            except Unsolved:
                pass
            else:
                optimum = spill(left, optimum, usable, scope.spare_rps)
                if evaluate(left, optimum).objective_usd_per_hour <= evaluate(left, best).objective_usd_per_hour:
                    best, solved = optimum, True
        cost, now = evaluate(left, best), self.snapshot.at_s
        worst, name = summary(left, best, loads(problem, problem.standing).backend_rps)
        return Row(
            loss=loss,
            change=placed(patch(problem.standing, best), part.flow),
            solved=solved,
            worst_utilization=worst,
            worst_backend=name,
            shed_by_priority=tuple((self.shed + self._shed(left, best) - scope.shed).tolist()),
            p95_ms=p95_ms(left, scope.latency_ms, best, asks(problem.fleet)),
            usd_per_hour=self.cost.billed_usd_per_hour + cost.billed_usd_per_hour - scope.before.billed_usd_per_hour,
            objective_usd_per_hour=self.cost.objective_usd_per_hour
            + cost.objective_usd_per_hour
            - scope.before.objective_usd_per_hour,
            made_at_s=now,
            changed_at_s=now if last is None or last.digest != scope.digest else last.changed_at_s,
            solved_at_s=now if solve else -np.inf if last is None else last.solved_at_s,
            digest=scope.digest,
        )

    def _due(self, loss: Loss, last: Row, urgent: set[str]) -> bool:
        return self.moved or str(loss) in urgent or self.snapshot.at_s - last.made_at_s >= PROVE_EVERY_S

    def worst_pairs(self) -> tuple[Loss, ...]:
        """The pairs of clusters and regions that would do most harm: screened by capacity, estimated by the spill."""
        single = [loss for loss in domains(self.problem.fleet) if loss.kind != "provider"]
        tried = []
        for i, j in screened(self.problem, single):
            both = pair(single[i], single[j])
            row = self.row(both, self.scope(both), None, solve=False)
            tried.append((-row.objective_usd_per_hour, str(both), both))
        return tuple(both for _, _, both in sorted(tried, key=lambda t: t[:2])[:PAIRS_KEPT])

    def _shed(self, problem: Problem, routing: Routing) -> Floats:
        """Requests/s refused by each priority of the fleet, descending."""
        priorities = np.unique(self.problem.fleet.services.priority)[::-1].tolist()
        return floats(shed_by_priority(problem, routing, priorities))

    def scope(self, loss: Loss) -> Scope:
        """Its problem; one of single tiers is that of their application."""
        tier = loss.kind == "tier"
        service = self.problem.fleet.backends.service[loss.backends[0]] if tier else 0
        key = self.applications.of_service(int(service)) if tier else -1
        if key not in self.scopes:
            every = np.arange(len(self.problem.fleet.flows)), np.arange(len(self.problem.fleet.backends))
            part = self.applications.portion(key) if tier else Portion(self.problem, *every)
            usable, latency = self.snapshot.usable[part.backend], self.snapshot.readings.latency_ms[part.backend]
            spare = self.spare_rps[part.backend]
            before, shed = (
                evaluate(part.problem, part.problem.standing),
                self._shed(part.problem, part.problem.standing),
            )
            same = digest(part.problem, usable, latency, spare)
            self.scopes[key] = Scope(part, bools(usable), floats(latency), floats(spare), before, shed, same)
        return self.scopes[key]


def _first(todo: list[Loss], urgent: set[str], at_s: dict[str, float]) -> list[Loss]:
    """What is near comes first, then what waited longest; else as they stand."""
    return sorted(todo, key=lambda loss: (str(loss) not in urgent, at_s.get(str(loss), -np.inf)))


def _local(change: Patch, part: Portion, standing: Routing) -> Routing:
    """A standing routing of a portion with the rows of a patch of the whole."""
    return applied(standing, replace(change, flow=np.searchsorted(part.flow, change.flow)))


def _within(problem: Problem, spare: Floats) -> Problem:
    """The problem with what receivers have to spare for capacities."""
    capacity = np.where(problem.capacity_rps > 0, spare, 0.0)
    ratio = capacity / np.where(problem.capacity_rps > 0, problem.capacity_rps, 1.0)
    pieces = Pieces(floats(problem.pieces.rps * ratio[:, None]), problem.pieces.usd)
    return replace(problem, capacity_rps=floats(capacity), pieces=pieces)
