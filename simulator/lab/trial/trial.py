"""A running trial: clusters, links, users, the controller with the data plane that it steers, and the anchors.

async with running(Options(plane="envoy")) as trial:
    outcome = await trial.suffer(Fault.KILL, window_s=12.0)
"""

import asyncio
import contextlib
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from simulator.lab.fleet import background, until, until_right, what_refuses
from simulator.lab.lines import Lines
from simulator.lab.places import PLACES
from simulator.lab.processes import Child, Children, children
from simulator.lab.relay import links_line
from simulator.lab.trial import attempts as logs
from simulator.lab.trial import clients, documents, faults, gateways
from simulator.lab.trial.attempts import GatewayLog
from simulator.lab.trial.documents import Setting
from simulator.lab.trial.faults import Breaker, Fault
from simulator.lab.trial.gateways import ANCHORS, K8GB_LIKE, STEERED, STEERINGS, Gateway
from simulator.lab.trial.ground import CLUSTERS, FAULTY, HOME, SERVICE, at, choose
from simulator.lab.watch import Watch

PATIENCE_S = 60.0
GRACE_S = clients.TIMEOUT_S + 0.7
"""After the end of a fault: what began in it has ended and is written down by then."""
AWAY = tuple(sorted(PLACES.keys() - {HOME}))
K8GB_LOOPS = 10
"""Name servers with users of their own, each at its own moment of its 30 s: one fault shows ten delays."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may choose."""

    plane: str = "envoy"
    anchors: tuple[str, ...] = (*ANCHORS, K8GB_LIKE)
    rps: float = 100.0
    """Of each data plane."""
    seed: int = 1
    vantages: int = 3
    """Places that probe, the controller's among them; with more than one, two must agree."""


@dataclass(slots=True)
class Trial:
    """Made by `running`."""

    options: Options
    setting: Setting
    family: Children
    watch: Watch
    logs: dict[str, GatewayLog] = field(default_factory=dict)
    asked: list[clients.Asked] = field(default_factory=list)
    breaker: Breaker | None = None
    _gateways: dict[str, Child] = field(default_factory=dict)
    _backends: dict[str, Child] = field(default_factory=dict)
    _controller: Child | None = None
    _users: Child | None = None

    async def start(self) -> None:
        """Everything, in the order in which one needs the other; raises LabError."""
        relay = await self.family.start_module("relay", "simulator.lab.relay", piped=True)
        relay.tell(links_line(self.setting.ground.link.values()))
        await relay.said()
        for cluster in CLUSTERS:
            self._backends[cluster] = await self.start_backend(cluster)
        again = partial(self.start_backend, FAULTY)
        dropper = await faults.dropper(self.family)
        ground = self.setting.ground
        self.breaker = Breaker(self.family, ground, again, self._backends[FAULTY], dropper, relay)
        await self.start_controller()
        for name in ground.entry:
            await self.start_gateway(name)
        for place, token in self.setting.tokens.items():
            await self.start_vantage(place, token)
        for name, child in self._gateways.items():
            await until_right(partial(what_refuses, ground.entry[name]), f"the gateway {name}", [child])
        await self._start_users()

    async def start_controller(self) -> None:
        """The controller, on the trial's documents; raises LabError."""
        arguments = ["serve", "-f", str(self.setting.documents)]
        self._controller = controller = await self.family.start_module("controller", "cli", *arguments)
        for port in (self.setting.ground.xds, self.setting.ground.api):
            await until_right(partial(what_refuses, port), "the controller", [controller])

    async def start_vantage(self, place: str, token: str) -> None:
        """One more that probes. It asks the addresses that the controller asks, and its word travels from its place."""
        url = f"http://{at(self.setting.ground.controller(place))}"
        command = [sys.executable, "-m", "cli", "vantage", "--join", url, "--allow", "127.0.0.0/8"]
        await self.family.start(f"vantage.{place}", command, {"EQUIPOISE_VANTAGE_TOKEN": token})

    async def start_backend(self, cluster: str) -> Child:
        """The service of a cluster."""
        arguments = ["--cluster", cluster, "--port", str(self.setting.ground.service[cluster])]
        arguments += ["--seed", str(self.options.seed)]
        return await self.family.start_module(cluster, "simulator.lab.trial.backend", *arguments, piped=True)

    async def start_gateway(self, name: str) -> None:
        """A data plane."""
        gateway = Gateway(name, self.setting.ground, self.setting.folder)
        begin = STEERINGS[self.options.plane] if name == STEERED else ANCHORS[name]
        self._gateways[name] = child = await begin(gateway, self.family)
        self.logs.setdefault(name, _log(self.options.plane, gateway, child))

    async def _start_users(self) -> None:
        ground, rps = self.setting.ground, self.options.rps
        entries = [clients.Entry(name, rps, {"": port}) for name, port in ground.entry.items()]
        if K8GB_LIKE in self.options.anchors:
            ways = {cluster: ground.reach(HOME, cluster) for cluster in CLUSTERS}
            names = [f"{K8GB_LIKE}/{number}" for number in range(K8GB_LOOPS)]
            entries += [clients.Entry(name, rps / K8GB_LOOPS, ways) for name in names]
        self._users = await self.family.start_module("users", "simulator.lab.trial.clients", piped=True)
        self._users.tell(clients.entries_line(entries, SERVICE, self.options.seed))

    async def collect(self) -> None:
        """Keep what users and gateways say, for ever."""
        assert self._users is not None
        while True:
            self.asked += clients.rows_of(await self._users.said())
            for log in self.logs.values():
                log.look()

    async def settled(self) -> None:
        """Wait until everybody is served by the cluster that will break; raises LabError."""
        await until(self._is_settled, f"everybody is served in {FAULTY}", PATIENCE_S)

    def _is_settled(self) -> bool:
        view = self.watch.latest
        if view is None or view.share(SERVICE, HOME, FAULTY) < 1.0 or not self.asked:
            return False
        newest_s = self.asked[-1].at_s
        recent = [row for row in self.asked[-int(20 * self.options.rps) :] if row.at_s > newest_s - 0.5]
        direct = [row for row in recent if not row.to]
        there = {row.entry for row in direct}
        return there == set(self.logs) and all(row.cluster == FAULTY for row in direct)

    async def suffer(self, fault: Fault, window_s: float) -> tuple[float, float]:
        """Let a fault last for some time; returns (from, to) once all that began in it is written down."""
        assert self.breaker is not None
        from_s = await self.breaker.break_(fault)
        await asyncio.sleep(window_s)
        to_s = time.monotonic()
        await self.breaker.mend(fault)
        await asyncio.sleep(GRACE_S)
        return from_s, to_s

    async def renew(self) -> None:
        """Start all those anew that would remember a fault for too long; then everybody is served as before it.

        An Envoy keeps a host that returned aside for 30 s and more, and the controller takes a cluster that falls four
        times in ten minutes for a flapper.
        """
        for name in self.logs.keys() - {STEERED}:
            await self.family.stop(self._gateways[name])
            await self.start_gateway(name)
        assert self._controller is not None
        await self.family.stop(self._controller)
        await self.start_controller()
        await self.settled()


def _log(plane: str, gateway: Gateway, child: Child) -> GatewayLog:
    """The reader of a gateway's log."""
    clusters = gateway.ground.clusters()
    if gateway.name == gateways.HAPROXY_CHECKS or (gateway.name == STEERED and plane == "haproxy"):
        lines = Lines(child.log)
        return GatewayLog(lines, partial(logs.haproxy_attempt, at={}), lines, logs.haproxy_down_s)
    return GatewayLog(
        Lines(gateway.log), partial(logs.envoy_attempt, clusters=clusters),
        Lines(gateway.events), partial(logs.envoy_ejection_s, clusters=clusters),
    )  # fmt: skip


@contextlib.asynccontextmanager
async def running(options: Options, say: Callable[[str], None] = lambda _: None) -> AsyncIterator[Trial]:
    """A trial in which everybody is served by FAULTY; everything is ended and removed with it. Raises LabError."""
    names = [STEERED, *(name for name in options.anchors if name in ANCHORS)]
    with tempfile.TemporaryDirectory(prefix="equipoise-trial-", ignore_cleanup_errors=True) as name:
        tokens = {place: secrets.token_hex(16) for place in AWAY[: options.vantages - 1]}
        setting = Setting(Path(name), choose(names), options.plane, options.rps, tokens)
        documents.write_all(setting)
        async with children(setting.folder) as family:
            trial = Trial(options, setting, family, Watch(f"http://{at(setting.ground.api)}"))
            await trial.start()
            async with background(trial.collect(), trial.watch.run()):
                say("waiting until everybody is served by the cluster that will break")
                await trial.settled()
                yield trial
