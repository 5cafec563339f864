"""Ready-made PromQL of what serves models on GPUs. Series and labels are named in connectors.promql."""

import re

from connectors.expressions import Renamed, Scope, named, p95, quoted, rate, ratio, summed
from connectors.telemetry import KEYS, Signal

BUSY_LEAST = 0.3
"""A GPU whose cache is emptier than this says little about how much it could serve."""
QUEUE_LONG = 1.0
"""Requests that wait in each server of a pool: from here on it serves all that it can."""
FATAL_XIDS = (48, 74, 79, 95)
"""Of the GPU and not of a program: a double-bit error, NVLink, fallen off the bus, an uncontained memory error."""
SERVICE = "service"


def vllm(scope: Scope) -> dict[Signal, str]:
    """A model is a service. What users wait for is the first token; what fills a GPU is its cache of keys and values.

    Capacity is what it serves now over how full the cache is: an estimate that is only made above BUSY_LEAST.
    """
    model = Renamed(SERVICE, "model_name")
    took = "vllm:time_to_first_token_seconds_{}"
    served = summed(Signal.CAPACITY_RPS, rate("vllm:request_success_total", scope), model)
    used = f"avg by (service, cluster) ({named('vllm:kv_cache_usage_perc', model)})"
    waiting = summed(Signal.CAPACITY_RPS, "vllm:num_requests_waiting", model)
    return {
        Signal.CAPACITY_RPS: f"{served} / ({used} > {BUSY_LEAST:g}) / (1 + 0 * {waiting})",
        Signal.LATENCY_MS: "1000 * "
        + ratio(Signal.LATENCY_MS, rate(took.format("sum"), scope), rate(took.format("count"), scope), model),
        Signal.LATENCY_P95_MS: f"1000 * {p95(took.format('bucket'), scope, model)}",
    }


def dcgm(scope: Scope) -> dict[Signal, str]:
    """GPUs that pods of a service hold and that are sound, as replicas, times what one of them serves.

    Pods are called after their service. A pod's name is in `pod`, or in `exported_pod` where Prometheus kept its own.
    """
    broken = " or ".join(f"DCGM_FI_DEV_XID_ERRORS == {xid}" for xid in FATAL_XIDS)
    parts = []
    for (service, cluster), rps in sorted(scope.replica_rps.items()):
        gpus = scope.replica_gpus.get((service, cluster), 0.0)
        if gpus <= 0:
            continue
        of = f'=~"{quoted(re.escape(service))}-.+"'
        held = " or ".join(f"DCGM_FI_DEV_FB_USED{{{label}{of}}}" for label in ("exported_pod", "pod"))
        sound = f"count(({held}) unless on (UUID) ({broken}))"
        parts.append(f'label_replace({rps / gpus:g} * {sound}, "service", "{service}", "", "")')
    return {Signal.CAPACITY_RPS: " or ".join(parts)} if parts else {}


def inference(scope: Scope) -> dict[Signal, str]:
    """Demand, errors and latency of a model by the endpoint picker, and what its pool can serve.

    A model is a service; its pool is called after it, alone or with `-` and more. What can be served is the ready pods
    times what one serves, or, where requests wait in them, what is served now.
    """
    model = Renamed(SERVICE, "model_name")

    def either(series: str, of: str = "") -> str:
        return f"({' or '.join(rate(f'inference_{era}_{series}{of}', scope) for era in ('objective', 'model'))})"

    sent, took = either("request_total"), "request_duration_seconds_{}"
    keys = ", ".join(("le", *KEYS[Signal.LATENCY_P95_MS]))
    buckets = f'label_replace({either(took.format("bucket"))}, "service", "$1", "model_name", "(.+)")'
    found = {
        Signal.DEMAND_RPS: summed(Signal.DEMAND_RPS, sent, model),
        Signal.ERROR_RATIO: ratio(Signal.ERROR_RATIO, either("request_error_total"), sent, model),
        Signal.LATENCY_MS: "1000 * "
        + ratio(Signal.LATENCY_MS, either(took.format("sum")), either(took.format("count")), model),
        Signal.LATENCY_P95_MS: f"1000 * histogram_quantile(0.95, sum by ({keys}) ({buckets}))",
    }
    parts = []
    for service in sorted({service for service, _ in scope.replica_rps}):
        rps = max(rps for (name, _), rps in scope.replica_rps.items() if name == service)
        pool = f'{{name=~"{quoted(re.escape(service))}(-.+)?"}}'
        waiting = f"(avg(inference_pool_average_queue_size{pool}) >= {QUEUE_LONG:g})"
        asked = f'{{model_name="{service}"}}'
        served = f"sum({either('request_total', asked)}) and on () {waiting}"
        ready = f"{rps:g} * sum(inference_pool_ready_pods{pool})"
        parts.append(f'label_replace(({served}) or ({ready}), "service", "{service}", "", "")')
    return found | ({Signal.CAPACITY_RPS: " or ".join(parts)} if parts else {})
