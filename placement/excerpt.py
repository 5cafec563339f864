"""What one loss may move, cut out of a large problem: all else stays, as a load that is there.

In a fleet of a thousand clusters the loss of one concerns some hundred flows of fifty thousand. Those are: what stands
on it, who calls that, whose clients it sends elsewhere and where those come in, and the calls that any of these may
make wherever it may be served. The other flows keep their shares, so that to the ones in the excerpt they are room
which backends lack and requests which come in from outside.

Rules of this file:
1. An excerpt answers for the whole only where nobody outside of it has to give way: nothing refused, nobody overfilled.
   Who cuts has to look (`crowded`), and to cut again with whole applications (`Excerpts.widened`). Who solves looks as
   well where those outside might rather leave (`dearer`), and cuts again with them (`Excerpts.joined`).
2. Costs of an excerpt are above those of what stays: differences between them are those of the whole.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from placement.chains import Asks, asks
from placement.columns import Bools, Floats, Ints, floats, ints, lookup
from placement.cost import loads
from placement.crossings import shared_limits
from placement.demand import heirs
from placement.evacuation import TINY_RPS, TINY_SHARE, shed_share
from placement.losses import Loss
from placement.portion import Portion, cut_out
from placement.problem import DEMAND_FLOOR_RPS, Problem
from placement.routing import Routing
from placement.sitecost import Pieces

NOTHING = ints([])
NEARLY_RATIO = 1e-6
NOISE = 1e-9
"""Part of a demand that is rounding."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A portion, and what stays beside it."""

    part: Portion
    base_rps: Floats
    """(b,) load of the flows that stay."""
    called_rps: Floats
    """(f,) what they call, which is counted as coming from outside."""
    service: Ints
    """(s,) rows of the whole."""
    whole: frozenset[int]
    """Applications that are in it with all their flows."""

    def relieved(self, problem: Problem) -> Problem:
        """A problem of the portion with as much less room as what stays takes, the cheapest pieces first."""
        width = problem.pieces.rps
        begin = np.cumsum(width, axis=1) - width
        taken = np.clip(self.base_rps[:, None] - begin, 0.0, width)
        return replace(problem, pieces=Pieces(floats(width - taken), problem.pieces.usd))

    def from_outside(self, problem: Problem) -> Problem:
        """A problem of the portion in which only what comes from outside the fleet does so."""
        return replace(problem, external_rps=floats(np.maximum(problem.external_rps - self.called_rps, 0.0)))


@dataclass(frozen=True)
class Excerpts:
    """Excerpts of one problem."""

    problem: Problem

    @property
    def possible(self) -> bool:
        """Whether room is all that flows share: not a gateway, nor replicas that follow load."""
        fleet = self.problem.fleet
        return self.problem.curve is None and fleet.scaler is None and not len(shared_limits(fleet))

    @cached_property
    def _shares(self) -> tuple[Ints, Ints]:
        """(N,) the backend of each share, and shares sorted by it."""
        standing = self.problem.standing
        backend = self.problem.backend_of(standing.row, standing.column)
        return backend, ints(np.argsort(backend, kind="stable"))

    @cached_property
    def _first_share(self) -> Ints:
        """(B + 1,) where the shares of each backend begin among the sorted ones."""
        backend, order = self._shares
        return ints(np.searchsorted(backend[order], np.arange(len(self.problem.fleet.backends) + 1)))

    @cached_property
    def _first_route(self) -> Ints:
        """(F + 1,) where the routes of each flow begin."""
        return ints(np.searchsorted(self.problem.routes.flow, np.arange(len(self.problem.fleet.flows) + 1)))

    @cached_property
    def _chain(self) -> tuple[Asks, Ints]:
        """What backends ask, sorted by them, and where each begins."""
        chain = asks(self.problem.fleet)
        order = np.argsort(chain.backend, kind="stable")
        chain = Asks(ints(chain.backend[order]), ints(chain.flow[order]), floats(chain.per_request[order]))
        return chain, ints(np.searchsorted(chain.backend, np.arange(len(self.problem.fleet.backends) + 1)))

    @cached_property
    def _by_origin(self) -> tuple[Ints, Ints]:
        """Flows sorted by origin, and where each origin begins."""
        origin = self.problem.fleet.flows.origin
        order = np.argsort(origin, kind="stable")
        return ints(order), ints(np.searchsorted(origin[order], np.arange(len(self.problem.fleet.origins) + 1)))

    def touched(self, loss: Loss, more: Ints = NOTHING) -> Ints:
        """The flows that a loss may move, and some `more`; ascending, with all that they may call."""
        problem, fleet = self.problem, self.problem.fleet
        hit = np.zeros(len(fleet.flows), dtype=bool)
        hit[more] = True
        hit[self._standing_on(loss.backends)] = True
        for cluster in loss.gateways.tolist():
            there = self._standing_on(np.flatnonzero(fleet.backends.cluster == cluster))
            home = fleet.origins.cluster[fleet.flows.origin[there]]
            hit[there[home != cluster]] = True
        self._called_by(hit)
        heir = heirs(fleet, loss.clusters) if loss.clusters.any() else None
        if heir is not None:
            gone = np.flatnonzero(heir != np.arange(len(heir)))
            order, first = self._by_origin
            moved = order[_spans(first, np.union1d(gone, heir[gone]))]
            # Nobody is missed whose clients are none.
            sends = (problem.external_rps > DEMAND_FLOOR_RPS)[moved]
            hit[moved[sends | np.isin(fleet.flows.origin[moved], heir[gone])]] = True
        self._call(hit)
        return ints(np.flatnonzero(hit))

    def widened(self, excerpt: Excerpt, services: Ints) -> Excerpt | None:
        """An excerpt with the whole applications of some services, of its own rows, in it; None where they are."""
        fleet = self.problem.fleet
        label = fleet.applications()
        whole = excerpt.whole | set(label[excerpt.service[services]].tolist())
        if whole == excerpt.whole:
            return None
        mine = np.isin(label[fleet.flows.service], list(whole))
        mine[excerpt.part.flow] = True
        return self.cut(ints(np.flatnonzero(mine)), frozenset(whole))

    def joined(self, excerpt: Excerpt, backends: Ints) -> Excerpt | None:
        """An excerpt with the flows in it that stand on some backends, of its own rows; None where they are."""
        hit = np.zeros(len(self.problem.fleet.flows), dtype=bool)
        hit[excerpt.part.flow] = True
        inside = np.count_nonzero(hit)
        hit[self._standing_on(excerpt.part.backend[backends])] = True
        if np.count_nonzero(hit) == inside:
            return None
        self._call(hit)
        return self.cut(ints(np.flatnonzero(hit)), excerpt.whole)

    def cut(self, flow: Ints, whole: frozenset[int] = frozenset()) -> Excerpt:
        """The excerpt of some flows, with all that they may call; `whole` applications are all among them."""
        problem, fleet = self.problem, self.problem.fleet
        route, share = _spans(self._first_route, flow), _spans(problem.standing.row_start, flow)
        on = self._shares[0][share]
        backend = np.union1d(problem.routes.backend[route], on[on >= 0])
        service = np.union1d(fleet.flows.service[flow], fleet.backends.service[backend])
        known = np.zeros(len(fleet.services), dtype=bool)
        known[service] = True
        part = {
            "service": service, "backend": backend, "flow": flow, "route": route, "share": share,
            "site": np.flatnonzero(np.isin(fleet.sites.backend, backend)),
            "call": np.flatnonzero(known[fleet.calls.parent] & known[fleet.calls.child]),
        }  # fmt: skip
        made = loads(problem, problem.standing)
        rps = made.demand_rps[problem.standing.row[share]] * problem.standing.share[share]
        mine = np.bincount(lookup(backend, on[on >= 0]), weights=rps[on >= 0], minlength=len(backend))
        base = np.maximum(made.backend_rps[backend] - mine, 0.0)
        called = self._called(flow, backend, floats(mine), made.demand_rps[flow] - problem.external_rps[flow])
        portion = cut_out(problem, part)
        external = floats(portion.problem.external_rps + called)
        portion = portion._replace(problem=replace(portion.problem, external_rps=external))
        return Excerpt(portion, floats(base), called, ints(service), whole)

    def _called(self, flow: Ints, backend: Ints, mine_rps: Floats, all_rps: Floats) -> Floats:
        """(f,) of what is called of some flows, the part that they do not call themselves by (b,) loads."""
        chain, first = self._chain
        asked = _spans(first, backend)
        place = lookup(flow, chain.flow[asked])
        per_request = chain.per_request[asked] * mine_rps[lookup(backend, chain.backend[asked])]
        own = np.bincount(place[place >= 0], weights=per_request[place >= 0], minlength=len(flow))
        left = all_rps - own
        return floats(np.where(left > NOISE * all_rps, left, 0.0))

    def _standing_on(self, backends: Ints) -> Ints:
        """Flows with a share on some backends."""
        return np.asarray(self.problem.standing.row[self._shares[1][_spans(self._first_share, backends)]])

    def _called_by(self, hit: Bools) -> None:
        """Mark what stands where it calls a flow that is marked, and so on up: it may rather be served elsewhere."""
        chain, _ = self._chain
        new = hit.copy()
        while new.any():
            callers = self._standing_on(np.unique(chain.backend[new[chain.flow]]))
            new = np.zeros_like(hit)
            new[callers[~hit[callers]]] = True
            hit |= new

    def _call(self, hit: Bools) -> None:
        """Mark what flows that are marked may call, wherever they may be served, and so on down."""
        chain, first = self._chain
        new = np.flatnonzero(hit)
        while len(new):
            routes = self.problem.routes.backend[_spans(self._first_route, new)]
            on = self._shares[0][_spans(self.problem.standing.row_start, new)]
            backends = np.union1d(routes, on[on >= 0])
            called = np.unique(chain.flow[_spans(first, backends)])
            new = called[~hit[called]]
            hit[new] = True


def crowded(routing: Routing, left: Problem, room_rps: Floats) -> Ints:
    """Services of which a routing refuses what is not refused yet, or which it brings above their room, (b,): somebody
    who stays might give way there.
    """
    refuses = shed_share(routing) > shed_share(left.standing) + TINY_SHARE
    over = loads(left, routing).backend_rps > room_rps * (1 + TINY_SHARE) + TINY_RPS
    return np.union1d(left.fleet.flows.service[refuses], left.fleet.backends.service[over])


def dearer(excerpt: Excerpt, routing: Routing, left: Problem, room_rps: Floats) -> Ints:
    """Backends, of the rows of an excerpt, that a routing makes dearer than they were, or fills up: who stays there
    might rather leave.
    """
    pieces, before = excerpt.part.problem.pieces, excerpt.part.problem.standing
    end = np.cumsum(pieces.rps, axis=1)

    def slope(load_rps: Floats) -> Floats:
        place = np.minimum((load_rps[:, None] > end * (1 + TINY_SHARE) + TINY_RPS).sum(axis=1), end.shape[1] - 1)
        return np.take_along_axis(pieces.usd, place[:, None], axis=1)[:, 0]

    stood = excerpt.base_rps + loads(excerpt.part.problem, before).backend_rps
    after = excerpt.base_rps + loads(left, routing).backend_rps
    offered = np.zeros(len(after), dtype=bool)
    offered[left.routes.backend] = True
    full = offered & (room_rps > 0) & (after >= room_rps * (1 - NEARLY_RATIO))
    return np.flatnonzero(full | (slope(floats(after)) > slope(floats(stood)) * (1 + TINY_SHARE) + TINY_SHARE))


def _spans(first: Ints, rows: Ints) -> Ints:
    """All places from `first[r]` up to `first[r + 1]` of some rows, one after the other."""
    size = first[rows + 1] - first[rows]
    return np.repeat(first[rows] - np.cumsum(size) + size, size) + np.arange(int(size.sum()))
