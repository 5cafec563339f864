"""Meshes in parallel: reading what they have, writing what they should have. Waiting ends by deadline or alarm."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

from connectors.connector import Connector, Receipt, Refused, Unavailable
from connectors.deadline import within
from placement.fleet import OriginId
from placement.weights import WeightTable
from scheduler.ports import Watch
from scheduler.turn import Outcome

T = TypeVar("T")
AT_ONCE = 20
"""Calls begun before the event loop looks at anything else: translation for a thousand meshes takes seconds."""
Begin = Callable[[], Coroutine[Any, Any, T]]


async def read_tables(
    connectors: Mapping[OriginId, Connector], deadline_s: float, watch: Watch
) -> dict[OriginId, WeightTable]:
    """What each mesh has from us, as far as it says so in time; a silent one is left out."""
    asked = {o: connector for o, connector in connectors.items() if not connector.limits.read_at_once}
    calls = {o: partial(_read, connector, deadline_s) for o, connector in asked.items()}
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
    calls = {o: partial(_write, connectors[o], table, deadline_s) for o, table in tables.items()}
    answers = await unless_alarmed(calls, watch)
    return {
        origin: Outcome(tables[origin], sent_at_s, answer)
        if isinstance(answer, Receipt)
        else Outcome(tables[origin], sent_at_s, None, str(answer))
        for origin, answer in answers.items()
    }


async def _read(connector: Connector, deadline_s: float) -> WeightTable | None:
    return await within(deadline_s, connector.read(), f"{connector.origin}: read")


async def _write(connector: Connector, table: WeightTable, deadline_s: float) -> Receipt:
    return await within(deadline_s, connector.write(table), f"{connector.origin}: write")


async def unless_alarmed(calls: Mapping[OriginId, Begin[T]], watch: Watch) -> dict[OriginId, T | Exception]:
    """Every answer, or why there is none. An alarm ends the waiting: what is unknown then is Unavailable.

    A write that is not waited for may still land; the next one carries a higher version, so order is kept.
    """
    if not calls:
        return {}
    tasks: dict[OriginId, asyncio.Task[T | Exception]] = {}
    alarm = asyncio.ensure_future(watch.alarm())
    try:
        for origin, call in calls.items():
            tasks[origin] = asyncio.create_task(answered(call()))
            if len(tasks) % AT_ONCE == 0:
                await asyncio.sleep(0)
                if alarm.done():
                    break
        await first_of(asyncio.gather(*tasks.values()), alarm)
    finally:
        alarm.cancel()
        for task in tasks.values():
            task.cancel()
    late = Unavailable("not waited for: something went down")
    done = {o: task for o, task in tasks.items() if task.done() and not task.cancelled()}
    return {origin: done[origin].result() if origin in done else late for origin in calls}


async def answered(call: Awaitable[T]) -> T | Exception:
    """The answer, or the expected failure as a value."""
    try:
        return await call
    except (Unavailable, Refused) as no:
        return no


async def first_of(*futures: "asyncio.Future[Any]") -> None:
    """Return when one of them is done."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
