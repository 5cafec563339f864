"""The faults: what is done to the faulty cluster, and how it is undone."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from simulator.lab.processes import Child, Children
from simulator.lab.trial import blackhole
from simulator.lab.trial.backend import Manners
from simulator.lab.trial.ground import FAULTY, Ground

SLOW_S = 3.0
"""Later than a user waits, and than any probe."""
GRAY_RATIO = 0.05


class Fault(StrEnum):
    """What may befall a cluster."""

    KILL = "kill"
    """Its processes are gone (SIGKILL): connections are refused."""
    STOP = "stop"
    """Its processes stand still (SIGSTOP): connections are accepted and never answered."""
    BLACKHOLE = "blackhole"
    """Packets to and from it vanish."""
    ERRORS = "5xx"
    """Everything is answered with 503, the health check too."""
    UNSEEN = "unseen5xx"
    """Every request is answered with 503, and the health check says that all is well."""
    SLOW = "slow"
    """Every answer comes 3 s late."""
    GRAY = "gray5"
    """One request in twenty is answered with 503, and the health check says that all is well."""


MANNERS = {
    Fault.ERRORS: Manners(error_ratio=1.0, health_fails=True),
    Fault.UNSEEN: Manners(error_ratio=1.0),
    Fault.SLOW: Manners(delay_s=SLOW_S),
    Fault.GRAY: Manners(error_ratio=GRAY_RATIO),
}
"""The faults that the service itself commits, when told."""


@dataclass(slots=True)
class Breaker:
    """Breaks the faulty cluster and mends it."""

    family: Children
    ground: Ground
    restart: Callable[[], Awaitable[Child]]
    """Starts the service of the faulty cluster."""
    backend: Child
    dropper: Child | None
    """Drops packets; None where this machine does not allow that."""
    relay: Child

    async def break_(self, fault: Fault) -> float:
        """Returns the moment just before it took effect."""
        at_s = time.monotonic()
        if fault is Fault.KILL:
            await self.family.kill(self.backend)
        elif fault is Fault.STOP:
            os.killpg(self.backend.process.pid, signal.SIGSTOP)
        elif fault is Fault.BLACKHOLE:
            await self._drop(is_dropped=True)
        else:
            self.backend.tell(MANNERS[fault].line())
        return at_s

    async def mend(self, fault: Fault) -> None:
        """Undo it."""
        if fault is Fault.KILL:
            self.backend = await self.restart()
        elif fault is Fault.STOP:
            os.killpg(self.backend.process.pid, signal.SIGCONT)
        elif fault is Fault.BLACKHOLE:
            await self._drop(is_dropped=False)
        else:
            self.backend.tell(Manners().line())

    async def _drop(self, is_dropped: bool) -> None:
        if self.dropper is not None:
            ports = self.ground.ways_to(FAULTY) if is_dropped else []
            self.dropper.tell(json.dumps(ports).encode() + b"\n")
            await self.dropper.said()
            return
        names = [link.name for link in self.ground.link.values() if link.target_port == self.ground.service[FAULTY]]
        self.relay.tell(json.dumps({"cut" if is_dropped else "heal": names}).encode() + b"\n")
        await asyncio.sleep(0)


async def dropper(family: Children) -> Child | None:
    """What drops packets, where this machine allows it. Else cut links take its place: they take connections in."""
    if not blackhole.available():
        return None
    return await family.start_module("blackhole", "simulator.lab.trial.blackhole", piped=True)
