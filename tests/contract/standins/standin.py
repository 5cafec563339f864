"""What all stand-ins have: a server that can go away and come back, a log of what was written, and a data plane.

The data plane is a draw by what the stand-in has stored, read by code of its own and not by that of the connector.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.contract.backends import free_port
from tests.contract.harness import CLUSTERS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SEED = 7


class StandIn:
    """A control plane over HTTP on loopback."""

    def __init__(self) -> None:
        self.port = free_port()
        self.alive = set(CLUSTERS)
        self.written: list[str] = []
        """`METHOD path` of every request that is no GET."""
        self.app = web.Application(middlewares=[self._log], client_max_size=2**24)
        self._runner: web.AppRunner | None = None
        self._draw = random.Random(SEED)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Serve, on the same port as before."""
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def legs(self, service: str) -> tuple[dict[str, int], list[str]]:
        """Weights by cluster, and standbys in their order, as stored for a service."""
        raise NotImplementedError

    def spread(self, service: str, requests: int) -> Counter[str]:
        """Where requests go: to a weighted cluster, or, where that is dead, to the first standby that lives."""
        weights, standbys = self.legs(service)
        if not sum(weights.values()):
            return Counter({"ERROR no weights": requests})
        chosen = Counter(self._draw.choices(list(weights), list(weights.values()), k=requests))
        counts: Counter[str] = Counter()
        for cluster, number in chosen.items():
            there = next((c for c in (cluster, *standbys) if c in self.alive), "ERROR dead")
            counts[there] += number
        return counts

    @web.middleware
    async def _log(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in {"GET", "HEAD"}:
            self.written.append(f"{request.method} {request.path}")
        return await handler(request)


def words(status: int, text: str) -> web.Response:
    """An answer in plain words."""
    return web.Response(status=status, text=text)
