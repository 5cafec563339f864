"""A forecast as Markdown, as CSV, and as a page of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment

from scheduler.planning.tables import Table, tables
from scheduler.reports import charts
from scheduler.reports.chrome import document
from scheduler.reports.markdown import escape, table
from scheduler.reports.page import Chart
from scheduler.reports.sheets import written

Json = dict[str, Any]
TEMPLATE = Path(__file__).with_name("page.html")
FOOTER = "Made by Equipoise. A plan from list prices and expected demand: nothing is bought or applied."
POOLS_MAX = 8


def forecast_markdown(body: Json) -> str:
    """For a pull request or a chat."""
    lines = [f"## Forecast, {_months(body['months'])}", "", f"Demand {escape(body['demand_source'])}; {_money(body)}."]
    for part in tables(body):
        lines += ["", f"### {part.title}", "", part.note, ""]
        lines += table(part.head, part.rows) if part.rows else [part.empty]
    return "\n".join(lines) + "\n"


def forecast_csv(body: Json) -> str:
    """A row for each month and pool: nodes that are needed and owned, and what is bought, with units and dates."""
    bought = {(row["month"], row["pool"]): row for row in body["purchases"]}
    extra = {"currency": body["currency"], "price_as_of": body["price_as_of"]}
    rows = []
    for step in body["steps"]:
        for pool, needed in step["nodes"].items():
            buy = bought.get((step["month"], pool))
            row = {
                "month": step["month"],
                "pool": pool,
                "nodes_needed": needed,
                "nodes_owned": step["nodes_owned"][pool],
            }
            row |= {"nodes_to_buy": buy["nodes"] if buy else 0, "reason": buy["reason"] if buy else ""}
            rows.append(row | {"fleet_usd_per_hour": step["usd_per_hour"]} | extra)
    return written(rows)


def forecast_page(body: Json) -> str:
    """Self-contained HTML."""
    environment = Environment(autoescape=True, trim_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    parts: list[Table] = list(tables(body))
    inner = template.render(body=body, figures=list(_figures(body)), charts=list(_charts(body)), tables=parts)
    return document("Equipoise: forecast", inner, FOOTER)


def _months(count: int) -> str:
    return "1 month" if count == 1 else f"{count} months"


def _money(body: Json) -> str:
    carbon = body["carbon_usd_per_ton"]
    planned = f", planned as if a ton of CO2 cost {carbon:g}" if carbon else ""
    return f"amounts in {body['currency']}, prices as of {body['price_as_of']}{planned}"


def _figures(body: Json) -> Iterator[tuple[str, str]]:
    unit, last = body["currency"], body["steps"][-1]
    yield f"{body['now']['usd_per_month']:,.0f}", f"{unit} a month now, placed anew"
    yield f"{last['usd_per_month']:,.0f}", f"{unit} a month in month {last['month']}"
    yield f"{sum(row['nodes'] for row in body['purchases'])}", "nodes to buy"
    yield f"{sum(row['saving_usd_per_hour'] for row in body['commitments']):,.2f}", f"{unit}/h that commitments save"


def _charts(body: Json) -> Iterator[Chart]:
    unit, steps = body["currency"], body["steps"]
    paid = [
        {"month": step["month"], "series": words, "value": step[key]}
        for step in steps
        for key, words in (("nodes_usd_per_hour", "nodes"), ("egress_usd_per_hour", "transfer"))
    ]
    yield Chart(f"Cost by month, {unit} per hour", charts.lines(paid, "month", f"{unit}/h"))
    most = sorted(steps[-1]["nodes"], key=lambda pool: -steps[-1]["nodes"][pool])[:POOLS_MAX]
    nodes = [{"month": s["month"], "series": pool, "value": s["nodes"][pool]} for s in steps for pool in most]
    yield Chart("Nodes that each pool needs, by month", charts.lines(nodes, "month", "nodes"))
    if body["sensitivity"]:
        rows = [(f"{r['price']} {r['change_ratio']:+.0%}", r["usd_per_hour"]) for r in body["sensitivity"]]
        yield Chart(f"What other prices would change, {unit} per hour", charts.bars(rows, f"{unit}/h"))
