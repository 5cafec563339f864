"""Plans and explanations for people: tables to stdout, numbers with their units."""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table

from cli.loop import Output
from scheduler.summary import plan_changes, plan_headline

Body = dict[str, Any]
WORTH_SHOWN = 5
"""Pools whose worth is shown."""
SHOWN_USD = 5e-5
"""Least component of a cost that is shown."""
WIDTH_PIPED = 160
"""Columns where stdout is no terminal: wide enough that no id is cut."""


def print_as(output: Output, body: Body, tables: Callable[[Body], Iterator[RenderableType]]) -> None:
    """Print a body as JSON, as YAML, or as its tables."""
    if output is Output.JSON:
        sys.stdout.write(json.dumps(body, indent=2) + "\n")
    elif output is Output.YAML:
        from ruamel.yaml import YAML  # noqa: PLC0415  only where it is asked for

        YAML(typ="safe", pure=True).dump(body, sys.stdout)
    else:
        console = Console(width=None if sys.stdout.isatty() else WIDTH_PIPED, soft_wrap=not sys.stdout.isatty())
        for table in tables(body):
            console.print(table)


def plan_table(body: Body) -> Iterator[RenderableType]:
    """Before -> after of every flow that changes, the cost by component, and the headline."""
    flows = Table("FLOW", "DEMAND rps", "CLUSTER", "BEFORE", "AFTER", "CHANGE", box=None, header_style="bold")
    for change in plan_changes(body):
        sign = "~" if change["before"] and change["after"] else "+" if change["after"] else "-"
        flows.add_row(
            f"[bold]{sign}[/] {change['flow']}",
            f"{change['demand_rps']:.1f}", change["cluster"], f"{change['before']:.1%}", f"{change['after']:.1%}",
            f"{change['after'] - change['before']:+.1%}",
        )  # fmt: skip
    if flows.row_count:
        yield flows
    before, after = body["cost_before_usd_per_hour"], body["cost_usd_per_hour"]
    costs = Table("$/h", "BEFORE", "AFTER", "CHANGE", box=None, header_style="bold")
    for name in after:
        if before[name] or after[name]:
            costs.add_row(name, f"{before[name]:.4f}", f"{after[name]:.4f}", f"{after[name] - before[name]:+.4f}")
    yield costs
    yield plan_headline(body)


def place_tables(body: Body) -> Iterator[RenderableType]:
    """Replicas before -> after at every site, then what more capacity is worth, then the certificate."""
    sites = Table("SERVICE", "POOL", "REPLICAS", "AFTER", "CHANGE", "$/h", box=None, header_style="bold")
    for row in body["sites"]:
        change = round(row["after"] - row["before"], 3)
        sites.add_row(
            row["service"], row["pool"], str(row["before"]), str(row["after"]), f"{change:+g}" if change else "",
            f"{row['usd_per_hour']:.4f}",
        )  # fmt: skip
    yield sites
    for price in body["shadow_prices"]:
        yield f"  one more {price['resource']} in {price['pool']} is worth {price['usd_per_unit_hour']:.4f} $/h"
    for row in body["refused"]:
        yield f"  refused: {row['rps']:g} of {row['of_rps']:g} rps of {row['service']}: {row['why']}"
    moved = sum(row["before"] != row["after"] for row in body["sites"])
    cost, bound = body["objective_usd_per_hour"], body["bound_usd_per_hour"]
    yield (
        f"Placement: {moved} of {len(body['sites'])} sites change; {cost:.4f} $/h, waiting and egress included; "
        f"at most {body['certified_gap']:.1%} above the {body['bound_kind']} bound of {bound:.4f} $/h"
    )


def explain_tables(body: Body) -> Iterator[RenderableType]:
    """One table per flow: what each way would cost, then the limits that bind and the runner-up."""
    for flow in body["flows"]:
        table = Table(
            "CLUSTER", "SHARE", "latency", "quality", "egress", "compute", "calls", "scarcity", "moving", "TOTAL",
            title=f"{flow['flow']}: {flow['demand_rps']:.1f} rps, prices in $/h per rps", box=None,
            title_justify="left", header_style="bold",
        )  # fmt: skip
        for route in flow["routes"]:
            parts = ("latency", "quality", "egress", "compute", "called", "scarcity", "moving", "total")
            table.add_row(route["cluster"], f"{route['share']:.1%}", *(f"{route[p + '_usd']:z.6f}" for p in parts))
        yield table
        yield "\n".join(_notes(flow)) + "\n"
    services = {flow["flow"].split("@")[0] for flow in body["flows"]}
    yield "\n".join(_worth(body, services))


def _worth(body: Body, services: set[str]) -> Iterator[str]:
    """Where more capacity pays, pools first and then the explained services, and the objective by component."""
    for pool in body["worth"]["pools"][:WORTH_SHOWN]:
        what = f"one more {pool['resource']} in {pool['pool']}"
        yield f"{what} is worth {pool['usd_per_unit_hour']:.4f} $/h (for {pool['service']})"
    for backend in body["worth"]["backends"]:
        if backend["service"] in services:
            what = f"one more 100 rps of {backend['service']} in {backend['cluster']}"
            yield f"{what} is worth {backend['usd_per_100_rps_hour']:.4f} $/h"
    cost = body["objective_usd_per_hour"]
    yield f"All flows: {cost['total']:.4f} $/h ({_parts(cost)})"


def _parts(usd: Body) -> str:
    """The components that are not nothing."""
    shown = {name: value for name, value in usd.items() if name not in {"billed", "total"} and abs(value) >= SHOWN_USD}
    return ", ".join(f"{name} {value:.4f}" for name, value in shown.items()) or "nothing"


def _notes(flow: Body) -> Iterator[str]:
    yield f"  costs {sum(flow['usd_per_hour'].values()):.4f} $/h: {_parts(flow['usd_per_hour'])}"
    if flow["shed_share"]:
        yield f"  refused: {flow['shed_share']:.1%}, at {flow['shed_usd']:.4f} $/h per rps"
    for limit in flow["binding"]:
        yield f"  binds: {limit}"
    for out in flow["not_offered"]:
        yield f"  not offered: {out['cluster']}: {out['reason']}"
    if flow["runner_up"]:
        extra = flow["runner_up_usd_per_hour"]
        yield f"  runner-up: {flow['runner_up']}, the whole flow there would cost {extra:+.4f} $/h"
