"""Answers as JSON, megabytes of it in pieces: nothing else of the interpreter works while its encoder does one."""

import json
import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from pydantic import BaseModel

from scheduler.api.route import Json

ROWS = 500
"""Encoded at once: a millisecond or two."""


def encoded(body: BaseModel | Json | None) -> bytes:
    """JSON, which knows no NaN and no infinity. A value of the body may be an iterator of rows."""
    if isinstance(body, BaseModel):
        return body.model_dump_json().encode()
    if body is None:
        return b"null"
    parts = (_member(name, value) for name, value in body.items())
    return b"{" + b",".join(b"".join(part) for part in parts) + b"}"


def _member(name: object, value: Any) -> Iterator[bytes]:
    yield _text(str(name)) + b":"
    if isinstance(value, Iterator) or (isinstance(value, list) and len(value) > ROWS):
        yield b"["
        yield from _rows(value)
        yield b"]"
    else:
        yield _text(value)


def _rows(value: Iterable[Any]) -> Iterator[bytes]:
    rows, comma = iter(value), b""
    while some := list(islice(rows, ROWS)):
        yield comma + _text(some)[1:-1]
        comma = b","


def _text(value: Any) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:
        return json.dumps(numbers_only(value), separators=(",", ":"), allow_nan=False).encode()


def numbers_only(value: Any) -> Any:
    """The value with None for what is no number: older ledgers have some."""
    if isinstance(value, dict):
        return {key: numbers_only(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [numbers_only(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
