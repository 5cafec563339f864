"""Bugs to plant into the loop, one at a time: the rules that watch it must find each of them.

A bug replaces one pure function, as the loop sees it, by one that is wrong in a way that people are.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from importlib import import_module
from typing import Any

import numpy as np

from placement.fleet import Fleet
from placement.guard import Step
from placement.routing import blend
from scheduler.hygiene import Reason
from scheduler.state import Mode


@dataclass(frozen=True, slots=True)
class Bug:
    """`name` of `module`, or of a class in it, becomes `wrong(the right one)`."""

    seed: int
    """Of a world that shows it."""
    title: str
    module: str
    name: str
    wrong: Callable[[Any], Any]

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Wrong inside, right again afterwards."""
        *path, name = self.name.split(".")
        owner = reduce(getattr, path, import_module(self.module))
        right = getattr(owner, name)
        setattr(owner, name, self.wrong(right))
        try:
            yield
        finally:
            setattr(owner, name, right)


def _unbounded(_: Any) -> Any:
    return lambda problem, plan, objective, limits: Step(plan.routing, 1.0, ())


def _everybody(right: Any) -> Any:
    return lambda verdicts: np.ones_like(right(verdicts))


def _anywhere(right: Any) -> Any:
    def wrong(fleet: Fleet, *rest: Any) -> Any:
        return right(replace(fleet, allowed=np.ones_like(fleet.allowed)), *rest)

    return wrong


def _not_a_number_is_one(right: Any) -> Any:
    def wrong(*arguments: Any) -> Iterator[Any]:
        return ((reason, holds) for reason, holds in right(*arguments) if reason is not Reason.NOT_A_NUMBER)

    return wrong


@dataclass
class _Forgetful:
    """A ledger whose intents are for later."""

    ledger: Any

    async def intend(self, turn: int, tables: Any) -> None:
        del turn, tables

    async def record(self, turn: Any) -> None:
        await self.ledger.record(turn)


def _act_first(right: Any) -> Any:
    return lambda state, move, mode, ports, policy: right(
        state, move, mode, replace(ports, ledger=_Forgetful(ports.ledger)), policy
    )


def _first_version(right: Any) -> Any:
    return lambda state, *rest: right(replace(state, version=0), *rest)


def _rotated(right: Any) -> Any:
    def wrong(*arguments: Any) -> Any:
        tables = right(*arguments)
        origins = list(tables)
        others = [*origins[1:], *origins[:1]]
        return {mine: replace(tables[other], origin=mine) for mine, other in zip(origins, others, strict=True)}

    return wrong


def _coarse(right: Any) -> Any:
    return lambda problem, routing, rounding, tables: right(problem, routing, replace(rounding, unit=10), tables)


def _chokes_on_nonsense(right: Any) -> Any:
    def wrong(readings: Any, memory: Any, measured: Any, *rest: Any) -> Any:
        if any(not (batch.value >= 0).all() for batch in measured):
            raise KeyError("a rate below 0")
        return right(readings, memory, measured, *rest)

    return wrong


def _never_answers(_: Any) -> Any:
    return lambda safety, answered: replace(safety, unsolved=safety.unsolved + 1)


def _stands(right: Any) -> Any:
    return lambda problem, *rest: replace(right(problem, *rest), routing=problem.standing)


def _unslackened(right: Any) -> Any:
    def wrong(capacity: Any, before: Any, rise: Any, after: Any, slack: float = 0.0) -> Any:
        return np.ones_like(capacity) if slack else right(capacity, before, rise, after)

    return wrong


BUGS = (
    Bug(0, "steps are not bounded", "scheduler.move", "guard", _unbounded),
    Bug(0, "what is out counts as usable", "scheduler.loop", "usable", _everybody),
    Bug(0, "nobody is evacuated", "scheduler.move", "failover_routing", lambda _: lambda p, t, s, *_: (s, "")),
    Bug(
        0,
        "a spill knows no room",
        "placement.failover",
        "spill",
        lambda right: lambda p, r, u, limit, **more: right(p, r, u, limit * 10, **more),
    ),
    Bug(0, "receivers have room without end", "scheduler.move", "spare_rps", lambda right: lambda *a: right(*a) * 10),
    Bug(0, "every jurisdiction will do", "placement.problem", "lawful_routes", _anywhere),
    Bug(4, "NaN is a number", "scheduler.hygiene", "faults", _not_a_number_is_one),
    Bug(361, "capacity is what it says it is", "scheduler.hygiene", "within_bounds", lambda _: lambda b, s, r, v, m: v),
    Bug(5, "an operator is not listened to", "scheduler.loop", "in_force", lambda _: lambda wanted, safety: Mode.AUTO),
    Bug(0, "versions begin anew every time", "scheduler.move", "push", _first_version),
    Bug(0, "acts come before their record", "scheduler.move", "push", _act_first),
    Bug(
        49, "probes are never doubted", "health.verdict", "doubtful", lambda right: lambda *a: np.zeros_like(right(*a))
    ),
    Bug(1, "nobody is ever judged", "scheduler.loop", "judge", lambda _: lambda verdicts, *rest: verdicts),
    Bug(
        26,
        "an overload is an outage",
        "health.verdict",
        "charges",
        lambda right: lambda e, s, a, r, *_: right(e, s, a, r),
    ),
    Bug(0, "weights are rounded to tenths", "scheduler.move", "weight_tables", _coarse),
    Bug(0, "meshes get each other's tables", "scheduler.move", "weight_tables", _rotated),
    Bug(1, "the optimizer never moves", "simulator.solver", "solve_routing", _stands),
    Bug(
        47, "shares are mixed as if demand stood still", "placement.guard", "between", lambda _: lambda p, *a: blend(*a)
    ),
    Bug(
        10,
        "a called service forgets its callers",
        "placement.evacuation",
        "inherited",
        lambda _: lambda value, _: value,
    ),
    Bug(4, "nonsense in a report ends the loop", "scheduler.loop", "clean", _chokes_on_nonsense),
    Bug(1, "SAFE mode never ends", "scheduler.loop", "solved", _never_answers),
    Bug(0, "nothing is ever stranded", "scheduler.move", "not_offered_share", lambda right: lambda *a: 0 * right(*a)),
    Bug(
        0,
        "an emergency forgets what is gone",
        "scheduler.loop",
        "reduced",
        lambda _: lambda known, *rest: known,
    ),
    Bug(58, "a refused table counts as taken", "scheduler.turn", "Outcome.landed", lambda _: property(lambda _: True)),
    Bug(243, "nobody looks at the transit", "placement.guard", "_largest", lambda _: lambda c, *rest: np.ones_like(c)),
    Bug(243, "a least step is as large as calls make it", "placement.guard", "_largest", _unslackened),
)
