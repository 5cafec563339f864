"""The running lab: every process of it, what happens to it, and everything seen so far.

async with running(Options()) as lab:
    await lab.kill("us-east")
"""

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp

from simulator.lab import documents, gateways, load, telemetry
from simulator.lab.addresses import LOOPBACK, Addresses, choose, link_name
from simulator.lab.attempts import Attempt, UpstreamLog
from simulator.lab.documents import Setting
from simulator.lab.gateways import DataPlane
from simulator.lab.places import FRONTEND, PLACES, REGION_RPS, WORKLOADS
from simulator.lab.processes import Child, Children, LabError, children
from simulator.lab.relay import links_line
from simulator.lab.watch import Watch

READY_PATIENCE_S = 60.0
READY_PERIOD_S = 0.1
LOG_PERIOD_S = 0.25
LOOK_PERIOD_S = 0.05


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may choose."""

    day_s: float = 120.0
    """Length of the compressed day."""
    seed: int = 1
    outlier_detection: bool = False
    """Whether the gateways put failing endpoints aside by themselves, besides the controller."""
    data_plane: DataPlane = field(default_factory=gateways.available)
    step_max: float = 0.34
    """Most of a flow that one tick may move."""


@dataclass(slots=True)
class Lab:
    """Three clusters, their users and their controller. Made by `running`."""

    options: Options
    setting: Setting
    family: Children
    watch: Watch
    served: list[load.Served] = field(default_factory=list)
    """Every finished request."""
    attempts: list[Attempt] = field(default_factory=list)
    """Every attempt of every gateway."""
    _clusters: dict[str, Child] = field(default_factory=dict)
    _gateways: dict[str, Child] = field(default_factory=dict)
    _controller: Child | None = None
    _relay: Child | None = None
    _users: Child | None = None
    _price_factor: dict[str, float] = field(default_factory=dict)

    @property
    def addresses(self) -> Addresses:
        """Where everything listens."""
        return self.setting.addresses

    async def kill(self, cluster: str) -> float:
        """SIGKILL to the services and the gateway of a cluster at once; returns the moment."""
        at_s = time.monotonic()
        await self.family.kill(self._clusters[cluster], self._gateways[cluster])
        return at_s

    async def revive(self, cluster: str) -> float:
        """Start what was killed; returns the moment at which it was asked for."""
        at_s = time.monotonic()
        await self.start_cluster(cluster)
        await self.start_gateway(cluster)
        return at_s

    def set_load(self, region: str, factor: float) -> float:
        """Let the users of a region send a multiple of their usual requests; returns the moment."""
        assert self._users is not None
        self._users.tell(json.dumps({"region": region, "factor": factor}).encode() + b"\n")
        return time.monotonic()

    def set_price(self, cluster: str, factor: float) -> float:
        """Let the nodes of a cluster cost a multiple of their list price; returns the moment."""
        self._price_factor[cluster] = factor
        documents.write_prices(self.setting, self._price_factor)
        return time.monotonic()

    def set_link(self, here: str, cluster: str, healthy: bool) -> float:
        """Cut or heal the way from a place to the services of a cluster; returns the moment."""
        assert self._relay is not None
        names = [link_name(here, cluster, service) for service in WORKLOADS]
        self._relay.tell(json.dumps({"heal" if healthy else "cut": names}).encode() + b"\n")
        return time.monotonic()

    async def kill_controller(self) -> float:
        """SIGKILL to the controller; returns the moment."""
        assert self._controller is not None
        at_s = time.monotonic()
        await self.family.kill(self._controller)
        return at_s

    async def start_controller(self) -> None:
        """Start the controller on the lab's documents, and wait until it listens; raises LabError."""
        arguments = ["serve", "-f", str(self.setting.documents)]
        self._controller = await self.family.start_module("controller", "cli", *arguments)
        for port in (self.addresses.xds, self.addresses.api):
            await until_right(partial(what_refuses, port), "the controller", [self._controller])

    async def start_relay(self) -> None:
        """Open every link."""
        self._relay = await self.family.start_module("relay", "simulator.lab.relay", piped=True)
        self._relay.tell(links_line(self.addresses.link.values()))
        await self._relay.said()

    async def start_cluster(self, cluster: str) -> None:
        """Start the services of a cluster."""
        ports = {"gateway": self.addresses.gateway[cluster]}
        ports |= {service: self.addresses.service[cluster, service] for service in WORKLOADS}
        arguments = [word for name, port in ports.items() for word in (f"--{name}", str(port))]
        arguments += ["--cluster", cluster, "--seed", str(self.options.seed)]
        arguments += ["--grpc"] if self.options.data_plane is DataPlane.GRPC else []
        name = f"{cluster}.services"
        self._clusters[cluster] = await self.family.start_module(name, "simulator.lab.cluster", *arguments)

    async def start_gateway(self, cluster: str) -> None:
        """Start the gateway of a cluster."""
        log = self.setting.upstream_log(cluster)
        plane = self.options.data_plane
        self._gateways[cluster] = await gateways.start(plane, self.family, self.addresses, cluster, log)

    async def start_users(self) -> None:
        """Let the users in."""
        regions = tuple(
            load.Region(place.name, REGION_RPS, place.longitude_deg, self.addresses.gateways(place.name))
            for place in PLACES.values()
        )
        plan = load.Plan(regions, FRONTEND.name, self.options.day_s, self.options.seed)
        self._users = await self.family.start_module("users", "simulator.lab.load", piped=True)
        self._users.tell(plan.line())

    async def collect_served(self) -> None:
        """Keep what the users report, for ever."""
        assert self._users is not None
        while True:
            self.served += load.rows_of(await self._users.said())

    async def collect_attempts(self) -> None:
        """Keep what the gateways log, for ever."""
        logs = [UpstreamLog(self.setting.upstream_log(cluster), cluster, self.addresses) for cluster in PLACES]
        while True:
            for log in logs:
                self.attempts += log.news()
            await asyncio.sleep(LOG_PERIOD_S)

    async def ready(self) -> None:
        """Wait until a request gets a good answer through every gateway; raises LabError with what is in the way."""
        needed = [*self._clusters.values(), *self._gateways.values()]
        async with load.client() as session:
            for cluster, port in self.addresses.gateway.items():
                await until_right(partial(_bad_answer, session, port), f"the gateway of {cluster}", needed)


async def until(holds: Callable[[], bool], what: str, patience_s: float = READY_PATIENCE_S) -> None:
    """Wait for something to hold; raises LabError naming it when it does not in time."""
    try:
        async with asyncio.timeout(patience_s):
            while not holds():  # noqa: ASYNC110  the records have no event for every question one may ask of them
                await asyncio.sleep(LOOK_PERIOD_S)
    except TimeoutError:
        raise LabError(f"not within {patience_s:g} s: {what}") from None


async def until_right(wrong: Callable[[], Awaitable[str]], what: str, needed: list[Child]) -> None:
    """Ask what is wrong until nothing is; raises LabError when that takes too long or a process has ended."""
    words = ""
    try:
        async with asyncio.timeout(READY_PATIENCE_S):
            while words := await wrong():
                for child in needed:
                    if not child.is_alive:
                        raise LabError(f"{child.name} has ended; its log ends with:\n{child.tail()}")
                await asyncio.sleep(READY_PERIOD_S)
    except TimeoutError:
        tails = "\n".join(f"{child.name}: {child.tail()}" for child in needed)
        raise LabError(f"{what} is not ready within {READY_PATIENCE_S:g} s: {words}\n{tails}") from None


async def what_refuses(port: int) -> str:
    """Why nobody can connect to a port of the loopback; empty when one can."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError as error:
        return str(error)
    writer.close()
    return ""


async def _bad_answer(session: aiohttp.ClientSession, port: int) -> str:
    try:
        async with session.get(f"http://{LOOPBACK}:{port}/", headers={"Host": FRONTEND.name}) as response:
            return "" if response.ok else f"{response.status} {await response.text()}"
    except aiohttp.ClientError as error:
        return str(error)


@contextlib.asynccontextmanager
async def running(options: Options, say: Callable[[str], None] = lambda _: None) -> AsyncIterator[Lab]:
    """A lab that serves its users; everything is ended and removed at the end of the block. Raises LabError."""
    # Over gRPC the services have no port that speaks HTTP, and so nothing to scrape.
    binary = telemetry.installed() if options.data_plane is DataPlane.ENVOY else None
    say(gateways.ADVICE[options.data_plane])
    say(telemetry.ADVICE[binary is not None])
    with _folder() as folder:
        setting = Setting(
            folder, choose(), binary is not None, options.outlier_detection, options.data_plane, options.step_max
        )
        documents.write_all(setting)
        async with children(folder) as family:
            lab = Lab(options, setting, family, Watch(f"http://{LOOPBACK}:{setting.addresses.api}"))
            if binary is not None:
                await telemetry.start(binary, family, folder, setting.addresses)
            await _start(lab)
            async with background(lab.collect_served(), lab.collect_attempts(), lab.watch.run()):
                yield lab


async def _start(lab: Lab) -> None:
    await lab.start_relay()
    for cluster in PLACES:
        await lab.start_cluster(cluster)
    await lab.start_controller()
    for cluster in PLACES:
        await lab.start_gateway(cluster)
    await lab.ready()
    await lab.start_users()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder for documents, logs and the ledger; SIGKILL alone leaves it behind, in the system's temporary folder."""
    with tempfile.TemporaryDirectory(prefix="equipoise-lab-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextlib.asynccontextmanager
async def background(*work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Work that goes on while the block does; where it fails, so does the block, with the work's LabError."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(task) for task in work]
            yield
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as errors:
        # One failure is the rule, and the group around it would only hide it.
        raise errors.exceptions[0] from None
