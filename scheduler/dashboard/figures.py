"""Pictures as SVG: the map with its rings, bars, and the graph of calls. Colours are classes, so that themes apply."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from scheduler.dashboard.charts import COLOURS
from scheduler.dashboard.land import HEIGHT, WIDTH, View, land, positions, view_of
from scheduler.dashboard.words import pct, rps, usd

Json = dict[str, Any]
RING, BEND = 9.0, 0.18
FULL, BUSY = 0.85, 0.7
GRAPH_HEIGHT = 30


def world(clusters: Sequence[Json], flows: Sequence[Json], origins: Sequence[str], places: Mapping[str, Any]) -> str:
    """Clusters with a ring for the fullest backend, and the flows that are drawn, as arcs."""
    at = positions([*(c["cluster"] for c in clusters), *origins], places)
    view = view_of(list(at.values()))
    most = max((f["rps"] for f in flows), default=1.0)
    colour = {c["cluster"]: COLOURS[i % len(COLOURS)] for i, c in enumerate(clusters)}
    arcs = "".join(
        _arc(view, at[f["origin"]], at[f["cluster"]], f["rps"] / most, colour[f["cluster"]],
             f"{f['origin']} to {f['cluster']}: {rps(f['rps'])}")
        for f in flows
        if at[f["origin"]] != at[f["cluster"]]
    )  # fmt: skip
    homes = {c["cluster"] for c in clusters}
    users = "".join(_users(view, at[o], o) for o in origins if o not in homes)
    rings = "".join(_ring(view, at[c["cluster"]], c) for c in clusters)
    label = "World map of clusters and the largest flows; the table below has the same numbers"
    return (
        f'<svg class="world" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{label}">'
        f"{land(view)}{arcs}{users}{rings}</svg>"
    )


def _arc(view: View, one: Any, other: Any, part: float, colour: str, words: str) -> str:
    x1, y1, x2, y2 = view.x(one[1]), view.y(one[0]), view.x(other[1]), view.y(other[0])
    mx, my = (x1 + x2) / 2 - BEND * (y2 - y1), (y1 + y2) / 2 + BEND * (x2 - x1) * (-1 if x2 > x1 else 1)
    return (
        f'<path class="arc" stroke="{colour}" stroke-width="{1 + 5 * part:.2f}" '
        f'd="M{x1:.1f},{y1:.1f} Q{mx:.1f},{my:.1f} {x2:.1f},{y2:.1f}"><title>{escape(words)}</title></path>'
    )


def level(used: float, *, down: bool = False) -> str:
    """The class of a utilization."""
    return "down" if down else "over" if used > 1 else "full" if used > FULL else "busy" if used > BUSY else "well"


def _ring(view: View, place: Any, cluster: Json) -> str:
    x, y, used = view.x(place[1]), view.y(place[0]), float(cluster["worst_utilization"])
    down, round_ = cluster["state"] == "down", 2 * np.pi * RING
    kind = level(used, down=down)
    load = f"{rps(cluster['load_rps'])}, fullest backend {pct(used)}"
    words = f"{cluster['cluster']}: {'down' if down else load}"
    return (
        f'<g class="cluster {kind}"><title>{escape(words)}</title><circle class="core" cx="{x:.1f}" cy="{y:.1f}" '
        f'r="{RING:g}"/><circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="{RING:g}" pathLength="{round_:.2f}" '
        f'stroke-dasharray="{min(used, 1.0) * round_:.2f} {round_:.2f}" transform="rotate(-90 {x:.1f} {y:.1f})"/>'
        f'<text x="{x + RING + 5:.1f}" y="{y + 4:.1f}">{escape(cluster["cluster"])}</text></g>'
    )


def _users(view: View, place: Any, name: str) -> str:
    x, y = view.x(place[1]), view.y(place[0])
    return (
        f'<g class="users"><title>{escape(name)}</title>'
        f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7"/>'
        f'<text x="{x - 7:.1f}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text></g>'
    )


def bar(part: float, kind: str = "") -> str:
    """A small bar in a table cell; the number stands beside it."""
    width = 100 * min(max(part, 0.0), 1.0)
    return (
        f'<svg class="bar {kind}" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rail" width="100" height="8"/><rect class="part" width="{width:.1f}" height="8"/></svg>'
    )


def spark(values: Sequence[float], label: str) -> str:
    """A line without axes."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    x = np.linspace(0, 200, len(values))
    y = 38 - 34 * (np.asarray(values) - low) / max(high - low, 1e-12)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    words = escape(f"{label}, from {usd(values[0])} to {usd(values[-1])}")
    line = f'<polyline points="{points}"/>'
    shape = 'viewBox="0 0 200 42" preserveAspectRatio="none" role="img"'
    return f'<svg class="spark" {shape} aria-label="{words}">{line}</svg>'


def calls(edges: Sequence[Json]) -> str:
    """Callers on the left, called services on the right; width is traffic, a red tint its errors."""
    pairs: dict[tuple[str, str], list[float]] = {}
    for edge in edges:
        pair = pairs.setdefault((edge["caller"], edge["called"]), [0.0, 0.0, 0.0])
        pair[0] += edge["rps"]
        pair[1] += edge["rps"] * edge["error_ratio"]
        pair[2] += edge["rps"] * edge["crosses"]
    left, right = (list(dict.fromkeys(pair[side] for pair in pairs)) for side in (0, 1))
    height = GRAPH_HEIGHT * max(len(left), len(right), 1) + 20
    place = [{n: (i + 0.5) * (height - 20) / len(side) + 10 for i, n in enumerate(side)} for side in (left, right)]
    most = max((pair[0] for pair in pairs.values()), default=1.0)
    parts = []
    for (caller, called), (flow, failed, crossing) in pairs.items():
        y1, y2 = place[0][caller], place[1][called]
        kind = "bad" if failed > 0.01 * flow else ""
        parts_of = f"{pct(failed / flow)} errors, {pct(crossing / flow)} across clusters"
        words = f"{caller} to {called}: {rps(flow)}, {parts_of}"
        parts.append(
            f'<path class="call {kind}" stroke-width="{1 + 9 * flow / most:.1f}" '
            f'd="M180,{y1:.1f} C320,{y1:.1f} 420,{y2:.1f} 560,{y2:.1f}"><title>{escape(words)}</title></path>'
        )
    for side, (x, anchor) in enumerate(((172, "end"), (568, "start"))):
        named = ((escape(name), y + 4) for name, y in place[side].items())
        parts += [f'<text x="{x}" y="{y:.1f}" text-anchor="{anchor}">{name}</text>' for name, y in named]
    label = "Who calls whom; the table below has the same numbers"
    return f'<svg class="calls" viewBox="0 0 740 {height:g}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
