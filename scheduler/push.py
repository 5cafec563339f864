"""Meshes in parallel: reading what they have, writing what they should have. Waiting ends by deadline or alarm."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from connectors.connector import Connector, Receipt, Refused, Unavailable
from connectors.deadline import within
from placement.fleet import OriginId
from placement.weights import WeightTable
from scheduler.ports import Watch
from scheduler.turn import Outcome

T = TypeVar("T")


async def read_tables(
    connectors: Mapping[OriginId, Connector], deadline_s: float, watch: Watch
) -> dict[OriginId, WeightTable]:
    """What each mesh has from us, as far as it says so in time; a silent one is left out."""
    asked = {o: connector for o, connector in connectors.items() if not connector.limits.read_at_once}
    calls = {o: within(deadline_s, connector.read(), f"{o}: read") for o, connector in asked.items()}
    answers: dict[OriginId, WeightTable | Exception | None] = {
        o: await answered(connector.read()) for o, connector in connectors.items() if o not in asked
    }
    answers |= await unless_alarmed(calls, watch)
    return {origin: table for origin, table in answers.items() if isinstance(table, WeightTable)}


async def write_tables(
    connectors: Mapping[OriginId, Connector],
    tables: Mapping[OriginId, WeightTable],
    deadline_s: float,
    watch: Watch,
    sent_at_s: float,
) -> dict[OriginId, Outcome]:
    """Write every table, now being `sent_at_s`, and say what became of it.

    A mesh that does not answer is not an error of the tick.
    """
    calls = {o: within(deadline_s, connectors[o].write(table), f"{o}: write") for o, table in tables.items()}
    answers = await unless_alarmed(calls, watch)
    return {
        origin: Outcome(tables[origin], sent_at_s, answer)
        if isinstance(answer, Receipt)
        else Outcome(tables[origin], sent_at_s, None, str(answer))
        for origin, answer in answers.items()
    }


async def unless_alarmed(calls: Mapping[OriginId, Awaitable[T]], watch: Watch) -> dict[OriginId, T | Exception]:
    """Every answer, or why there is none. An alarm ends the waiting: what is unknown then is Unavailable.

    A write that is not waited for may still land; the next one carries a higher version, so order is kept.
    """
    if not calls:
        return {}
    tasks = {origin: asyncio.ensure_future(answered(call)) for origin, call in calls.items()}
    alarm = asyncio.ensure_future(watch.alarm())
    try:
        await first_of(asyncio.gather(*tasks.values()), alarm)
    finally:
        alarm.cancel()
        for task in tasks.values():
            task.cancel()
    late = Unavailable("not waited for: something went down")
    return {origin: task.result() if task.done() and not task.cancelled() else late for origin, task in tasks.items()}


async def answered(call: Awaitable[T]) -> T | Exception:
    """The answer, or the expected failure as a value."""
    try:
        return await call
    except (Unavailable, Refused) as no:
        return no


async def first_of(*futures: "asyncio.Future[Any]") -> None:
    """Return when one of them is done."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
