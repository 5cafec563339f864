"""The pages that only show."""

import asyncio
import time
from typing import Any

import numpy as np
from markupsafe import Markup

from config.places import coordinates
from scheduler.access.role import Role
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Json, Route, html
from scheduler.dashboard.attention import items
from scheduler.dashboard.charts import Series, chart
from scheduler.dashboard.figures import calls, spark, world
from scheduler.dashboard.render import Pages
from scheduler.fleet_view import cluster_body, cluster_rows, service_body, service_rows
from scheduler.graph_view import graph_body
from scheduler.state import State
from scheduler.turn import Turn

TOP = 30
COMPONENTS = ("compute", "egress", "latency", "quality", "headroom", "shed", "churn", "overload")


class Views:
    """Over the same objects as the API."""

    def __init__(self, pages: Pages) -> None:
        self.pages, self.front = pages, pages.front

    def routes(self) -> list[Route]:
        """Pages by path."""
        viewer = Role.VIEWER
        return [
            html("GET", "/", viewer, "Overview", self.overview),
            html("GET", "/map", viewer, "Map", self.map),
            html("GET", "/services", viewer, "Services", self.services),
            html("GET", "/services/{service}", viewer, "Service", self.service),
            html("GET", "/clusters", viewer, "Clusters", self.clusters),
            html("GET", "/clusters/{cluster}", viewer, "Cluster", self.cluster),
            html("GET", "/graph", viewer, "Service graph", self.graph),
            html("GET", "/failover", viewer, "Failover readiness", self.readiness),
            html("GET", "/cost", viewer, "Cost", self.cost),
        ]

    async def _rows(self) -> tuple[State, Turn, list[Json], list[Json]]:
        state, turn = self.front.fleet.now()
        clusters = await asyncio.to_thread(cluster_rows, state, turn)
        services = await asyncio.to_thread(service_rows, state, turn)
        return state, turn, clusters, services

    async def overview(self, call: Call) -> Answer:
        """The state of all on one page."""
        state, turn, clusters, services = await self._rows()
        board, parts = self.front.parts.board, self.front.parts
        certificates = [{"target": t, "days_left": d} for t, d in self.front.outlook.certificates()]
        demand = sum(s["demand_rps"] for s in services) or 1.0
        known = [s for s in services if s["latency_ms"] is not None]
        weight = sum(s["demand_rps"] for s in known) or 1.0
        totals = [float(b["cost_usd_per_hour"]["total"]) for b in board.summaries]
        recent = [b | {"key": f"{b['epoch']}.{b['turn']}"} for b in reversed(board.summaries) if b["pushes"]]
        return await self.pages.show(
            call, "overview.html", "Overview", clusters=clusters, decisions=recent[:6],
            attention=items(board, clusters, services, parts.overrides.in_force(), certificates),
            demand_rps=demand if services else 0.0, refused_rps=sum(s["refused_rps"] for s in services),
            latency_ms=sum(s["latency_ms"] * s["demand_rps"] for s in known) / weight,
            error_ratio=sum((s["error_ratio"] or 0) * s["demand_rps"] for s in known) / weight,
            headroom=1 - max((c["worst_utilization"] for c in clusters), default=0.0),
            cost=turn.pushed_cost, cost_spark=Markup(spark(totals, "total cost")), age_s=turn.snapshot.age_s(),  # noqa: S704
            epoch=turn.epoch, overrides=parts.overrides.in_force(), drill=parts.drilling.drills, state=state,
            leader=board.leader,
        )  # fmt: skip

    async def map(self, call: Call) -> Answer:
        """As it stands, or before and after a decision that is kept; flows and rings both."""
        query, kept = call.request.query, list(self.front.parts.board.decisions)
        top = min(max(int(query["top"]), 1), 200) if _digits(call, "top") else TOP
        at = int(query["at"]) if _digits(call, "at") else None
        row = max((i for i, (_, t) in enumerate(kept) if at is None or t.number <= at), default=0)
        when = query.get("when", "now") if kept and query.get("when") in {"before", "after"} else "now"
        state, turn = self.front.fleet.now() if when == "now" else kept[row]
        routing = turn.snapshot.routing if when == "before" else turn.pushed
        clusters = await asyncio.to_thread(cluster_rows, state, turn, routing)
        flows = await asyncio.to_thread(between, state, turn, routing)
        figure = world(clusters, flows[:top], [str(o) for o in state.fleet.origins.ids], self._places(state))
        return await self.pages.show(
            call, "map.html", "Map", figure=Markup(figure), flows=flows[:top], more=max(0, len(flows) - top),  # noqa: S704
            clusters=clusters, when=when, top=top, kept=[t for _, t in kept], row=row,
        )  # fmt: skip

    def _places(self, state: State) -> dict[str, tuple[float, float]]:
        fleet, known = state.fleet, coordinates()
        found = dict(self.front.parts.controller.places)
        for i, name in enumerate(fleet.clusters.ids):
            where = known.get(f"{fleet.clusters.provider[i]}/{fleet.clusters.region[i]}")
            if where is not None:
                found.setdefault(str(name), where)
        for origin, home in zip(fleet.origins.ids, fleet.origins.cluster.tolist(), strict=True):
            if home >= 0 and fleet.clusters.ids[home] in found:
                found.setdefault(str(origin), found[fleet.clusters.ids[home]])
        return found

    async def services(self, call: Call) -> Answer:
        """All, the busiest first; `?q=` narrows."""
        _, _, _, services = await self._rows()
        wanted = call.request.query.get("q", "")[:63]
        rows = sorted((s for s in services if wanted in s["service"]), key=lambda s: -s["demand_rps"])
        return await self.pages.show(call, "services.html", "Services", services=rows, wanted=wanted)

    async def service(self, call: Call) -> Answer:
        """Desired, pushed, observed."""
        self.front.fleet.now()
        name, board = call.path["service"], self.front.parts.board
        body = await asyncio.to_thread(service_body, board, self.front.parts.observed, name, time.monotonic())
        if body is None:
            raise Failure(404, f"no service {name!r}")
        clusters = sorted({b["cluster"] for b in body["backends"]})
        return await self.pages.show(call, "service.html", name, service=body, clusters=clusters)

    async def clusters(self, call: Call) -> Answer:
        """All of them."""
        _, _, clusters, _ = await self._rows()
        return await self.pages.show(call, "clusters.html", "Clusters", clusters=clusters)

    async def cluster(self, call: Call) -> Answer:
        """With its pools, backends and mesh."""
        self.front.fleet.now()
        body = await asyncio.to_thread(cluster_body, self.front.parts.board, call.path["cluster"])
        if body is None:
            raise Failure(404, f"no cluster {call.path['cluster']!r}")
        return await self.pages.show(call, "cluster.html", call.path["cluster"], cluster=body)

    async def graph(self, call: Call) -> Answer:
        """The largest edges."""
        body = await asyncio.to_thread(graph_body, *self.front.fleet.now(), 100)
        wanted = call.request.query.get("service", "")[:63]
        edges = [e for e in body["edges"] if not wanted or wanted in (e["caller"], e["called"])]
        return await self.pages.show(
            call, "graph.html", "Service graph", graph=body, edges=edges, wanted=wanted, figure=Markup(calls(edges)),  # noqa: S704
        )  # fmt: skip

    async def readiness(self, call: Call) -> Answer:
        """Lose X."""
        body = await self.front.readiness.body()
        kind = call.request.query.get("kind", "")
        kinds = list(dict.fromkeys(row["kind"] for row in body["losses"]))
        rows = [row for row in body["losses"] if row["kind"] == kind] if kind in kinds else body["losses"]
        return await self.pages.show(
            call, "readiness.html", "Failover readiness", matrix=body, rows=rows, kinds=kinds, kind=kind
        )  # fmt: skip

    async def cost(self, call: Call) -> Answer:
        """By component, over time, by service."""
        hours = {"1": 1.0, "24": 24.0, "168": 168.0, "720": 720.0}.get(call.request.query.get("hours", "24"), 24.0)
        body, (_, _, _, services) = await asyncio.gather(self.front.reports.cost_of(hours), self._rows())
        figure = ""
        if len(body["series"]) > 1:
            times = np.array([p["wall_s"] - body["until_wall_s"] for p in body["series"]])
            layers = [Series(n, np.array([p[n] for p in body["series"]])) for n in COMPONENTS]
            shown = [layer for layer in layers if layer.value.max() > 1e-6]
            figure = chart("$/h by component, until now", times - times[0], shown, (), "", stacked=True)
        dearest = sorted(services, key=lambda s: -s["usd_per_hour"])
        return await self.pages.show(
            call, "cost.html", "Cost", cost=body, hours=hours, figure=Markup(figure), services=dearest,  # noqa: S704
            components=COMPONENTS,
        )  # fmt: skip


def _digits(call: Call, name: str) -> bool:
    return call.request.query.get(name, "").isdecimal() and len(call.request.query[name]) < 5


def between(state: State, turn: Turn, routing: Any) -> list[Json]:
    """Requests/s from each origin to each cluster, the largest first, under a routing."""
    from placement.cost import loads  # noqa: PLC0415  the one place that needs it

    fleet, problem = state.fleet, state.problem
    assert problem is not None
    if len(routing) != len(fleet.flows):
        routing = turn.pushed
    demand = loads(problem, routing).demand_rps
    rps = demand[routing.row] * routing.share
    there = routing.column != fleet.shed
    key = fleet.flows.origin[routing.row] * (fleet.shed + 1) + routing.column
    sums = np.bincount(key[there], weights=rps[there], minlength=len(fleet.origins) * (fleet.shed + 1))
    order = np.argsort(-sums, kind="stable")
    found = [(*divmod(i, fleet.shed + 1), float(sums[i])) for i in order.tolist() if sums[i] > 0.05]
    return [
        {"origin": str(fleet.origins.ids[o]), "cluster": str(fleet.clusters.ids[c]), "rps": flow,
         "home": fleet.origins.cluster[o] == c, "rtt_ms": float(fleet.network.rtt_ms[o, c])}
        for o, c, flow in found
    ]  # fmt: skip
