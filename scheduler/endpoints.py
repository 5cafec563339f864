"""From single addresses to backends: which of them a vantage reaches, and which way to a backend broke."""

from collections.abc import Sequence

import numpy as np

from placement.columns import Bools, Ints
from scheduler.translate import ProbedAddress
from scheduler.watch import ProbeWatch


class Endpoints:
    """What every vantage last heard of every address, and what that says of backends.

    A backend lives at a vantage while one of its addresses answers there: one of its gateways where it has any, for
    that is the way that requests take, else one of its endpoints.
    """

    def __init__(self, watch: ProbeWatch) -> None:
        self.watch = watch
        self.replace((), 1)

    def replace(self, probed: Sequence[ProbedAddress], vantages: int) -> None:
        """Others from now on; until they are heard of they live."""
        self.backend: Ints = np.array([p.backend for p in probed], dtype=np.int64)
        self.gateway: Bools = np.array([p.gateway for p in probed], dtype=bool)
        self.backends = int(self.backend.max(initial=-1)) + 1
        has_gateway = self._any(self.gateway)
        self.decides: Bools = self.gateway | ~has_gateway[self.backend]
        self.ok = np.ones((vantages, len(probed)), dtype=bool)

    def report(self, rows: Ints, ok: Bools, at_s: float, vantage: int = 0) -> None:
        """One round of a vantage: address `rows[i]` answered `ok[i]`."""
        self.ok[vantage, rows] = ok
        lives = self._any(self.ok[vantage] & self.decides)
        seen = np.unique(self.backend[rows[self.decides[rows]]])
        if len(seen):
            self.watch.report(seen, lives[seen], at_s, vantage)

    def broken(self) -> dict[int, str]:
        """Backend row -> `gateway`, `endpoints` or `both`: the ways that most vantages find closed."""
        found = {}
        closed = {}
        for name, kind in (("gateway", self.gateway), ("endpoints", ~self.gateway)):
            here = self._any(kind)
            dead = np.array([here & ~self._any(ok & kind) for ok in self.ok])
            closed[name] = dead.sum(axis=0) > len(self.ok) / 2
        for row in np.flatnonzero(closed["gateway"] | closed["endpoints"]).tolist():
            both = closed["gateway"][row] and closed["endpoints"][row]
            found[row] = "both" if both else "gateway" if closed["gateway"][row] else "endpoints"
        return found

    def _any(self, marked: Bools) -> Bools:
        """(backends,) whether any of its addresses is marked."""
        found = np.zeros(self.backends, dtype=bool)
        found[self.backend[marked]] = True
        return found
