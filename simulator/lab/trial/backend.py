"""A cluster's service, reduced to its answers, which can be made wrong or late while it runs.

python -m simulator.lab.trial.backend --cluster us-east --port PORT      orders on stdin, one JSON object a line
"""

import argparse
import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from simulator.lab.relay import stdin_lines
from simulator.lab.workload import CLUSTER_HEADER

HEALTH_PATH = b"/healthz"
BODY = b"x" * 500
HEAD_MAX_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Manners:
    """How it behaves from now on. Without anything: well."""

    error_ratio: float = 0.0
    """The part of requests that is answered with 503, at random."""
    delay_s: float = 0.0
    """How late every answer is, that of the health check too."""
    health_fails: bool = False
    """Whether the health check is answered with 503. A gray failure is one that it does not see."""

    def line(self) -> bytes:
        """As it is written to the process."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Service:
    """What all connections share."""

    def __init__(self, cluster: str, seed: int) -> None:
        self.manners = Manners()
        self._dice = random.Random(f"{cluster}/{seed}")  # noqa: S311  it draws errors
        self._cluster = cluster

    def answer(self, head: bytes) -> bytes:
        """To one request."""
        asks_health = head.split(b" ", 2)[1:2] == [HEALTH_PATH]
        fails = self.manners.health_fails if asks_health else self._dice.random() < self.manners.error_ratio
        status, body = (b"503 Service Unavailable", b"") if fails else (b"200 OK", BODY)
        fields = f"{CLUSTER_HEADER}: {self._cluster}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        return b"HTTP/1.1 " + status + b"\r\n" + fields + body


class Connection(asyncio.Protocol):
    """One connection: requests without a body, one after the other."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._heard = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Part of a request, or more than one."""
        self._heard += data
        while (end := self._heard.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._heard[:end])
            del self._heard[: end + 4]
            asyncio.get_running_loop().call_later(self._service.manners.delay_s, self._say, self._service.answer(head))
        if len(self._heard) > HEAD_MAX_BYTES and self._transport:
            self._transport.abort()

    def _say(self, answer: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(answer)


async def main(arguments: argparse.Namespace) -> None:
    """Serve, and obey until standard input ends."""
    service = Service(arguments.cluster, arguments.seed)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(service), "127.0.0.1", arguments.port, backlog=512)
    async with server:
        async for line in await stdin_lines():
            service.manners = Manners(**json.loads(line))


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(argv)


if __name__ == "__main__":
    asyncio.run(main(parse()))
