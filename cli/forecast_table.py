"""Forecasts for people at a terminal."""

import io
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console, RenderableType

from cli.render import WIDTH_PIPED
from cli.report_table import SHOWN, _table

Body = dict[str, Any]


def forecast_text(body: Body) -> str:
    """All of it as text."""
    terminal = sys.stdout.isatty()
    width = None if terminal else WIDTH_PIPED
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, soft_wrap=not terminal)
    for part in forecast_tables(body):
        console.print(part)
    assert isinstance(console.file, io.StringIO), "it was made above"
    return console.file.getvalue()


def forecast_tables(body: Body) -> Iterator[RenderableType]:
    """Growth, months, purchases with their reasons, commitments with their regret, and the what-ifs."""
    yield f"[bold]Forecast[/] {body['months']} months; demand {body['demand_source']}"
    carbon = body["carbon_usd_per_ton"]
    yield f"{body['currency']}, prices as of {body['price_as_of']}" + (
        f"; CO2 weighed at {carbon:g} $/t" if carbon else ""
    )
    if body["backtest"]:
        test = body["backtest"]
        ours, naive = test["error_ratio"], test["seasonal_naive_error_ratio"]
        windows = f"{test['days_ahead']} days ahead, {test['windows']} windows"
        yield f"Backtest, {windows}: error {ours:.1%}, seasonal-naive {naive:.1%}"
    for row in body["growth"]:
        pace = "new" if row["ratio_per_year"] is None else f"{row['ratio_per_year']:+.1%} a year"
        yield f"  {row['service']} from {row['region']}: {row['rps']:,.1f} rps, {pace}"
    steps = _table("MONTH", "$/h", "$/month", "nodes $/h", "egress $/h", "p95 ms", "refused rps", "CO2 kg/h")
    for row in body["steps"]:
        steps.add_row(
            str(row["month"]), f"{row['usd_per_hour']:,.4f}", f"{row['usd_per_month']:,.0f}",
            f"{row['nodes_usd_per_hour']:,.4f}", f"{row['egress_usd_per_hour']:,.4f}", f"{row['p95_ms']:.1f}",
            f"{row['refused_rps']:.1f}", f"{row['co2_kg_per_hour']:.3f}",
        )  # fmt: skip
    yield steps
    for row in body["purchases"]:
        what = f"{row['nodes']} more in {row['pool']} ({row['usd_per_hour']:.4f} $/h)"
        yield f"  month {row['month']}: {what}: {row['reason']}"
    if not body["purchases"]:
        yield "  nothing to buy: the pools hold the demand of every month"
    yield from _mixes(body)
    for row in body["new_regions"]:
        change = row["difference"]
        yield (
            f"add {row['region']}: {change['usd_per_hour']:+.4f} $/h, p95 {change['p95_ms']:+.1f} ms, missing after a "
            f"loss {change['missing_after_a_loss_rps']:+.1f} rps, "
            f"all that is weighed {change['objective_usd_per_hour']:+.4f} $/h; {row['reason']}"
        )
    yield from _what_ifs(body)


def _mixes(body: Body) -> Iterator[RenderableType]:
    table = _table("NODES", "reserve", "on demand", "spot", "$/h", "all on demand", "regret low", "base", "high")
    for row in body["commitments"]:
        reserved = ", ".join(f"{r['nodes']:.1f} x {r['term']}" for r in row["reserved"] if r["nodes"] > 0.05)
        regret = row["regret_usd_per_hour"]
        name = f"{row['provider']} {row['region']} {row['node_type']}"
        nodes = (f"{row['on_demand_nodes_mean']:.1f}", f"{row['spot_nodes_mean']:.1f}")
        usd = (f"{row['usd_per_hour']:.4f}", f"{row['all_on_demand_usd_per_hour']:.4f}")
        table.add_row(name, reserved or "-", *nodes, *usd, *(f"{regret[k]:.4f}" for k in ("low", "base", "high")))
    if table.row_count:
        yield table
    for row in body["commitments"]:
        yield f"  {row['provider']} {row['region']} {row['node_type']}: {row['reason']}"


def _what_ifs(body: Body) -> Iterator[RenderableType]:
    for row in body["exits"]:
        if row["possible"]:
            usd = f"{row['usd_per_hour']:+.4f} $/h, {row['once_usd']:,.2f} $ once"
            yield f"leave {row['provider']}: {usd} ({row['reason']})"
        else:
            yield f"leave {row['provider']}: not possible: {row['reason']}"
    for row in body["sensitivity"][: 2 * SHOWN]:
        moved = f"{row['nodes_that_differ']} nodes elsewhere"
        yield f"{row['price']} {row['change_ratio']:+.0%}: {row['usd_per_hour']:+.4f} $/h, {moved}"
    for row in body["carbon"]:
        after = f"{row['co2_kg_per_hour']:.3f} kg/h, {row['dearer_usd_per_hour']:+.4f} $/h, p95 {row['p95_ms']:.1f} ms"
        yield f"CO2 at {row['usd_per_ton']:.0f} $/t: {after}"
