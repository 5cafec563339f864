"""Drills as a running service: they begin when due or asked for, follow the state machine, and let go when in doubt.

A task of its own beside the loop, several looks a second. It writes nothing but rehearsals, which are no weights: the
loop goes on as it does, with the optimizer at rest. Whatever happens to this task, the meshes let go by themselves.
"""

import asyncio
import contextlib
from dataclasses import replace
from functools import partial

import structlog

from connectors.connector import Receipt, Refused
from health.drill import UNDER_WAY, Drill, Level, Phase, Sight, advance
from scheduler.drill_begin import DrillPorts, NotNow, checked, made
from scheduler.drill_book import PathBook
from scheduler.drill_calendar import Key, Past, due
from scheduler.drill_ledger import Json
from scheduler.drill_live import Live, event
from scheduler.drill_meshes import Answers, DrillMeshes
from scheduler.drill_meter import SentMeter
from scheduler.drill_sight import Look, fullness, harm, precedence
from scheduler.ports import LedgerDown
from scheduler.push import first_of

LOOK_S = 0.1
"""How often a drill looks at the world; an alarm or an operator does not wait for it."""
IDLE_LOOK_S = 1.0
FOLLOW_RATIO = 0.1
"""Most part of the time that goes into keeping up with the paths."""
RENEWALS = 4
"""Times that a lease is renewed before it would run out."""
AUTO = "calendar"
"""Who asks for the drills that are due by themselves."""

log = structlog.get_logger()


class Drills:
    """One drill at a time. `await run()` until it is cancelled; what is under way is then taken back."""

    def __init__(self, ports: DrillPorts, book: PathBook, meter: SentMeter) -> None:
        self.ports, self.book, self.meter = ports, book, meter
        self.live: Live | None = None
        self.ended: list[Json] = []
        """Of this controller, oldest first."""
        self.past: dict[Key, Past] = {}
        self.hindrance = ""
        """Why the drill that is due does not begin."""
        self._meshes = DrillMeshes(ports.connectors, ports.deadline_s)
        self.stopped = ""
        """The fault that ended the drills of this controller."""
        self._wake = asyncio.Event()
        self._seen: object = None
        self._follow_from_s = 0.0
        self._number = 0

    @property
    def moving(self) -> bool:
        """Whether the optimizer has to wait."""
        return self.live is not None

    async def run(self) -> None:
        """Look for ever. A fault in here ends the drills, aloud, and nothing else: failing over does not need them."""
        try:
            while True:
                await self.look()
                await self._pause()
        except Exception as fault:
            self.hindrance = self.stopped = f"drills have stopped: {fault!r}"
            log.exception("drills have stopped")
        finally:
            if self.live is not None:
                await self._meshes.revert(self.live.plan.tables)
                self.live = None

    async def look(self) -> None:
        """One look: follow the loop, lead the drill under way, or begin the one that is due."""
        look = self.ports.look()
        if look is None:
            return
        if self.live is not None:
            await self._lead(self.live, look)
        elif self._meshes.armed:
            await self._meshes.disarm()
        else:
            await self._begin_due(look)
        await self._follow(look)

    async def ask(self, level: Level, loss: str, who: str) -> Json:
        """Begin a drill now; raises NotNow. A check that moves nothing (L0, L1) has its result at once."""
        if self.stopped:
            raise NotNow(self.stopped)
        look = self.ports.look()
        if look is None:
            raise NotNow("the first tick is not done")
        if level <= Level.PROBE:
            return await checked(level, loss, who, look, self.book)
        if self.live is not None:
            raise NotNow(f"{self.live.drill.id} is under way; one drill at a time")
        live = await self._made(level, loss, who, look)
        await self._begin(live, look)
        return live.body(look.wall_s)

    def abort(self, drill: str, why: str) -> bool:
        """Take a drill back; False where it is not under way."""
        if self.live is None or self.live.drill.id != drill:
            return False
        self.live.aborted = why or "an operator ended it"
        self._wake.set()
        return True

    async def _pause(self) -> None:
        """Wait for the next look; what is urgent does not wait."""
        pause = asyncio.ensure_future(asyncio.sleep(LOOK_S if self.live else IDLE_LOOK_S))
        urgent = asyncio.ensure_future(self._urgent())
        try:
            await first_of(pause, urgent)
        finally:
            for waiting in (pause, urgent):
                waiting.cancel()
        self._wake.clear()

    async def _urgent(self) -> None:
        """Return when an operator or the drill itself wants a look, or when an alarm has to end it."""
        wake = asyncio.ensure_future(self._wake.wait())
        alarm = asyncio.ensure_future(self.ports.watch.alarm())
        try:
            heeded = self.live is not None and not self.live.alarmed
            await first_of(wake, *([alarm] if heeded else []))
            if self.live is not None and alarm.done():
                self.live.alarmed = True
        finally:
            for waiting in (wake, alarm):
                waiting.cancel()

    async def _follow(self, look: Look) -> None:
        """Take the paths of a new failover table; those of a large fleet not more often than they are worth."""
        if look.state.failover is None or look.state.failover is self._seen or look.at_s < self._follow_from_s:
            return
        self._seen = look.state.failover
        paths = await self.ports.compute(partial(self.book.paths_now, look))
        if paths is not None:
            self.book.follow(paths, look)
        now_s = self.ports.clock.now_s()
        self._follow_from_s = now_s + (1 / FOLLOW_RATIO - 1) * (now_s - look.at_s)

    async def _begin_due(self, look: Look) -> None:
        policy, table = self.ports.policy(), look.state.failover
        losses = [str(row.loss) for row in table.rows] if table is not None else []
        wanted = due(policy, losses, self.past, look.wall_s)
        if wanted is None:
            return
        try:
            live = await self._made(*wanted, AUTO, look)
            await self._begin(live, look)
        except NotNow as reason:
            self.hindrance = f"{wanted[0]} {wanted[1]}: {reason}"
            self.past[wanted] = replace(self.past.get(wanted, Past()), tried_at_s=look.wall_s)
        else:
            self.hindrance = ""

    async def _made(self, level: Level, loss: str, who: str, look: Look) -> Live:
        return await made(f"d-{look.state.epoch}-{self._number + 1}", level, loss, who, look, self.ports, self.book)

    async def _begin(self, live: Live, look: Look) -> None:
        """Write it down, then look at its capacity; nothing has moved yet. Raises NotNow where it cannot be kept."""
        try:
            await self.ports.store.open(live.body(look.wall_s))
        except LedgerDown as down:
            raise NotNow(f"the ledger cannot be written: {down}") from down
        self.live = live
        self._number += 1
        self.meter.follow(look.state.fleet)
        self._wake.set()
        log.info("drill", drill=live.drill.id, level=str(live.drill.level), loss=live.drill.loss, by=live.asked_by)

    async def _lead(self, live: Live, look: Look) -> None:
        """One step of the state machine, and what it asks for."""
        said, rps = self.meter.rps(look.at_s), self.meter.smooth_rps(look.at_s)
        there = None if rps is None else rps[live.receivers]
        live.look(look.at_s, self._meshes.tally(live.plan.tables), None if said is None else said[live.receivers])
        policy, tails_ms = self.ports.policy(), self.ports.tails_ms(look)
        comes_first = live.aborted or ("something went down" if live.alarmed else "")
        cautious = self.ports.caution(look, live.plan) if live.drill.steps else ""
        sight = Sight(
            preempted=comes_first or precedence(look, live.problem.fleet) or cautious,
            overfull=fullness(live.problem, live.plan, live.drill, policy.envelope),
            harm=harm(live, look, there, policy.envelope, tails_ms),
            settled=live.settled,
        )
        before, live.drill = live.drill, advance(live.drill, sight, look.at_s)
        if live.drill is not before:
            await self._moved(live, before, look)
        elif not live.drill.ended and look.at_s - live.ordered_at_s >= live.drill.lease_s / RENEWALS:
            await self._send(live)

    async def _moved(self, live: Live, before: Drill, look: Look) -> None:
        """Orders first: the meshes learn of a new phase before the ledger does."""
        drill = live.drill
        if before.phase in UNDER_WAY and before.step == before.peak and drill.step != before.step:
            live.latency_ms = look.state.readings.latency_ms[live.receivers]
            live.tail_ms = self.ports.tails_ms(look)
        if drill.ended:
            await self._end(live, look)
            return
        if drill.phase in UNDER_WAY:
            live.step_began = live.now
        took_s = await self._send(live)
        if drill.phase is Phase.AWAY and took_s is not None:
            live.shifts_s.append(took_s)
        await self._note(live, {"took_s": took_s})

    async def _send(self, live: Live) -> float | None:
        """Order what the drill's phase asks for; the seconds until every mesh had it, None where some mesh is late."""
        drill, origins, began_s = live.drill, live.plan.tables, self.ports.clock.now_s()
        live.ordered_at_s = began_s
        if drill.phase is Phase.ARMING:
            answers = await self._meshes.arm(origins, self._urgent())
            live.began = live.now = self._meshes.tally(origins)
        elif drill.phase in UNDER_WAY:
            answers = await self._meshes.drain(origins, drill.ratio, drill.lease_s, self._urgent())
        else:
            answers = await self._meshes.revert(origins)
        now_s = self.ports.clock.now_s()
        self._take(live, answers, now_s)
        if live.settled and drill.phase in {Phase.ABORTING, Phase.YIELDING}:
            live.revert_s = live.revert_s if live.revert_s is not None else now_s - drill.since_s
            self._wake.set()
        return now_s - began_s if live.settled else None

    def _take(self, live: Live, answers: Answers, at_s: float) -> None:
        for origin in live.plan.tables:
            answer = answers.get(origin)
            live.answered[origin] = isinstance(answer, Receipt) and answer.accepted is True
            if isinstance(answer, Refused):
                live.refused = live.refused or str(answer)
        live.silent = live.silent.seen(not live.settled, at_s)

    async def _end(self, live: Live, look: Look) -> None:
        """Keep the outcome; only a success verifies anything."""
        drill, body = live.drill, live.body(look.wall_s)
        if drill.phase is Phase.SUCCEEDED:
            flows = self.book.flows_of(drill.loss, live.without)
            self.book.succeed(drill.level, drill.loss, flows, look.wall_s)
            body["flows"] = live.covered(flows)
        good = drill.phase is Phase.SUCCEEDED
        key = (drill.level, drill.loss)
        last = self.past.get(key, Past())
        self.past[key] = Past(look.wall_s if good else last.succeeded_at_s, look.wall_s)
        self.ended.append(body)
        self.live = None
        self.meter.rest()
        log.info("drill ended", drill=drill.id, outcome=str(drill.phase), reason=drill.reason)
        await self._note(live, {})
        with contextlib.suppress(LedgerDown):
            await self.ports.store.close(body)
        self._wake.set()

    async def _note(self, live: Live, notes: Json) -> None:
        with contextlib.suppress(LedgerDown):
            await self.ports.store.note(live.drill.id, event(live, self.ports.clock.wall_s(), notes))
