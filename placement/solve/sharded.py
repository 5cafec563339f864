"""The decomposition over shards: prices down, usage up, then all shards solve their blocks, round by round.

`solve_sharded` sees shards only through `Fanout`, so it is the same for objects of this process, actors on one machine
and actors on many. A shard that cannot answer yields None: its last usage stays in the pool rows and the others go on.
Once its state is back it is asked again for what only it can give, its blocks and its part of the bound.
"""

import resource
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from placement.assignment import Assignment, AssignmentProblem
from placement.columns import Bools, Floats, Ints, floats
from placement.solve.accounts import excess_usd, room_of, service_usd, uses
from placement.solve.ascent import PACE, LocalClimb, Pace, PoolClimb, pool_scale
from placement.solve.blocks import Block, BlockAnswer, blocks_of, screen, shares
from placement.solve.prices import PriceModel, Prices

BLOCK_SERVICES = 100
"""Services per block: simplex time grows faster than size, the loss from splitting pools slower."""
SLACK = 0.05
"""Routes within this part of the cheapest are offered to the programs."""
REPAIRED = 120
"""Services that the last program takes together, without screening."""
CATCH_UP = 30
"""Iterations a restarted shard climbs alone."""
ATTEMPTS = 3
"""How often a lost shard is asked again for its answer."""


class Fanout(Protocol):
    """Calls a method of every shard; one argument tuple per shard, one answer per shard, None from a lost one."""

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Answers in the order of shards."""
        ...


@dataclass(frozen=True, slots=True)
class Partition:
    """Which shard, and which block of it, holds each service: whole applications."""

    shard: Ints
    """(S,)"""
    block: Ints
    """(S,)"""
    shards: int
    blocks: int
    """Of each shard."""

    def parts(self, problem: AssignmentProblem) -> list[tuple[AssignmentProblem, Ints, int]]:
        """What each `Shard` is made from."""
        held = [self.shard == i for i in range(self.shards)]
        return [(problem.only(mask), self.block[mask], self.blocks) for mask in held]


def partition(problem: AssignmentProblem, shards: int, block_services: int = BLOCK_SERVICES) -> Partition:
    """Blocks of about `block_services`, dealt to shards by size."""
    blocks = max(1, -(-problem.services // (block_services * shards)))
    block = blocks_of(problem, blocks * shards)
    return Partition(block % shards, block // shards, shards, blocks)


class Shard:
    """All state of some services: programs, prices and averages. Runs in process or as an actor."""

    def __init__(self, problem: AssignmentProblem, block: Ints, blocks: int) -> None:
        self.problem, self.model = problem, PriceModel(problem)
        self.masks = [block == b for b in range(blocks)]
        self.blocks = [Block(problem.only(mask)) for mask in self.masks]
        self.climb = LocalClimb(self.model)
        self.best: Prices | None = None
        self.offered: tuple[Bools, Bools] | None = None

    def warm_up(self) -> int:
        """Load the compiled loops, so that the first round is not late for them; how many services there are."""
        self.climb.respond(np.zeros_like(self.problem.capacity), np.zeros(len(self.problem.links.bandwidth)), 1, PACE)
        return self.begin(False)

    def peak_memory_mib(self) -> int:
        """Of the process that holds this shard."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    def begin(self, warm: bool) -> int:
        """Start a climb, from the best own prices of the last one if warm; how many services there are."""
        self.climb = LocalClimb(self.model, self.best if warm else None)
        self.offered = None
        return self.problem.services

    def respond(self, pool: Floats, link: Floats, step: int, pace: Pace, keep: bool) -> tuple[float, Floats, Floats]:
        """One iteration, see `LocalClimb.respond`. `keep`: the point before this one is the best so far."""
        if keep:
            self.best = self.climb.last
        return self.climb.respond(pool, link, step, pace)

    def offer(self, pool: Floats, link: Floats, slack: float) -> tuple[Floats, Floats]:
        """((S,) parts of the bound, (blocks, P * R + K) expected use) at the coordinator's prices; screens columns.

        A shard that was restarted has no own prices: it climbs alone at the coordinator's first.
        """
        if self.climb.averaged == 0:
            pace = Pace(CATCH_UP)
            for step in range(1, pace.iterations + 1):
                self.climb.respond(pool, link, step, pace)
            self.best = self.climb.last
        assert self.best is not None
        best = replace(self.best, pool=pool, link=link)
        self.offered = screen(self.model, best, slack)
        own = self.model.own_by_service(best)
        return own, np.stack([self._block_use(mask) for mask in self.masks])

    def solve(self, pool: Floats, link: Floats, slack: float, block: int, room: Floats) -> BlockAnswer:
        """One block within its room (P * R + K,)."""
        if self.offered is None:
            self.offer(pool, link, slack)
        assert self.offered is not None
        mask, (routes, sites) = self.masks[block], self.offered
        if not mask.any():
            return BlockAnswer(0.0, np.zeros_like(room), np.zeros(0), np.zeros(0))
        return self.blocks[block].solve(
            routes[mask[self.problem.routes.service]], sites[mask[self.problem.sites.service]], room, pool
        )

    def _block_use(self, mask: Bools) -> Floats:
        """(P * R + K,) averaged over the climb; link use in proportion to services."""
        replicas = self.climb.replicas() * mask[self.problem.sites.service]
        part = mask.sum() / max(1, len(mask)) / max(self.climb.averaged, 1)
        return room_of(self.problem.pool_use(replicas), self.climb.link_use * part)


class InProcess:
    """Shards as objects of this process."""

    def __init__(self, parts: Sequence[tuple[AssignmentProblem, Ints, int]]) -> None:
        self.parts = [Shard(*part) for part in parts]

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Every shard in turn."""
        return [getattr(shard, method)(*each) for shard, each in zip(self.parts, arguments, strict=True)]


def solve_sharded(
    problem: AssignmentProblem,
    layout: Partition,
    fanout: Fanout,
    pace: Pace = PACE,
    slack: float = SLACK,
    ready: tuple[Floats, Floats] | None = None,
) -> Assignment:
    """Prices, shares and blocks over the shards of a layout. Raises Unsolved, Lost.

    `ready`: prices of pools and links that these shards have climbed to before, as for a loss that was foreseen.
    """
    pool, link = ready if ready is not None else climb(problem, layout.shards, fanout, pace)
    offers = insist(fanout, "offer", [(pool, link, slack)] * layout.shards)
    limit = room_of(problem.capacity, problem.links.bandwidth)
    share = shares(np.concatenate([use for _, use in offers]), limit)
    share = share.reshape(layout.shards, layout.blocks, len(limit))
    replicas, route_rps = np.zeros(len(problem.sites)), np.zeros(len(problem.routes))
    objective, left = 0.0, np.zeros(len(limit))
    for block in range(layout.blocks):
        rooms = share[:, block] + left / layout.shards
        answers = insist(fanout, "solve", [(pool, link, slack, block, room) for room in rooms])
        left = np.maximum(rooms - np.stack([answer.use for answer in answers]), 0.0).sum(axis=0)
        for shard, answer in enumerate(answers):
            mine = (layout.shard == shard) & (layout.block == block)
            replicas[mine[problem.sites.service]] = answer.replicas
            route_rps[mine[problem.routes.service]] = answer.route_rps
            objective += answer.objective
    own = np.zeros(problem.services)
    for shard, (parts, _) in enumerate(offers):
        own[layout.shard == shard] = parts
    repair(problem, (pool, link), own, replicas, route_rps)
    objective = float(service_usd(problem, replicas, route_rps).sum())
    coupling = float((pool * problem.capacity).sum() + (link * problem.links.bandwidth).sum())
    return Assignment(
        replicas=floats(replicas),
        route_rps=floats(route_rps),
        objective_usd_per_hour=objective,
        lower_bound_usd_per_hour=float(own.sum()) - coupling,
        pool_usd=floats(pool),
    )


def repair(
    problem: AssignmentProblem, price: tuple[Floats, Floats], own: Floats, replicas: Floats, route_rps: Floats
) -> None:
    """Solve the services that lost most by the shares again, together, with all that is left; in place."""
    excess = excess_usd(problem, *price, own, replicas, route_rps)
    worst = np.argsort(-excess, kind="stable")[:REPAIRED]
    again = np.isin(problem.block, problem.block[worst])
    site, route = again[problem.sites.service], again[problem.routes.service]
    rest = uses(problem, floats(np.where(site, 0.0, replicas)), floats(np.where(route, 0.0, route_rps)))
    room = np.maximum(room_of(problem.capacity, problem.links.bandwidth) - rest, 0.0)
    part = problem.only(again)
    everything = np.ones(len(part.routes), dtype=bool), np.ones(len(part.sites), dtype=bool)
    answer = Block(part).solve(*everything, room, np.zeros_like(problem.capacity))
    replicas[site], route_rps[route] = answer.replicas, answer.route_rps


def climb(problem: AssignmentProblem, shards: int, fanout: Fanout, pace: Pace) -> tuple[Floats, Floats]:
    """Best prices of pools (P, R) and links (K,). A shard lost on the way counts with its last answer meanwhile."""
    pools = PoolClimb(problem.capacity, pool_scale(problem), problem.links.bandwidth)
    nothing = (0.0, np.zeros_like(problem.capacity), np.zeros(len(problem.links.bandwidth)))
    last = [nothing] * shards
    fanout.call("begin", [(False,)] * shards)
    keep = False
    for step in range(1, pace.iterations + 1):
        answers = fanout.call("respond", [(*pools.prices(), step, pace, keep)] * shards)
        last = [old if new is None else new for old, new in zip(last, answers, strict=True)]
        use, link_use = sum((a[1] for a in last), nothing[1]), sum((a[2] for a in last), nothing[2])
        keep = pools.observe(sum(a[0] for a in last), use, link_use, step, pace)
    return pools.best


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
