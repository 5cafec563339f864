"""A page about some runs: how they compare, what happened when, where requests went, and why."""

from html import escape
from pathlib import Path

import numpy as np

from placement.columns import Floats
from scheduler.dashboard.charts import Band, Series, chart, clock
from scheduler.reports.chrome import document
from simulator.physics.books import EDGES_MS
from simulator.physics.strikes import Scene, truth_at
from simulator.play import Played
from simulator.report.atlas import Moment, maps
from simulator.results import LEADS, result_of, summaries
from simulator.rivals import EQUIPOISE
from simulator.scenario.faults import Event, kind_of, subject_of

MOVES_SHOWN = 12
MOVED_PART = 0.01
FRAMES_MAX = 24
LEAST_TOP = 0.01
"""Least upper end of an axis of what failed: a ratio of a millionth is no mountain."""
NAMES = {
    "totalUsdPerHour": "total $/h",
    "costUsdPerHour": "cost $/h",
    "p50Ms": "p50 ms",
    "p95Ms": "p95 ms",
    "p99Ms": "p99 ms",
    "availability": "available",
    "shed": "refused",
    "egressUsdPerHour": "egress $/h",
    "moved": "moved /h",
    "failoverS": "failover s",
    "utilization": "worst use",
}
FORMS = {"availability": "{:.3%}", "shed": "{:.2%}", "utilization": "{:.0%}"}
"""Others are numbers with two digits."""


def page(played: list[Played]) -> str:
    """Self-contained HTML."""
    script = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
    names = list(dict.fromkeys(run.loaded.scenario.name for run in played))
    index = "".join(f'<li><a href="#{escape(n)}">{escape(n)}</a></li>' for n in names) if len(names) > 1 else ""
    sections = "".join(_section([run for run in played if run.loaded.scenario.name == name]) for name in names)
    return document(
        "Equipoise: what if",
        f"<h1>What if</h1><ul class='index'>{index}</ul>{sections}",
        "Virtual time, real controller: the loop that decided here is the one that runs in production. Prices "
        "and distances are facts of their dates, not offers.",
        script,
    )


def _section(runs: list[Played]) -> str:
    """One scenario: the first seed of ours (or of the first policy) in detail, all in the table."""
    shown = next((run for run in runs if run.policy == EQUIPOISE), runs[0])
    scenario = shown.loaded.scenario
    firsts = [run for run in runs if run.seed == shown.seed]
    return (
        f'<section id="{escape(scenario.name)}"><h2>{escape(scenario.name)}</h2><p>{escape(scenario.spec.about)}</p>'
        f"{_table(runs)}{_expectations(shown)}{_events(shown)}{_rivals(firsts)}{_charts(shown)}{_map(shown)}"
        f"{_moves(shown)}</section>"
    )


def _table(runs: list[Played]) -> str:
    rows = summaries([result_of(run) for run in runs])
    head = "".join(f"<th>{NAMES[name]}</th>" for name in LEADS)
    body = ""
    for row in rows:
        cells = "".join(f"<td>{_cell(name, row['metrics'][name])}</td>" for name in LEADS)
        seeds = f" ({row['seeds']} seeds)" if row["seeds"] > 1 else ""
        body += f"<tr><th>{escape(row['policy'])}{seeds}</th>{cells}</tr>"
    return f"<table class='policies'><thead><tr><th>policy</th>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(name: str, value: float | None) -> str:
    return "-" if value is None else FORMS.get(name, "{:.2f}").format(value)


def _expectations(run: Played) -> str:
    found = result_of(run)["expectations"]
    if not found:
        return ""
    items = "".join(
        f'<li class="{"met" if one["met"] else "unmet"}">{escape(one["expectation"])} '
        f"<b>{'' if one['value'] is None else format(one['value'], '.5g')}</b> {escape(one['why'])}</li>"
        for one in found
    )
    return f"<h3>Expected</h3><ul class='expect'>{items}</ul>"


def _events(run: Played) -> str:
    spec = run.loaded.scenario.spec
    items = "".join(
        f"<li><b>{clock(e.at)}</b> {escape(_words(e))}"
        f"{f' for {clock(e.lasts)}' if e.lasts is not None else ''}"
        f"{f': {escape(e.note)}' if e.note else ''}</li>"
        for e in sorted(spec.events, key=lambda e: e.at)
    )
    return f"<h3>What happens</h3><ul>{items}</ul>" if items else ""


def _words(event: Event) -> str:
    return f"{kind_of(event)} {subject_of(event)}"


def _bands(run: Played) -> list[Band]:
    spec = run.loaded.scenario.spec
    ends = [spec.duration if e.lasts is None else e.at + e.lasts for e in spec.events]
    return [Band(e.at, end, _words(e)) for e, end in zip(spec.events, ends, strict=True)]


def _times(run: Played) -> Floats:
    return np.asarray(run.books.starts_s + run.books.length_s / 2, dtype=np.float64)


def _rivals(runs: list[Played]) -> str:
    """Policies over each other: what was not answered, and what it cost."""
    if len(runs) < 2:
        return ""
    lost = [Series(r.policy, 1 - _ratio(r.books.good_rps.sum(axis=1), r.books.asked_rps.sum(axis=1))) for r in runs]
    usd = [Series(r.policy, _total_usd(r)) for r in runs]
    times, bands = _times(runs[0]), _bands(runs[0])
    top = max(LEAST_TOP, *(float(np.nanmax(series.value, initial=0.0)) for series in lost))
    return chart("Failed or refused, by policy", times, lost, bands, "%", top=top) + chart(
        "Total $/h, by policy: compute, egress, waiting and refusing", times, usd, bands
    )


def _total_usd(run: Played) -> Floats:
    books = run.books
    return np.asarray(books.compute_usd + books.egress_usd + books.waiting_usd + books.refusing_usd)


def _charts(run: Played) -> str:
    books, fleet, times, bands = run.books, run.fleet, _times(run), _bands(run)
    asked, good, shed = (c.sum(axis=1) for c in (books.asked_rps, books.good_rps, books.shed_rps))
    clusters = [
        Series(str(name), books.load_rps[:, fleet.backends.cluster == c].sum(axis=1))
        for c, name in enumerate(fleet.clusters.ids)
    ]
    used = [
        Series(str(name), books.utilization[:, fleet.backends.cluster == c].max(axis=1, initial=0.0))
        for c, name in enumerate(fleet.clusters.ids)
    ]
    money = [
        Series("compute", books.compute_usd),
        Series("egress", books.egress_usd),
        Series("waiting", books.waiting_usd),
        Series("refusing", books.refusing_usd),
    ]
    slow = [Series(f"p{q:g}", _percentiles(books.latency, q / 100)) for q in (50, 95, 99)]
    return "".join(
        (
            "<h3>Over time</h3>",
            chart(
                "Requests/s",
                times,
                [Series("asked", asked), Series("answered well", good), Series("refused", shed)],
                bands,
            ),
            chart("Requests/s by cluster: the weights at work", times, clusters, bands, stacked=True),
            chart("Latency of users, ms", times, slow, bands),
            chart("Load over capacity of the fullest back end", times, used, bands, "%"),
            chart("$/h: what is billed, what waiting and refusing are worth", times, money, bands, stacked=True),
        )
    )


def _percentiles(latency: Floats, quantile: float) -> Floats:
    """(N,) of each interval."""
    total = latency.sum(axis=1)
    place = (np.cumsum(latency, axis=1) < quantile * total[:, None]).sum(axis=1)
    edge = np.append(EDGES_MS, EDGES_MS[-1])[np.minimum(place, len(EDGES_MS))]
    return np.where(total > 0, edge, np.nan)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _map(run: Played) -> str:
    """Moments: the start, a little after every event begins and ends, the end."""
    books, fleet, spec = run.books, run.fleet, run.loaded.scenario.spec
    wanted = {0.0, spec.duration}
    for band in _bands(run):
        wanted |= {max(0.0, band.starts_s - 1), band.starts_s + 15, (band.starts_s + band.ends_s) / 2, band.ends_s + 60}
    times = _times(run)
    rows = sorted({int(np.abs(times - t).argmin()) for t in wanted if t <= spec.duration + 60})
    rows = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, FRAMES_MAX).astype(int)).tolist()]
    moments = []
    for row in rows:
        used = np.zeros(len(fleet.clusters))
        np.maximum.at(used, fleet.backends.cluster, books.utilization[row])
        at_s = float(times[row])
        now = [_words(e) for e in spec.events if e.at <= at_s and (e.lasts is None or at_s < e.at + e.lasts)]
        down = tuple(_is_down(run, str(c), at_s) for c in fleet.clusters.ids)
        words = f"{clock(at_s)} {'; '.join(now[:3])}"
        moments.append(Moment(words, books.between_rps[row], used, down))
    return maps(fleet, run.loaded.built.places, moments)


def _is_down(run: Played, cluster: str, at_s: float) -> bool:
    """Whether an outage covers a cluster."""
    scene = Scene(run.fleet, run.loaded.built.zones, at_s)
    up = truth_at(run.loaded.scenario.spec.events, scene).cluster_up
    return not bool(up[run.fleet.clusters.ids.index(cluster)])


def _moves(run: Played) -> str:
    """The largest moves, in order of time, each with its reason."""
    large = [m for m in run.diary.moves if m.part >= MOVED_PART]
    chosen = sorted(sorted(large, key=lambda m: -m.rps)[:MOVES_SHOWN], key=lambda m: m.at_s)
    if not chosen:
        return ""
    rows = ""
    for move in chosen:
        what = "<br>".join(
            f"{escape(c.flow)} → {escape(c.cluster)} {c.before:.0%} → {c.after:.0%}" for c in move.changes[:3]
        )
        notes = "<br>".join(escape(words) for words in (*move.guards, *move.failed))
        saved = f"{move.usd_before:,.2f} → {move.usd_after:,.2f}"
        rows += (
            f"<tr><td>{clock(move.at_s)}</td><td>{escape(move.reason)}</td><td>{escape(move.why)}</td>"
            f"<td>{move.part:.1%}</td><td>{what}</td><td>{saved}</td><td>{notes}</td></tr>"
        )
    more = f"<p>{len(large) - len(chosen)} smaller ones are not shown.</p>" if len(large) > len(chosen) else ""
    return (
        "<h3>Why it moved</h3><table class='moves'><thead><tr><th>at</th><th>turn</th><th>why</th><th>of requests</th>"
        f"<th>largest changes</th><th>total $/h, as seen</th><th>guards and pushes</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{more}"
    )
