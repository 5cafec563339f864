"""`equipoise drill` against a real API over drills on simulated meshes, served from a thread of its own."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from cli.drill import lost
from cli.main import app
from config.access import Access
from scheduler.api.app import Served
from scheduler.api.drills import DrillRoutes
from scheduler.api.gate import Gate
from scheduler.drill_ledger import DrillLedger
from scheduler.ledger import Ledger
from tests.scheduler.stage import Stage, stage


async def serve(folder: Path, started: "asyncio.Future[str]", end: asyncio.Event) -> None:
    """Serve the drills of a stage, and let its time go by, until told to end."""
    s: Stage = await stage()
    ledger = Ledger(f"sqlite:///{folder}/ledger.db")
    await ledger.open()
    kept = DrillLedger(ledger)
    s.drills.ports = replace(s.drills.ports, store=kept)
    application = Served(DrillRoutes(s.drills, kept, s.bench.clock.wall_s).routes(), Gate(Access)).application()
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    started.set_result(f"http://127.0.0.1:{runner.addresses[0][1]}")
    while not end.is_set():
        await s.pass_s(0.5)
        await asyncio.sleep(0.01)
    await runner.cleanup()
    ledger.close()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Where the drills are served."""
    loop = asyncio.new_event_loop()
    started: asyncio.Future[str] = loop.create_future()
    end, ready, found = asyncio.Event(), threading.Event(), [""]
    started.add_done_callback(lambda done: (found.__setitem__(0, done.result()), ready.set()))
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(tmp_path, started, end),))
    thread.start()
    assert ready.wait(20)
    yield found[0]
    loop.call_soon_threadsafe(end.set)
    thread.join()
    loop.close()


def run(*words: str) -> tuple[int, str]:
    """Exit code, output."""
    result = CliRunner().invoke(app, ["drill", *words])
    return result.exit_code, result.output


def body_of(out: str) -> dict[str, Any]:
    """The JSON in an output into which the server's log lines may have come."""
    body: dict[str, Any] = json.JSONDecoder().raw_decode(out[out.index("{\n") :])[0]
    return body


def test_drill_when_run_listed_and_reported_says_what_was_proved(url: str) -> None:
    code, out = run("run", "cluster/fra", "--level", "L3", "--url", url)
    listed = run("list", "--url", url)[1]
    body = body_of(run("report", "--url", url, "-o", "json")[1])
    table = run("report", "--url", url)[1]

    assert code == 0, out
    assert "L3 loss of cluster fra: SUCCEEDED" in out
    assert "0 of them failed" in out
    assert "d-1-1" in listed
    assert body["coverage24"]["L0"] == 1.0
    assert 0 < body["coverage24"]["L3"] < 1
    for name in ("oldest_unverified_path_age_s", "predicted_vs_measured", "rto_p50_s", "rto_p99_s", "drill_abort_rate"):
        assert name in body
    assert "LEVEL" in table


def test_drill_when_not_waited_for_can_be_aborted_and_another_is_refused_meanwhile(url: str) -> None:
    code, out = run("run", "cluster fra", "-l", "L4", "--no-wait", "--url", url, "-o", "json")
    begun = body_of(out)
    second, words = run("run", "cluster/ams", "-l", "L3", "--url", url)
    third, said = run("abort", begun["id"], "--reason", "lunch", "--url", url)

    assert (code, second, third) == (0, 1, 0)
    assert "one drill at a time" in words
    assert begun["id"] in said


def test_drill_when_it_cannot_begin_says_why_and_exits_with_one(url: str) -> None:
    code, out = run("run", "cluster/mars", "--url", url)

    assert code == 1
    assert "there are: cluster ams" in out


def test_loss_when_written_with_a_slash_is_the_one_with_a_blank() -> None:
    assert lost("cluster/eu-west") == lost("cluster eu-west") == "cluster eu-west"
    assert lost("tier/front/ams") == "tier front/ams"
