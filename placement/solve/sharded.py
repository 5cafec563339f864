"""The decomposition over shards: prices down, usage up, then every shard solves its blocks within its share.

`coordinate` sees shards only through `Fanout`, so it is the same for objects of this process, actors on one machine
and actors on many. A shard that cannot answer yields None: its last usage stays in the pool rows and its last answer
in the sum, so the others go on; the bound then is the one of the last round in which all answered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from placement.assignment import Assignment, AssignmentProblem
from placement.columns import Bools, Floats, floats
from placement.solve.ascent import PACE, LocalClimb, Pace, PoolClimb, pool_scale
from placement.solve.blocks import Block, BlockAnswer, blocks_of, screen, shares
from placement.solve.prices import PriceModel, Prices

BLOCK_SERVICES = 150
"""Services per block: simplex time grows faster than size, the loss from splitting pools slower."""
SLACK = 0.03
"""Routes within this part of the cheapest are offered to the programs."""
CATCH_UP = 30
"""Iterations a restarted shard climbs alone."""
ATTEMPTS = 3
"""How often a lost shard is asked again for its answer."""


class Fanout(Protocol):
    """Calls a method of every shard; one argument tuple per shard, one answer per shard, None from a lost one."""

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]: ...

    @property
    def shards(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ShardAnswer:
    """What a shard decided: its own rows of the assignment."""

    objective: float
    own: float
    """Its part of the bound at the prices it was given."""
    pool_use: Floats
    link_use: Floats
    replicas: Floats
    route_rps: Floats


class Shard:
    """All state of some services: program, prices and averages. Runs in process or as an actor."""

    def __init__(self, problem: AssignmentProblem, block_services: int = BLOCK_SERVICES) -> None:
        self.problem, self.block_services = problem, block_services
        self.model = PriceModel(problem)
        count = max(1, -(-problem.services // block_services))
        block = blocks_of(problem, count)
        self.masks = [block == b for b in range(count)]
        self.blocks = [Block(problem.only(mask)) for mask in self.masks]
        self.climb = LocalClimb(self.model)
        self.best: Prices | None = None

    def begin(self, warm: bool) -> int:
        """Start a climb, from the best own prices of the last one if warm; how many services there are."""
        self.climb = LocalClimb(self.model, self.best if warm else None)
        return self.problem.services

    def respond(self, pool: Floats, link: Floats, step: int, pace: Pace, keep: bool) -> tuple[float, Floats, Floats]:
        """One iteration, see `LocalClimb.respond`. `keep`: the point before this one is the best so far."""
        if keep:
            self.best = self.climb.last
        return self.climb.respond(pool, link, step, pace)

    def averaged_use(self) -> tuple[Floats, Floats]:
        """(P, R) and (K,) averaged over the second half of the climb."""
        return self.problem.pool_use(self.climb.replicas()), self.climb.link_use / max(self.climb.averaged, 1)

    def solve(self, price: tuple[Floats, Floats], pool: Floats, link: Floats, slack: float) -> ShardAnswer:
        """Solve all blocks within limits (P, R) and (K,); what one leaves goes to the next.

        A shard that was restarted has no own prices: it climbs alone at the coordinator's before it screens.
        """
        best = self._at(*price)
        routes, sites = screen(self.model, best, slack)
        use = [self._block_use(mask) for mask in self.masks]
        pools = shares(np.stack([u for u, _ in use]), pool)
        links = shares(np.stack([u for _, u in use]), link)
        left, left_link = np.zeros_like(pool), np.zeros_like(link)
        replicas, route_rps = np.zeros(len(self.problem.sites)), np.zeros(len(self.problem.routes))
        objective = 0.0
        for b, (mask, block) in enumerate(zip(self.masks, self.blocks, strict=True)):
            mine = mask[self.problem.sites.service], mask[self.problem.routes.service]
            room, room_link = pools[b] + left, links[b] + left_link
            answer = block.solve(routes[mine[1]], sites[mine[0]], room, room_link)
            used, used_link = uses(block.problem, answer)
            left, left_link = np.maximum(room - used, 0.0), np.maximum(room_link - used_link, 0.0)
            replicas[mine[0]], route_rps[mine[1]] = answer.replicas, answer.route_rps
            objective += answer.objective
        whole = BlockAnswer(objective, replicas, route_rps)
        q = self.model.raw_cost(best)
        own = self.model.own_bound(best, q, self.model.least(best, q)[0])
        return ShardAnswer(objective, own, *uses(self.problem, whole), replicas, route_rps)

    def _at(self, pool: Floats, link: Floats) -> Prices:
        if self.climb.averaged == 0:
            pace = Pace(CATCH_UP)
            for step in range(1, pace.iterations + 1):
                self.climb.respond(pool, link, step, pace)
            self.best = self.climb.last
        assert self.best is not None
        return replace(self.best, pool=pool, link=link)

    def _block_use(self, mask: Bools) -> tuple[Floats, Floats]:
        replicas = self.climb.replicas() * mask[self.problem.sites.service]
        part = mask.sum() / max(1, len(mask))
        return self.problem.pool_use(replicas), self.climb.link_use / max(self.climb.averaged, 1) * part


def uses(problem: AssignmentProblem, answer: BlockAnswer) -> tuple[Floats, Floats]:
    """(P, R) and (K,) what an answer takes of pools and links."""
    links = problem.links
    over = (answer.route_rps * problem.routes.bytes_per_request)[links.route]
    return problem.pool_use(answer.replicas), floats(np.bincount(links.link, over, len(links.bandwidth)))


class InProcess:
    """Shards as objects of this process."""

    def __init__(self, parts: Sequence[AssignmentProblem], block_services: int = BLOCK_SERVICES) -> None:
        self.parts = [Shard(part, block_services) for part in parts]

    @property
    def shards(self) -> int:
        """How many."""
        return len(self.parts)

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Every shard in turn."""
        return [getattr(shard, method)(*each) for shard, each in zip(self.parts, arguments, strict=True)]


def parts_of(problem: AssignmentProblem, shards: int) -> list[Bools]:
    """(S,) per shard: its services."""
    owner = blocks_of(problem, shards)
    return [owner == i for i in range(shards)]


def solve_sharded(
    problem: AssignmentProblem,
    masks: Sequence[Bools],
    fanout: Fanout,
    pace: Pace = PACE,
    slack: float = SLACK,
) -> Assignment:
    """Prices, shares and blocks over shards that hold the services in `masks`. Raises Unsolved, Lost."""
    pool, link, use = climb(problem, fanout, pace)
    pools = shares(np.stack([u for u, _ in use]), problem.capacity)
    links = shares(np.stack([u for _, u in use]), problem.links.bandwidth)
    rooms = [((pool, link), pools[i], links[i], slack) for i in range(fanout.shards)]
    answers = insist(fanout, "solve", rooms)
    replicas, route_rps = np.zeros(len(problem.sites)), np.zeros(len(problem.routes))
    for mask, answer in zip(masks, answers, strict=True):
        replicas[mask[problem.sites.service]] = answer.replicas
        route_rps[mask[problem.routes.service]] = answer.route_rps
    coupling = float((pool * problem.capacity).sum() + link @ problem.links.bandwidth)
    return Assignment(
        replicas=floats(replicas),
        route_rps=floats(route_rps),
        objective_usd_per_hour=sum(answer.objective for answer in answers),
        lower_bound_usd_per_hour=sum(answer.own for answer in answers) - coupling,
        pool_usd=floats(pool),
    )


def climb(problem: AssignmentProblem, fanout: Fanout, pace: Pace) -> tuple[Floats, Floats, list[tuple[Floats, Floats]]]:
    """Best prices of pools (P, R) and links (K,), and each shard's averaged use of both.

    A shard that is lost on the way counts with its last answer until it is back.
    """
    pools = PoolClimb(problem.capacity, pool_scale(problem), problem.links.bandwidth)
    nothing = (0.0, np.zeros_like(problem.capacity), np.zeros(len(problem.links.bandwidth)))
    last = [nothing] * fanout.shards
    fanout.call("begin", [(False,)] * fanout.shards)
    keep = False
    for step in range(1, pace.iterations + 1):
        prices = pools.prices()
        answers = fanout.call("respond", [(*prices, step, pace, keep)] * fanout.shards)
        last = [old if new is None else new for old, new in zip(last, answers, strict=True)]
        use, link_use = sum((a[1] for a in last), nothing[1]), sum((a[2] for a in last), nothing[2])
        keep = pools.observe(sum(a[0] for a in last), use, link_use, step, pace)
    use_now = fanout.call("averaged_use", [()] * fanout.shards)
    return *pools.best, [(old[1], old[2]) if new is None else new for old, new in zip(last, use_now, strict=True)]


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
