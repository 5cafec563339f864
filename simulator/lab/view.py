"""The lab on a terminal: live tables where there is one, else a line every two seconds."""

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from simulator.lab.effects import percentile
from simulator.lab.fleet import Lab
from simulator.lab.load import Served
from simulator.lab.places import PLACES, WORKLOADS
from simulator.lab.watch import Backend, View

REFRESH_PERIOD_S = 0.25
LINE_PERIOD_S = 2.0
RECENT_S = 3.0
SAID_MAX = 6
BAR_WIDTH = 12
VERDICT_STYLES = {"UP": "green", "SUSPECT": "yellow", "DOWN": "bold red", "PROBATION": "magenta", "RAMP": "cyan"}


class Stage:
    """Where the story is told: keeps what was said, and shows it."""

    def __init__(self, console: Console, live: bool) -> None:
        """`live` redraws a screen; otherwise lines follow each other."""
        self.console, self.live = console, live
        self.start_s = time.monotonic()
        self.said: deque[str] = deque(maxlen=SAID_MAX)

    def say(self, text: str) -> None:
        """Tell what happens now."""
        stamped = f"{time.monotonic() - self.start_s:6.1f} s  {text}"
        self.said.append(stamped)
        if not self.live:
            self.console.print(stamped, markup=False, highlight=False, soft_wrap=True)

    @contextlib.asynccontextmanager
    async def showing(self, lab: Lab) -> AsyncIterator[None]:
        """Show the lab for as long as the block lasts."""
        self.start_s = time.monotonic()
        task = asyncio.create_task(self._redraw(lab) if self.live else self._lines(lab))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _redraw(self, lab: Lab) -> None:
        with Live(console=self.console, auto_refresh=False, transient=True, screen=False) as live:
            while True:
                live.update(screen(lab, self.said, time.monotonic() - self.start_s), refresh=True)
                await asyncio.sleep(REFRESH_PERIOD_S)

    async def _lines(self, lab: Lab) -> None:
        while True:
            await asyncio.sleep(LINE_PERIOD_S)
            self.say(f"    {status(lab)}")


def recent(served: list[Served], now_s: float) -> list[Served]:
    """Requests that were sent in the last few seconds and are finished. Rows come in nearly in order of time."""
    found = []
    for row in reversed(served):
        if row.at_s < now_s - 2 * RECENT_S:
            break
        if row.at_s >= now_s - RECENT_S:
            found.append(row)
    return found


def status(lab: Lab) -> str:
    """The state in one line."""
    rows = recent(lab.served, time.monotonic())
    failed = sum(row.failed for row in lab.served)
    words = [f"{len(rows) / RECENT_S:4.0f} req/s", f"p50 {p_ms(rows, 0.5)} ms", f"p95 {p_ms(rows, 0.95)} ms",
             f"{failed} of {len(lab.served)} failed"]  # fmt: skip
    view = lab.watch.latest
    if view is None or not lab.watch.answers:
        return "  ".join([*words, "controller does not answer"])
    words += [f"${view.billed_usd_per_hour:.2f}/h", *sick(view), *away(view)]
    return "  ".join(words)


def sick(view: View) -> list[str]:
    """Backends that are not UP."""
    return [f"{b.service}/{b.cluster} {b.verdict}" for b in view.backends if b.verdict != "UP"]


def away(view: View) -> list[str]:
    """Front-end shares that leave their origin: `eu-west>us-east 40%`."""
    return [
        f"{flow.origin}>{cluster} {share:.0%}"
        for flow in view.flows
        for cluster, share in flow.shares.items()
        if flow.service == "frontend" and cluster != flow.origin and share >= 0.005
    ]


def screen(lab: Lab, said: Iterable[str], elapsed_s: float) -> Group:
    """Everything at once."""
    view, rows = lab.watch.latest, recent(lab.served, time.monotonic())
    parts: list[Table | Text] = [headline(lab, view, rows, elapsed_s), Text("\n".join(said), style="dim")]
    if view is not None:
        parts += [clusters(view), routing(view)]
    return Group(*parts, users(rows))


def headline(lab: Lab, view: View | None, rows: list[Served], elapsed_s: float) -> Text:
    """Time, turn, money, failures."""
    failed = sum(row.failed for row in lab.served)
    text = Text.assemble(
        ("Equipoise lab ", "bold"), f"{elapsed_s:5.1f} s   {len(rows) / RECENT_S:4.0f} req/s   ",
        (f"{failed} of {len(lab.served)} failed", "bold red" if failed else "green"),
    )  # fmt: skip
    if view is None or not lab.watch.answers:
        return text.append("   controller does not answer", style="bold red")
    return text.append(f"   turn {view.turn} {view.reason}   ${view.billed_usd_per_hour:.2f}/h")


def clusters(view: View) -> Table:
    """Health, load and latency of every service in every cluster."""
    table = Table(title="clusters", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("cluster")
    for service in WORKLOADS:
        table.add_column(service)
        table.add_column("load / capacity rps")
        table.add_column("ms", justify="right")
    known = {(b.cluster, b.service): b for b in view.backends}
    for cluster in PLACES:
        cells = [cell for service in WORKLOADS for cell in backend_cells(known.get((cluster, service)))]
        table.add_row(cluster, *cells)
    return table


def backend_cells(backend: Backend | None) -> list[Text]:
    """Verdict, a bar of utilization with its numbers, latency."""
    if backend is None:
        return [Text("-"), Text(""), Text("")]
    filled = min(round(backend.utilization * BAR_WIDTH), BAR_WIDTH)
    bar = Text("█" * filled + "░" * (BAR_WIDTH - filled), style="red" if backend.utilization > 0.9 else "blue")
    bar.append(f" {backend.load_rps:3.0f}/{backend.capacity_rps:.0f}", style="default")
    verdict = Text(backend.verdict, style=VERDICT_STYLES.get(backend.verdict, "default"))
    return [verdict, bar, Text(f"{backend.latency_ms:.0f}")]


def routing(view: View) -> Table:
    """Where each origin's requests go."""
    table = Table(title="weights", title_justify="left", box=SIMPLE_HEAD)
    for name in ("service", "from"):
        table.add_column(name)
    for name in ("rps", *PLACES):
        table.add_column(name, justify="right")
    for flow in view.flows:
        shares = (flow.shares.get(cluster, 0.0) for cluster in PLACES)
        table.add_row(flow.service, flow.origin, f"{flow.demand_rps:.0f}", *(f"{s:.1%}" if s else "-" for s in shares))
    return table


def users(rows: list[Served]) -> Table:
    """What the users of each region get."""
    table = Table(title="users", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("region")
    for name in ("req/s", "p50 ms", "p95 ms", "failed", "rerouted", "served in"):
        table.add_column(name, justify="right" if name != "served in" else "left")
    for region in PLACES:
        own = [row for row in rows if row.region == region]
        places = Counter(row.cluster for row in own if row.cluster).most_common()
        table.add_row(
            region, f"{len(own) / RECENT_S:.0f}", p_ms(own, 0.5), p_ms(own, 0.95), str(sum(r.failed for r in own)),
            str(sum(r.rerouted for r in own)), ", ".join(f"{place} {count / len(own):.0%}" for place, count in places),
        )  # fmt: skip
    return table


def p_ms(rows: list[Served], q: float) -> str:
    """A percentile of latency without decimals, or a dash."""
    good = [row.latency_ms for row in rows if not row.failed]
    return f"{percentile(good, q):.0f}" if good else "-"
