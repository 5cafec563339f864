"""Users who send requests at random moments, whatever the answers: to a gateway, or to whom a name server names.

A gateway is an address. A name is looked up as k8gb has it: a controller checks the clusters in their order every
30 s and gives the name to the first that answers; a client keeps what it was told for a TTL of 30 s. The name server
and its cache are simulated in this process; the checks and the requests are real.

    python -m simulator.lab.trial.clients       the entries as one line of JSON on stdin; rows of JSON on stdout
"""

import asyncio
import contextlib
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from simulator.lab.relay import stdin_lines
from simulator.lab.workload import CLUSTER_HEADER

TIMEOUT_S = 2.0
"""So long a user waits."""
REPORT_PERIOD_S = 0.25
RECONCILE_S = 30.0
"""k8gb's default: how often it looks at the clusters and writes the record."""
TTL_S = 30.0
"""k8gb's default: how long a client believes the record."""
CHECK_TIMEOUT_S = 2.0
FIELD = f"\r\n{CLUSTER_HEADER}: ".encode()


class Asked(NamedTuple):
    """One request as its client saw it."""

    at_s: float
    """When it was sent, on the monotonic clock of the machine."""
    entry: str
    to: str
    """The cluster that it was sent to, where the client knew: it had looked up a name. Empty behind a gateway."""
    cluster: str
    """Who answered; empty when nobody did."""
    status: int
    """Of the answer; 0 when there was none."""
    took_s: float = 0.0
    """Until the answer, or until the user gave up."""

    @property
    def failed(self) -> bool:
        """Whether the user got anything but a good answer."""
        return self.status != 200


@dataclass(frozen=True, slots=True)
class Entry:
    """Where some users send their requests."""

    name: str
    rps: float
    ports: dict[str, int]
    """One gateway, under an empty name; else the clusters in the order in which a name server prefers them."""


def entries_line(entries: Sequence[Entry], service: str, seed: int) -> bytes:
    """The first line that the process reads."""
    fields = {"entries": [asdict(entry) for entry in entries], "service": service, "seed": seed}
    return json.dumps(fields).encode() + b"\n"


def rows_of(line: bytes) -> list[Asked]:
    """The inverse of one line of `report`."""
    return [Asked(*row) for row in json.loads(line)]


class Pool:
    """Kept connections to one port, so that a request costs one only when all are busy."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port, self._request = port, request
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self) -> tuple[int, str]:
        """(status, cluster) of one request; (0, "") when there is no answer in time."""
        writer = None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = self._kept() or await self._open()
                writer.write(self._request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError):
            if writer is not None:
                writer.transport.abort()
            return 0, ""
        if b"\r\nconnection: close" in head.lower():
            writer.transport.abort()
        else:
            self._idle.append((reader, writer))
        return int(head[9:12]), head.partition(FIELD)[2].partition(b"\r\n")[0].decode()

    def _kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection that the other side has not closed meanwhile."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)


class Users:
    """The users of one entry."""

    def __init__(self, entry: Entry, service: str, seed: int, asked: list[Asked]) -> None:
        """Finished requests are appended to `asked`."""
        self._entry, self._asked = entry, asked
        self._dice = random.Random(f"{seed}/{entry.name}")  # noqa: S311  it draws arrivals and phases
        request = f"GET / HTTP/1.1\r\nhost: {service}\r\n\r\n".encode()
        check = f"GET /healthz HTTP/1.1\r\nhost: {service}\r\n\r\n".encode()
        self._pools = {cluster: Pool(port, request) for cluster, port in entry.ports.items()}
        self._checks = {cluster: Pool(port, check) for cluster, port in entry.ports.items()}
        self._record = self._believed = next(iter(entry.ports))
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def looks_up(self) -> bool:
        """Whether it has names to look up."""
        return "" not in self._pools

    async def run(self) -> None:
        """Send for ever. Late arrivals are sent at once, so the rate holds."""
        next_s = time.monotonic()
        while True:
            next_s += self._dice.expovariate(self._entry.rps)
            await asyncio.sleep(next_s - time.monotonic())
            task = asyncio.get_running_loop().create_task(self._send(self._believed))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _send(self, to: str) -> None:
        at_s = time.monotonic()
        status, cluster = await self._pools[to].ask()
        self._asked.append(Asked(at_s, self._entry.name, to, cluster, status, time.monotonic() - at_s))

    async def reconcile(self) -> None:
        """Every 30 s give the name to the first cluster that answers; to nobody else while none does."""
        await asyncio.sleep(self._dice.uniform(0, RECONCILE_S))
        while True:
            for cluster, check in self._checks.items():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CHECK_TIMEOUT_S):
                        if (await check.ask())[0] == 200:
                            self._record = cluster
                            break
            await asyncio.sleep(RECONCILE_S)

    async def resolve(self) -> None:
        """Ask for the name when what is known of it is too old."""
        await asyncio.sleep(self._dice.uniform(0, TTL_S))
        while True:
            self._believed = self._record
            await asyncio.sleep(TTL_S)


async def report(asked: list[Asked]) -> None:
    """Write what was finished, a few times a second, as one line of JSON; an empty list is a sign of life."""
    while True:
        await asyncio.sleep(REPORT_PERIOD_S)
        rows, asked[:] = list(asked), []
        sys.stdout.write(json.dumps(rows) + "\n")
        sys.stdout.flush()


def crowds_of(fields: Mapping[str, object], asked: list[Asked]) -> list[Users]:
    """The users of every entry that the first line names."""
    entries = fields["entries"]
    assert isinstance(entries, list)
    return [Users(Entry(**entry), str(fields["service"]), int(str(fields["seed"])), asked) for entry in entries]


async def main() -> None:
    """Be all users until standard input ends."""
    lines = await stdin_lines()
    asked: list[Asked] = []
    users = crowds_of(json.loads(await lines.readline()), asked)
    async with asyncio.TaskGroup() as group:
        work = [crowd.run() for crowd in users] + [report(asked)]
        work += [task for crowd in users if crowd.looks_up for task in (crowd.reconcile(), crowd.resolve())]
        running = [group.create_task(each) for each in work]
        async for _ in lines:
            pass
        for task in running:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
