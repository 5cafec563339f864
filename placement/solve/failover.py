"""Failover tables, kept fresh a part at a time: bounded work per refresh, what is nearest to happening first.

A row is first what the spill makes of a loss, then, as work allows, the optimum of the problem without what is lost,
with churn counted from the plan, so that flows that are not hit stay unless room is needed. A loss of one tier concerns
one application and is solved in it alone; in a large fleet every loss is solved in an excerpt (placement.excerpt) of
the flows that it may move, as long as nobody else has to give way. Rows whose input did not change stand. Every row is
proved by arithmetic on what was measured, whoever found it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from placement.chains import asks, p95_ms
from placement.columns import Bools, Floats, bools, floats
from placement.cost import Cost, evaluate
from placement.demand import total_demand
from placement.evacuation import spare_rps, spill
from placement.excerpt import Excerpts
from placement.failover import FailoverTable, Row, exact_place, places, table_of, widest_place
from placement.fleet import Fleet
from placement.losses import Loss, after, domains, losses, pair
from placement.patch import Patch, applied, patch, placed
from placement.portion import Portion
from placement.problem import Prices, Problem, formulate
from placement.readings import Snapshot
from placement.routing import Routing
from placement.sitecost import Pieces
from placement.solve.linear import Unsolved
from placement.solve.pairs import screened
from placement.solve.routing import solve_routing
from placement.solve.scope import Scope, Scopes

WORK = 400_000
"""Of one refresh, in flows looked at by the spill: two seconds of a processor, and every row of 200 services in 40
clusters proved within nine refreshes. A count and not a time, so that a run repeats."""
CUT_FROM_FLOWS = 20_000
"""From so many flows on a loss is looked at in an excerpt of what it may move. In smaller fleets a look at the whole
takes tens of milliseconds, and one of each application does for many losses."""
OVERHEAD = 500
"""What any problem costs, in flows."""
SOLVE, SOLVE_CUT = 2, 4
"""What the optimizer costs more than the spill, and in an excerpt, where it may have to look twice."""
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
    cut_from_flows: int = CUT_FROM_FLOWS


def failover_table(fleet: Fleet, snapshot: Snapshot, routing: Routing, prices: Prices) -> FailoverTable:
    """The whole table for a plan, every row solved."""
    return refreshed(TableOrder(fleet, snapshot, routing, prices, work=np.inf))


def refreshed(order: TableOrder) -> FailoverTable:
    """The table for a plan, as far as the work goes; the rest as it was last proved."""
    fleet, last = order.fleet, order.last
    study = study_of(order)
    snapshot = study.snapshot
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
    study = _study(_ahead(fleet, snapshot, routing, prices), replace(snapshot, routing=routing), 1.0, None, large=False)
    gone, found = snapshot.usable & ~usable, losses(fleet)
    place = exact_place(places(found, snapshot.usable), gone, snapshot.cut, cut)
    if place is None and gone.any():
        found = (*found, *study.worst_pairs())
        place = exact_place(places(found, snapshot.usable), gone, snapshot.cut, cut)
        place = widest_place(found, gone, snapshot.usable) if place is None else place
    if place is None:
        return None
    return study.row(found[place], solve=True)


def study_of(order: TableOrder) -> "Study":
    """What a refresh does its work with."""
    snapshot, large = replace(order.snapshot, routing=order.routing), len(order.fleet.flows) >= order.cut_from_flows
    problem = _ahead(order.fleet, order.snapshot, order.routing, order.prices)
    return _study(problem, snapshot, order.trust, order.last, large)


def _ahead(fleet: Fleet, snapshot: Snapshot, routing: Routing, prices: Prices) -> Problem:
    """The problem once a plan stands: what enters from outside was measured under the routing that stood so far."""
    problem = formulate(fleet, snapshot, prices)
    return replace(problem, standing=routing, demand_rps=floats(total_demand(fleet, problem.external_rps, routing)))


def _study(problem: Problem, snapshot: Snapshot, trust: float, last: FailoverTable | None, large: bool) -> "Study":
    measured = np.ones(len(snapshot.usable), dtype=bool) if snapshot.measured is None else snapshot.measured
    spare = spare_rps(problem, measured, trust)
    moved = last is None or not np.array_equal(last.usable, snapshot.usable)
    if last is not None:
        was, now = (np.zeros(1, dtype=bool) if cut is None else cut for cut in (last.cut, snapshot.cut))
        moved = moved or bool((was != now).any())
    scopes = Scopes(problem, snapshot, spare, large and Excerpts(problem).possible)
    shed = scopes.shed(problem, problem.standing)
    return Study(problem, snapshot, scopes, evaluate(problem, problem.standing), shed, moved)


@dataclass(frozen=True, slots=True)
class Study:
    """One refresh."""

    problem: Problem
    snapshot: Snapshot
    scopes: Scopes
    cost: Cost
    shed: Floats
    """By priority, as it stands."""
    moved: bool
    """Whether something went out or came back since the table before."""

    def proved(self, found: Iterable[Loss], known: dict[str, Row], near: Bools, work: float) -> list[Row]:
        """Rows for losses, in their order: all that the work reaches, and the last ones of the others."""
        todo, now_s = list(found), self.snapshot.at_s
        rows = {str(loss): known[str(loss)] for loss in todo if str(loss) in known}
        urgent = {str(loss) for loss in todo if near[loss.backends].any()}
        spent = 0.0
        for loss in _first(todo, urgent, {name: row.made_at_s for name, row in rows.items()}):
            last = rows.get(str(loss))
            due = last is None or self._due(loss, last, urgent)
            if not self.scopes.shared and not (due and spent < work / 2):
                continue
            scope = self.scopes.of(loss, last)
            if last is not None and last.digest == scope.digest:
                rows[str(loss)] = replace(last, loss=loss, made_at_s=now_s)
                spent += 0 if self.scopes.shared else OVERHEAD
            elif spent < work / 2 and due:
                rows[str(loss)], flows = self.looked_at(loss, scope, last, solve=False)
                spent += OVERHEAD + flows
        for loss in _first(todo, urgent, {name: row.solved_at_s for name, row in rows.items()}):
            last = rows.get(str(loss))
            if last is None or spent >= work or last.made_at_s < now_s:
                continue
            late = now_s - last.solved_at_s >= SOLVE_EVERY_S
            if not late or last.solved_at_s >= last.changed_at_s:
                continue
            scope = self.scopes.of(loss, last)
            if last.digest == scope.digest or not self.scopes.shared:
                rows[str(loss)], flows = self.looked_at(loss, scope, last, solve=True)
                spent += (SOLVE if self.scopes.shared else SOLVE_CUT) * (OVERHEAD + flows)
        return [rows[str(loss)] for loss in todo if str(loss) in rows]

    def row(self, loss: Loss, last: Row | None = None, *, solve: bool) -> Row:
        """One row."""
        return self.looked_at(loss, self.scopes.of(loss, last), last, solve=solve)[0]

    def looked_at(self, loss: Loss, scope: Scope, last: Row | None, *, solve: bool) -> tuple[Row, int]:
        """One row, proved in its scope or in a wider one where it does not fit there, and how many flows that took."""
        flows, wider = 0, scope
        while True:
            flows += len(wider.part.flow)
            best, left, solved = self._best(loss, wider, last, solve=solve)
            more = self.scopes.wider(wider, best, left, solve=solve)
            if more is None:
                return self._row(loss, wider, (best, left, solved), last, solve=solve), flows
            wider = more

    def _best(self, loss: Loss, scope: Scope, last: Row | None, *, solve: bool) -> tuple[Routing, Problem, bool]:
        """The cheapest routing known for what is left in a scope, that problem, and whether the optimizer found it."""
        part, problem = scope.part, scope.part.problem
        here = part.local(loss)
        bare, usable = after(problem, here), bools(scope.usable & ~here.dead(problem.fleet))
        left = scope.relieved(bare)
        change = None if last is None or not last.solved else last.change
        start = problem.standing if change is None else _local(change, part, problem.standing)
        best, solved = spill(left, start, usable, scope.spare_rps), change is not None
        if solve:
            try:
                optimum = solve_routing(scope.relieved(_within(bare, scope.room_rps))).routing
            except Unsolved:
                return best, left, solved
            optimum = spill(left, optimum, usable, scope.spare_rps)
            if evaluate(left, optimum).objective_usd_per_hour <= evaluate(left, best).objective_usd_per_hour:
                return optimum, left, True
        return best, left, solved

    def _row(
        self, loss: Loss, scope: Scope, found: tuple[Routing, Problem, bool], last: Row | None, *, solve: bool
    ) -> Row:
        best, left, solved = found
        part, cost, now = scope.part, evaluate(left, best), self.snapshot.at_s
        worst, name = scope.fullest(self.problem, loss, left, best)
        return Row(
            loss=loss,
            change=placed(patch(part.problem.standing, best), part.flow),
            solved=solved,
            worst_utilization=worst,
            worst_backend=name,
            shed_by_priority=tuple((self.shed + self.scopes.shed(left, best) - scope.shed).tolist()),
            p95_ms=p95_ms(scope.from_outside(left), scope.latency_ms, best, asks(left.fleet)),
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
            row = self.row(both, solve=False)
            tried.append((-row.objective_usd_per_hour, str(both), both))
        return tuple(both for _, _, both in sorted(tried, key=lambda t: t[:2])[:PAIRS_KEPT])


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
