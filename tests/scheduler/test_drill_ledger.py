from pathlib import Path

import pytest

from health.drill import Level
from scheduler.drill_calendar import Past
from scheduler.drill_ledger import DrillLedger, Json
from scheduler.ledger import Ledger


def body(name: str, outcome: str = "", ended_s: float | None = None) -> Json:
    return {
        "id": name, "level_name": "CANARY", "loss": "cluster a", "outcome": outcome,
        "began_wall_s": 100.0, "ended_wall_s": ended_s, "phase": "AWAY",
    }  # fmt: skip


@pytest.fixture
async def drills(tmp_path: Path) -> DrillLedger:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.open()
    return DrillLedger(ledger)


async def test_drill_when_closed_is_kept_with_its_timeline_in_order(drills: DrillLedger) -> None:
    await drills.open(body("d-1"))
    for phase in ("ARMING", "AWAY", "BACK"):
        await drills.note("d-1", {"wall_s": 1.0, "phase": phase})
    await drills.close(body("d-1", "SUCCEEDED", 200.0))

    (entry,) = await drills.newest()
    assert entry.body["outcome"] == "SUCCEEDED"
    assert [event["phase"] for event in entry.events] == ["ARMING", "AWAY", "BACK"]
    assert await drills.past() == {(Level.CANARY, "cluster a"): Past(200.0, 200.0)}


async def test_drill_when_its_controller_ended_is_interrupted_and_no_proof(drills: DrillLedger) -> None:
    await drills.open(body("d-1"))

    assert await drills.interrupt_open(300.0) == 1

    (entry,) = await drills.newest()
    assert (entry.body["outcome"], entry.events[-1]["phase"]) == ("INTERRUPTED", "INTERRUPTED")
    assert "controller ended" in entry.body["reason"]
    assert await drills.past() == {(Level.CANARY, "cluster a"): Past(float("-inf"), 300.0)}
    assert await drills.interrupt_open(400.0) == 0
