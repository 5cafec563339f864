"""The doctor before a server that has some of the signals, and before none."""

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from config.load import load
from config.pricelists import BadList
from connectors.telemetry import Signal
from placement.columns import floats
from scheduler.doctor import Health, examined, findings
from scheduler.hygiene import Memory
from scheduler.prices_checked import node_costs
from simulator.trio import trio
from tests.scheduler.running import EXAMPLE

FEW = """
apiVersion: equipoise.dev/v1alpha1
kind: Policy
metadata: {name: quiet}
spec:
  telemetry:
    prometheus: [{name: fleet, url: "URL", queries: {demand_rps: demand, error_ratio: broken}}]
"""


def documents(folder: Path, url: str) -> Path:
    """The example without its own sources, and with one that a test serves."""
    for file in EXAMPLE.glob("*.yaml"):
        if file.name == "policy.yaml":
            continue
        text = file.read_text(encoding="utf-8")
        if file.name == "origins.yaml":
            kept, inside = [], False
            for line in text.splitlines():
                inside = line.startswith("  telemetry:") or (inside and line.startswith("    "))
                kept += [] if inside else [line]
            text = "\n".join(kept) + "\n"
        (folder / file.name).write_text(text, encoding="utf-8")
    (folder / "policy.yaml").write_text(FEW.replace("URL", url), encoding="utf-8")
    return folder


async def query(request: web.Request) -> web.Response:
    """Demand of one flow and of one that nobody knows; every other query is a mistake."""
    if request.query["query"] != "demand":
        return web.json_response({"status": "error", "errorType": "bad_data", "error": "parse error"}, status=400)
    at_s = time.time()
    rows = [
        ({"service": "storefront", "origin": "eu-central"}, "120"),
        ({"service": "storefrnt", "origin": "nordics"}, "7"),
    ]
    result = [{"metric": labels, "value": [at_s, value]} for labels, value in rows]
    return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})


async def test_doctor_names_what_is_there_what_is_not_and_a_name_that_is_nearly_right(tmp_path: Path) -> None:
    app = web.Application()
    app.router.add_get("/api/v1/query", query)
    async with TestServer(app) as server:
        body = await examined(load(documents(tmp_path, str(server.make_url("")).rstrip("/"))), 0.0)

    health = {(row["signal"], row["place"]): row for row in body["signals"]}
    there = health["demand_rps", "eu-central"]
    assert there["health"] in {"ok", "partial"}
    assert there["known"] == 1
    assert there["age_s"] < 30.0
    nowhere = health["demand_rps", "us-east"]
    assert (nowhere["health"], nowhere["known"]) == ("missing", 0)
    assert "loadReports" in nowhere["advice"]
    assert health["capacity_rps", "eu-west"]["health"] == "missing"
    assert not body["healthy"]
    assert any("storefrnt@nordics" in words and "storefront@" in words for words in body["rejections"])


async def test_doctor_before_a_source_that_does_not_answer_has_its_last_words(tmp_path: Path) -> None:
    body = await examined(load(documents(tmp_path, "http://127.0.0.1:9")), 0.0)

    (source,) = body["sources"]
    assert source["source"] == "prometheus:fleet"
    assert "127.0.0.1:9" in source["failure"]
    assert {row["health"] for row in body["signals"]} == {"missing"}


def test_findings_tell_stale_from_missing_and_partial() -> None:
    fleet = trio()
    taken_s = np.full(len(fleet.flows), 100.0)
    origin = fleet.flows.origin
    taken_s[origin == 1] = -np.inf
    taken_s[np.flatnonzero(origin == 2)[0]] = 10.0
    memory = Memory(taken_at_s={Signal.DEMAND_RPS: floats(taken_s)})

    found = {row.place: row for row in findings(fleet, memory, 110.0, 30.0) if row.signal is Signal.DEMAND_RPS}
    later = {row.place: row for row in findings(fleet, memory, 500.0, 30.0) if row.signal is Signal.DEMAND_RPS}

    names = fleet.origins.ids
    assert found[names[0]].health is Health.OK
    assert found[names[1]].health is Health.MISSING
    assert found[names[2]].health in {Health.PARTIAL, Health.STALE}
    assert later[names[0]].health is Health.STALE
    assert later[names[0]].age_s == 400.0


ASSETS = {
    "data": [{
        "a": {"type": "Node", "nodeType": "m6idn.xlarge", "minutes": 60, "totalCost": 0.5, "properties": {},
              "labels": {"topology_kubernetes_io_region": "eu-central-1"}},
        "b": {"type": "Disk", "minutes": 60, "totalCost": 9.0},
    }]
}  # fmt: skip


async def test_doctor_holds_declared_prices_against_opencost(tmp_path: Path) -> None:
    async def assets(_: web.Request) -> web.Response:
        return web.json_response(ASSETS)

    app = web.Application()
    app.router.add_get("/api/v1/query", query)
    app.router.add_get("/assets", assets)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        folder = documents(tmp_path, url)
        clusters = folder / "clusters.yaml"
        text = clusters.read_text(encoding="utf-8")
        for name, at in (("eu-central-1", url), ("us-east-1", "http://127.0.0.1:1")):
            text = text.replace(f"  region: {name} ", f"  openCost: {at}\n  region: {name} ", 1)
            text = text.replace(f"  region: {name}\n", f"  openCost: {at}\n  region: {name}\n", 1)
        clusters.write_text(text, encoding="utf-8")

        body = await examined(load(folder), 0.0)

    general, gpu = (row for row in body["prices"] if row["cluster"] == "eu-central")
    assert (general["opencost_usd_per_hour"], gpu["opencost_usd_per_hour"]) == (0.5, None)
    assert "prices import opencost" in general["advice"]
    assert "no such node" in gpu["advice"]
    opencost = next(row for row in body["sources"] if row["source"] == "opencost:us-east")
    assert "ClientConnectorError" in opencost["failure"]


@pytest.mark.parametrize(
    "text", ["", "<html>", "[]", '{"data": 3}', '{"data": [{"a": 7}]}', '{"data": {"a": {"type": []}}}']
)
def test_answer_of_opencost_of_another_shape_is_a_bad_list(text: str) -> None:
    with contextlib.suppress(BadList):
        assert node_costs(text, "aws") == {}
