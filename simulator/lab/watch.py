"""What the controller says of itself: its plan, read over HTTP a few times a second. The only reader of that JSON."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

POLL_PERIOD_S = 0.25
TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class Flow:
    """One row of the routing."""

    service: str
    origin: str
    demand_rps: float
    weights: Mapping[str, int]

    @property
    def shares(self) -> dict[str, float]:
        """The weights as parts of one: what was given to the mesh, not what was wished for."""
        total = sum(self.weights.values())
        return {cluster: weight / total for cluster, weight in self.weights.items() if weight} if total else {}


@dataclass(frozen=True, slots=True)
class Backend:
    """A service in a cluster, as the controller sees it."""

    service: str
    cluster: str
    verdict: str
    load_rps: float
    capacity_rps: float
    utilization: float
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Change:
    """A verdict that changed."""

    at_s: float
    service: str
    cluster: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Push:
    """A weight table that was written to a mesh."""

    at_s: float
    """When the tick began that decided it."""
    origin: str
    version: int
    accepted: bool | None


@dataclass(frozen=True, slots=True)
class View:
    """One answer of the controller. Times are on the machine's monotonic clock."""

    seen_s: float
    turn: int
    reason: str
    usd_per_hour: Mapping[str, float]
    flows: tuple[Flow, ...]
    backends: tuple[Backend, ...]
    changes: tuple[Change, ...]
    pushes: tuple[Push, ...]

    @property
    def billed_usd_per_hour(self) -> float:
        """What somebody sends an invoice for."""
        return self.usd_per_hour.get("compute", 0.0) + self.usd_per_hour.get("egress", 0.0)

    def weights(self) -> dict[str, dict[str, int]]:
        """Weights by `service@origin`, without the zeros."""
        return {f"{f.service}@{f.origin}": {c: w for c, w in f.weights.items() if w} for f in self.flows}

    def share(self, service: str, origin: str, cluster: str) -> float:
        """What part of a flow a cluster is given; 0 for an unknown one."""
        found = (f.shares.get(cluster, 0.0) for f in self.flows if (f.service, f.origin) == (service, origin))
        return next(found, 0.0)

    def verdicts(self) -> dict[tuple[str, str], str]:
        """By (cluster, service)."""
        return {(b.cluster, b.service): b.verdict for b in self.backends}


def view_of(answer: Mapping[str, Any], seen_s: float) -> View:
    """The answer of /api/v1/plan; raises KeyError, TypeError or ValueError for anything else."""
    return View(
        seen_s=seen_s,
        turn=int(answer["turn"]),
        reason=str(answer["reason"]),
        usd_per_hour={name: float(usd) for name, usd in answer["cost_usd_per_hour"].items()},
        flows=tuple(_flow(row) for row in answer["flows"]),
        backends=tuple(_backend(row) for row in answer["backends"]),
        changes=tuple(_change(row) for row in answer["verdict_changes"]),
        pushes=tuple(_push(row) for row in answer["pushes"]),
    )


def _flow(row: Mapping[str, Any]) -> Flow:
    weights = {str(cluster): int(weight) for cluster, weight in row["weights"].items()}
    return Flow(str(row["service"]), str(row["origin"]), float(row["demand_rps"]), weights)


def _backend(row: Mapping[str, Any]) -> Backend:
    numbers = (float(row[name] or 0.0) for name in ("load_rps", "capacity_rps", "utilization", "latency_ms"))
    return Backend(str(row["service"]), str(row["cluster"]), str(row["verdict"]), *numbers)


def _change(row: Mapping[str, Any]) -> Change:
    service, _, cluster = str(row["backend"]).partition("/")
    return Change(float(row["at_s"]), service, cluster, str(row["to"]))


def _push(row: Mapping[str, Any]) -> Push:
    return Push(float(row["at_s"]), str(row["origin"]), int(row["version"]), row["accepted"])


@dataclass(slots=True)
class Watch:
    """Everything the controller has said so far. It answers with its last 100 changes only; here all are kept."""

    url: str
    history: list[View] = field(default_factory=list)
    changes: dict[Change, None] = field(default_factory=dict)
    """As an ordered set."""
    pushes: dict[tuple[str, int], Push] = field(default_factory=dict)
    """By (origin, version), with what is known of each by now."""
    answers: bool = False
    """Whether it answered when last asked."""

    @property
    def latest(self) -> View | None:
        """The newest view; None before the first."""
        return self.history[-1] if self.history else None

    @property
    def turn(self) -> int:
        """Number of the newest turn; 0 before the first."""
        return self.latest.turn if self.latest else 0

    def before(self, at_s: float) -> View | None:
        """The last view that was seen before a moment."""
        return next((view for view in reversed(self.history) if view.seen_s < at_s), None)

    async def look(self, session: aiohttp.ClientSession) -> None:
        """Ask once."""
        try:
            async with session.get(f"{self.url}/api/v1/plan") as response:
                answer = await response.json() if response.ok else None
        except (aiohttp.ClientError, TimeoutError):
            answer = None
        self.answers = answer is not None
        if answer is not None:
            view = view_of(answer, time.monotonic())
            self.history.append(view)
            self.changes.update(dict.fromkeys(view.changes))
            self.pushes.update({(push.origin, push.version): push for push in view.pushes})

    async def run(self) -> None:
        """Ask for ever."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                await self.look(session)
                await asyncio.sleep(POLL_PERIOD_S)
