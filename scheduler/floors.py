"""Least replicas that follow the assignment: opt-in, in steps, written down before they are made, and given back.

Beside the loop, at its own slow cadence. Each round reads what the objects say now, takes one bounded step towards the
assignment (scheduler.floor_steps) and writes it under (epoch, version) by compare-and-set: a hand that was quicker
wins, and the next round starts from what it did. A round does nothing in any mode but auto, on stale readings, without
a current assignment, or after somebody gave the floors back; what is there then stays.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import structlog

from config.configuration import Configuration as Documents
from connectors.connector import Refused, Unavailable
from connectors.deadline import within
from connectors.kubernetes.floors import KubernetesFloors
from connectors.workload import FloorKey, FloorTable
from placement.columns import Floats, Ints, bools, floats, ints
from placement.fleet import ClusterId, Fleet, OriginId, ServiceId
from scheduler.audit import AuditLedger
from scheduler.board import Board
from scheduler.floor_reach import FloorReach, floor_reaches
from scheduler.floor_steps import UNKNOWN, StepLimits, Wanted, next_floors, wanted_floors
from scheduler.ledger import Ledger
from scheduler.placing_service import PlacingService
from scheduler.ports import LedgerDown
from scheduler.state import Mode
from scheduler.turn import Turn

DEADLINE_S = 10.0
"""For everything that is asked of one API server in a round."""
SWITCH, BACK, ON = "floors", "given back", "on"
NEVER = "never"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one service behind one API server in a round."""

    owner: OriginId
    service: ServiceId
    before: Mapping[FloorKey, int]
    after: Mapping[FloorKey, int]

    def __str__(self) -> str:
        moves = (f"{c}: {self.before[s, c]} to {least}" for (s, c), least in sorted(self.after.items()))
        return f"{self.service} at least: {', '.join(moves)}"


@dataclass(slots=True)
class Look:
    """The newest round, for those who ask."""

    wall_s: float = 0.0
    held: str = "no round was made yet"
    """Why nothing was done; empty where it was."""
    now: Ints = field(default_factory=lambda: ints([]))
    """(B,) floors that were read, UNKNOWN where nobody keeps any or they could not be read."""
    wanted: Wanted | None = None
    next: Ints = field(default_factory=lambda: ints([]))
    fleet: Fleet | None = None
    words: dict[tuple[str, str], str] = field(default_factory=dict)
    """What an API server said, by (owner, service); `service` is empty for all of them."""


class Floors:
    """One controller's, of the documents that its assignment is of. `run` while it leads; `close` in the end."""

    def __init__(self, board: Board, placing: PlacingService, ledger: Ledger) -> None:
        self.board, self.placing, self.ledger, self.audit = board, placing, ledger, AuditLedger(ledger)
        self.look = Look()
        self.given_back = False
        self.reaches: dict[OriginId, FloorReach] = {}
        self._connectors: dict[OriginId, KubernetesFloors] = {}
        self._less_since_s: Floats = floats([])
        self._version = 0
        self._told: dict[tuple[str, str], str] = {}
        self._at_work = asyncio.Lock()

    @property
    def documents(self) -> Documents | None:
        """In force."""
        return self.placing.documents

    async def run(self, now_s: Callable[[], float] = time.monotonic) -> None:
        """A round once a period, and at once after a loss, until cancelled.

        Raises LedgerDown where nobody knows whether the floors were given back.
        """
        self.given_back = await self.ledger.switch(SWITCH) == BACK
        due_s, last_lost = now_s(), b""
        while True:
            news = self.placing.news
            siting, documents = self.placing.siting, self.documents
            if siting is not None and documents is not None:
                lost = siting.lost.tobytes()
                if now_s() >= due_s or lost != last_lost:
                    due_s, last_lost = now_s() + documents.policy.placement.floors.period_seconds, lost
                    await self.round(now_s())
            with contextlib.suppress(TimeoutError):  # the period is over; without an assignment it never is
                async with asyncio.timeout(max(due_s - now_s(), 0.0) if siting is not None else None):
                    await news.wait()

    async def round(self, at_s: float) -> None:
        """One step, or the reason why none is made."""
        async with self._at_work:
            self.look = look = Look(time.time(), self.held())
            if look.held:
                return
            await self._reach()
            standing = await self._standing(look)
            steps = await asyncio.to_thread(self._steps, look, standing, at_s)
            await asyncio.gather(*(self._take(of, look) for of in _by_owner(steps)))

    def held(self) -> str:
        """Why nothing may be done now; empty where it may."""
        documents, siting, turn = self.documents, self.placing.siting, self.board.turn
        if documents is None or documents.policy.placement.floors.apply == NEVER:
            return "placement.floors.apply of the Policy is never"
        if self.given_back:
            return "they were given back; POST /api/v1/floors/resume takes them up again"
        if siting is None or turn is None or self.placing.trouble:
            return f"there is no current assignment{f': {self.placing.trouble}' if self.placing.trouble else ''}"
        if self.board.state is None or self.board.state.fleet is not siting.fleet:
            return "the assignment is of documents that have changed since"
        return _unfit(turn, documents.policy.tick.readings_max_age_seconds)

    async def give_back(self, reason: str) -> dict[str, str]:
        """Every object as it was before us, and no more steps: what became of each. Raises LedgerDown."""
        async with self._at_work:
            await self.ledger.set_switch(SWITCH, BACK, reason)
            self.given_back = True
            self._version += 1
            await self._reach()
            said: dict[str, str] = {}
            await asyncio.gather(*(self._give_back(owner, said) for owner in self._connectors))
            self._less_since_s = floats([])
            return said

    async def resume(self, reason: str) -> None:
        """Take steps again. Raises LedgerDown."""
        await self.ledger.set_switch(SWITCH, ON, reason)
        self.given_back = False

    async def close(self) -> None:
        """Give up the connections."""
        for connector in self._connectors.values():
            await connector.api.close()
        self._connectors.clear()

    async def _reach(self) -> None:
        """Connectors as the documents have them; those whose part did not change stay."""
        assert self.documents is not None
        wanted = floor_reaches(self.documents)
        for owner in [o for o in self._connectors if wanted.get(o) != self.reaches.get(o)]:
            await self._connectors.pop(owner).api.close()
        self.reaches = wanted
        for owner, reach in wanted.items():
            if owner not in self._connectors:
                self._connectors[owner] = reach.connector()

    async def _standing(self, look: Look) -> dict[OriginId, Mapping[FloorKey, int]]:
        """What the objects of every API server say now."""
        found: dict[OriginId, Mapping[FloorKey, int]] = {}

        async def one(owner: OriginId, connector: KubernetesFloors) -> None:
            try:
                found[owner] = await within(DEADLINE_S, connector.standing(), f"{owner}: floors")
            except (Unavailable, Refused) as no:
                look.words[owner, ""] = str(no)

        await asyncio.gather(*(one(owner, connector) for owner, connector in self._connectors.items()))
        return found

    def _steps(self, look: Look, standing: Mapping[OriginId, Mapping[FloorKey, int]], at_s: float) -> list[Step]:
        siting, turn, documents = self.placing.siting, self.board.turn, self.documents
        assert siting is not None
        assert turn is not None
        assert documents is not None
        fleet, spec = siting.fleet, documents.policy.placement.floors
        limits = StepLimits(spec.step_ratio, spec.spare_ratio, spec.lower_after_seconds)
        row = {key: b for b, key in enumerate(_keys(fleet))}
        now, to_zero = np.full(len(row), UNKNOWN), np.zeros(len(row), dtype=bool)
        for owner, floors_ in standing.items():
            kept = self.reaches[owner].spec.kept
            for key, least in floors_.items():
                if key in row:
                    now[row[key]], to_zero[row[key]] = least, kept[key[0]].keeper.wakes
        if len(self._less_since_s) != len(row):
            self._less_since_s = floats(np.full(len(row), np.inf))
        wanted = wanted_floors(siting, turn, limits)
        after, since = next_floors(ints(now), wanted, bools(to_zero), self._less_since_s, at_s, limits)
        self._less_since_s = since
        look.now, look.wanted, look.next, look.fleet = ints(now), wanted, after, fleet
        return list(_moves(standing, row, after))

    async def _take(self, steps: Iterable[Step], look: Look) -> None:
        """The steps behind one API server, one object after another: one that is refused does not keep the others."""
        for step in steps:
            try:
                await self._write(step, look)
            except LedgerDown as down:
                look.words[step.owner, step.service] = f"not made, because it cannot be written down: {down}"

    async def _write(self, step: Step, look: Look) -> None:
        assert self.documents is not None
        dry = self.documents.policy.placement.floors.apply == "dry-run"
        self._version += 1
        table = FloorTable(step.owner, self.ledger.epoch, self._version, step.after)
        key, connector = (step.owner, step.service), self._connectors[step.owner]
        await self._note(key, f"{'dry run: ' if dry else ''}{step}", step)
        try:
            call = connector.judge(table) if dry else connector.write(table)
            receipt = await within(DEADLINE_S, call, f"{step.owner}: floors of {step.service}")
        except (Unavailable, Refused) as no:
            look.words[key] = str(no)
            await self._note((step.owner, f"{step.service}, refused"), str(no), step)
            log.warning("floor not set", owner=step.owner, service=step.service, detail=str(no))
        else:
            look.words[key] = receipt.detail
            log.info("floor", owner=step.owner, step=str(step), dry_run=dry)

    async def _note(self, key: tuple[str, str], words: str, step: Step) -> None:
        """In the ledger; what is said again and again is kept once."""
        if self._told.get(key) == words:
            return
        body = {
            "owner": step.owner, "object": self.reaches[step.owner].shown(step.service), "words": words,
            "before": {c: n for (_, c), n in step.before.items()}, "after": {c: n for (_, c), n in step.after.items()},
        }  # fmt: skip
        await self.audit.note("floors", "replica floor", body)
        self._told[key] = words

    async def _give_back(self, owner: OriginId, said: dict[str, str]) -> None:
        fence = (self.ledger.epoch, self._version)
        for service in sorted(self.reaches[owner].spec.kept):
            shown = f"{owner}: {self.reaches[owner].shown(service)}"
            try:
                restored = await within(DEADLINE_S, self._connectors[owner].restore(service, fence), shown)
                said[shown] = "given back" if restored else "never ours"
            except (Unavailable, Refused) as no:
                said[shown] = str(no)


def _unfit(turn: Turn, age_max_s: float) -> str:
    if turn.mode is not Mode.AUTO:
        return f"the mode is {turn.mode}"
    return f"readings are {turn.snapshot.age_s():.0f} s old" if turn.snapshot.age_s() > age_max_s else ""


def _keys(fleet: Fleet) -> list[FloorKey]:
    """(B,)"""
    pairs = zip(fleet.backends.service.tolist(), fleet.backends.cluster.tolist(), strict=True)
    return [(ServiceId(fleet.services.ids[s]), ClusterId(fleet.clusters.ids[c])) for s, c in pairs]


def _moves(
    standing: Mapping[OriginId, Mapping[FloorKey, int]], row: Mapping[FloorKey, int], after: Ints
) -> Iterable[Step]:
    """A step for every object that changes; where one holds the floors of several clusters, all of them."""
    for owner, floors_ in standing.items():
        for service in sorted({service for service, _ in floors_}):
            before = {key: least for key, least in floors_.items() if key[0] == service}
            wanted = {key: int(after[row[key]]) if key in row else least for key, least in before.items()}
            if wanted != before:
                yield Step(owner, service, before, wanted)


def _by_owner(steps: Iterable[Step]) -> list[list[Step]]:
    found: dict[OriginId, list[Step]] = {}
    for step in steps:
        found.setdefault(step.owner, []).append(step)
    return list(found.values())
