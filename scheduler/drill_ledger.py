"""Drills in the ledger: written before traffic moves, each line of their timeline chained to the one before."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlmodel import Session, col, select

from health.drill import Level
from scheduler.drill_calendar import Key, Past
from scheduler.drill_tables import DrillEventRow, DrillRow
from scheduler.ledger import Ledger, chained

Json = dict[str, Any]
CUT_OFF = "the controller ended in the middle of it; the meshes let go when the lease ran out"
SHOWN = 500


class DrillStore(Protocol):
    """Where drills are kept. Every call raises LedgerDown."""

    async def open(self, body: Json) -> None:
        """A drill that is about to begin; durable before it moves anything."""

    async def note(self, drill: str, event: Json) -> None:
        """One line of its timeline."""

    async def close(self, body: Json) -> None:
        """How it ended."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A drill as the ledger has it."""

    body: Json
    events: tuple[Json, ...] = ()


class DrillLedger:
    """A DrillStore beside the loop's records."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def open(self, body: Json) -> None:
        """Write a drill down."""
        await self._ledger.transact(lambda session: session.add(_row(body)))

    async def note(self, drill: str, event: Json) -> None:
        """Append to its timeline."""
        await self._ledger.transact(lambda session: _append(session, drill, event))

    async def close(self, body: Json) -> None:
        """Write its outcome."""
        await self._ledger.transact(lambda session: session.merge(_row(body)) and None)

    async def interrupt_open(self, wall_s: float) -> int:
        """Close what an ended controller left open, as INTERRUPTED; returns how many those were."""
        return await self._ledger.transact(lambda session: _interrupt(session, wall_s))

    async def newest(self, limit: int = SHOWN) -> list[Entry]:
        """The newest drills with their timelines, newest first."""
        return await self._ledger.transact(lambda session: _newest(session, limit))

    async def past(self) -> dict[Key, Past]:
        """When each loss was last tried and last verified, by level."""
        return await self._ledger.transact(_past)


def _row(body: Mapping[str, Any]) -> DrillRow:
    return DrillRow(
        id=body["id"], level=int(Level[body["level_name"]]), loss=body["loss"], outcome=body["outcome"],
        began_wall_s=body["began_wall_s"], ended_wall_s=body["ended_wall_s"], body=dict(body),
    )  # fmt: skip


def _append(session: Session, drill: str, event: Json) -> None:
    newest = select(DrillEventRow).where(DrillEventRow.drill == drill).order_by(col(DrillEventRow.id).desc())
    last = session.exec(newest).first()
    before = last.hash if last else ""
    wall_s = float(event.get("wall_s", time.time()))
    session.add(
        DrillEventRow(drill=drill, wall_s=wall_s, body=event, previous_hash=before, hash=chained(before, event))
    )


def _interrupt(session: Session, wall_s: float) -> int:
    left = session.exec(select(DrillRow).where(DrillRow.outcome == "")).all()
    for row in left:
        ended = {"outcome": "INTERRUPTED", "phase": "INTERRUPTED", "reason": CUT_OFF, "ended_wall_s": wall_s}
        row.outcome, row.ended_wall_s, row.body = "INTERRUPTED", wall_s, row.body | ended
        session.add(row)
        _append(session, row.id, {"wall_s": wall_s, "phase": "INTERRUPTED", "ratio": 0.0, "reason": CUT_OFF})
    return len(left)


def _newest(session: Session, limit: int) -> list[Entry]:
    rows = session.exec(select(DrillRow).order_by(col(DrillRow.began_wall_s).desc()).limit(limit)).all()
    names = [row.id for row in rows]
    lines: dict[str, list[Json]] = {name: [] for name in names}
    wanted = select(DrillEventRow).where(col(DrillEventRow.drill).in_(names)).order_by(col(DrillEventRow.id))
    for line in session.exec(wanted):
        lines[line.drill].append(dict(line.body))
    return [Entry(dict(row.body), tuple(lines[row.id])) for row in rows]


def _past(session: Session) -> dict[Key, Past]:
    found: dict[Key, Past] = {}
    for row in session.exec(select(DrillRow).order_by(col(DrillRow.began_wall_s))):
        key = (Level(row.level), row.loss)
        ended_s = row.ended_wall_s or row.began_wall_s
        before = found.get(key, Past())
        good = row.outcome == "SUCCEEDED"
        found[key] = Past(ended_s if good else before.succeeded_at_s, ended_s)
    return found
