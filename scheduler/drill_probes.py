"""L1: a synthetic request along every leg of every failover path, over and over.

A leg is asked where its origin would send requests, which is the gateway of the receiving cluster where the documents
name one (`via`), with the question that the health probe asks. Legs that share an address share the request.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from config.addresses import Addresses, addresses_of
from config.configuration import Configuration as Documents
from health.destinations import Destinations, Forbidden
from health.drill import Level
from health.probe import PROBES, ProbeTarget
from placement.columns import Floats, Ints, floats, ints, lookup
from placement.fleet import ClusterId, Fleet, OriginId, ServiceId
from scheduler.translate import host_port

AT_ONCE = 64
"""Requests under way; each holds one file descriptor."""
ROUND_S = 0.05


@dataclass(frozen=True, slots=True)
class Legs:
    """(E,) every way from an origin to a backend that has an address, by key."""

    key: Ints
    """flow x C + cluster, ascending."""
    first: Ints
    """(E + 1,) where the addresses of each leg begin in `target`."""
    target: Ints
    targets: tuple[ProbeTarget, ...]
    """Each asked once, however many legs it belongs to."""


def legs_of(documents: Documents, fleet: Fleet) -> Legs:
    """All of a configuration."""
    book, found, seen = addresses_of(documents), {}, _Seen()
    clusters, services, origins = fleet.clusters.ids, fleet.services.ids, fleet.origins.ids
    places: dict[int, list[int]] = {}
    for service, cluster in zip(fleet.backends.service.tolist(), fleet.backends.cluster.tolist(), strict=True):
        places.setdefault(service, []).append(cluster)
    for flow, (s, o) in enumerate(zip(fleet.flows.service.tolist(), fleet.flows.origin.tolist(), strict=True)):
        for cluster in places.get(s, ()):
            if targets := seen.targets(book, origins[o], services[s], clusters[cluster]):
                found[flow * len(clusters) + cluster] = targets
    every = {target: row for row, target in enumerate(dict.fromkeys(t for ts in found.values() for t in ts))}
    keys = sorted(found)
    sizes = np.cumsum([0, *(len(found[key]) for key in keys)])
    return Legs(ints(keys), ints(sizes), ints([every[t] for key in keys for t in found[key]]), tuple(every))


class _Seen:
    """Targets made once for each backend and each detour: most origins see the same addresses."""

    def __init__(self) -> None:
        self._made: dict[tuple[OriginId | None, ServiceId, ClusterId], tuple[ProbeTarget, ...]] = {}

    def targets(
        self, book: Addresses, origin: OriginId, service: ServiceId, cluster: ClusterId
    ) -> Sequence[ProbeTarget]:
        """What to ask from an origin."""
        key = (origin if (origin, service, cluster) in book.via else None, service, cluster)
        if key not in self._made:
            self._made[key] = _asked(book, origin, service, cluster)
        return self._made[key]


def _asked(book: Addresses, origin: OriginId, service: ServiceId, cluster: ClusterId) -> tuple[ProbeTarget, ...]:
    question = book.probes.get((service, cluster))
    if question is None:
        return ()
    both = {f.name for f in fields(question)} & {f.name for f in fields(ProbeTarget)}
    asked = {name: getattr(question, name) for name in both}
    return tuple(
        ProbeTarget(host=host, port=port, tag=str(Level.PROBE), **asked)
        for host, port in map(host_port, book.seen_from(origin, service, cluster))
    )


class PathProbes:
    """Asks every target once in `every_s`, spread over that time. `await run()` until it is cancelled."""

    def __init__(self, clock: Callable[[], float], timeout_s: float = 1.0) -> None:
        """`clock` gives the seconds since 1970 by which answers are dated."""
        self.clock, self.timeout_s = clock, timeout_s
        self.every_s, self.destinations = 60.0, Destinations()
        self.legs = Legs(ints([]), ints([0]), ints([]), ())
        self.good_at_s: Floats = np.zeros(0)
        """(T,) when each target last gave a good answer; -inf while its last one was not."""

    def replace(self, legs: Legs, every_s: float, destinations: Destinations | None = None) -> None:
        """Ask these from now on, where `destinations` allow it; what is known of targets that stay is kept."""
        self.destinations = destinations or Destinations()
        known = dict(zip(self.legs.targets, self.good_at_s.tolist(), strict=True))
        self.good_at_s = np.array([known.get(target, -np.inf) for target in legs.targets])
        self.legs, self.every_s = legs, every_s

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            legs, began_s = self.legs, self.clock()
            for part in np.array_split(np.arange(len(legs.targets)), max(round(self.every_s / ROUND_S), 1)):
                if legs is not self.legs:
                    break
                await asyncio.gather(asyncio.sleep(ROUND_S), self.ask(part.tolist()))
            await asyncio.sleep(max(began_s + self.every_s - self.clock(), ROUND_S))

    async def ask(self, rows: Sequence[int]) -> None:
        """Ask some targets now."""
        legs = self.legs
        for some in (rows[i : i + AT_ONCE] for i in range(0, len(rows), AT_ONCE)):
            answers = await asyncio.gather(*(self._good(legs.targets[row]) for row in some))
            if legs is self.legs:
                for row, good in zip(some, answers, strict=True):
                    self.good_at_s[row] = self.clock() if good else -np.inf

    async def _good(self, target: ProbeTarget) -> bool:
        """Ask the address that was checked, and no other: a name may mean something else a moment later."""
        try:
            pinned = replace(target, address=await self.destinations.pin(target.host))
        except (Forbidden, OSError, UnicodeError):
            return False
        return (await PROBES[target.protocol](pinned, self.timeout_s)).ok

    async def ask_legs(self, keys: Ints) -> None:
        """Ask the targets of some legs now."""
        await self.ask(np.unique(self._targets(keys)).tolist())

    def leg_at_s(self, keys: Ints) -> Floats:
        """(n,) since when each leg is good: the oldest of its addresses; -inf for one that is not, or has none."""
        oldest = np.full(len(self.legs.key), np.inf)
        leg = np.repeat(np.arange(len(self.legs.key)), np.diff(self.legs.first))
        np.minimum.at(oldest, leg, self.good_at_s[self.legs.target])
        row = lookup(self.legs.key, keys) if len(self.legs.key) else np.full(len(keys), -1)
        return floats(np.where(row >= 0, np.append(oldest, -np.inf)[row], -np.inf))

    def _targets(self, keys: Ints) -> Ints:
        row = lookup(self.legs.key, keys) if len(self.legs.key) else np.zeros(0, dtype=np.int64)
        parts: Iterable[Ints] = (self.legs.target[self.legs.first[r] : self.legs.first[r + 1]] for r in row if r >= 0)
        return np.concatenate([np.zeros(0, dtype=np.int64), *parts])
