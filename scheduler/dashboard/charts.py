"""Charts over time as SVG: lines and stacked areas, with the events behind them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from placement.columns import Floats

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 190, 58, 12, 12, 24
COLOURS = (
    "#2f6fde", "#e07b39", "#2a9d63", "#b5479a", "#8a6d3b", "#5aa9c9", "#c0392b", "#7a6ee0", "#9bb33c", "#6b7785",
    "#d4a017", "#4b8b8b",
)  # fmt: skip
"""Told apart in light and dark, and by most who do not see all colours."""
TICKS = 4
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
TIME_STEPS_S = (5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400, 172_800)


@dataclass(frozen=True, slots=True)
class Band:
    """An event behind a chart."""

    starts_s: float
    ends_s: float
    words: str


@dataclass(frozen=True, slots=True)
class Series:
    """One line or layer."""

    name: str
    value: Floats
    """(N,) NaN where there is nothing."""
    colour: str = ""


def chart(
    title: str,
    times_s: Floats,
    series: Sequence[Series],
    bands: Iterable[Band],
    unit: str = "",
    *,
    stacked: bool = False,
    top: float | None = None,
) -> str:
    """A figure with caption, legend and chart. `top` fixes the upper end of the value axis."""
    shown = [Series(s.name, s.value, s.colour or COLOURS[i % len(COLOURS)]) for i, s in enumerate(series)]
    total = np.sum([s.value for s in shown], axis=0) if stacked and shown else None
    values = total if total is not None else np.concatenate([s.value for s in shown] or [np.zeros(1)])
    finite = values[np.isfinite(values)]
    most = top if top is not None else float(finite.max(initial=0.0))
    scale = nice(most or 1.0)
    first, last = float(times_s[0]), float(times_s[-1])
    parts = [_bands(bands, first, last), _value_axis(scale, unit), _time_axis(first, last)]
    parts.append(_layers(times_s, shown, scale[-1]) if stacked else _lines(times_s, shown, scale[-1]))
    legend = "".join(f"<span>{swatch(s.colour)}{escape(s.name)}</span>" for s in shown)
    body = "".join(parts)
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{body}</svg>'
        f'<div class="legend">{legend}</div></figure>'
    )


def swatch(colour: str) -> str:
    """The key of a colour; no inline style, which a strict policy of a page forbids."""
    return (
        f'<svg class="key" viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" fill="{colour}"/></svg>'
    )


def nice(most: float) -> list[float]:
    """Ticks from 0 to at least `most` in round steps."""
    raw = most / TICKS
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(s * power for s in STEPS if s * power >= raw * (1 - 1e-9))
    return [step * i for i in range(int(np.ceil(most / step - 1e-9)) + 1)]


def clock(at_s: float) -> str:
    """`1:02:30` or `2:30`."""
    whole = round(at_s)
    hours, rest = divmod(whole, 3_600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _x(at_s: Floats | float, first: float, last: float) -> Floats:
    part = (np.asarray(at_s, dtype=np.float64) - first) / max(last - first, 1e-9)
    return np.asarray(LEFT + part * (WIDTH - LEFT - RIGHT), dtype=np.float64)


def _y(value: Floats | float, most: float) -> Floats:
    part = np.clip(np.asarray(value, dtype=np.float64) / max(most, 1e-12), 0.0, 1.0)
    return np.asarray(HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM), dtype=np.float64)


def _bands(bands: Iterable[Band], first: float, last: float) -> str:
    made = []
    for band in bands:
        begin, end = (float(_x(float(np.clip(t, first, last)), first, last)) for t in (band.starts_s, band.ends_s))
        made.append(
            f'<rect class="band" x="{begin:.1f}" y="{TOP}" width="{max(end - begin, 1.5):.1f}" '
            f'height="{HEIGHT - TOP - BOTTOM}"><title>{escape(band.words)}</title></rect>'
        )
    return "".join(made)


def _value_axis(ticks: list[float], unit: str) -> str:
    made = []
    for tick in ticks:
        y = float(_y(tick, ticks[-1]))
        words = f"{tick:.0%}" if unit == "%" else f"{tick:g}"
        made.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        made.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{words}</text>')
    return "".join(made)


def _time_axis(first: float, last: float) -> str:
    step = next((s for s in TIME_STEPS_S if (last - first) / s <= 8), TIME_STEPS_S[-1])
    made = []
    for at_s in np.arange(np.ceil(first / step) * step, last + 1, step).tolist():
        x = float(_x(at_s, first, last))
        anchor = "middle" if x < WIDTH - 2 * RIGHT else "end"  # or the last one would be cut
        made.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{clock(at_s)}</text>')
    return "".join(made)


def _lines(times_s: Floats, series: Sequence[Series], most: float) -> str:
    made = []
    x = _x(times_s, float(times_s[0]), float(times_s[-1]))
    for one in series:
        good = np.isfinite(one.value)
        y = _y(np.where(good, one.value, 0.0), most)
        steps, pen = [], "M"
        for i in range(len(x)):
            if good[i]:
                steps.append(f"{pen}{x[i]:.1f},{y[i]:.1f}")
            pen = "L" if good[i] else "M"
        words = f"<title>{escape(one.name)}</title>"
        made.append(f'<path class="line" stroke="{one.colour}" d="{" ".join(steps)}">{words}</path>')
    return "".join(made)


def _layers(times_s: Floats, series: Sequence[Series], most: float) -> str:
    made = []
    x = _x(times_s, float(times_s[0]), float(times_s[-1]))
    floor = np.zeros(len(times_s))
    for one in series:
        roof = floor + np.nan_to_num(one.value)
        upper = [f"{a:.1f},{b:.1f}" for a, b in zip(x, _y(roof, most), strict=True)]
        lower = [f"{a:.1f},{b:.1f}" for a, b in zip(x[::-1], _y(floor[::-1], most), strict=True)]
        words = f"<title>{escape(one.name)}</title>"
        made.append(
            f'<polygon fill="{one.colour}" fill-opacity="0.75" points="{" ".join(upper + lower)}">{words}</polygon>'
        )
        floor = roof
    return "".join(made)
