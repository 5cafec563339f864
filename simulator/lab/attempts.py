"""What the gateways really did: one line of their upstream logs for each attempt to reach a backend."""

import time
from pathlib import Path
from typing import NamedTuple

from simulator.lab.addresses import Addresses


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
        """The offset between the clocks is taken once, now: a step of the wall clock would show as a jump."""
        self._path, self._origin = path, origin
        self._destinations = addresses.destinations(origin)
        self._offset_s = time.monotonic() - time.time()
        self._position = 0

    def news(self) -> list[Attempt]:
        """Attempts written since the last call, in the order in which they ended."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as log:
            log.seek(self._position)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._position += len(whole)
        return [attempt for line in whole.decode().splitlines() if (attempt := self._attempt(line))]

    def _attempt(self, line: str) -> Attempt | None:
        """None for a request that never got as far as an address."""
        at, upstream, _, code, _ = line.split()
        port = upstream.rpartition(":")[2]
        if not port.isdigit():
            return None
        cluster, service = self._destinations[int(port)]
        return Attempt(float(at) + self._offset_s, self._origin, cluster, service, int(code))
