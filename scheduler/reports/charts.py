"""Charts of reports as SVG: drawn here once, so that the page needs no script. Narrow, to be read on a phone."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import vl_convert

Json = dict[str, Any]
WIDTH = 440
PALETTE = ("#2f6fde", "#b5479a", "#2a9d63", "#9bb33c", "#6b7785", "#8a6d3b", "#5aa9c9", "#e07b39", "#c0392b")
"""Told apart by most who do not see all colours; by position in COMPONENTS."""
INK, SOFT = "#1b2330", "#5d6875"
PAIRS_MAX = 16
DATES_MAX = 6
"""Labels below a trend."""


def waterfall(parts: Sequence[tuple[str, float]], unit: str) -> str:
    """Components piled up to the total."""
    rows: list[Json] = []
    so_far = 0.0
    for name, usd in parts:
        rows.append({"part": name, "from": so_far, "to": so_far + usd, "usd": usd, "kind": "part"})
        so_far += usd
    rows.append({"part": "total", "from": 0.0, "to": so_far, "usd": so_far, "kind": "total"})
    order = [str(row["part"]) for row in rows]
    base = alt.Chart(_data(rows)).encode(y=alt.Y("part:N", sort=order, title=None))
    bars = base.mark_bar(height=18).encode(
        x=alt.X("from:Q", title=unit, axis=alt.Axis(tickCount=4, format="~s")),
        x2="to:Q",
        color=alt.Color("kind:N", scale=alt.Scale(domain=["part", "total"], range=[PALETTE[0], INK]), legend=None),
    )
    words = base.mark_text(align="left", dx=4, fontSize=14).encode(x="to:Q", text=alt.Text("usd:Q", format=",.2f"))
    return _svg(bars + words, 26 * len(rows))


def heat_map(pairs: Sequence[Json], unit: str) -> str:
    """Transfer from origins to clusters; the rest of a large fleet is left out."""
    origins, clusters = _top(pairs, "origin"), _top(pairs, "cluster")
    rows = [row for row in pairs if row["origin"] in origins and row["cluster"] in clusters]
    chart = alt.Chart(_data(rows)).encode(
        x=alt.X("cluster:N", title=None, axis=alt.Axis(labelAngle=-45)), y=alt.Y("origin:N", title=None)
    )
    tiles = chart.mark_rect().encode(color=alt.Color("usd:Q", title=unit, scale=alt.Scale(scheme="blues")))
    peak = max((row["usd"] for row in rows), default=0.0)
    words = chart.mark_text(fontSize=13).encode(
        text=alt.Text("usd:Q", format=".2~r"),
        color=alt.condition(alt.datum.usd > peak / 2, alt.value("white"), alt.value(INK)),
    )
    return _svg(tiles + words if len(rows) <= 80 else tiles, max(26 * len({row["origin"] for row in rows}), 40))


def trend(periods: Sequence[Json], components: Sequence[str], unit: str) -> str:
    """Stacked by component, an hour's dollars; what was not measured is left open."""
    rows = [
        {"at": period["from"], "component": name, "usd": usd / period["hours"]}
        for period in periods
        for name, usd in (period["by_component"] or {}).items()
        if period["hours"] > 0
    ]
    used = [name for name in components if any(row["component"] == name for row in rows)]
    colours = [PALETTE[components.index(name)] for name in used]
    every, hourly = max(1, -(-len(periods) // DATES_MAX)), len({period["from"][:10] for period in periods}) <= 2
    shown = [period["from"] for period in periods[::every]]
    day = "slice(datum.value, 5, 16)" if hourly else "slice(datum.value, 0, 10)"
    chart = alt.Chart(_data(rows)).mark_bar(width={"band": 0.9}).encode(
        x=alt.X("at:O", title=None, axis=alt.Axis(values=shown, labelExpr=day, labelAngle=-45)),
        y=alt.Y("usd:Q", title=unit, stack=True),
        color=alt.Color("component:N", sort=used, scale=alt.Scale(domain=used, range=colours), title=None),
    )  # fmt: skip
    return _svg(chart, 200)


def movers(rows: Sequence[Json], unit: str) -> str:
    """What changed most, dearer to the right."""
    values = [
        {"who": f"{r['service']} in {r['cluster']}", "usd": r["usd_per_hour_after"] - r["usd_per_hour_before"]}
        for r in rows
    ]
    chart = alt.Chart(_data(values)).mark_bar(height=16).encode(
        y=alt.Y("who:N", sort=None, title=None, axis=alt.Axis(labelLimit=180)),
        x=alt.X("usd:Q", title=unit, axis=alt.Axis(tickCount=4, format="~s")),
        color=alt.condition(alt.datum.usd > 0, alt.value(PALETTE[8]), alt.value(PALETTE[2])),
    )  # fmt: skip
    return _svg(chart, 24 * max(len(values), 1))


def bars(rows: Sequence[tuple[str, float]], unit: str) -> str:
    """One bar for each name, in order."""
    values = [{"who": name, "usd": usd} for name, usd in rows]
    base = alt.Chart(_data(values)).encode(
        y=alt.Y("who:N", sort=None, title=None, axis=alt.Axis(labelLimit=180)),
        x=alt.X("usd:Q", title=unit, axis=alt.Axis(tickCount=4, format="~s")),
    )
    words = base.transform_calculate(end="max(datum.usd, 0)").mark_text(align="left", dx=4, fontSize=14)
    words = words.encode(x="end:Q", text=alt.Text("usd:Q", format=",.4~r"))  # never over the bar, nor the names
    return _svg(base.mark_bar(height=16, color=PALETTE[0]) + words, 24 * max(len(values), 1))


def lines(rows: Sequence[Json], x: str, unit: str) -> str:
    """One line for each `series` over `x`."""
    chart = alt.Chart(_data(rows)).mark_line(point=True).encode(
        x=alt.X(f"{x}:O", title=None, axis=alt.Axis(labelAngle=-45)),
        y=alt.Y("value:Q", title=unit),
        color=alt.Color("series:N", title=None, scale=alt.Scale(range=list(PALETTE)), legend=alt.Legend(columns=1)),
    )  # fmt: skip
    return _svg(chart, 200)


def _data(rows: Sequence[Json]) -> alt.Data:
    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call]  # as the library has it


def _top(rows: Sequence[Json], key: str) -> set[str]:
    """The names with most dollars."""
    dearest = sorted(_sums(rows, key).items(), key=lambda item: -item[1])
    return {name for name, _ in dearest[:PAIRS_MAX]}


def _sums(rows: Sequence[Json], key: str) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for row in rows:
        found[row[key]] = found.get(row[key], 0.0) + row["usd"]
    return found


def _svg(chart: Any, height: int) -> str:
    room = {"left": 26, "right": 30, "top": 5, "bottom": 5}  # a browser's letters are wider than those measured here
    shaped = chart.properties(width=WIDTH - 200, height=height, background="transparent", padding=room).configure(
        font="system-ui, sans-serif",
        axis=alt.AxisConfig(labelFontSize=14, titleFontSize=14, labelColor=INK, titleColor=SOFT, gridColor="#dcdfe3"),
        legend=alt.LegendConfig(labelFontSize=14, titleFontSize=14, orient="bottom", columns=2),
        view=alt.ViewConfig(stroke=None),
    )
    made: str = vl_convert.vegalite_to_svg(shaped.to_dict())
    return made
