"""Prices by volume: a bill is the sum over brackets, each for the part of the volume that falls into it."""

from dataclasses import dataclass

import numpy as np

from placement.columns import Floats, floats


@dataclass(frozen=True, slots=True)
class Brackets:
    """(N,) brackets from 0 upwards; the last one has no end."""

    ends: Floats
    """(N,) where each ends, ascending; inf for the last."""
    unit_usd: Floats
    """(N,) price of a unit within it."""

    def __post_init__(self) -> None:
        """Raises ValueError for brackets that are no brackets and for prices below 0."""
        if len(self.ends) != len(self.unit_usd) or not len(self.ends) or not np.isinf(self.ends[-1]):
            raise ValueError("brackets need a price each, and the last one no end")
        if (np.diff(self.ends, prepend=0.0) <= 0).any():
            raise ValueError("brackets must rise")
        if not (self.unit_usd >= 0).all() or not np.isfinite(self.unit_usd).all():
            raise ValueError("prices must be finite numbers of 0 or more")

    def cost(self, volume: Floats) -> Floats:
        """Dollars for each volume of 0 or more: continuous, and never falling."""
        starts = np.concatenate([[0.0], self.ends[:-1]])
        within = np.clip(np.asarray(volume, dtype=np.float64)[..., None] - starts, 0.0, self.ends - starts)
        return np.asarray(within @ self.unit_usd, dtype=np.float64)


def flat(unit_usd: float) -> Brackets:
    """One price whatever the volume."""
    return Brackets(floats([np.inf]), floats([unit_usd]))
