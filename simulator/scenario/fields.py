"""The kinds of values that scenarios are made of: durations, comparisons, signed numbers."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
COMPARISON = re.compile(r"(<=|>=|<|>|==)\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(%?)")
UNIT_S = (86_400.0, 3_600.0, 60.0, 1.0)
DURATION_MAX_S = 31 * 86_400.0
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A bound on a number, such as `>= 0.99`."""

    operator: str
    bound: float

    def holds(self, value: float) -> bool:
        """Whether a number is within it; never for NaN."""
        return OPERATORS[self.operator](value, self.bound)

    def __str__(self) -> str:
        return f"{self.operator} {self.bound:g}"


def seconds_of(text: Any) -> float:
    """`90s`, `5m`, `1h30m`, `2d`, or a number of seconds."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        value = float(text)
    else:
        found = DURATION.fullmatch(text) if isinstance(text, str) and text else None
        if found is None or not any(found.groups()):
            raise ValueError('must be a duration such as "90s", "5m" or "1h30m"')
        value = sum(float(part) * unit for part, unit in zip(found.groups(), UNIT_S, strict=True) if part)
    if not 0 <= value <= DURATION_MAX_S:
        raise ValueError(f"must be within 0 to {DURATION_MAX_S / 86_400:g} days")
    return value


def comparison_of(text: Any) -> Comparison:
    """`>= 0.99`, `< 250`, `<= 1%`."""
    if isinstance(text, Comparison):
        return text
    found = COMPARISON.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError('must be a comparison such as ">= 0.99" or "< 250"')
    sign, number, percent = found.groups()
    return Comparison(sign, float(number) / (100 if percent else 1))


Duration = Annotated[
    float,
    BeforeValidator(seconds_of),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^([0-9.]+[dhms])+$"}, {"type": "number", "minimum": 0}]}),
]
"""Seconds, written as `90s`, `5m`, `1h30m` or a number."""
Compared = Annotated[
    Comparison,
    BeforeValidator(comparison_of),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": r"^(<=|>=|<|>|==) *[-+]?[0-9.]+(e[-+]?[0-9]+)? *%?$"}),
]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Factor = Annotated[float, Field(ge=0, le=1_000)]
SignedSeconds = Annotated[float, Field(ge=-86_400, le=86_400)]
