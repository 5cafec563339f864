"""Whatever a source of measurements answers, its parser gives numbers or says that it cannot, and nothing else."""

import contextlib
import json
import math
from typing import Any

import pytest
from envoy.service.load_stats.v3 import lrs_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.cloudwatch import newest
from connectors.connector import Refused, Unavailable
from connectors.haproxy.programmed import BadAnswer as BadStatistics
from connectors.haproxy.statistics import counts_of
from connectors.kubernetes.workload import Keeper, Kept, availability, back_operations, floors_in, operations
from connectors.prometheus import BadAnswer, samples
from connectors.xds.load import LoadReports
from placement.fleet import ClusterId, ServiceId
from tests.connectors.xds.specs import spec

KEYS = (
    "metric", "value", "values", "MetricDataResults", "Id", "Values", "spec", "status", "metadata", "annotations",
    "replicas", "minReplicas", "minReplicaCount", "maxReplicas", "placement", "replicaScheduling", "weightPreference",
    "staticWeightList", "targetCluster", "clusterNames", "weight", "availableReplicas", "observedGeneration",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
examples = settings(max_examples=80, deadline=None, derandomize=True)
EAST = ClusterId("east")


@examples
@given(data=JSON, series=st.lists(st.fixed_dictionaries({"metric": JSON, "value": JSON}), max_size=3))
def test_vectors_of_prometheus_are_samples_with_a_finite_time_or_a_bad_answer(data: Any, series: list[Any]) -> None:
    for result in (data, series):
        with contextlib.suppress(BadAnswer):
            assert all(math.isfinite(sample.wall_s) for sample in samples(result))


@examples
@given(data=JSON, rows=st.lists(JSON, max_size=3))
def test_answers_of_cloudwatch_are_numbers_or_unavailable(data: Any, rows: list[Any]) -> None:
    for answer in (data, {"MetricDataResults": data}, {"MetricDataResults": rows}):
        with contextlib.suppress(Unavailable):
            assert all(isinstance(value, float) for value in newest(answer).values())


@examples
@given(
    text=st.text(max_size=80),
    lines=st.lists(st.lists(st.text(max_size=6) | st.integers(-9, 2**70).map(str), max_size=6), max_size=4),
)
def test_statistics_of_haproxy_of_any_kind_are_counts_or_a_bad_answer(text: str, lines: list[list[str]]) -> None:
    head = "# pxname,svname,stot,hrsp_5xx,hrsp_1xx,hrsp_2xx\n"
    for answer in (text, head + "\n".join(",".join(line) for line in lines)):
        with contextlib.suppress(BadStatistics):
            assert isinstance(counts_of(answer, frozenset({"shop"})), dict)


@examples
@given(
    counts=st.lists(
        st.tuples(st.integers(0, 2**63), st.integers(0, 2**63), st.integers(0, 2**63), st.floats()), max_size=3
    ),
    dropped=st.integers(0, 2**63),
    seconds=st.integers(-10, 10**9),
    names=st.lists(st.sampled_from(["shop", "shop/east", "", "other"]), min_size=1, max_size=3),
)
async def test_load_reports_of_any_numbers_are_rates_of_zero_or_more(
    counts: list[tuple[int, int, int, float]], dropped: int, seconds: int, names: list[str]
) -> None:
    request = lrs_pb2.LoadStatsRequest(node={"id": "home/1"})
    for name in names:
        stats = request.cluster_stats.add(cluster_name=name, total_dropped_requests=dropped)
        stats.load_report_interval.seconds = seconds
        for issued, good, bad, value in counts:
            place = stats.upstream_locality_stats.add(
                total_issued_requests=issued, total_successful_requests=good, total_error_requests=bad
            )
            place.locality.sub_zone = "east"
            place.load_metric_stats.add(
                metric_name="named_metrics.queue", num_requests_finished_with_metric=issued, total_metric_value=value
            )
    reports = LoadReports(spec(), lambda: 7.0)

    reports.take(1, request)

    for batch in await reports.collect():
        assert (batch.value >= 0).all()
        assert all(math.isfinite(value) for value in batch.value)


@pytest.mark.parametrize("keeper", Keeper)
@examples
@given(live=JSON, body=JSON, before=st.text(max_size=10) | JSON.map(json.dumps))
def test_objects_that_keep_replicas_of_any_shape_give_floors_and_patches_or_are_refused(
    keeper: Keeper, live: Any, body: Any, before: str
) -> None:
    kept, names = Kept(ServiceId("shop"), "ns", "shop", keeper), {EAST: "member-1"}
    for thing in ({"kind": "X", "metadata": {}, "spec": body}, live if isinstance(live, dict) else {}):
        assert all(least >= 0 for least in floors_in(kept, thing, EAST, names).values())
        assert len(availability(thing)) == 3
        with contextlib.suppress(Refused):
            assert operations(kept, thing, {EAST: 3}, EAST, names)[0]["op"] == "test"
        with contextlib.suppress(Refused):
            assert back_operations(kept, thing, before)[0]["op"] == "test"
