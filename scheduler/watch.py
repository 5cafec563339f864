"""Where vantages post what they saw and meshes what their clients saw, and where a loss wakes the loop."""

import asyncio
from dataclasses import replace

import numpy as np

from health.doubt import charges
from health.evidence import Evidence, carried_evidence, no_evidence, record, with_clients
from health.passive import ALARM, GRAY, observe
from health.quorum import missing_since_s, votes
from health.rules import Rules
from placement.columns import Bools, Floats, Ints

BEAT_S = 0.02
"""What clients saw is taken in this often at most, so that hundreds of proxies cost no more than a few."""


class ProbeWatch:
    """The newest evidence of all vantages and clients. Posting never waits; what may take a backend out is an alarm.

    `service` and `cluster` (T,) say what each target is of; without them each is of a service and cluster of its own.
    """

    def __init__(
        self,
        targets: int,
        rules: Rules,
        vantages: int = 1,
        service: Ints | None = None,
        cluster: Ints | None = None,
    ) -> None:
        self._evidence = no_evidence(targets, vantages)
        self._gateways = no_evidence(0, vantages)
        self._cut: Bools = np.zeros(0, dtype=bool)
        self._alarm = asyncio.Event()
        self._place(targets, rules, service, cluster, 0)

    def report(self, rows: Ints, ok: Bools, at_s: float, vantage: int = 0) -> None:
        """One round of results of one vantage: target `rows[i]` answered `ok[i]`."""
        self._evidence = record(self._evidence, rows, vantage, ok, at_s)
        self._look(at_s)

    def report_gateways(self, rows: Ints, ok: Bools, at_s: float, vantage: int = 0) -> None:
        """The same of the ways in: requests get into cluster `rows[i]` by its gateway, or do not."""
        self._gateways = record(self._gateways, rows, vantage, ok, at_s)
        if not (self._gateways.fails >= self.rules.fall).any():
            self._cut = np.zeros(len(self._gateways.fails), dtype=bool)
            return
        cut = votes(self._gateways, np.arange(len(self._cut)), at_s, self.rules).failing
        if (cut & ~self._cut).any():
            self._alarm.set()
        self._cut = cut

    def witness(self, rows: Ints, answered: Floats, failed: Floats, from_s: float, at_s: float) -> None:
        """What clients of some targets counted since `from_s`: requests of `rows[i]` answered well, and failed."""
        np.add.at(self._answered, rows, answered)
        np.add.at(self._failed, rows, failed)
        asked = rows[answered + failed > 0]
        self._from_s[asked] = np.minimum(self._from_s[asked], from_s)
        self._told[rows] = True
        self._pending |= bool(len(rows))
        self._look(at_s)

    @property
    def seen(self) -> Evidence:
        """The newest counts, for those who only look."""
        return self._evidence

    def evidence(self) -> Evidence:
        """The newest counts; lowers the alarm."""
        self._alarm.clear()
        return replace(self._evidence, gateways=self._gateways)

    async def alarm(self) -> None:
        """Return when some target was charged since `evidence` was last asked."""
        await self._alarm.wait()

    @property
    def alarmed(self) -> bool:
        """Whether it was."""
        return self._alarm.is_set()

    def retarget(
        self,
        rows: Ints,
        rules: Rules,
        vantage_rows: Ints | None = None,
        service: Ints | None = None,
        cluster: Ints | None = None,
        clusters: int = 0,
    ) -> None:
        """Follow reloaded documents: target t was target `rows[t]`, vantage v was `vantage_rows[v]`, -1 for new.

        `clusters` is how many there are whose gateways may be reported; what was said of gateways is learned anew.
        """
        self._evidence = carried_evidence(self._evidence, rows, vantage_rows)
        self._place(len(rows), rules, service, cluster, clusters)

    def _place(self, targets: int, rules: Rules, service: Ints | None, cluster: Ints | None, clusters: int) -> None:
        self.rules = rules
        self._gateways = no_evidence(clusters, self._evidence.vantages)
        self._cut = np.zeros(clusters, dtype=bool)
        self._service = np.arange(targets) if service is None else service
        self.cluster = np.arange(targets) if cluster is None else cluster
        self._charged = np.zeros(targets, dtype=np.int64)
        self._start_beat(-np.inf)

    def _start_beat(self, at_s: float) -> None:
        targets = len(self._service)
        self._beat_s, self._pending = at_s, False
        self._answered, self._failed = np.zeros(targets), np.zeros(targets)
        self._from_s: Floats = np.full(targets, np.inf)
        self._told: Bools = np.zeros(targets, dtype=bool)

    def _take_in(self, at_s: float) -> None:
        since_s = missing_since_s(self._evidence)
        counts = (self._answered, self._failed)
        clients = observe(self._evidence.clients, counts, self._service, since_s, self._from_s, at_s, self._told)
        self._evidence = with_clients(self._evidence, clients)
        self._start_beat(at_s)

    def _look(self, at_s: float) -> None:
        """Raise the alarm for every target that is newly charged, newly confirmed so, or newly ails in part."""
        if self._pending and at_s - self._beat_s >= BEAT_S:
            self._take_in(at_s)
        evidence = self._evidence
        ailing = evidence.clients.fresh(at_s) & (evidence.clients.score[:, GRAY] >= ALARM)
        if not (ailing.any() or self._charged.any() or (evidence.fails >= self.rules.fall).any()):
            return
        said = votes(evidence, self.cluster, at_s, self.rules)
        found = charges(evidence, said, at_s, self.rules)
        charged = found.charged.astype(np.int64) + (found.charged & found.confirmed) + ailing
        if (charged > self._charged).any():
            self._alarm.set()
        self._charged = charged
