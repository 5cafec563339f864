"""The readiness matrix for people: what matters first, numbers with their units."""

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Table

Body = dict[str, Any]
TIERS_SHOWN = 10
HOUR_S = 3600.0


def readiness_tables(body: Body, everything: bool) -> Iterator[RenderableType]:
    """The matrix, what standing by costs, and one line that sums it up."""
    table = Table(
        "LOSE", "LOAD GOES TO", "FULLEST", "p95 ms", "$/h", "UNMET rps", "VERIFIED", box=None, header_style="bold"
    )
    rows = body["losses"] if everything else shown(body["losses"])
    for row in rows:
        table.add_row(*cells(row))
    yield table
    hidden = len(body["losses"]) - len(rows)
    if hidden:
        yield f"  and {hidden} tiers that leave nothing unmet; --all shows them"
    yield from standby_lines(body["standby"])
    summary = body["summary"]
    yield (
        f"Readiness: {summary['losses_with_unmet_demand']} of {summary['losses']} losses leave demand unmet, "
        f"{summary['unmet_rps_max']:.1f} rps at worst; fullest receiver {summary['worst_utilization']:.0%}; "
        f"{summary['verified']} losses verified by requests in a day, {summary['never_verified']} not"
    )


def shown(rows: list[Body]) -> list[Body]:
    """All but tiers, and of tiers those with unmet demand, most first."""
    tiers = sorted((r for r in rows if r["kind"] == "tier" and r["unmet_rps"] > 0), key=lambda r: -r["unmet_rps"])
    return (
        [r for r in rows if r["kind"] not in {"tier", "pair"}]
        + tiers[:TIERS_SHOWN]
        + [r for r in rows if r["kind"] == "pair"]
    )


def cells(row: Body) -> tuple[str, ...]:
    """One line of the matrix."""
    takers = ", ".join(f"{t['cluster']} +{t['rps']:.0f}" for t in row["takes_over"]) or "-"
    fullest = "-" if row["worst_utilization"] is None else f"{row['worst_backend']} {row['worst_utilization']:.0%}"
    unmet = ", ".join(f"{name} {rps:.1f}" for name, rps in row["unmet_rps_by_priority"].items() if rps >= 0.05)
    check = row["verified"]
    when = f"{check['level']} {age(check['age_s'])} ago" if check else "never"
    p95 = "-" if row["p95_ms"] is None else f"{row['p95_ms']:.0f}"
    return row["loss"], takers, fullest, p95, f"{row['usd_per_hour']:.2f}", unmet or "0", when


def standby_lines(cost: Body) -> Iterator[str]:
    """What standing by costs."""
    yield (
        f"Standby: {cost['overhead_ratio']:.1%} of capacity above demand; to outlive any single loss takes "
        f"{cost['overhead_n1_bound_ratio']:.1%} at least"
    )
    yield (
        f"  price of resilience {cost['price_of_resilience_usd_per_hour']:.4f} $/h (N-1 bound less none); "
        f"its last percent {cost['last_percent_usd_per_hour']:.4f} $/h; "
        f"any two losses {cost['second_loss_usd_per_hour']:+.4f} $/h more"
    )
    for line in cost["unsurvivable"]:
        yield f"  nowhere else to go: {line}"


def age(seconds: float) -> str:
    """As people say it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * HOUR_S else f"{seconds / HOUR_S:.0f} h"
