"""From load reports to telemetry."""

import math

import pytest
from envoy.service.load_stats.v3 import lrs_pb2

from connectors.telemetry import Batch, Signal
from connectors.xds.connector import XdsConnector
from connectors.xds.load import LoadReports
from connectors.xds.server import XdsServer
from tests.connectors.xds.proxy import reporting
from tests.connectors.xds.specs import spec
from tests.contract.harness import eventually

KEY = ("shop", "home")


def report(
    seconds: float, dropped: int = 0, upstream: str = "shop", **clusters: tuple[int, int, int]
) -> lrs_pb2.LoadStatsRequest:
    """(issued, succeeded, failed) by cluster over a time."""
    request = lrs_pb2.LoadStatsRequest(node={"id": "home/1"})
    stats = request.cluster_stats.add(cluster_name=upstream, total_dropped_requests=dropped)
    stats.load_report_interval.FromMicroseconds(round(seconds * 1e6))
    for cluster, (issued, succeeded, failed) in clusters.items():
        place = stats.upstream_locality_stats.add(
            total_issued_requests=issued, total_successful_requests=succeeded, total_error_requests=failed
        )
        place.locality.sub_zone = cluster
    return request


def reports() -> LoadReports:
    """Of the origin `home`, at second 7."""
    return LoadReports(spec(), lambda: 7.0)


async def collected(of: LoadReports) -> dict[Signal, dict[tuple[str, ...], float]]:
    """Everything since the last look, by signal and key."""
    return {b.signal: dict(zip(b.keys, b.value.tolist(), strict=True)) for b in await of.collect()}


async def test_demand_is_what_was_sent_and_what_was_dropped() -> None:
    of = reports()
    of.take(1, report(2.0, dropped=40, east=(100, 90, 10), north=(60, 60, 0)))

    found = await collected(of)

    assert found[Signal.DEMAND_RPS] == {KEY: 100.0}
    assert found[Signal.SENT_RPS] == {(*KEY, "east"): 50.0, (*KEY, "north"): 30.0, (*KEY, "west"): 0.0}
    assert found[Signal.ERROR_RATIO] == {("shop", "east"): 0.1, ("shop", "north"): 0.0}


async def test_reports_of_one_proxy_average_and_those_of_several_add_up() -> None:
    of = reports()
    of.take(1, report(1.0, east=(100, 100, 0)))
    of.take(1, report(3.0, east=(500, 500, 0)))
    of.take(2, report(0.5, east=(25, 25, 0)))

    assert (await collected(of))[Signal.SENT_RPS][*KEY, "east"] == pytest.approx(150 + 50)


async def test_look_drains_and_without_reports_there_is_nothing() -> None:
    of = reports()
    of.take(1, report(1.0, east=(100, 100, 0)))

    assert await of.collect()
    assert await of.collect() == ()


async def test_idle_service_is_zero_and_not_unknown() -> None:
    of = reports()
    of.take(1, report(1.0))

    found = await collected(of)

    assert found[Signal.DEMAND_RPS] == {KEY: 0.0}
    assert set(found[Signal.SENT_RPS].values()) == {0.0}
    assert Signal.ERROR_RATIO not in found


async def test_upstreams_of_weighted_clusters_add_up_to_their_service() -> None:
    of = reports()
    of.take(1, report(1.0, upstream="shop|east", east=(60, 60, 0)))
    of.take(1, report(1.0, dropped=5, upstream="shop|north", north=(30, 30, 0), west=(5, 5, 0)))

    found = await collected(of)

    assert found[Signal.DEMAND_RPS] == {KEY: 100.0}
    assert found[Signal.SENT_RPS] == {(*KEY, "east"): 60.0, (*KEY, "north"): 30.0, (*KEY, "west"): 5.0}


async def test_what_the_address_book_does_not_know_and_reports_without_a_time_are_left_out() -> None:
    of = reports()
    of.take(1, report(1.0, upstream="equipoise/controller", east=(9, 9, 9)))
    of.take(1, report(0.0, east=(9, 9, 9)))
    of.take(1, report(1.0, nowhere=(9, 9, 9)))

    found = await collected(of)

    assert found == {
        Signal.DEMAND_RPS: {KEY: 0.0},
        Signal.SENT_RPS: {(*KEY, cluster): 0.0 for cluster in ("east", "north", "west")},
    }


async def test_batches_say_who_and_when() -> None:
    of = reports()
    of.take(1, report(1.0, east=(1, 1, 0)))

    batches: tuple[Batch, ...] = await of.collect()

    assert {(b.source, b.at_s) for b in batches} == {("lrs:home", 7.0)}
    assert all(math.isfinite(v) for b in batches for v in b.value)


async def test_proxy_is_asked_for_all_upstreams_at_the_interval_and_its_report_arrives() -> None:
    of, server = LoadReports(spec(), lambda: 7.0, interval_s=0.25), XdsServer()
    XdsConnector(spec(), server, of)
    port = await server.start("127.0.0.1", 0)
    async with reporting(port) as call:
        await call.write(lrs_pb2.LoadStatsRequest(node={"id": "home/1"}))
        wish = await call.read()
        await call.write(report(1.0, east=(10, 10, 0)))

        assert wish.send_all_clusters
        assert wish.load_reporting_interval.ToMilliseconds() == 250

        async def arrived() -> bool:
            return bool(await of.collect())

        await eventually(arrived, "the report arrives")
    await server.stop()


def test_witness_hears_at_once_what_clients_of_known_backends_saw() -> None:
    heard: list[tuple[list[tuple[str, str, int, int]], float, float]] = []
    of = LoadReports(spec(), lambda: 7.0, 0.1, lambda *news: heard.append(news))  # type: ignore[arg-type]

    of.take(1, report(0.25, east=(10, 7, 3), mars=(1, 0, 1)))
    of.take(1, report(0.25, upstream="unheard-of", east=(10, 0, 10)))

    assert heard == [([("shop", "east", 7, 3)], 6.75, 7.0)]
