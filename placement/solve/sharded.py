"""The decomposition over shards: prices down and usage up, then rounds in which shards improve their plans.

`solve_sharded` sees shards only through `Fanout`, so it is the same for objects of this process, actors on one machine
and actors on many. A shard that cannot answer yields None: its last usage stays in the pool rows and the others go on.
Once its state is back it is asked again for what only it can give, its plan and its part of the bound.

Popularity is a power law, and the average of the climb is near the optimum for all but a few percent of services; so a
round solves only those that lose most by it, and rounds end as soon as the certified gap is at its target.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from placement.assignment import Assignment, AssignmentProblem
from placement.columns import Bools, Floats, Ints, floats
from placement.solve.accounts import room_of
from placement.solve.ascent import FINE, PACE, Pace, PoolClimb, pool_scale
from placement.solve.blocks import blocks_of, shares
from placement.solve.prices import Prices
from placement.solve.shard import TOLERANCE, Account, Delta, Plan, Shard

TARGET = 0.005
"""Certified gap at which a solve is done."""
STALLED = 0.8
"""A round that leaves more than this part of the gap is the last: what remains is not in the plan but in the prices."""
ATTEMPTS = 3
"""How often a lost shard is asked again for its answer."""


class Round(NamedTuple):
    """Which services a round solves again, and what they pay."""

    left: float
    """Part of the target that the services left alone may lose together."""
    least: int
    """Services that are solved in any case: some may have to make room that prices do not ask of them."""
    priced: float
    """Part of a pool's price that programs pay for what they take of their room. At nearly 1 they leave to others what
    is worth more to them; at 0 no plan gets worse, and nothing is left idle at a price that is wrong."""


ROUNDS = (Round(0.2, 0, 0.9), Round(0.05, 100, 0.0), Round(0.012, 100, 0.0), Round(0.003, 100, 0.0))


@dataclass(frozen=True, slots=True)
class Standing:
    """A plan that stands on the shards, and the prices that certify it."""

    assignment: Assignment
    link_usd: Floats
    """(K,) $/h per byte/s; the prices of pools are in the assignment."""

    @property
    def gap(self) -> float:
        """Certified, as the assignment's; 0 where there is nothing to pay for."""
        return gap_of(self.assignment.objective_usd_per_hour, self.assignment.lower_bound_usd_per_hour)

    @property
    def price(self) -> tuple[Floats, Floats]:
        """Of pools (P, R) and links (K,)."""
        return self.assignment.pool_usd, self.link_usd


Start = Prices | Standing | None
"""Where a climb begins: at prices kept ready, at those the shards stand by, or at none."""


class Fanout(Protocol):
    """Shards, wherever they are: one argument tuple per shard, one answer per shard, None from a lost one."""

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a method of every shard; answers in the order of shards."""
        ...

    def update(self, deltas: Sequence[Delta]) -> None:
        """Tell every shard what changed; one that is restarted later begins after it."""
        ...


@dataclass(frozen=True, slots=True)
class Partition:
    """Which shard holds each service: whole applications."""

    shard: Ints
    """(S,)"""
    shards: int

    def masks(self) -> list[Bools]:
        """(S,) the services of each shard."""
        return [self.shard == i for i in range(self.shards)]

    def parts(self, problem: AssignmentProblem) -> list[AssignmentProblem]:
        """What each `Shard` is made from."""
        return [problem.only(mask) for mask in self.masks()]

    def prices(self, problem: AssignmentProblem, prices: Prices) -> list[Prices]:
        """What each shard has to know of prices."""
        losses, sites = problem.losses.service, problem.sites.service
        return [
            replace(prices, loss=prices.loss[m[losses]], spread=prices.spread[m[sites]], start=prices.start[m[sites]])
            for m in self.masks()
        ]

    def plans(self, problem: AssignmentProblem, plan: Plan) -> list[Plan]:
        """What each shard has to know of a plan."""
        h, x = problem.sites.service, problem.routes.service
        g, losses = problem.demands.service, problem.losses.service
        return [
            Plan(plan.replicas[m[h]], plan.route_rps[m[x]], plan.demand_rps[m[g]], plan.survive_rps[m[losses]])
            for m in self.masks()
        ]

    def whole(self, problem: AssignmentProblem, parts: Sequence[Prices]) -> Prices:
        """What all shards know of prices, as one point."""
        losses, sites = problem.losses.service, problem.sites.service
        loss, spread, start = np.zeros(len(losses)), np.zeros(len(sites)), np.zeros(len(sites))
        for mask, part in zip(self.masks(), parts, strict=True):
            loss[mask[losses]], spread[mask[sites]], start[mask[sites]] = part.loss, part.spread, part.start
        return Prices(parts[0].pool, parts[0].link, loss, spread, start)

    def deltas(self, old: AssignmentProblem, new: AssignmentProblem) -> list[Delta]:
        """What each shard has to know to come from one problem to another that differs only in what `Delta` holds."""
        demands = self._changed(old.demands.service, old.demands.rps, new.demands.rps)
        losses = self._changed(old.losses.service, old.losses.survive_rps, new.losses.survive_rps)
        sites = self._changed(old.sites.service, old.sites.standing, new.sites.standing)
        capacity = None if np.array_equal(old.capacity, new.capacity) else new.capacity
        return [Delta(*demands[i], *losses[i], *sites[i], capacity) for i in range(self.shards)]

    def _changed(self, service: Ints, before: Any, after: Any) -> list[tuple[Ints, Any]]:
        """Of each shard: which of its own rows of a column changed, and to what."""
        changed = np.flatnonzero(before != after)
        if not len(changed):
            return [(changed, after[:0])] * self.shards
        shard = self.shard[service]
        mine = [changed[shard[changed] == i] for i in range(self.shards)]
        return [(np.searchsorted(np.flatnonzero(shard == i), rows), after[rows]) for i, rows in enumerate(mine)]


def partition(problem: AssignmentProblem, shards: int) -> Partition:
    """Services dealt to shards by size."""
    return Partition(blocks_of(problem, shards), shards)


class InProcess:
    """Shards as objects of this process, each on a thread: compiled loops and solvers let others run meanwhile."""

    def __init__(self, parts: Sequence[AssignmentProblem]) -> None:
        self.parts = [Shard(part) for part in parts]
        self._threads = ThreadPoolExecutor(max(1, min(len(parts), len(os.sched_getaffinity(0)))))

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Every shard; what one raises is raised."""
        if len(self.parts) == 1:
            return [getattr(self.parts[0], method)(*arguments[0])]
        pairs = zip(self.parts, arguments, strict=True)
        return [future.result() for future in [self._threads.submit(getattr(s, method), *each) for s, each in pairs]]

    def update(self, deltas: Sequence[Delta]) -> None:
        """Tell every shard."""
        self.call("update", [(delta,) for delta in deltas])


def solve_sharded(
    problem: AssignmentProblem,
    layout: Partition,
    fanout: Fanout,
    pace: Pace = PACE,
    target: float = TARGET,
    start: Start = None,
) -> Standing:
    """A plan within `target` of its bound, or as near as a climb at a fine pace brings it. Raises Unsolved, Lost.

    With a `start`, `pace` should be a gentle one.
    """
    standing = solve_once(problem, layout, fanout, pace, target, start)
    if standing.gap <= target or pace.iterations >= FINE.iterations:
        return standing
    bound = standing.assignment.lower_bound_usd_per_hour
    standing = solve_once(problem, layout, fanout, FINE, target, start)
    best = max(bound, standing.assignment.lower_bound_usd_per_hour)
    return replace(standing, assignment=replace(standing.assignment, lower_bound_usd_per_hour=best))


def solve_once(
    problem: AssignmentProblem, layout: Partition, fanout: Fanout, pace: Pace, target: float, start: Start
) -> Standing:
    """One climb and its rounds, whatever gap that gives. Raises Unsolved, Lost."""
    (pool, link), keep = climb(problem, layout, fanout, pace, start)
    accounts = insist(fanout, "offer", [(pool, link, keep)] * layout.shards)
    return improve(problem, layout, fanout, (pool, link), accounts, target)


def improve(
    problem: AssignmentProblem,
    layout: Partition,
    fanout: Fanout,
    price: tuple[Floats, Floats],
    accounts: list[Account],
    target: float,
    rounds: Sequence[Round] = ROUNDS,
) -> Standing:
    """Rounds from the plans of shards, as their accounts state them, until the certified gap is at its target."""
    pool, link = price
    limit = room_of(problem.capacity, problem.links.bandwidth)
    coupling = float((pool * problem.capacity).sum() + (link * problem.links.bandwidth).sum())
    bound = sum(float(account.own.sum()) for account in accounts) - coupling
    last = np.inf
    for each in rounds:
        use = np.stack([account.use for account in accounts])
        usd = sum(account.usd for account in accounts)
        excess = np.concatenate([account.excess for account in accounts])
        fits = (use.sum(axis=0) <= limit * (1 + TOLERANCE)).all() and np.isfinite(excess).all()
        gap = gap_of(usd, bound) if fits else np.inf
        if gap <= target or gap > STALLED * last:
            break
        last = gap
        least = threshold(excess, each.left * target * abs(bound), each.least)
        rooms = shares(use, limit, np.stack([account.forced for account in accounts]))
        accounts = insist(fanout, "improve", [(pool, link, least, room, each.priced) for room in rooms])
    replicas, route_rps = np.zeros(len(problem.sites)), np.zeros(len(problem.routes))
    for mask, account in zip(layout.masks(), accounts, strict=True):
        replicas[mask[problem.sites.service]] = account.replicas
        route_rps[mask[problem.routes.service]] = account.route_rps
    usd = sum(account.usd for account in accounts)
    return Standing(Assignment(floats(replicas), floats(route_rps), float(usd), bound, floats(pool)), floats(link))


def gap_of(usd: float, bound: float) -> float:
    """How far a plan may be from the best there is; inf where the bound says nothing."""
    if usd <= max(bound, 0.0):
        return 0.0
    return usd / bound - 1 if bound > 0 else np.inf


def threshold(excess: Floats, left: float, least: int = 0) -> float:
    """Services with no more excess than this lose no more than `left` together, and `least` services have more."""
    order = np.sort(excess)
    few = int(np.searchsorted(np.cumsum(np.maximum(order, 0.0)), left, "right"))
    few = max(0, min(few, len(order) - least))
    return float(order[few - 1]) if few else -np.inf


def climb(
    problem: AssignmentProblem, layout: Partition, fanout: Fanout, pace: Pace, start: Start = None
) -> tuple[tuple[Floats, Floats], bool]:
    """Best prices of pools (P, R) and links (K,), and whether they were the last.

    A shard that is lost on the way counts with its last answer meanwhile.
    """
    at = start.price if isinstance(start, Standing) else None if start is None else (start.pool, start.link)
    pools = PoolClimb(problem.capacity, pool_scale(problem), problem.links.bandwidth, at)
    nothing = (0.0, np.zeros_like(problem.capacity), np.zeros(len(problem.links.bandwidth)))
    last = [nothing] * layout.shards
    if isinstance(start, Prices):
        fanout.call("begin", [(part,) for part in layout.prices(problem, start)])
    else:
        fanout.call("begin", [(None, start is not None)] * layout.shards)
    keep = False
    for step in range(1, pace.iterations + 1):
        answers = fanout.call("respond", [(*pools.prices(), step, pace, keep)] * layout.shards)
        last = [old if new is None else new for old, new in zip(last, answers, strict=True)]
        use, link_use = sum((a[1] for a in last), nothing[1]), sum((a[2] for a in last), nothing[2])
        keep = pools.observe(sum(a[0] for a in last), use, link_use, step, pace)
    return pools.best, keep


class Lost(Exception):  # noqa: N818  an outcome, as Unsolved is
    """A shard did not come back; says which."""


def insist(fanout: Fanout, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """An answer of every shard: those that were lost are asked again, up to ATTEMPTS times. Raises Lost."""
    answers = fanout.call(method, arguments)
    for _ in range(ATTEMPTS - 1):
        if all(answer is not None for answer in answers):
            return answers
        again = fanout.call(method, arguments)
        answers = [new if old is None else old for old, new in zip(answers, again, strict=True)]
    missing = [i for i, answer in enumerate(answers) if answer is None]
    if missing:
        raise Lost(f"shards {missing} gave no answer to {method} in {ATTEMPTS} attempts: restart the solver's workers")
    return answers
