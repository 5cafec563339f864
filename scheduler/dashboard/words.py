"""Numbers and times as people read them: rounded, with their unit. Filters of the templates."""

import math
import time
from collections.abc import Callable
from typing import Any

DASH = "–"  # noqa: RUF001  an en dash stands for no number


def _known(value: Any) -> bool:
    return value is not None and math.isfinite(float(value))


def rps(value: Any) -> str:
    """Requests per second."""
    return f"{float(value):,.1f} rps" if _known(value) and float(value) < 100 else _thousands(value, " rps")


def _thousands(value: Any, unit: str) -> str:
    return f"{float(value):,.0f}{unit}" if _known(value) else DASH


def usd(value: Any) -> str:
    """Dollars per hour."""
    if not _known(value):
        return DASH
    number = float(value)
    sign, size = "-" if number < 0 else "", abs(number)
    if size >= 1_000:
        return f"{sign}${size:,.0f}/h"
    return f"{sign}${size:,.2f}/h" if size >= 1 or size == 0 else f"{sign}${size:.4f}/h"


def dollars(value: Any) -> str:
    """Dollars."""
    return f"${float(value):,.2f}" if _known(value) else DASH


def pct(value: Any) -> str:
    """A ratio."""
    return f"{100 * float(value):.1f} %" if _known(value) else DASH


def delta(value: Any) -> str:
    """A difference of shares, in points."""
    return f"{100 * float(value):+.1f} pt" if _known(value) else DASH


def ms(value: Any) -> str:
    """Milliseconds."""
    return f"{float(value):,.1f} ms" if _known(value) else DASH


def seconds(value: Any) -> str:
    """How long."""
    if not _known(value):
        return DASH
    number = float(value)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.1f} s" if number < 10 else f"{number:.0f} s"


def clock(wall_s: Any) -> str:
    """When, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(float(wall_s))) if _known(wall_s) else DASH


def ago(wall_s: Any) -> str:
    """How long ago."""
    return f"{seconds(max(0.0, time.time() - float(wall_s)))} ago" if _known(wall_s) else DASH


FILTERS: dict[str, Callable[[Any], str]] = {
    "rps": rps, "usd": usd, "dollars": dollars, "pct": pct, "delta": delta, "ms": ms, "seconds": seconds,
    "clock": clock, "ago": ago,
}  # fmt: skip
