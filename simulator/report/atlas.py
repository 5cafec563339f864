"""Flows on a map, as SVG: one picture for each of some moments, the land drawn once."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np

from placement.columns import Floats
from placement.fleet import Fleet
from scheduler.dashboard.charts import COLOURS
from scheduler.dashboard.land import HEIGHT, WIDTH, View, land, positions, view_of

SHOWN_PART = 0.003
"""Flows below this part of all are not drawn."""
FLOWS_MAX = 60


@dataclass(frozen=True, slots=True)
class Moment:
    """What flows at an instant."""

    words: str
    between_rps: Floats
    """(O, C)"""
    utilization: Floats
    """(C,) of the fullest back end of each cluster."""
    down: tuple[bool, ...]
    """(C,)"""


def maps(fleet: Fleet, places: Mapping[str, tuple[float, float]], moments: list[Moment]) -> str:
    """A figure with a slider over the moments."""
    at = positions([*fleet.clusters.ids, *fleet.origins.ids], places)
    view = view_of(list(at.values()))
    frames = "".join(
        f'<g class="frame" data-words="{escape(m.words)}"{"" if i == 0 else " hidden"}>{_frame(fleet, at, view, m)}</g>'
        for i, m in enumerate(moments)
    )
    slider = (
        f'<input type="range" min="0" max="{len(moments) - 1}" value="0" aria-label="moment"><output></output>'
        if len(moments) > 1
        else "<output></output>"
    )
    return (
        f'<figure class="atlas"><figcaption>Where requests go</figcaption><svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" '
        f'role="img" aria-label="flows on a map">{land(view)}{frames}</svg><div class="slider">{slider}</div></figure>'
    )


def _frame(fleet: Fleet, at: Mapping[str, tuple[float, float]], view: View, moment: Moment) -> str:
    rps = moment.between_rps
    most = float(rps.max(initial=0.0))
    order = np.argsort(-rps, axis=None)[:FLOWS_MAX].tolist()
    parts = []
    for o, c in (divmod(i, rps.shape[1]) for i in order):
        origin, cluster, flow = fleet.origins.ids[o], fleet.clusters.ids[c], float(rps[o, c])
        if flow > SHOWN_PART * float(rps.sum()) and at[origin] != at[cluster]:
            parts.append(
                _arc(
                    view,
                    at[origin],
                    at[cluster],
                    flow / most,
                    COLOURS[c % len(COLOURS)],
                    f"{origin} to {cluster}: {flow:.1f} rps",
                )
            )
    for c, cluster in enumerate(fleet.clusters.ids):
        load = float(rps[:, c].sum())
        parts.append(
            _mark(
                view,
                at[cluster],
                load / max(float(rps.sum(axis=0).max(initial=0.0)), 1e-9),
                str(cluster),
                float(moment.utilization[c]),
                load,
                moment.down[c],
            )
        )
    parts += [_users(view, at[o], str(o)) for i, o in enumerate(fleet.origins.ids) if fleet.origins.cluster[i] < 0]
    return "".join(parts)


def _arc(view: View, one: tuple[float, float], other: tuple[float, float], part: float, colour: str, words: str) -> str:
    x1, y1, x2, y2 = view.x(one[1]), view.y(one[0]), view.x(other[1]), view.y(other[0])
    bend = 0.18
    mx, my = (x1 + x2) / 2 - bend * (y2 - y1), (y1 + y2) / 2 + bend * (x2 - x1) * (-1 if x2 > x1 else 1)
    return (
        f'<path class="flow" stroke="{colour}" stroke-width="{0.6 + 5 * part:.2f}" '
        f'd="M{x1:.1f},{y1:.1f} Q{mx:.1f},{my:.1f} {x2:.1f},{y2:.1f}"><title>{escape(words)}</title></path>'
    )


def _mark(view: View, place: tuple[float, float], part: float, name: str, used: float, rps: float, down: bool) -> str:
    x, y, radius = view.x(place[1]), view.y(place[0]), 4 + 7 * part**0.5
    kind = "down" if down else "hot" if used > 1.0 else "warm" if used > 0.85 else "well"
    words = f"{name}: {'out' if down else f'{rps:.1f} rps, fullest back end at {used:.0%}'}"
    return (
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{escape(words)}</title></circle>'
        f'<text class="name" x="{x + radius + 2:.1f}" y="{y + 4:.1f}">{escape(name)}</text>'
    )


def _users(view: View, place: tuple[float, float], name: str) -> str:
    x, y = view.x(place[1]), view.y(place[0])
    return (
        f'<rect class="users" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"><title>{escape(name)}</title></rect>'
        f'<text class="name" x="{x + 7:.1f}" y="{y + 4:.1f}">{escape(name)}</text>'
    )
