"""Amazon CloudWatch as a telemetry source: what an Application Load Balancer counts for each of its target groups.

One GetMetricData a minute for all of them (docs.aws.amazon.com: elasticloadbalancing/latest/application/
load-balancer-cloudwatch-metrics.html). A period without requests has no datum: that is zero requests, once the metric
exists, and no number for its latency. A datum is complete about a minute after its period has ended.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.aws.api import AwsApi
from connectors.connector import Unavailable
from connectors.telemetry import Batch, Signal
from placement.columns import floats

NAMESPACE = "AWS/ApplicationELB"
PERIOD_S = 60
LATE_S = 60
"""How long after the end of a period its datum is complete."""
ASKED_MAX = 500
"""Metrics in one GetMetricData."""
METRICS = {"requests": ("RequestCount", "Sum"), "failed": ("HTTPCode_Target_5XX_Count", "Sum"),
           "took": ("TargetResponseTime", "Average")}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """A target group, and which backend of ours it is."""

    service: str
    cluster: str
    target_group: str
    """The last part of its ARN: `targetgroup/NAME/ID`."""
    load_balancer: str
    """`app/NAME/ID`."""


class CloudWatch:
    """A TelemetrySource for the load balancers of one origin."""

    def __init__(
        self,
        origin: str,
        api: AwsApi,
        groups: Sequence[TargetGroup],
        now_s: Callable[[], float],
        wall_s: Callable[[], float],
    ) -> None:
        self.name, self.origin, self.api, self.groups = f"cloudwatch:{origin}", origin, api, tuple(groups)
        self.now_s, self.wall_s = now_s, wall_s

    async def collect(self) -> tuple[Batch, ...]:
        """Demand, split, errors and latency of the last whole period. Raises Unavailable or Refused."""
        end_s = (self.wall_s() - LATE_S) // PERIOD_S * PERIOD_S
        values: dict[str, float] = {}
        for part in parts(list(self._questions()), ASKED_MAX):
            answer = await self.api.call(
                "GetMetricData",
                "its load balancers",
                MetricDataQueries=part,
                StartTime=dt.datetime.fromtimestamp(end_s - PERIOD_S, dt.UTC),
                EndTime=dt.datetime.fromtimestamp(end_s, dt.UTC),
            )
            values |= newest(answer)
        return self._batches(values, self.now_s() - (self.wall_s() - end_s))

    def _questions(self) -> Iterator[dict[str, Any]]:
        for number, group in enumerate(self.groups):
            dimensions = [
                {"Name": "TargetGroup", "Value": group.target_group},
                {"Name": "LoadBalancer", "Value": group.load_balancer},
            ]
            for name, (metric, statistic) in METRICS.items():
                named = {"Namespace": NAMESPACE, "MetricName": metric, "Dimensions": dimensions}
                yield {
                    "Id": f"{name}{number}",
                    "MetricStat": {"Metric": named, "Period": PERIOD_S, "Stat": statistic},
                    "ReturnData": True,
                }

    def _batches(self, values: dict[str, float], at_s: float) -> tuple[Batch, ...]:
        sent: dict[tuple[str, str], float] = {}
        failed: dict[tuple[str, str], float] = {}
        took_ms: dict[tuple[str, str], float] = {}
        demand: dict[str, float] = {}
        for number, group in enumerate(self.groups):
            key, requests = (group.service, group.cluster), values.get(f"requests{number}", 0.0)
            sent[key] = sent.get(key, 0.0) + requests / PERIOD_S
            failed[key] = failed.get(key, 0.0) + values.get(f"failed{number}", 0.0) / PERIOD_S
            demand[group.service] = demand.get(group.service, 0.0) + requests / PERIOD_S
            if f"took{number}" in values:
                took_ms[key] = 1_000 * values[f"took{number}"]
        asked = [key for key in sent if sent[key] > 0]
        made = (
            (Signal.DEMAND_RPS, [(service, self.origin) for service in demand], list(demand.values())),
            (Signal.SENT_RPS, [(service, self.origin, cluster) for service, cluster in sent], list(sent.values())),
            (Signal.ERROR_RATIO, asked, [min(1.0, failed[key] / sent[key]) for key in asked]),
            (Signal.LATENCY_MS, list(took_ms), list(took_ms.values())),
        )
        return tuple(Batch(s, self.name, at_s, tuple(keys), floats(v)) for s, keys, v in made if keys)


def parts(items: list[dict[str, Any]], most: int) -> Iterator[list[dict[str, Any]]]:
    """Slices of a list."""
    for start in range(0, len(items), most):
        yield items[start : start + most]


def newest(answer: dict[str, Any]) -> dict[str, float]:
    """The newest value of each metric that has one. Raises Unavailable for another shape."""
    try:
        return {row["Id"]: float(row["Values"][0]) for row in answer["MetricDataResults"] if row.get("Values")}
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise Unavailable(f"CloudWatch: bad answer: {error!r}") from None
