"""What is measured of the world, late and wrong as told."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from connectors.telemetry import Batch, Signal
from placement.columns import Bools, Floats, Ints, floats
from placement.fleet import Fleet
from simulator.physics.truth import Truth
from simulator.physics.world import Happening, World
from simulator.scenario.model import Telemetry

KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Look:
    """What instruments saw at one instant."""

    at_s: float
    value: dict[Signal, Floats]


class Instruments:
    """Collects what happened and reports it; one source for all clusters that are well, one for each that is not."""

    def __init__(self, fleet: Fleet, shape: Telemetry, rng: np.random.Generator) -> None:
        self.fleet, self.shape, self.rng = fleet, shape, rng
        self.looks: deque[Look] = deque(maxlen=KEPT)
        self.batches: list[Batch] = []
        self.due_s = -np.inf
        services, clusters, origins = fleet.services.ids, fleet.clusters.ids, fleet.origins.ids
        of_flow = zip(fleet.flows.service.tolist(), fleet.flows.origin.tolist(), strict=True)
        of_backend = zip(fleet.backends.service.tolist(), fleet.backends.cluster.tolist(), strict=True)
        self.flow_keys = tuple((services[s], origins[o]) for s, o in of_flow)
        self.backend_keys = tuple((services[s], clusters[c]) for s, c in of_backend)
        home = fleet.origins.cluster[fleet.flows.origin]
        self.named: dict[tuple[str, Signal], tuple[Ints, tuple[tuple[str, ...], ...]]] = {}
        """The rows that a source spoke of last, and their keys."""
        self.flow_home = np.where(home >= 0, home, len(clusters))
        """(F,) the cluster that measures a flow; C for users, who are measured outside."""

    def see(self, world: World, now: Happening) -> None:
        """Note one step; report when it is time."""
        if now.at_s + 1e-9 < self.due_s:
            return
        self.due_s = max(self.due_s + self.shape.every, now.at_s)
        passage = now.passage
        self.looks.append(
            Look(
                now.at_s,
                {
                    Signal.DEMAND_RPS: self._noisy(passage.arrived_rps),
                    Signal.LATENCY_MS: self._noisy(passage.backend_ms[:-1]),
                    Signal.ERROR_RATIO: np.clip(1 - passage.backend_ok[:-1], 0.0, 1.0),
                    Signal.CAPACITY_RPS: world.capacity_rps(),
                },
            )
        )
        while len(self.looks) > 1 and self.looks[1].at_s <= now.at_s - self.shape.lag:
            self.looks.popleft()
        if self.looks[0].at_s <= now.at_s - self.shape.lag:
            self.batches += self._report(world.truth, self.looks.popleft(), passage.load_rps[:-1] > 1e-6)

    def drain(self) -> tuple[Batch, ...]:
        """All since the last call."""
        batches, self.batches = tuple(self.batches), []
        return batches

    def _noisy(self, value: Floats) -> Floats:
        return np.asarray(value * np.exp(self.shape.noise * self.rng.standard_normal(len(value))), dtype=np.float64)

    def _report(self, truth: Truth, look: Look, loaded: Bools) -> list[Batch]:
        clusters = len(self.fleet.clusters)
        heard = truth.tells()
        odd = np.append(truth.skew_s != 0, False)
        for _, who, _ in truth.lies:
            odd[:-1] |= who
        groups = [("world", heard & ~odd, 0.0)]
        groups += [
            (str(self.fleet.clusters.ids[c]), np.arange(clusters + 1) == c, float(truth.skew_s[c]))
            for c in np.flatnonzero(heard & odd).tolist()
        ]
        return [
            batch
            for source, members, skew_s in groups
            for batch in self._of(truth, look, source, members, skew_s, loaded)
        ]

    def _of(self, truth: Truth, look: Look, source: str, members: Bools, skew_s: float, loaded: Bools) -> list[Batch]:
        found = []
        for signal, value in look.value.items():
            of_flow = signal is Signal.DEMAND_RPS
            home = self.flow_home if of_flow else self.fleet.backends.cluster
            chosen = members[home]
            if signal in {Signal.LATENCY_MS, Signal.ERROR_RATIO}:
                chosen = chosen & loaded  # nobody measures requests that are not there
            told = value.copy()
            for lied, who, factor in truth.lies:
                if lied == signal.value:
                    told = np.where(np.append(who, False)[home], told * factor, told)
            rows = np.flatnonzero(chosen)
            keys = self._keys(signal, source, rows)
            found.append(Batch(signal, source, look.at_s + skew_s, keys, floats(told[rows])))
        return found

    def _keys(self, signal: Signal, source: str, rows: Ints) -> tuple[tuple[str, ...], ...]:
        """What a source calls some rows: mostly the same as the last time."""
        last = self.named.get((source, signal))
        if last is None or not np.array_equal(last[0], rows):
            every = self.flow_keys if signal is Signal.DEMAND_RPS else self.backend_keys
            keys = every if len(rows) == len(every) else tuple(every[row] for row in rows.tolist())
            last = self.named[source, signal] = rows, keys
        return last[1]
