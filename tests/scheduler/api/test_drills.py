"""The drill routes over drills on simulated meshes and a real ledger."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, generate_latest

from config.access import Access
from health.drill import Phase
from scheduler.api.app import Served
from scheduler.api.drills import DrillRoutes
from scheduler.api.gate import Gate
from scheduler.drill_ledger import DrillLedger
from scheduler.drill_metrics import DrillMetrics
from scheduler.ledger import Ledger
from tests.scheduler.stage import LOSS, Stage, stage

Client = TestClient[web.Request, web.Application]


@dataclass
class Site:
    """A stage whose drills are served."""

    stage: Stage
    client: Client

    async def post(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        answer = await self.client.post(path, json=body)
        return answer.status, await answer.json(content_type=None)

    async def get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = await (await self.client.get(path)).json(content_type=None)
        return found


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Site]:
    s = await stage()
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.open()
    kept = DrillLedger(ledger)
    s.drills.ports = replace(s.drills.ports, store=kept)
    app = Served(DrillRoutes(s.drills, kept, s.bench.clock.wall_s).routes(), Gate(Access)).application()
    async with TestClient(TestServer(app)) as client:
        yield Site(s, client)
    ledger.close()


async def test_drill_when_asked_for_is_listed_shown_aborted_and_reported(served: Site) -> None:
    status, begun = await served.post("/api/v1/drills", {"level": "L3", "loss": LOSS, "by": "ann"})
    await served.stage.until(Phase.AWAY)
    listed = await served.get("/api/v1/drills")
    gone, _ = await served.post(f"/api/v1/drills/{begun['id']}/abort", {"reason": "enough"})
    await served.stage.pass_s(2.0)
    shown = await served.get(f"/api/v1/drills/{begun['id']}")
    report = await served.get("/api/v1/drills/report")

    assert (status, gone) == (201, 202)
    assert (listed["drills"][0]["id"], listed["drills"][0]["phase"], listed["moving"]) == (begun["id"], "AWAY", True)
    assert (shown["outcome"], shown["reason"], shown["asked_by"]) == ("INTERRUPTED", "enough", "ann")
    assert [line["phase"] for line in shown["timeline"]] == ["ARMING", "AWAY", "YIELDING", "INTERRUPTED"]
    assert (report["drills"], report["drill_abort_rate"]) == (1, 1.0)
    assert report["coverage24"] == {"L0": 1.0, "L1": 1.0, "L2": 0.0, "L3": 0.0, "L4": 0.0}
    assert report["abort_to_reverted_p99_s"] == 0.0
    assert report["oldest_unverified_path_age_s"] <= 60.0


async def test_report_after_a_full_drill_compares_what_was_foreseen_with_what_was_measured(served: Site) -> None:
    await served.post("/api/v1/drills", {"level": "L4", "loss": LOSS})
    await served.stage.until(Phase.AWAY)
    live = served.stage.drills.live
    assert live is not None
    while live.drill.phase is Phase.AWAY:
        live.samples.append(live.problem.capacity_rps[live.receivers] * 0.6)
        await served.stage.pass_s(1.0)
    await served.stage.pass_s(20.0)

    report = await served.get("/api/v1/drills/report")

    assert report["drills_by_outcome"]["SUCCEEDED"] == 1
    assert report["predicted_vs_measured"]["receivers"] == len(live.receivers)
    assert 0 < report["predicted_vs_measured"]["utilization_error_max"] < 0.6
    assert report["rto_p99_s"] == 0.0
    assert report["rehearsed_failed_ratio"] == 0.0


async def test_proof_and_probe_when_asked_for_are_answered_at_once(served: Site) -> None:
    status, body = await served.post("/api/v1/drills", {"level": "L0", "loss": LOSS})

    assert (status, body["outcome"]) == (201, "SUCCEEDED")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"level": "L9", "loss": LOSS}, 422, "L0, L1, L2, L3, L4"),
        ({"level": "L3"}, 422, "loss"),
        ({"level": "L3", "loss": LOSS, "force": True}, 422, "force"),
        ({"level": "L3", "loss": "cluster mars"}, 409, "there are: cluster ams"),
    ],
)
async def test_ask_that_cannot_be_granted_says_why(served: Site, body: object, status: int, words: str) -> None:
    got, answer = await served.post("/api/v1/drills", body)

    assert (got, served.stage.drills.live) == (status, None)
    assert words in answer["detail"]


async def test_unknown_drill_when_shown_or_aborted_is_a_problem_document(served: Site) -> None:
    assert (await served.client.get("/api/v1/drills/d-7-7")).status == 404
    assert (await served.post("/api/v1/drills/d-7-7/abort", {}))[0] == 404


async def test_metrics_when_scraped_show_coverage_and_the_drill_under_way(served: Site) -> None:
    registry = CollectorRegistry()
    DrillMetrics(served.stage.drills, served.stage.drills.book, served.stage.bench.clock.wall_s, registry)
    await served.post("/api/v1/drills", {"level": "L3", "loss": LOSS})
    await served.stage.until(Phase.AWAY)

    text = generate_latest(registry).decode()

    assert 'equipoise_drill_coverage_ratio{level="L0"} 1.0' in text
    assert 'equipoise_drill_ratio{level="L3",loss="cluster fra"} 0.01' in text
