"""The problem in which a loss is looked at: the whole, one application, or an excerpt of what it may move."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from placement.columns import Bools, Floats, bools, floats, ints
from placement.cost import Cost, evaluate, loads
from placement.excerpt import Excerpt, Excerpts, crowded, dearer
from placement.failover import Row, fullest, shed_by_priority, summary
from placement.losses import Loss
from placement.portion import Applications, Portion, digest
from placement.problem import Problem
from placement.readings import Snapshot
from placement.routing import Routing

LARGEST_RATIO = 0.5
"""An excerpt of more of the flows than this is the whole."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One of them."""

    part: Portion
    usable: Bools
    latency_ms: Floats
    room_rps: Floats
    """What its backends may be brought to, ..."""
    spare_rps: Floats
    """... and by the flows of the scope."""
    before: Cost
    shed: Floats
    """By priority, as it stands."""
    digest: int
    excerpt: Excerpt | None = None

    def relieved(self, problem: Problem) -> Problem:
        """A problem of the scope with the room that is left beside what stays."""
        return problem if self.excerpt is None else self.excerpt.relieved(problem)

    def from_outside(self, problem: Problem) -> Problem:
        """A problem of the scope without the requests that other flows of the fleet make."""
        return problem if self.excerpt is None else self.excerpt.from_outside(problem)

    def fullest(self, whole: Problem, loss: Loss, left: Problem, routing: Routing) -> tuple[float, str]:
        """(utilization, name) of the fullest backend that takes more than it has, else of the fullest that is left."""
        if self.excerpt is None:
            standing = self.part.problem.standing
            return summary(left, routing, loads(self.part.problem, standing).backend_rps)
        before = loads(whole, whole.standing).backend_rps
        after, gone = before.copy(), loss.dead(whole.fleet)
        after[self.part.backend] = self.excerpt.base_rps + loads(left, routing).backend_rps
        return fullest(whole.fleet, floats(after), before, floats(np.where(gone, 0.0, whole.capacity_rps)))


@dataclass(frozen=True)
class Scopes:
    """Those of one refresh."""

    problem: Problem
    snapshot: Snapshot
    spare_rps: Floats
    cuts: bool
    """Whether losses are looked at in excerpts."""
    known: dict[int, Scope] = field(init=False, default_factory=dict)
    """By application, -1 for the whole; made when needed."""

    @cached_property
    def excerpts(self) -> Excerpts:
        """Of the whole."""
        return Excerpts(self.problem)

    @cached_property
    def applications(self) -> Applications:
        """Of the whole."""
        return Applications(self.problem)

    @property
    def shared(self) -> bool:
        """Whether a scope is made once for many losses, so that to look whether it changed costs nothing."""
        return not self.cuts

    def of(self, loss: Loss, last: Row | None) -> Scope:
        """That of a loss whose row was `last` this."""
        if self.cuts:
            more = ints([]) if last is None else last.change.flow
            return self._excerpt(self.excerpts.cut(self.excerpts.touched(loss, more)))
        service = self.problem.fleet.backends.service[loss.backends[0]] if loss.kind == "tier" else 0
        return self._known(self.applications.of_service(int(service)) if loss.kind == "tier" else -1)

    def wider(self, scope: Scope, routing: Routing, left: Problem, *, solve: bool) -> Scope | None:
        """The scope to look at instead, where flows outside might have to give way, or where that is to be solved
        would rather; None where there is none.
        """
        if scope.excerpt is None:
            return None
        services = crowded(routing, left, scope.spare_rps)
        more = self.excerpts.widened(scope.excerpt, ints(services)) if len(services) else None
        if more is None and solve:
            more = self.excerpts.joined(scope.excerpt, dearer(scope.excerpt, routing, left, scope.room_rps))
        if more is None:
            return None
        large = len(more.part.flow) > LARGEST_RATIO * len(self.problem.fleet.flows)
        return self._known(-1) if large else self._excerpt(more)

    def shed(self, problem: Problem, routing: Routing) -> Floats:
        """Requests/s refused by each priority of the fleet, descending."""
        priorities = np.unique(self.problem.fleet.services.priority)[::-1].tolist()
        return floats(shed_by_priority(problem, routing, priorities))

    def _known(self, key: int) -> Scope:
        if key not in self.known:
            every = np.arange(len(self.problem.fleet.flows)), np.arange(len(self.problem.fleet.backends))
            self.known[key] = self._scope(Portion(self.problem, *every) if key < 0 else self.applications.portion(key))
        return self.known[key]

    def _excerpt(self, excerpt: Excerpt) -> Scope:
        return self._scope(excerpt.part, excerpt)

    def _scope(self, part: Portion, excerpt: Excerpt | None = None) -> Scope:
        usable, latency = self.snapshot.usable[part.backend], self.snapshot.readings.latency_ms[part.backend]
        room = self.spare_rps[part.backend]
        problem, spare = part.problem, room
        if excerpt is not None:
            problem, spare = excerpt.relieved(problem), np.maximum(room - excerpt.base_rps, 0.0)
        before, shed = evaluate(problem, problem.standing), self.shed(problem, problem.standing)
        same = digest(part.problem, usable, latency, room, *(() if excerpt is None else (excerpt.base_rps,)))
        return Scope(part, bools(usable), floats(latency), floats(room), floats(spare), before, shed, same, excerpt)
