from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from config.cluster import ClusterSpec
from config.configuration import Configuration as Documents
from config.load import load
from scheduler.audit import AuditLedger
from scheduler.ledger import Ledger
from scheduler.price_feed import PriceFeed
from scheduler.prices_told import AGE_MAX_S
from scheduler.translate import loop_configuration
from tests.scheduler.test_doctor import documents

NODE = "m6idn.xlarge"


class OpenCost:
    """One that tells what it is told to."""

    def __init__(self) -> None:
        self.usd: object = 0.2
        self.url = ""

    async def assets(self, request: web.Request) -> web.Response:
        """The mean of a day."""
        assert request.query["window"] == "1d"
        node: dict[str, Any] = {"type": "Node", "nodeType": NODE, "minutes": 60, "totalCost": self.usd}
        node |= {"properties": {}, "labels": {"topology_kubernetes_io_region": "eu-central-1"}}
        return web.json_response({"data": [{"a": node}]})


@pytest.fixture
async def telling() -> AsyncIterator[OpenCost]:
    """Over HTTP."""
    told, app = OpenCost(), web.Application()
    app.router.add_get("/assets", told.assets)
    async with TestServer(app) as server:
        told.url = str(server.make_url("")).rstrip("/")
        yield told


def trusting(folder: Path, url: str) -> Documents:
    """The example, in which one cluster trusts its OpenCost."""
    made = documents(folder, url)
    clusters = made / "clusters.yaml"
    text = clusters.read_text(encoding="utf-8")
    more = f"  openCost: {url}\n  prices: opencost\n"
    for line in ("  region: eu-central-1 ", "  region: eu-central-1\n"):
        text = text.replace(line, more + line, 1)
    clusters.write_text(text, encoding="utf-8")
    return load(made)


def untrusting(folder: Path) -> Documents:
    """The same in which none does."""
    clusters = folder / "clusters.yaml"
    clusters.write_text(clusters.read_text(encoding="utf-8").replace("  prices: opencost\n", ""), encoding="utf-8")
    return load(folder)


@pytest.fixture
async def feed(tmp_path: Path) -> AsyncIterator[PriceFeed]:
    """With a ledger of its own."""
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.migrate()
    yield PriceFeed(AuditLedger(ledger), {})
    ledger.close()


def price(feed: PriceFeed, given: Documents) -> float:
    """$/h that decisions reckon with."""
    pools = loop_configuration(feed.priced(given)).fleet.pools
    names = [given.clusters[row].name for row in pools.cluster.tolist()]
    return float(pools.usd_per_node_hour[list(zip(names, pools.node_type, strict=True)).index(("eu-central", NODE))])


async def test_price_that_is_told_is_what_decisions_reckon_with_and_is_written_down(
    tmp_path: Path, feed: PriceFeed, telling: OpenCost
) -> None:
    given, renewed = trusting(tmp_path, telling.url), list[int]()
    declared = price(feed, given)
    telling.usd, feed.changed = declared * 0.8, lambda: renewed.append(1)

    await feed.round(0.0)
    await feed.round(600.0)

    assert price(feed, given) == pytest.approx(0.8 * declared, rel=1e-4)
    assert renewed == [1]
    (entry,) = await feed.audit.newest(10)
    assert (entry.who, entry.action, entry.body["cluster"]) == ("opencost", "price", "eu-central")
    line = next(line for line in feed.lines() if line["node_type"] == NODE)
    assert line["used_usd_per_hour"] == line["opencost_usd_per_hour"]


async def test_price_ten_times_off_is_not_believed_at_once_and_the_doctor_says_why(
    tmp_path: Path, feed: PriceFeed, telling: OpenCost
) -> None:
    given = trusting(tmp_path, telling.url)
    declared = price(feed, given)
    telling.usd = 10 * declared

    await feed.round(0.0)

    assert price(feed, given) == declared
    assert "told 1 of 3 times" in next(line["advice"] for line in feed.lines() if line["node_type"] == NODE)
    await feed.round(600.0)
    await feed.round(1_200.0)
    assert price(feed, given) == pytest.approx(10 * declared, rel=1e-4)


async def test_price_of_an_opencost_that_fell_silent_gives_way_to_the_declared_one(
    tmp_path: Path, feed: PriceFeed, telling: OpenCost
) -> None:
    given = trusting(tmp_path, telling.url)
    declared = price(feed, given)
    telling.usd = 0.8 * declared
    await feed.round(0.0)
    telling.usd = "free"

    await feed.round(600.0)
    assert price(feed, given) < declared
    assert "opencost:eu-central" in feed.failures

    await feed.round(AGE_MAX_S + 1.0)
    assert price(feed, given) == declared
    telling.usd = 0.8 * declared
    await feed.round(AGE_MAX_S + 600.0)
    assert feed.failures == {}


async def test_price_of_documents_that_changed_is_learned_anew(
    tmp_path: Path, feed: PriceFeed, telling: OpenCost
) -> None:
    given = trusting(tmp_path, telling.url)
    telling.usd = 0.8 * price(feed, given)
    await feed.round(0.0)
    declared = untrusting(tmp_path)

    assert feed.priced(declared) is declared
    assert feed.lines() == []
    assert price(feed, given) > float(str(telling.usd))


def test_cluster_that_trusts_an_opencost_without_an_address_is_refused() -> None:
    pool = {"name": "a", "nodeType": "b", "nodes": 1, "perNode": {"vcpu": 1}}
    spec = {"provider": "aws", "region": "r", "jurisdiction": "EU", "pools": [pool], "prices": "opencost"}

    with pytest.raises(ValueError, match="needs openCost"):
        ClusterSpec.model_validate(spec)
