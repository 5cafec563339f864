"""Reports for people at a terminal: every column with its unit."""

import io
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table

from cli.render import WIDTH_PIPED

Body = dict[str, Any]
SHOWN = 12


def drawn(body: Body) -> str:
    """All of it as text."""
    terminal = sys.stdout.isatty()
    console = Console(file=io.StringIO(), width=None if terminal else WIDTH_PIPED, force_terminal=terminal)
    for part in _parts(body):
        console.print(part)
    assert isinstance(console.file, io.StringIO), "it was made above"
    return console.file.getvalue()


def _parts(body: Body) -> Iterator[RenderableType]:
    window, unit = body["window"], body["currency"]
    yield f"[bold]{body['report'].capitalize()}[/] {window['from']} to {window['to']} ({window['source']})"
    yield f"{window['measured_hours']:g} of {window['hours']:g} h measured; {unit}, prices as of {body['price_as_of']}"
    yield from (words for words in body["assumptions"] if words.startswith("Replayed"))
    for gap in body["gaps"][:SHOWN]:
        yield f"  [bold]gap[/] {gap['from']} to {gap['to']}: {gap['missing_hours']:g} h not measured, not filled in"
    if len(body["gaps"]) > SHOWN:
        yield f"  and {len(body['gaps']) - SHOWN} more gaps"
    match body["report"]:
        case "cost":
            yield from _cost(body)
        case "savings":
            yield from _savings(body)
        case "capacity":
            yield from _capacity(body)
        case _:
            yield from _resilience(body)


def _cost(body: Body) -> Iterator[RenderableType]:
    unit, total = body["currency"], body["total"]
    for name in ("component", "service", "team", "cluster"):
        table = _table(name.upper(), unit, "PART", "kg CO2e")
        for row in body[f"by_{name}"][:SHOWN]:
            table.add_row(row[name], f"{row['usd']:,.4f}", f"{row['share']:.1%}", f"{row['co2_kg']:,.3f}")
        yield table
    pairs = _table("FROM", "TO CLUSTER", "GB", unit)
    for row in body["egress_pairs"][:SHOWN]:
        pairs.add_row(row["origin"], row["cluster"], f"{row['gb']:,.3f}", f"{row['usd']:,.4f}")
    if pairs.row_count:
        yield pairs
    carbon = "" if total["co2_kg"] is None else f"; {total['co2_kg']:,.3f} kg CO2e"
    rate = f"{total['usd_per_hour']:,.4f} {unit}/h, {total['usd_per_month']:,.2f} {unit}/month of 730 h"
    yield f"Total: {total['usd']:,.6f} {unit} in the window; {rate}{carbon}"


def _savings(body: Body) -> Iterator[RenderableType]:
    unit = body["currency"]
    table = _table("POLICY", f"billed {unit}/h", f"all weighed {unit}/h", "p95 ms", "refused")
    for row in body["policies"]:
        amounts = (f"{row['billed']:,.4f}", f"{row['objective']:,.4f}", f"{row['p95_ms']:.1f}")
        table.add_row(row["policy"], *amounts, f"{row['refused_ratio']:.4%}")
    yield table
    for row in body["saved"]:
        parts = ", ".join(f"{name} {usd:+.4f}" for name, usd in row["from"].items())
        yield f"against {row['policy']}: {row['objective_usd_per_hour']:+.4f} {unit}/h ({parts or 'nothing'})"
    saved = f"{body['saving_vs_best_ratio']:.2%} below it over {body['replayed_hours']} h"
    yield f"Best baseline: {body['best_baseline']}; {saved}"


def _capacity(body: Body) -> Iterator[RenderableType]:
    unit = body["currency"]
    table = _table("BACKEND", "CAPACITY rps", "MEAN USE", "PEAK USE", f"unused {unit}/h")
    for row in body["backends"][: 2 * SHOWN]:
        use = [f"{row[key]:.1%}" if row[key] is not None else "-" for key in ("utilization_mean", "utilization_max")]
        name = f"{row['service']}/{row['cluster']}"
        table.add_row(name, f"{row['capacity_rps']:,.1f}", *use, f"{row['unused_usd_per_hour']:,.4f}")
    yield table
    for row in body["next_dollar"][:SHOWN]:
        what = f"one more {row['resource']} in {row['pool']}"
        yield f"{what} saves {row['usd_per_unit_hour']:.4f} {unit}/h (for {row['service']})"
    if not body["next_dollar"]:
        yield "No pool would save anything by being larger at the peak."


def _resilience(body: Body) -> Iterator[RenderableType]:
    unit, peak = body["currency"], body["at_peak_usd_per_hour"]
    table = _table("SERVICE", f"stands by {unit}/h")
    for row in body["by_service"][: 2 * SHOWN]:
        table.add_row(row["service"], f"{row['usd_per_hour']:,.4f}")
    yield table
    now = body["resilience"]
    yield f"Standing by: {now['usd_per_hour']:,.4f} {unit}/h, {now['share_of_cost']:.1%} of cost"
    yield (
        f"Least capacity at the peak, {unit}/h: {peak['no_loss']:,.4f} without a loss, "
        f"{peak['any_single_loss']:,.4f} to outlive any single one, {peak['any_two_losses']:,.4f} any two; "
        f"paid {peak['paid']:,.4f}"
    )
    for words in body["unsurvivable"][:SHOWN]:
        yield f"  cannot be outlived: {words}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table
