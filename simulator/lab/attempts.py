"""What the gateways really did: one line of their upstream logs for each attempt to reach a backend."""

from pathlib import Path
from typing import NamedTuple

from simulator.lab.addresses import Addresses
from simulator.lab.lines import Lines


class Attempt(NamedTuple):
    """One attempt of one gateway."""

    at_s: float
    """When its request came, on the machine's monotonic clock."""
    origin: str
    cluster: str
    service: str
    code: int
    """0 where there was no answer."""


class UpstreamLog:
    """The log of one gateway, read as it grows. Lines: `<unix seconds> <ip:port> <service> <code> <flags>`."""

    def __init__(self, path: Path, origin: str, addresses: Addresses) -> None:
        self._lines, self._origin = Lines(path), origin
        self._destinations = addresses.destinations(origin)

    def news(self) -> list[Attempt]:
        """Attempts written since the last call, in the order in which they ended."""
        return [attempt for line in self._lines.news() if (attempt := self._attempt(line))]

    def _attempt(self, line: str) -> Attempt | None:
        """None for a request that never got as far as an address."""
        at, upstream, _, code, _ = line.split()
        port = upstream.rpartition(":")[2]
        if not port.isdigit():
            return None
        cluster, service = self._destinations[int(port)]
        return Attempt(float(at) + self._lines.offset_s, self._origin, cluster, service, int(code))
