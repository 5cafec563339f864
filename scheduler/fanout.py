"""Shards of the assignment solve on Ray actors, and the choice between them and this process.

A shard's state ships once, when its actor starts. After that only prices, usage, answers and what changed travel. A
lost actor yields None for the call it was lost in, so the round goes on without it; it is started again at once and
its state, as it is by then, sent again. Ray is imported when it is first used: it takes seconds to start and hundreds
of megabytes.
"""

import logging
import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from placement.assignment import Assignment, AssignmentProblem
from placement.solve.assignment import solve_relaxation
from placement.solve.shard import Delta, Shard
from placement.solve.sharded import InProcess, Partition, partition, solve_sharded

RAY_FROM_ROUTES = 200_000
"""Below this many routes the messages of a climb cost more than further processors save."""
WHOLE_TO_ROUTES = 3_000
"""Up to this many routes the whole program is solved exactly in the time of a climb."""
ANSWER_MAX_S = 120.0
"""A shard that has not answered by then is taken for lost; nodes that vanish silently are noticed no sooner."""


class RayShards:
    """One actor per shard. A resource: close it, or use it as a context."""

    def __init__(
        self,
        parts: Sequence[AssignmentProblem],
        address: str | None = None,
        answer_max_s: float = ANSWER_MAX_S,
    ) -> None:
        self._answer_max_s = answer_max_s
        self._ray, self._owns = joined(len(parts), address)
        self._parts = list(parts)
        self._actor = self._ray.remote(Shard)
        self.restarts = 0
        self._actors = [self._start(i) for i in range(len(parts))]

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """An answer per shard, in order; None from one that died or was too late, which is started again."""
        asked = [getattr(actor, method).remote(*each) for actor, each in zip(self._actors, arguments, strict=True)]
        return [self._answer(i, reference) for i, reference in enumerate(asked)]

    def update(self, deltas: Sequence[Delta]) -> None:
        """Tell every shard what changed; one that is lost by then starts again after it."""
        self._parts = [delta.applied(part) for delta, part in zip(deltas, self._parts, strict=True)]
        self.call("update", [(delta,) for delta in deltas])

    def nodes(self) -> list[str]:
        """The id of the node each shard lives on."""
        ids = [actor.__ray_call__.remote(_node_of) for actor in self._actors]
        return [str(each) for each in self._ray.get(ids)]

    def close(self) -> None:
        """Let the actors go, and the cluster if it was started here."""
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors = []
        if self._owns:
            self._ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, shard: int, reference: Any) -> Any:
        """The value, or None once the actor is replaced. An error of the shard's own code is raised as it is."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference, timeout=self._answer_max_s)
        except (errors.RayActorError, errors.GetTimeoutError, errors.NodeDiedError):
            self._ray.kill(self._actors[shard])
            self._actors[shard] = self._start(shard)
            self.restarts += 1
            return None

    def _start(self, shard: int) -> Any:
        options = self._actor.options(num_cpus=1, scheduling_strategy="SPREAD")
        return options.remote(self._parts[shard])


def joined(processors: int, address: str | None = None) -> tuple[Any, bool]:
    """Ray, and whether this call connected it: to an address, or to a cluster of so many processors started here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray  # noqa: PLC0415  seconds and hundreds of megabytes; only who fans out pays

    if ray.is_initialized():
        return ray, False
    local: dict[str, Any] = {
        "address": "local",
        "num_cpus": processors,
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",
    }
    where = {"address": address} if address else local
    ray.init(log_to_driver=False, logging_level=logging.ERROR, **where)
    return ray, True


def _node_of(_: Shard) -> str:
    import ray  # noqa: PLC0415  runs inside the actor

    return str(ray.get_runtime_context().get_node_id())


def fan_out(
    problem: AssignmentProblem, shards: int, on_ray: bool | None = None, address: str | None = None
) -> tuple[InProcess | RayShards, Partition]:
    """Shards for a problem and what each holds: threads of this process, actors on Ray, or as told.

    Threads share one copy of the problem and send no messages, so actors are for shards that have no processor here, or
    for a cluster that is given by its address, and there only for problems that are large enough.
    """
    elsewhere = address is not None or shards > len(os.sched_getaffinity(0))
    use_ray = elsewhere and len(problem.routes) >= RAY_FROM_ROUTES if on_ray is None else on_ray
    layout = partition(problem, shards)
    parts = layout.parts(problem)
    return (RayShards(parts, address=address) if use_ray else InProcess(parts)), layout


def solve_assignment(
    problem: AssignmentProblem, shards: int = 1, on_ray: bool | None = None, address: str | None = None
) -> Assignment:
    """One solve from nothing, in the way that is fastest for its size, or as told. Raises Unsolved, Lost."""
    if on_ray is None and len(problem.routes) <= WHOLE_TO_ROUTES:
        return solve_relaxation(problem)
    fanout, layout = fan_out(problem, shards, on_ray, address)
    try:
        return solve_sharded(problem, layout, fanout).assignment
    finally:
        if isinstance(fanout, RayShards):
            fanout.close()
