"""From single addresses to backends: which of them a vantage reaches, and which way to a backend broke."""

from collections.abc import Sequence

import numpy as np

from placement.columns import Bools, Ints
from scheduler.translate import ProbedAddress
from scheduler.watch import ProbeWatch


class Endpoints:
    """What every vantage last heard of every address, and what that says of backends and of the gateways before them.

    A backend lives at a vantage while one of its addresses answers there: one of its gateways where it has any, for
    that is the way that requests take, else one of its endpoints.

    Where endpoints answer and nothing in their cluster is reached by a gateway, it is the gateway that is out and not
    what stands behind it: the backends live, for whoever is inside, and the gateway is reported as lost.
    """

    def __init__(self, watch: ProbeWatch) -> None:
        self.watch = watch
        self.replace((), 1)

    def replace(self, probed: Sequence[ProbedAddress], vantages: int, cluster: Ints | None = None) -> None:
        """Others from now on; until they are heard of they live. `cluster` (B,) is where each backend is."""
        self.backend: Ints = np.array([p.backend for p in probed], dtype=np.int64)
        self.gateway: Bools = np.array([p.gateway for p in probed], dtype=bool)
        self.backends = int(self.backend.max(initial=-1)) + 1
        self.cluster = np.arange(self.backends) if cluster is None else cluster[: self.backends]
        self.clusters = 0 if cluster is None else int(cluster.max(initial=-1)) + 1
        self.entered: Bools = self._any(self.gateway)
        """(backends,) which requests reach by a gateway."""
        self.ok = np.ones((vantages, len(probed)), dtype=bool)

    def report(self, rows: Ints, ok: Bools, at_s: float, vantage: int = 0) -> None:
        """One round of a vantage: address `rows[i]` answered `ok[i]`."""
        decides = self._decides(self.cut_off(vantage))[rows]
        self.ok[vantage, rows] = ok
        by_gateway, direct = self._ways(vantage)
        cut = self.cut_off(vantage)
        lives = np.where(self.entered, by_gateway | (direct & cut), direct)
        seen = np.unique(self.backend[rows[decides]])
        if len(seen):
            self.watch.report(seen, lives[seen], at_s, vantage)
        self._report_gateways(rows[self.gateway[rows]], cut, by_gateway, at_s, vantage)

    def cut_off(self, vantage: int) -> Bools:
        """(backends,) in clusters of which that vantage reaches endpoints, and nothing by a gateway."""
        if not self.clusters:
            return np.zeros(self.backends, dtype=bool)
        by_gateway, direct = self._ways(vantage)
        stuck = np.bincount(self.cluster, weights=self.entered & direct & ~by_gateway, minlength=self.clusters)
        through = np.bincount(self.cluster, weights=by_gateway, minlength=self.clusters)
        return np.asarray(((stuck > 0) & (through == 0))[self.cluster], dtype=np.bool_)

    def _report_gateways(self, rows: Ints, cut: Bools, by_gateway: Bools, at_s: float, vantage: int) -> None:
        """What a round of gateway addresses says of the ways in. With the endpoints gone as well it says nothing."""
        backend = np.unique(self.backend[rows])
        asked = np.unique(self.cluster[backend]) if self.clusters else backend[:0]
        if not len(asked):
            return
        out = np.bincount(self.cluster, weights=cut, minlength=self.clusters) > 0
        through = np.bincount(self.cluster, weights=by_gateway, minlength=self.clusters) > 0
        known = asked[out[asked] | through[asked]]
        if len(known):
            self.watch.report_gateways(known, ~out[known], at_s, vantage)

    def _decides(self, cut: Bools) -> Bools:
        """(addresses,) whose answers are rounds of their backend: the gateways', or past a lost one the endpoints'."""
        past = ~self.entered | cut
        return np.asarray(np.where(self.gateway, ~past[self.backend], past[self.backend]), dtype=np.bool_)

    def _ways(self, vantage: int) -> tuple[Bools, Bools]:
        """(backends,) each: reached by a gateway, and at an endpoint."""
        ok = self.ok[vantage]
        return self._any(ok & self.gateway), self._any(ok & ~self.gateway)

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
