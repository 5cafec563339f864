"""The Grafana dashboards as a table of panels: `python deploy/grafana/generate.py` writes the four JSON files beside it.

Each is imported as it is, asks for a Prometheus as `$datasource`, and links to the others by its fixed uid.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCHEMA_VERSION = 39
WIDTH = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SERVICE = 'service=~"$service"'


@dataclass(frozen=True)
class Panel:
    """One picture: a series per query, named by its legend."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    about: str = ""


def stat(title: str, query: str, unit: str, about: str = "") -> Panel:
    """One large number."""
    return Panel(title, ((query, ""),), unit, "stat", 4, 4, about)


def weights(kind: str, about: str) -> Panel:
    """Shares of a service's flows, of one kind."""
    query = f'equipoise_traffic_weight_ratio{{{SERVICE},kind="{kind}"}}'
    return Panel(
        f"Weights {kind}", ((query, "{{service}} {{origin}} → {{cluster}}"),), "percentunit", width=24, about=about
    )


RATE = "[$__rate_interval]"
TICK_P99 = f"histogram_quantile(0.99, sum by (le) (rate(equipoise_tick_duration_seconds_bucket{RATE})))"
LAG_P99 = f"histogram_quantile(0.99, sum by (le) (rate(equipoise_event_loop_lag_seconds_bucket{RATE})))"
STEP_P99 = f"histogram_quantile(0.99, sum by (le, step) (rate(equipoise_step_duration_seconds_bucket{RATE})))"
SOLVE_P50 = f"histogram_quantile(0.5, sum by (le, status) (rate(equipoise_solve_duration_seconds_bucket{RATE})))"

DASHBOARDS: dict[str, tuple[str, tuple[Panel, ...]]] = {
    "overview": (
        "Equipoise / Overview",
        (
            stat("Controllers that lead", "sum(equipoise_leader)", "short", "Exactly one."),
            stat("Billed", 'sum(equipoise_cost_usd_per_hour{component=~"compute|egress"})', "currencyUSD", "Per hour."),
            stat("Least headroom", "min(equipoise_cluster_headroom_ratio)", "percentunit"),
            stat("Worst loss: refused", "max(equipoise_failover_unmet_rps)", "reqps"),
            stat("Readings are old", "max(equipoise_readings_age_seconds)", "s"),
            stat("Failover proofs are old", "max(equipoise_failover_proof_age_seconds)", "s", "Never above 60 s."),
            Panel("Mode", (("max by (mode) (equipoise_mode)", "{{mode}}"),), kind="state-timeline", height=5),
            Panel("Backends by verdict", (("sum by (state) (equipoise_backend_verdict)", "{{state}}"),), height=5),
            Panel(
                "Cost per hour", (("sum by (component) (equipoise_cost_usd_per_hour)", "{{component}}"),), "currencyUSD"
            ),
            Panel("Headroom", (("equipoise_cluster_headroom_ratio", "{{cluster}}"),), "percentunit"),
            Panel(
                "Pushes",
                ((f"sum by (origin, result) (rate(equipoise_push_total{RATE}))", "{{origin}} {{result}}"),),
                "ops",
            ),
            Panel("Drift", (("equipoise_weight_drift_ratio", "{{origin}}"),), "percentunit"),
            Panel("Age of signals", (("equipoise_signal_age_seconds", "{{signal}}"),), "s"),
            Panel("Event loop, p99", ((LAG_P99, "lag"),), "s"),
        ),
    ),
    "service": (
        "Equipoise / Service",
        (
            weights("desired", "What the optimizer wants."),
            weights("pushed", "What the guards let through."),
            weights("observed", "What the meshes said when the turn began."),
            Panel(
                "Verdicts",
                (
                    (
                        f"sum by (service, cluster, state) (equipoise_backend_verdict{{{SERVICE}}})",
                        "{{service}}/{{cluster}} {{state}}",
                    ),
                ),
                width=24,
            ),
        ),
    ),
    "solver": (
        "Equipoise / Decisions",
        (
            Panel("Tick, p99", ((TICK_P99, "tick"),), "s"),
            Panel("Steps of a tick, p99", ((STEP_P99, "{{step}}"),), "s"),
            Panel("Solve, median", ((SOLVE_P50, "{{status}}"),), "s"),
            Panel("Certified gap", (("equipoise_solve_gap_ratio", "gap"),), "percentunit"),
            Panel(
                "Turns by reason",
                ((f"sum by (reason) (rate(equipoise_tick_duration_seconds_count{RATE}))", "{{reason}}"),),
                "ops",
            ),
            Panel(
                "Telemetry refused",
                (
                    (
                        f"sum by (source, signal, reason) (rate(equipoise_telemetry_rejected_total{RATE}))",
                        "{{source}} {{signal}} {{reason}}",
                    ),
                ),
                "ops",
            ),
        ),
    ),
    "drills": (
        "Equipoise / Failover and drills",
        (
            Panel(
                "Utilization after a loss", (("equipoise_failover_worst_utilization_ratio", "{{loss}}"),), "percentunit"
            ),
            Panel("Refused after a loss", (("equipoise_failover_unmet_rps", "{{loss}}"),), "reqps"),
            Panel(
                "Traffic with a failover path tried in 24 h",
                (("equipoise_drill_coverage_ratio", "{{level}}"),),
                "percentunit",
            ),
            Panel("Oldest path not tried", (("equipoise_drill_oldest_unverified_path_age_seconds", "{{level}}"),), "s"),
            Panel(
                "Drills ended",
                (("sum by (level, outcome) (increase(equipoise_drills_total[1d]))", "{{level}} {{outcome}}"),),
            ),
            Panel("Drill under way", (("equipoise_drill_ratio", "{{level}} {{loss}}"),), "percentunit"),
            Panel("What standing by costs per hour", (("equipoise_standby_usd_per_hour", "{{part}}"),), "currencyUSD"),
        ),
    ),
}


def placed(panels: tuple[Panel, ...]) -> Iterator[dict[str, Any]]:
    """Panels in rows, from left to right."""
    x = y = tallest = 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        yield {
            "id": number,
            "type": panel.kind,
            "title": panel.title,
            "description": panel.about,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
            "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
            "targets": [
                {"refId": chr(ord("A") + i), "expr": query, "legendFormat": legend or "__auto", "datasource": SOURCE}
                for i, (query, legend) in enumerate(panel.queries)
            ],
        }
        x, tallest = x + panel.width, max(tallest, panel.height)


def dashboard(name: str) -> dict[str, Any]:
    """One dashboard as Grafana imports it."""
    title, panels = DASHBOARDS[name]
    variables: list[dict[str, Any]] = [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
    if name == "service":
        query = "label_values(equipoise_traffic_weight_ratio, service)"
        variables.append({"name": "service", "type": "query", "datasource": SOURCE, "query": query, "includeAll": True,
                          "multi": True, "refresh": 2})  # fmt: skip
    return {
        "uid": f"equipoise-{name}",
        "title": title,
        "tags": ["equipoise"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "30s",
        "links": [{"type": "dashboards", "tags": ["equipoise"], "title": "Equipoise", "asDropdown": True}],
        "templating": {"list": variables},
        "panels": list(placed(panels)),
    }


def text(name: str) -> str:
    """The file of a dashboard."""
    return json.dumps(dashboard(name), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in DASHBOARDS:
        (HERE / f"{each}.json").write_text(text(each), encoding="utf-8")
