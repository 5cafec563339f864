"""How much one caller may ask: token buckets, one for each name."""

from collections import OrderedDict
from collections.abc import Callable

CALLERS_MAX = 10_000
"""Those who asked longest ago are forgotten first."""


class Buckets:
    """Fills `per_second` and holds `burst`; every request takes one."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, per_second: float, burst: float) -> float:
        """0 when there was one to take, else the seconds until there will be."""
        now_s = self._now_s()
        left, at_s = self._left.pop(caller, (burst, now_s))
        left = min(burst, left + (now_s - at_s) * per_second)
        granted = left >= 1
        self._left[caller] = (left - 1 if granted else left, now_s)
        if len(self._left) > CALLERS_MAX:
            self._left.popitem(last=False)
        return 0.0 if granted else (1 - left) / per_second
