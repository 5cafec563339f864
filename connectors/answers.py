"""Shapes of answers that are parsed, and calls that go out side by side."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Result = TypeVar("Result")
AT_ONCE = 8
"""Calls to one mesh at a time."""

Whole = Annotated[int, Field(ge=0, le=2**53)]
Share = Annotated[float, Field(ge=0, le=2**53, allow_inf_nan=False)]


class Shape(BaseModel):
    """A part of an answer: what it must have, by exact types; what else it has is of no interest."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


async def side_by_side(calls: Iterable[Awaitable[Result]]) -> list[Result]:
    """All results in their order, a few calls at a time. The first failure is raised once all have ended."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(call: Awaitable[Result]) -> Result:
        async with gate:
            return await call

    results = await asyncio.gather(*(one(call) for call in calls), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
