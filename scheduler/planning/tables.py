"""A forecast as tables: the same lines for Markdown and for a page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """One part of a forecast; units are in its head or its note."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    empty: str = "Nothing."
    words: bool = False
    """Whether the last column is a sentence."""


def tables(body: Json) -> Iterator[Table]:
    """All of it, in the order in which it is read; what-ifs that were not asked for are left out."""
    unit = body["currency"]
    yield _purchases(body, unit)
    yield _steps(body, unit)
    yield _commitments(body, unit)
    yield _growth(body)
    made = (_regions(body, unit), _exits(body, unit), _sensitivity(body, unit), _carbon(body, unit))
    yield from (table for table in made if table.rows)


def _purchases(body: Json, unit: str) -> Table:
    rows = [
        (r["pool"], str(r["month"]), str(r["nodes"]), f"{r['usd_per_hour']:,.4f}", _shadow(r), r["reason"])
        for r in body["purchases"]
    ]
    head = ("Pool", "Month", "Nodes", f"{unit}/h", f"shadow price {unit}/h", "Why")
    note = "Capacity to buy, when, and the shadow price that says why: what one unit more would save."
    return Table("Buy", note, head, rows, "The pools hold the demand of every month.", words=True)


def _shadow(row: Json) -> str:
    found = row["shadow_price"]
    if found["usd_per_hour"] is None:
        return "-"
    return f"{found['usd_per_hour']:.4f}" + (f" ({found['resource']}, {found['pool']})" if found["pool"] else "")


def _steps(body: Json, unit: str) -> Table:
    rows = [
        (
            str(r["month"]), f"{r['usd_per_hour']:,.4f}", f"{r['usd_per_month']:,.0f}",
            f"{r['nodes_usd_per_hour']:,.4f}", f"{r['egress_usd_per_hour']:,.4f}", f"{r['p95_ms']:.1f}",
            f"{r['refused_rps']:.1f}", f"{r['missing_after_a_loss_rps']:.1f}", f"{r['co2_kg_per_hour']:.3f}",
        )
        for r in body["steps"]
    ]  # fmt: skip
    head = ("Month", f"{unit}/h", f"{unit}/month", f"nodes {unit}/h", f"transfer {unit}/h", "p95 ms", "refused rps",
            "missing after a loss rps", "CO2 kg/h")  # fmt: skip
    return Table("Month by month", "What the fleet needs, placed anew; p95 is of round trips.", head, rows)


def _commitments(body: Json, unit: str) -> Table:
    rows = []
    for r in body["commitments"]:
        wanted = ", ".join(f"{c['nodes']:.1f} for {c['term']}" for c in r["reserved"] if c["nodes"] > 0.05)
        regret = r["regret_usd_per_hour"]
        nodes = (f"{r['reserved_already']:g}", f"{r['on_demand_nodes_mean']:.1f}", f"{r['spot_nodes_mean']:.1f}")
        usd = (f"{r['usd_per_hour']:.4f}", f"{r['saving_usd_per_hour']:.4f}")
        kinds = f"{r['provider']} {r['region']} {r['node_type']}"
        regrets = tuple(f"{regret[name]:.4f}" for name in ("low", "base", "high"))
        rows.append((kinds, wanted or "-", *nodes, *usd, *regrets, r["reason"]))
    head = ("Nodes", "reserve", "held", "on demand", "spot", f"{unit}/h", f"saves {unit}/h",
            "regret low", "base", "high", "Why")  # fmt: skip
    note = f"Two stages: commit now, buy the rest when demand is known. Regret, {unit}/h: over knowing it before."
    return Table("Commit", note, head, rows, words=True)


def _growth(body: Json) -> Table:
    rows = []
    for r in body["growth"]:
        pace = "-" if r["ratio_per_year"] is None else f"{r['ratio_per_year']:+.1%}"
        later = r["rps_last_month"]
        rps = (f"{r['rps']:,.1f}", f"{later['low']:,.1f}", f"{later['base']:,.1f}", f"{later['high']:,.1f}")
        rows.append((r["service"], r["region"], *rps, pace))
    head = ("Service", "Region", "now rps", "last month low", "base", "high", "a year")
    note = (
        "Expected demand; of what is learnt the busiest day of a month. Low and high: 10th and 90th percentile of what "
        "is learnt, half and one and a half of a growth that is given."
    )
    return Table("Growth", note, head, rows)


def _change(row: Json) -> tuple[str, ...]:
    return (f"{row['usd_per_hour']:+,.4f}", f"{row['p95_ms']:+.1f}", f"{row['missing_after_a_loss_rps']:+.1f}",
            f"{row['co2_kg_per_hour']:+.3f}")  # fmt: skip


def _regions(body: Json, unit: str) -> Table:
    rows = [(r["region"], *_change(r["difference"]), r["reason"]) for r in body["new_regions"]]
    head = ("Region", f"{unit}/h", "p95 ms", "missing after a loss rps", "CO2 kg/h", "Worth it")
    return Table("Add a region", "Against the fleet as it is, placed anew.", head, rows, words=True)


def _exits(body: Json, unit: str) -> Table:
    rows = [
        (r["provider"], *_change(r), f"{r['data_usd']:,.2f}", f"{r['committed_usd']:,.2f}", r["reason"])
        if r["possible"]
        else (r["provider"], "-", "-", "-", "-", "-", f"{r['committed_usd']:,.2f}", f"not possible: {r['reason']}")
        for r in body["exits"]
    ]
    head = ("Provider", f"{unit}/h", "p95 ms", "missing after a loss rps", "CO2 kg/h", f"data once {unit}",
            f"committed {unit}", "Why")  # fmt: skip
    return Table(
        "Leave a provider", "What the fleet without it costs more, and what is paid once.", head, rows, words=True
    )


def _sensitivity(body: Json, unit: str) -> Table:
    rows = []
    for r in body["sensitivity"]:
        passed = "-" if r["passed_on_ratio"] is None else f"{r['passed_on_ratio']:.0%}"
        rows.append((r["price"], f"{r['change_ratio']:+.0%}", *_change(r), passed, str(r["nodes_that_differ"])))
    head = (
        "Price",
        "change",
        f"{unit}/h",
        "p95 ms",
        "missing after a loss rps",
        "CO2 kg/h",
        "passed on",
        "nodes elsewhere",
    )
    return Table("Other prices", "Passed on: the part of the change that is paid after placing anew.", head, rows)


def _carbon(body: Json, unit: str) -> Table:
    rows = [
        (
            f"{r['usd_per_ton']:g}", f"{r['usd_per_hour']:,.4f}", f"{r['dearer_usd_per_hour']:+,.4f}",
            f"{r['co2_kg_per_hour']:.3f}", f"{r['p95_ms']:.1f}",
        )
        for r in body["carbon"]
    ]  # fmt: skip
    head = (f"{unit} a ton", f"billed {unit}/h", "dearer", "CO2 kg/h", "p95 ms")
    return Table(
        "A price on CO2", "What the cheapest fleet would be under it; `--carbon-price` plans with one.", head, rows
    )
