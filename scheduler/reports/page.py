"""A report as a page of its own: figures, charts, tables, and what the numbers rest on."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment

from scheduler.reports import charts
from scheduler.reports.allocation import COMPONENTS
from scheduler.reports.chrome import document
from scheduler.reports.sheets import TABLES

Json = dict[str, Any]
ROWS_MAX, BARS_MAX = 40, 20
TEMPLATE = Path(__file__).with_name("page.html")
FOOTER = "Made by Equipoise. Allocated from list prices and measurements: an explanation of a bill, not a bill."


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure."""

    title: str
    svg: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table."""

    title: str
    unit: str
    head: list[str]
    rows: list[list[str]] = field(default_factory=list)
    more: int = 0


def page(body: Json) -> str:
    """Self-contained HTML of any report."""
    environment = Environment(autoescape=True, trim_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    inner = template.render(
        body=body,
        figures=list(_figures(body)),
        charts=[chart for chart in _charts(body) if chart.svg],
        tables=[_table(body, name) for name in _order(body["report"]) if body[name]],
    )
    return document(f"Equipoise: {body['report']}", inner, FOOTER)


def _order(report: str) -> list[str]:
    """The tables of a report, the longest one last."""
    first, *others = TABLES[report]
    return [*others, first]


def _figures(body: Json) -> Iterator[tuple[str, str]]:
    unit = body["currency"]
    if body["report"] == "cost":
        total = body["total"]
        yield f"{total['usd']:,.2f}", f"{unit} in the window"
        yield f"{total['usd_per_hour']:,.2f}", f"{unit} per hour"
        yield f"{total['usd_per_month']:,.0f}", f"{unit} per month of 730 h"
        if total["co2_kg"] is not None:
            yield f"{total['co2_kg']:,.1f}", "kg CO2e in the window"
    elif body["report"] == "savings":
        best = next(row for row in body["saved"] if row["policy"] == body["best_baseline"])
        yield f"{body['saving_vs_best_ratio']:.1%}", f"below the best baseline ({best['policy']}), all that is weighed"
        yield f"{best['billed_usd_per_hour']:,.2f}", f"{unit} per hour billed less than it"
    elif body["report"] == "resilience":
        share = body["resilience"]
        yield f"{share['usd_per_hour']:,.2f}", f"{unit} per hour stand by for a loss"
        yield f"{share['share_of_cost']:.1%}", "of all cost"
        peak = body["at_peak_usd_per_hour"]
        yield f"{peak['no_loss']:,.2f}", f"{unit} per hour is the least at the peak without a loss"
        yield f"{peak['any_single_loss']:,.2f}", f"{unit} per hour to outlive any single one"
        yield f"{peak['any_two_losses']:,.2f}", f"{unit} per hour to outlive any two"
    else:
        yield f"{body['peak_demand_rps']:,.0f}", f"requests/s in the peak hour, {body['peak_hour']}"


def _charts(body: Json) -> Iterator[Chart]:
    unit = body["currency"]
    if body["report"] == "cost":
        parts = [(row["component"], row["usd"]) for row in body["by_component"]]
        yield Chart(f"Where the money goes, {unit} in the window", charts.waterfall(parts, unit))
        if body["egress_pairs"]:
            yield Chart(
                f"Transfer by pair, from rows to columns, {unit} in the window",
                charts.heat_map(body["egress_pairs"], unit),
            )
        by = body["window"]["shown_by"]
        yield Chart(f"{unit} per hour, by {by}", charts.trend(body["trend"], COMPONENTS, f"{unit}/h"))
        if body["movers"]:
            title = f"What changed most from the first half to the second, {unit} per hour"
            yield Chart(title, charts.movers(body["movers"], f"{unit}/h"))
    elif body["report"] == "savings":
        rows = [(row["policy"], row["objective"]) for row in body["policies"]]
        yield Chart(f"All that is weighed, {unit} per hour", charts.bars(rows, f"{unit}/h"))
    elif body["report"] == "capacity":
        yield from capacity_charts(body["backends"], unit)
    elif body["report"] == "resilience" and body["by_service"]:
        rows = [(row["service"], row["usd_per_hour"]) for row in body["by_service"][:BARS_MAX]]
        yield Chart(f"Standing by for a loss, {unit} per hour", charts.bars(rows, f"{unit}/h"))


def capacity_charts(backends: list[Json], unit: str) -> Iterator[Chart]:
    """Where it is short, and where it is paid for in vain."""
    fullest = [(_backend(row), 100 * row["utilization_max"]) for row in backends if row["utilization_max"]]
    if fullest:
        yield Chart("The fullest backends at their peak, % of capacity", charts.bars(fullest[:BARS_MAX], "%"))
    unused = sorted(((_backend(row), row["unused_usd_per_hour"]) for row in backends), key=lambda pair: -pair[1])
    if unused and unused[0][1] > 0:
        yield Chart(f"Not used, {unit} per hour", charts.bars(unused[:BARS_MAX], f"{unit}/h"))


def _backend(row: Json) -> str:
    return f"{row['service']} in {row['cluster']}"


def _table(body: Json, name: str) -> Table:
    rows = body[name]
    head = list(rows[0])
    amounts = (
        f"usd: {body['currency']} in the window; usd_per_hour: {body['currency']}/h; share: of all; co2_kg: kg CO2e"
    )
    unit = str(body.get("unit", amounts))
    shown = [[_cell(row.get(key)) for key in head] for row in rows[:ROWS_MAX]]
    return Table(name.replace("_", " ").capitalize(), unit, head, shown, max(0, len(rows) - ROWS_MAX))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(part)}" for key, part in value.items()) or "-"
    return "-" if value is None else str(value)
