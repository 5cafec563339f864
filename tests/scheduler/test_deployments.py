"""Deployments that somebody declares, over a real ledger and the routes."""

from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from config.access import Access
from scheduler.api.app import Served
from scheduler.api.deployments import PATH, DeploymentRoutes
from scheduler.api.gate import Gate
from scheduler.deployments import EVERYWHERE, Deployment, Deployments
from scheduler.ledger import Ledger


async def test_deployment_bars_its_service_until_its_time_is_over_and_outlives_a_restart(tmp_path: Path) -> None:
    now_s = [1_000.0]
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.open()
    declared = Deployments(ledger, lambda: now_s[0])
    await declared.begin(Deployment("front", "fra", 1_060.0, "v42"))

    again = Deployments(ledger, lambda: now_s[0])
    await again.open()
    assert again.words({"front", "back"}) == "a deployment of front/fra is under way (v42)"
    assert again.words({"back"}) == ""
    now_s[0] = 1_061.0
    assert again.words({"front"}) == "", "a pipeline that died bars nobody for ever"
    ledger.close()


async def test_deployment_routes_declare_list_end_and_refuse_nonsense(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.open()
    declared = Deployments(ledger, lambda: 0.0)
    app = Served(DeploymentRoutes(declared).routes(), Gate(Access)).application()
    async with TestClient(TestServer(app)) as client:
        made = await client.post(PATH, json={"service": "front", "seconds": 60, "reason": "v42"})
        listed = await (await client.get(PATH)).json()
        nonsense: list[dict[str, object]] = [
            {}, {"service": "front", "seconds": -1}, {"service": "front", "seconds": 1e9}, {"servise": "x"},
        ]  # fmt: skip
        bad = [(await client.post(PATH, json=body)).status for body in nonsense]
        ended = await client.delete(PATH, params={"service": "front"})
        twice = await client.delete(PATH, params={"service": "front"})

    assert made.status == 201
    assert [(d["service"], d["cluster"], d["reason"]) for d in listed["deployments"]] == [("front", None, "v42")]
    assert bad == [422] * 4
    assert (ended.status, twice.status) == (200, 404)
    fresh = Deployments(ledger, lambda: 0.0)
    await fresh.open()
    assert fresh.under_way() == [], "what was ended stays so"
    assert EVERYWHERE == "*"
    ledger.close()
