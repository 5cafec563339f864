import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from config.access import Access
from health.rules import Rules
from scheduler.api.app import Served
from scheduler.api.gate import Gate
from scheduler.api.metrics import Metrics
from scheduler.api.plan import PlanApi
from scheduler.api.process import ProcessApi
from scheduler.board import Board
from scheduler.solver import ThreadSolver
from scheduler.watch import ProbeWatch
from tests.scheduler.running import Controller, eventually, running, write_documents

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def controller(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Controller]:
    """One for all that leave it as it was: a start takes seconds of a processor."""
    async with running(write_documents(tmp_path_factory.mktemp("serve"))) as found:
        yield found


async def test_readiness_guards_and_an_operators_word_are_answered_by_a_running_controller(
    controller: Controller,
) -> None:

    async def proved() -> bool:
        return (await controller.get("/api/v1/readiness")).status_code == 200

    await eventually(proved, "a failover table")
    body = (await controller.get("/api/v1/readiness")).json()
    guards = (await controller.get("/api/v1/guards")).json()
    bad = await controller.client.post(controller.url + "/api/v1/resume", content=b'{"raison": 1}')
    resumed = await controller.client.post(controller.url + "/api/v1/resume", json={"reason": "looked at it"})
    metrics = (await controller.get("/metrics")).text

    losses = {row["loss"]: row for row in body["losses"]}
    assert {"cluster eu-central", "gateway us-east", "tier storefront/us-east"} <= set(losses)
    assert losses["cluster eu-central"]["verified"] is None, "nobody drilled yet"
    assert body["standby"]["n1_bound_usd_per_hour"] > body["standby"]["today_bound_usd_per_hour"] > 0
    assert guards["waits_for_a_human"] == []
    assert guards["known_good"] == 0
    assert (bad.status_code, resumed.status_code) == (422, 200)
    assert 'equipoise_failover_unmet_rps{loss="cluster eu-central"}' in metrics
    assert 'equipoise_standby_usd_per_hour{part="n1_bound"}' in metrics


async def test_serve_answers_every_route(controller: Controller) -> None:
    assert (await controller.get("/healthz")).json() == {"status": "ok"}
    plan = await controller.plan()
    first = (await controller.get("/api/v1/turns", limit="500")).json()["items"][-20:]
    explained = await controller.get("/api/v1/explain", flow="storefront")
    unknown = await controller.get("/api/v1/explain", flow="storefrnt")

    async def placed() -> bool:
        return (await controller.get("/api/v1/assignment")).status_code == 200

    await eventually(placed, "the slow cadence has looked at the fleet", 60.0)
    placing = (await controller.get("/api/v1/assignment")).json()
    metrics = (await controller.get("/metrics")).text

    assert (placing["how"], placing["where"], placing["trouble"]) == ("exact", "whole", "")
    assert placing["certified_gap"] <= 1e-6
    assert {row["service"] for row in placing["sites"]} >= {"storefront", "catalog"}
    assert "equipoise_assignment_gap_ratio" in metrics
    assert plan["epoch"] == 1
    assert any(turn["pushes"] for turn in first), "a fresh fleet is given its weights"
    assert {f["flow"].split("@")[0] for f in explained.json()["flows"]} == {"storefront"}
    assert (unknown.status_code, unknown.headers["Content-Type"].split(";")[0]) == (404, "application/problem+json")
    assert "storefront@" in unknown.json()["detail"]
    assert sum(f'equipoise_mode{{mode="{mode}"}} 1.0' in metrics for mode in ("auto", "safe")) == 1
    assert "equipoise_event_loop_lag_seconds_bucket" in metrics


async def test_freeze_with_a_bad_body_is_refused_and_changes_nothing(controller: Controller) -> None:
    for body in (b"{", b'{"scope": "everything"}', b'{"skope": "frozen"}', b'{"scope": "auto"}'):
        answer = await controller.client.post(controller.url + "/api/v1/freeze", content=body)
        assert answer.status_code == 422, body
        assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert (await controller.plan())["mode"] in {"auto", "safe"}, "not frozen; safe while the probes are in doubt"


async def test_documents_that_become_invalid_are_refused_and_the_last_good_ones_stay(controller: Controller) -> None:
    clusters = controller.documents / "clusters.yaml"
    good = clusters.read_text(encoding="utf-8")
    clusters.write_text(good.replace("kind: Cluster", "kind: Clustr", 1), encoding="utf-8")

    async def said() -> bool:
        return "clusters.yaml" in (await controller.plan())["reload_error"]

    await eventually(said, "the error is shown")
    error = (await controller.plan())["reload_error"]
    assert 'unknown kind "Clustr"; did you mean "Cluster"?' in error
    assert (await controller.get("/readyz")).status_code == 200

    clusters.write_text(good, encoding="utf-8")

    async def mended() -> bool:
        return bool((await controller.plan())["reload_error"] == "")

    await eventually(mended, "the error is gone")


async def test_price_that_changes_in_the_documents_is_planned_with(controller: Controller) -> None:
    before = (await controller.plan())["cost_usd_per_hour"]["compute"]
    prices = controller.documents / "prices.yaml"
    text = prices.read_text(encoding="utf-8")
    prices.write_text(text.replace("usdPerHour: 0.", "usdPerHour: 9."), encoding="utf-8")

    async def dearer() -> bool:
        return bool((await controller.plan())["cost_usd_per_hour"]["compute"] > 2 * before)

    await eventually(dearer, "compute is dearer")


async def test_freeze_is_in_force_within_a_second(controller: Controller) -> None:
    async def frozen() -> bool:
        return bool((await controller.plan())["mode"] == "frozen")

    took_s = []
    for _ in range(3):
        asked_s = time.monotonic()
        await controller.client.post(controller.url + "/api/v1/freeze", json={"reason": "look"})
        await eventually(frozen, "mode frozen")
        took_s.append(time.monotonic() - asked_s)
        await controller.client.delete(controller.url + "/api/v1/freeze")

    assert min(took_s) < 1.0, "an operator can always stop the automation"


async def test_serve_after_a_kill_pushes_nothing_new_and_a_freeze_holds_over_a_clean_end(tmp_path: Path) -> None:
    documents = write_documents(tmp_path)
    async with running(documents) as controller:

        async def settled() -> bool:
            plan = await controller.plan()
            return bool(plan["reason"] in {"held", "solved"} and plan["turn"] > 12 and plan["fraction"] == 1.0)

        await eventually(settled, "the plan has settled")
        before = await controller.plan()
        controller.process.kill()
        await controller.process.wait()

    async with running(documents) as controller:

        async def turned() -> bool:
            return bool((await controller.plan())["turn"] >= 3)

        await eventually(turned, "three turns")
        after = await controller.plan()

        assert after["epoch"] == before["epoch"] + 1
        assert [p for p in after["pushes"] if p["stored"]] == [], "and a mesh that is away is only asked again"
        assert [f["weights"] for f in after["flows"]] == [f["weights"] for f in before["flows"]]
        answer = await controller.client.post(controller.url + "/api/v1/freeze", json={"reason": "moving house"})
        assert answer.json() == {"mode": "frozen"}
        assert await controller.stop() == 0

    async with running(documents) as controller:
        assert (await controller.plan())["mode"] == "frozen"
        await controller.client.delete(controller.url + "/api/v1/freeze")

        async def thawed() -> bool:
            return bool((await controller.plan())["mode"] in {"auto", "safe"})

        await eventually(thawed, "mode auto")


async def test_plan_before_the_first_tick_is_a_problem_document() -> None:
    solver, board = ThreadSolver(ProbeWatch(1, Rules())), Board()
    routes = [*PlanApi(board, solver).routes(), *ProcessApi(board, Metrics()).routes()]
    async with TestClient(TestServer(Served(routes, Gate(Access)).application())) as client:
        for path in ("/api/v1/plan", "/api/v1/explain?flow=web", "/readyz"):
            answer = await client.get(path)
            assert answer.status == 503
    solver.close()
