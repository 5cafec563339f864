"""The parts that ready-made PromQL is built of: our labels beside a mesh's own, sums, ratios and quantiles by them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.telemetry import KEYS, Signal

DESTINATION = "(.+)[|/](.+)"
"""Envoy clusters named `SERVICE/CLUSTER` or `SERVICE|CLUSTER`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What queries are made for."""

    window_s: float = 60.0
    """Over which counters become rates: four scrapes or more."""
    destination: str = DESTINATION
    """For `envoy` and `haproxy`: a regular expression over the name of an upstream, with one group for the service and,
    where the name says it, one for the cluster."""
    clusters: tuple[str, ...] = ()
    """For `linkerd` and `haproxy`, whose names end in one of these."""
    endpoints: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """For `nginx`, whose servers are addresses: host:port by (service, cluster)."""
    replica_rps: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """For `kube`, `dcgm` and `inference`: what one replica serves, by (service, cluster)."""
    replica_gpus: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """For `dcgm`: GPUs that one replica takes, by (service, cluster)."""

    @property
    def window(self) -> str:
        """As PromQL writes it."""
        return f"[{self.window_s:g}s]"


@dataclass(frozen=True, slots=True)
class Renamed:
    """A label of ours and where it is in a series."""

    label: str
    source: str
    pattern: str = "(.+)"
    group: int = 1


def named(expression: str, *labels: Renamed) -> str:
    """The same series with our labels beside theirs."""
    for renamed in labels:
        pattern = renamed.pattern.replace("\\", "\\\\").replace('"', '\\"')
        value = f"${renamed.group}"
        expression = f'label_replace({expression}, "{renamed.label}", "{value}", "{renamed.source}", "{pattern}")'
    return expression


def summed(signal: Signal, expression: str, *labels: Renamed) -> str:
    """A sum over everything but the keys of a signal; labels that a series does not have are left to the source."""
    return f"sum by ({', '.join(KEYS[signal])}) ({named(expression, *labels)})"


def ratio(signal: Signal, part: str, whole: str, *labels: Renamed) -> str:
    """`part` over `whole`, by the keys of a signal. No part is 0, and nothing over nothing is no series."""
    over = summed(signal, whole, *labels)
    return f"({summed(signal, part, *labels)} or 0 * {over}) / ({over} > 0)"


def p95(bucket: str, scope: Scope, *labels: Renamed) -> str:
    """The time within which 95 % were answered, in the unit of the buckets."""
    keys = ", ".join(("le", *KEYS[Signal.LATENCY_P95_MS]))
    return f"histogram_quantile(0.95, sum by ({keys}) ({named(rate(bucket, scope), *labels)}))"


def rate(series: str, scope: Scope) -> str:
    """Requests/s of a counter."""
    return f"rate({series}{scope.window})"


def quoted(pattern: str) -> str:
    """A regular expression inside of the quotes of PromQL."""
    return pattern.replace("\\", "\\\\").replace('"', '\\"')
