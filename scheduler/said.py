"""When each source of telemetry last measured what: what it repeats, or says late, is not new."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from placement.columns import Floats, Ints, floats, ints, lookup
from scheduler.index import Named


@dataclass(frozen=True, slots=True)
class Said:
    """When one source last measured each row that it speaks of: of a thousand agents each speaks of a few."""

    row: Ints = field(default_factory=lambda: ints([]))
    """(n,) ascending."""
    at_s: Floats = field(default_factory=lambda: floats([]))
    """(n,)"""
    spoken: Named | None = None
    """What it spoke of last: mostly of the same as ever ..."""
    place: Ints = field(default_factory=lambda: ints([]))
    """... and where that is among the rows; -1 for unknown keys."""

    def of(self, spoken: Named) -> Floats:
        """(N,) for some rows; -inf where it never did."""
        return np.append(self.at_s, -np.inf)[self._place(spoken)]

    def open_to(self, spoken: Sequence[Named]) -> "Said":
        """The same with some more rows, to be written into."""
        if len(spoken) == 1 and spoken[0] is self.spoken:
            return Said(self.row, self.at_s.copy(), self.spoken, self.place)
        every = np.unique(np.concatenate([some.known for some in spoken]))
        every = self.row if (lookup(self.row, every) >= 0).all() else ints(np.union1d(self.row, every))
        at_s = np.append(self.at_s, -np.inf)[lookup(self.row, every)]
        return Said(every, at_s, spoken[-1], ints(lookup(every, spoken[-1].row)))

    def hear(self, spoken: Named, at_s: float) -> None:
        """Write down that it measured these rows at that time; what it said of them later stands."""
        place = self._place(spoken)
        place = place if spoken.whole else place[place >= 0]
        self.at_s[place] = np.maximum(self.at_s[place], at_s)

    def _place(self, spoken: Named) -> Ints:
        return self.place if spoken is self.spoken else lookup(self.row, spoken.row)


NOTHING = Said()
