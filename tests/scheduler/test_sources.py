import asyncio
from pathlib import Path

import pytest

from config.load import load
from config.problem import Invalid
from connectors.cloudwatch import CloudWatch
from connectors.envoy_stats import EnvoyStats
from connectors.prometheus import PrometheusSource
from connectors.telemetry import Signal
from scheduler.sources import queries_of, scope_of, sources_of
from tests.scheduler.running import EXAMPLE

MORE = """
apiVersion: equipoise.dev/v1alpha1
kind: Origin
metadata: {name: virginia}
spec:
  cluster: eu-west
  expectedRps: {catalog: 10}
  telemetry:
    prometheus: {url: "http://127.0.0.1:9", exports: [istio, kube], queries: {error_ratio: mine}}
    envoy: {url: "http://127.0.0.1:9901"}
    cloudWatch:
      region: us-east-1
      targetGroups: [{service: catalog, cluster: us-east, targetGroup: targetgroup/a/1, loadBalancer: app/b/2}]
"""


def documents(folder: Path, text: str = MORE) -> Path:
    for file in EXAMPLE.glob("*.yaml"):
        (folder / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "more.yaml").write_text(text, encoding="utf-8")
    return folder


async def test_sources_of_an_origin_are_all_that_it_asks_for(tmp_path: Path) -> None:
    found = sources_of(load(documents(tmp_path)))
    mine = [asked for asked in found if asked.source.name.endswith(":virginia")]

    assert [type(asked.source) for asked in mine] == [PrometheusSource, EnvoyStats, CloudWatch]
    assert [asked.every_s for asked in mine] == [5.0, 5.0, 60.0]
    for asked in found:
        done = asked.close()
        if done is not None:
            await asyncio.wait_for(done, 5.0)


def test_queries_of_a_prometheus_are_its_own_before_the_ready_made_ones(tmp_path: Path) -> None:
    loaded = load(documents(tmp_path))
    spec = next(origin for origin in loaded.origins if origin.name == "virginia").spec.telemetry.prometheus
    assert spec is not None

    found = queries_of(loaded, spec, "eu-west")

    assert found[Signal.ERROR_RATIO] == "mine"
    assert "istio_requests_total" in found[Signal.DEMAND_RPS]
    assert '180 * sum(kube_deployment_status_replicas_ready{deployment="catalog"})' in found[Signal.CAPACITY_RPS]
    assert set(scope_of(loaded, spec, "eu-west").replica_rps) == {
        ("catalog", "eu-west"), ("assistant", "eu-west"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("exports: [isto]", "isto"),
        ("timeoutSeconds: 1", "needs queries, or exports"),
        ('exports: [envoy], destination: "("', "not a regular"),
        ('exports: [envoy], destination: "a"', "has 0 groups"),
    ],
)  # fmt: skip
def test_telemetry_that_cannot_be_asked_is_refused_with_its_place(tmp_path: Path, given: str, words: str) -> None:
    with pytest.raises(Invalid, match=rf"more\.yaml:9:\d+: .*{words}"):
        load(documents(tmp_path, MORE.replace("exports: [istio, kube], queries: {error_ratio: mine}", given)))
