"""Tables of runs: policies side by side, what was expected, and two calls compared."""

import io
import sys
from collections.abc import Iterator
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.table import Table

from config.problem import quoted
from config.reasons import nearest
from simulator.results import LEADS, LOW_IS_GOOD, WITHOUT, beaten, summaries
from simulator.rivals import EQUIPOISE, RIVALS

Body = dict[str, Any]
WIDTH_PIPED = 160
HEADS = {
    "totalUsdPerHour": "TOTAL $/h",
    "costUsdPerHour": "COST $/h",
    "p50Ms": "P50 ms",
    "p95Ms": "P95 ms",
    "p99Ms": "P99 ms",
    "availability": "AVAILABLE",
    "shed": "SHED",
    "egressUsdPerHour": "EGRESS $/h",
    "moved": "MOVED /h",
    "failoverS": "FAILOVER s",
    "utilization": "WORST USE",
}
RATIOS = {"availability", "shed", "utilization", "failed"}
FORMS = {"availability": "{:.3%}", "shed": "{:.2%}", "failed": "{:.2%}", "utilization": "{:.0%}"}
"""Others are numbers with two digits."""


def policies_of(words: str) -> list[str]:
    """Policies by their names, separated by commas, or all of them. Ends with exit code 1 where one is not known."""
    known = [EQUIPOISE, *RIVALS]
    chosen = known if words == "all" else [word.strip() for word in words.split(",") if word.strip()]
    for word in chosen:
        if word not in known:
            typer.echo(f"no policy {quoted(word)}{nearest(word, known)}", err=True)
            raise typer.Exit(1)
    if not chosen:
        typer.echo(f"--policy is empty{nearest('', known)}", err=True)
        raise typer.Exit(1)
    return chosen


def drawn(results: list[Body]) -> str:
    """Everything for people, as text; in colour on a terminal."""
    text, terminal = io.StringIO(), sys.stdout.isatty()
    console = Console(file=text, width=None if terminal else WIDTH_PIPED, force_terminal=terminal)
    for part in _parts(results):
        console.print(part)
    return text.getvalue()


def compared(one: list[Body], other: list[Body], names: tuple[str, str]) -> str:
    """Two lists of runs, metric by metric, where scenario and policy are the same (or each has but one)."""
    text, terminal = io.StringIO(), sys.stdout.isatty()
    console = Console(file=text, width=None if terminal else WIDTH_PIPED, force_terminal=terminal)
    a, b = summaries(one), summaries(other)
    if len(a) == len(b) == 1:
        pairs = [(f"{a[0]['scenario']} -> {b[0]['scenario']}", a[0], b[0])]
    else:
        there = {(row["scenario"], row["policy"]): row for row in b}
        keys = [(row["scenario"], row["policy"]) for row in a]
        pairs = [(" ".join(k), row, there[k]) for k, row in zip(keys, a, strict=True) if k in there]
    for title, left, right in pairs:
        console.print(_difference(title, left["metrics"], right["metrics"], names))
    if not pairs:
        console.print("nothing in common: no scenario and policy is in both")
    return text.getvalue()


def _parts(results: list[Body]) -> Iterator[RenderableType]:
    rows = summaries(results)
    for scenario in dict.fromkeys(result["scenario"] for result in results):
        mine = [result for result in results if result["scenario"] == scenario]
        yield f"[bold]{scenario}[/]  {mine[0]['about']}"
        yield _policies([row for row in rows if row["scenario"] == scenario])
        judged = [r for r in mine if r["policy"] == EQUIPOISE] or mine
        yield from _expectations(judged)
        yield from _timeline(judged[0])
        yield ""
    unmet = sum(not row["met"] for row in rows if row["policy"] == EQUIPOISE)
    played = len(dict.fromkeys(result["scenario"] for result in results))
    cpu_s = sum(result["cpu_s"] for result in results)
    yield f"{counted(played, 'scenario')}, {counted(len(results), 'run')}, {cpu_s:.1f} s of processor time"
    for words in beaten([row for row in rows if row["policy"] != WITHOUT], EQUIPOISE):
        yield f"[yellow]better than ours[/]: {words}"
    if unmet:
        yield f"[red]{unmet} not as expected[/]"


def _policies(rows: list[Body]) -> Table:
    table = Table("POLICY", *(HEADS[name] for name in LEADS), box=None, header_style="bold")
    best = {
        name: min(known) if name in LOW_IS_GOOD else max(known)
        for name in LEADS
        if (known := [row["metrics"][name] for row in rows if row["metrics"][name] is not None])
    }
    for row in rows:
        cells = []
        for name in LEADS:
            value = row["metrics"][name]
            cell = form(name, value)
            cells.append(f"[green]{cell}[/]" if len(rows) > 1 and value is not None and value == best[name] else cell)
        seeds = f" ({row['seeds']} seeds)" if row["seeds"] > 1 else ""
        table.add_row(f"{row['policy']}{seeds}", *cells)
    return table


def _expectations(judged: list[Body]) -> Iterator[str]:
    for run in judged:
        seed = f" (seed {run['seed']})" if len(judged) > 1 else ""
        for found in run["expectations"]:
            if found["met"] and len(judged) == 1:
                yield f"  [green]met[/]    {found['expectation']} (is {_short(found['value'])})"
            elif not found["met"]:
                why = f": {found['why']}" if found["why"] else ""
                yield f"  [red]unmet[/]  {found['expectation']} (is {_short(found['value'])}){seed}{why}"


def _timeline(run: Body) -> Iterator[str]:
    """The largest moves, in order of time."""
    for move in sorted(run["moves"][:3], key=lambda m: m["at_s"]):
        if move["part"] >= 0.01:
            change = move["changes"][0] if move["changes"] else None
            what = f"; most {change['flow']} to {change['cluster']}" if change else ""
            yield f"  {move['at_s']:8.2f} s  {move['reason']}: {move['why']}; {move['part']:.0%} of requests move{what}"


def _difference(title: str, one: Body, other: Body, names: tuple[str, str]) -> Table:
    table = Table("METRIC", *names, "CHANGE", box=None, header_style="bold", title=title, title_justify="left")
    for name in one:
        before, after = one[name], other.get(name)
        if before is None or after is None:
            change = ""
        elif name in RATIOS:
            change = f"{after - before:+.3%}"
        else:
            change = f"{after / before - 1:+.1%}" if before else f"{after - before:+.2f}"
        better = before is not None and after is not None and (after < before) == (name in LOW_IS_GOOD)
        colour = "" if before == after or name not in {*LOW_IS_GOOD, "availability"} else "green" if better else "red"
        table.add_row(name, form(name, before), form(name, after), f"[{colour}]{change}[/]" if colour else change)
    return table


def counted(number: int, what: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def form(name: str, value: float | None) -> str:
    """A number as people read it."""
    return "-" if value is None else FORMS.get(name, "{:.2f}").format(value)


def _short(value: float | None) -> str:
    return "not measurable" if value is None else f"{value:.5g}"
