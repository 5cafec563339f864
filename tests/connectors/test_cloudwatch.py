"""Load balancer metrics as moto keeps them behind AWS's own API."""

import datetime as dt
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from connectors.aws.api import AwsAccess, AwsApi
from connectors.cloudwatch import NAMESPACE, CloudWatch, TargetGroup, newest
from connectors.connector import Unavailable
from connectors.telemetry import Batch, Signal
from tests.contract.backends import free_port
from tests.contract.harness_aws import REGION, credentials

WALL_S = dt.datetime.now(dt.UTC).timestamp() // 60 * 60 + 75.0
GROUPS = [TargetGroup("shop", cluster, f"targetgroup/shop-{cluster}/1", "app/front/1") for cluster in ("eu", "us")]


@pytest.fixture
def endpoint() -> Iterator[str]:
    port = free_port()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    try:
        with credentials():
            yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


def value(batches: tuple[Batch, ...], signal: Signal) -> dict[tuple[str, ...], float]:
    return {
        key: v for batch in batches if batch.signal is signal for key, v in zip(batch.keys, batch.value, strict=True)
    }


async def test_collect_of_target_groups_gives_demand_split_errors_and_latency(endpoint: str) -> None:
    api = AwsApi("cloudwatch", AwsAccess(REGION, endpoint), "eu: CloudWatch")
    counted = {"eu": {"RequestCount": 600.0, "HTTPCode_Target_5XX_Count": 60.0, "TargetResponseTime": 0.025},
               "us": {"RequestCount": 120.0}}  # fmt: skip
    end_s = (WALL_S - 60) // 60 * 60
    for group in GROUPS:
        dimensions = [
            {"Name": "TargetGroup", "Value": group.target_group},
            {"Name": "LoadBalancer", "Value": group.load_balancer},
        ]
        data = [
            {"MetricName": name, "Dimensions": dimensions, "Value": value,
             "Timestamp": dt.datetime.fromtimestamp(end_s - 30, dt.UTC)}
            for name, value in counted[group.cluster].items()
        ]  # fmt: skip
        await api.call("PutMetricData", "a datum", Namespace=NAMESPACE, MetricData=data)

    batches = await CloudWatch("home", api, GROUPS, lambda: 1_000.0, lambda: WALL_S).collect()
    await api.close()

    assert value(batches, Signal.DEMAND_RPS) == {("shop", "home"): 12.0}
    assert value(batches, Signal.SENT_RPS) == {("shop", "home", "eu"): 10.0, ("shop", "home", "us"): 2.0}
    assert value(batches, Signal.ERROR_RATIO) == {("shop", "eu"): 0.1, ("shop", "us"): 0.0}
    assert value(batches, Signal.LATENCY_MS) == {("shop", "eu"): 25.0}
    assert {batch.at_s for batch in batches} == {1_000.0 - (WALL_S - end_s)}


async def test_collect_when_nobody_answers_is_unavailable() -> None:
    with credentials():
        api = AwsApi("cloudwatch", AwsAccess(REGION, f"http://127.0.0.1:{free_port()}"), "eu: CloudWatch")
        with pytest.raises(Unavailable, match="eu: CloudWatch"):
            await CloudWatch("home", api, GROUPS, lambda: 0.0, lambda: WALL_S).collect()
        await api.close()


@pytest.mark.parametrize("answer", [{}, {"MetricDataResults": [{"Values": [1.0]}]}, {"MetricDataResults": 3}])
def test_answer_of_another_shape_is_unavailable(answer: dict[str, object]) -> None:
    with pytest.raises(Unavailable, match="bad answer"):
        newest(answer)
