"""The only place where waiting for someone else has an end."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from connectors.connector import Unavailable

T = TypeVar("T")


async def within(deadline_s: float, call: Awaitable[T], what: str) -> T:
    """The answer, or Unavailable naming `what` when there is none in time."""
    try:
        async with asyncio.timeout(deadline_s):
            return await call
    except TimeoutError:
        raise Unavailable(f"{what}: no answer within {deadline_s:g} s") from None
