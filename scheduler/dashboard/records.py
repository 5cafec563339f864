"""Decisions, drills, what-if runs and the audit: pages of what happened and what might."""

import asyncio

import numpy as np
from markupsafe import Markup

from scheduler.access.role import Role
from scheduler.api.overrides import override_body
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Json, Route, html
from scheduler.api.simulations import job_body
from scheduler.api.turns import KEY, keyed
from scheduler.dashboard.charts import Series, chart
from scheduler.dashboard.questions import fields_of, names_of
from scheduler.dashboard.render import Pages
from scheduler.state import State
from scheduler.turn import Turn

PAGE = 30
SHOWN_USD = 5e-5
LEVELS = {
    "L0": "proof: the solver has a routing",
    "L1": "probe every leg of the way",
    "L2": "dry push: the meshes take the weights, for no request",
    "L3": "1, 5 and 10 % of the requests and back",
    "L4": "all of the requests and back",
}
METRICS = (
    ("availability", "answered well", "pct"), ("shed", "refused", "pct"), ("p50Ms", "p50", "ms"),
    ("p95Ms", "p95", "ms"), ("p99Ms", "p99", "ms"), ("utilization", "fullest backend", "pct"),
    ("totalUsdPerHour", "total cost", "usd"), ("costUsdPerHour", "billed cost", "usd"),
    ("failoverS", "failover", "seconds"), ("moved", "moved per hour", "number"),
)  # fmt: skip


class Records:
    """Over the same objects as the API."""

    def __init__(self, pages: Pages) -> None:
        self.pages, self.front = pages, pages.front

    def routes(self) -> list[Route]:
        """Pages by path."""
        viewer = Role.VIEWER
        return [
            html("GET", "/decisions", viewer, "Decisions", self.decisions),
            html("GET", "/decisions/{turn}", viewer, "A decision", self.decision, patterns={"turn": KEY}),
            html("GET", "/drills", viewer, "Drills", self.drills),
            html("GET", "/drills/{id}", viewer, "A drill", self.drill),
            html("GET", "/whatif", viewer, "What-if", self.whatif),
            html("GET", "/whatif/{id}", viewer, "A what-if run", self.run),
            html("GET", "/audit", Role.OPERATOR, "Audit", self.audit),
        ]

    async def decisions(self, call: Call) -> Answer:
        """Those that moved something, newest first; `?all=1` the others too."""
        cursor, everything = call.request.query.get("cursor", ""), call.request.query.get("all") == "1"
        before = int(cursor) if cursor.isdecimal() and len(cursor) < 18 else None
        found = await self.front.turns.ledger.page(PAGE + 1, before, moved=not everything)
        more = found[PAGE - 1].row if len(found) > PAGE else None
        rows = [keyed(kept.body) for kept in found[:PAGE]]
        good = await self.front.turns.ledger.good()
        return await self.pages.show(
            call, "decisions.html", "Decisions", turns=rows, more=more, everything=everything, good=good
        )  # fmt: skip

    async def decision(self, call: Call) -> Answer:
        """Before and after, cost by component, limits and prices, guards, and what every mesh said."""
        key = call.path["turn"]
        body = await self.front.turns.in_full(key)
        kept = [d for d in self.front.parts.board.decisions if f"{d[1].epoch}.{d[1].number}" == key]
        worth = await self._worth(*kept[0]) if kept else None
        before, after = body["cost_before_usd_per_hour"], body["cost_usd_per_hour"]
        parts = [
            {"name": n, "before": before[n], "after": after[n], "delta": after[n] - before[n]}
            for n in after
            if abs(before[n]) > SHOWN_USD or abs(after[n]) > SHOWN_USD
        ]
        good = [g for g in await self.front.turns.ledger.good() if g.turn <= body["turn"]]
        return await self.pages.show(
            call, "decision.html", f"Decision {key}", body=body, parts=parts, worth=worth, good=good
        )  # fmt: skip

    async def _worth(self, state: State, turn: Turn) -> Json | None:
        """Shadow prices of the problem of a decision; None where it has none."""
        from placement.explain import explain  # noqa: PLC0415  heavy, and only for this page
        from placement.worth import capacity_worth  # noqa: PLC0415
        from scheduler.summary import worth_summary  # noqa: PLC0415

        problem = state.problem
        prices = await self.front.parts.solver.price(problem) if problem is not None else None
        if problem is None or prices is None:
            return None

        def found() -> Json:
            rps = problem.demand_rps
            largest = np.argsort(-rps)[:20].tolist()
            binding = {words for f in largest for words in explain(problem, turn.pushed, prices, f).binding}
            return worth_summary(problem, capacity_worth(problem, prices)) | {"binding": sorted(binding)}

        return await asyncio.to_thread(found)

    async def drills(self, call: Call) -> Answer:
        """Newest first, with what covers the fleet."""
        body = await self.front.drills.body()
        state = self.front.parts.board.state
        rows = state.failover.rows if state is not None and state.failover is not None else ()
        losses = [str(row.loss) for row in rows if row.loss.kind != "tier"]
        book = self.front.parts.drilling.book
        coverage = await asyncio.to_thread(book.summary, self.front.drills.wall_s())
        chosen = call.request.query.get("loss", "")
        return await self.pages.show(
            call, "drills.html", "Drills", body=body, losses=losses, levels=LEVELS, coverage=coverage["coverage24"],
            chosen=chosen,
        )  # fmt: skip

    async def drill(self, call: Call) -> Answer:
        """Live while it is under way."""
        body = await self.front.drills.in_full(call.path["id"])
        return await self.pages.show(call, "drill.html", f"Drill {body['id']}", drill=body, live=not body["outcome"])

    async def whatif(self, call: Call) -> Answer:
        """The form, prefilled from the address, and the newest runs."""
        state, _ = self.front.fleet.now()
        jobs, query = [job_body(job) for job in reversed(self.front.parts.jobs.kept.values())], call.request.query
        kinds = self.front.parts.jobs.events
        kind = next((k for k in kinds if k.name == query.get("fault")), kinds[0] if kinds else None)
        fields = fields_of(kind, names_of(state), query) if kind else []
        return await self.pages.show(call, "whatif.html", "What-if", jobs=jobs, kinds=kinds, kind=kind, fields=fields)

    async def run(self, call: Call) -> Answer:
        """A run, compared with the same time without its events."""
        job = job_body(self.front.simulations.one(call.path["id"]))
        figures = charts(job["result"]["runs"]) if job["result"] else []
        return await self.pages.show(
            call, "run.html", f"What-if {job['id']}", job=job, metrics=METRICS, figures=figures
        )  # fmt: skip

    async def audit(self, call: Call) -> Answer:
        """Who changed what, and what is ordered now."""
        cursor = call.request.query.get("cursor", "")
        page = await self.front.audit.page(50, int(cursor) if cursor.isdecimal() and len(cursor) < 18 else None)
        overrides = self.front.parts.overrides
        rows = [override_body(o, overrides.wall_s()) for o in await overrides.newest()]
        fleet = self.front.fleet.now()[0].fleet
        return await self.pages.show(
            call, "audit.html", "Audit and overrides", page=page, overrides=rows,
            clusters=[str(c) for c in fleet.clusters.ids], services=[str(s) for s in fleet.services.ids],
        )  # fmt: skip


def charts(runs: list[Json]) -> list[Markup]:
    """Runs over each other."""
    if not runs:
        raise Failure(404, "the run has no results")
    times = np.array(runs[0]["series"]["at_s"])
    found = []
    for name, title, unit in (
        ("good_rps", "Answered well, requests/s", ""), ("utilization", "Fullest backend", "%"),
        ("usd_per_hour", "Total, $/h", ""),
    ):  # fmt: skip
        lines = [
            Series(run["name"], np.interp(times, run["series"]["at_s"], run["series"][name])) for run in runs
        ]  # fmt: skip
        found.append(Markup(chart(title, times, lines, (), unit)))  # noqa: S704  made here, names escaped
    return found
