import asyncio
import json
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner

from cli.doctor import doctor_tables
from cli.main import app
from tests.scheduler.running import EXAMPLE

CALLS = [
    {"parent": "edge", "child": "storefront", "callCount": 1_000},
    {"parent": "storefront", "child": "catalog", "callCount": 3_000, "errorCount": 30},
    {"parent": "catalog", "child": "assistant", "callCount": 10},
]


async def cli(*arguments: str) -> Any:
    """The command in a thread of its own: it makes an event loop."""
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments))


def test_doctor_before_documents_whose_sources_are_away_says_who_is_and_what_to_do() -> None:
    result = CliRunner().invoke(app, ["doctor", str(EXAMPLE), "--wait", "0"])

    assert result.exit_code == 1, "its sources do not exist"
    assert "proxies report it" in result.output
    assert "prometheus:fleet" in result.output


async def test_calls_beside_a_zipkin_show_what_is_off_undeclared_and_never_seen() -> None:
    async def dependencies(_: web.Request) -> web.Response:
        return web.json_response(CALLS)

    zipkin = web.Application()
    zipkin.router.add_get("/api/v2/dependencies", dependencies)
    async with TestServer(zipkin) as server:
        url = str(server.make_url("")).rstrip("/")
        result = await cli("calls", str(EXAMPLE), "--from", "zipkin", "--url", url, "-o", "json")
        table = await cli("calls", str(EXAMPLE), "--from", "zipkin", "--url", url)

    rows = {(row["caller"], row["called"]): row for row in json.loads(result.output)["calls"]}
    assert rows["storefront", "catalog"]["seen_ratio"] == 3.0
    assert rows["storefront", "catalog"]["note"] == "+50% off: change `calls`"
    assert rows["storefront", "assistant"]["note"] == "declared, and never seen"
    assert "not declared" in rows["catalog", "assistant"]["note"]
    assert "storefront" in table.output


def test_prices_that_a_controller_hears_of_are_shown_with_the_one_it_uses() -> None:
    row = {
        "cluster": "east", "pool": "general", "node_type": "m5.large", "declared_usd_per_hour": 0.1,
        "opencost_usd_per_hour": 0.08, "off_ratio": 0.25, "used_usd_per_hour": 0.08, "advice": "",
    }  # fmt: skip
    body: dict[str, Any] = {"signals": [], "prices": [row], "sources": [], "rejections": [], "healthy": True}
    lines = [str(line) for line in doctor_tables(body)]
    asked = [str(line) for line in doctor_tables(body | {"prices": [row | {"used_usd_per_hour": None}]})]

    assert "[green]√[/] east/general m5.large: 0.0800 $/h by OpenCost, declared +25%, 0.0800 used" in lines
    silent = row | {"opencost_usd_per_hour": None, "off_ratio": None}
    untold = [str(line) for line in doctor_tables(body | {"prices": [silent]})]
    assert "[green]√[/] east/general m5.large: OpenCost tells nothing of it, 0.0800 used" in untold
    assert "used" not in "".join(asked), "documents alone use nothing"


def test_calls_when_the_tracer_is_away_fails_in_one_line() -> None:
    result = CliRunner().invoke(app, ["calls", str(EXAMPLE), "--from", "jaeger", "--url", "http://127.0.0.1:9"])

    assert result.exit_code == 1
    assert "Jaeger at http://127.0.0.1:9" in result.output
