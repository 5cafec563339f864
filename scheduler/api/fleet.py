"""The fleet: clusters, services, and who calls whom."""

import asyncio
import time
from typing import Annotated

from pydantic import Field

from scheduler.access.role import Role
from scheduler.api.plan import NOT_YET
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Json, Route, Said, Shown
from scheduler.api.shapes import Backend, LossRow, Number, PushOutcome, Shares
from scheduler.board import Board
from scheduler.fleet_view import cluster_body, cluster_rows, service_body, service_rows, standing
from scheduler.graph_view import graph_body
from scheduler.observed import Observed
from scheduler.state import State
from scheduler.turn import Turn

TAG = "fleet"


class ServiceRow(Shown):
    """A service in short; latency is the time in its backends."""

    service: str
    priority: str
    exposed: bool
    demand_rps: float
    refused_rps: float
    latency_ms: Number
    error_ratio: Number
    worst_utilization: float
    usable_clusters: int
    clusters: int
    usd_per_hour: float


class ServiceFlow(Shown):
    """Shares as decided, as the mesh has them, and as it sends; None where nobody says."""

    origin: str
    demand_rps: float
    desired: Shares
    pushed: Shares | None
    observed: Shares | None
    drift: Number


class Service(ServiceRow):
    """A service in full."""

    format_version: int
    rtt_max_ms: Number
    utilization_target: float
    calls: list[str]
    called_by: list[str]
    flows: list[ServiceFlow]
    backends: list[Backend]


class ClusterRow(Shown):
    """A cluster in short; `state` is up, part or down."""

    cluster: str
    provider: str
    region: str
    jurisdiction: str
    load_rps: float
    capacity_rps: float
    worst_utilization: float
    services: int
    usable_services: int
    state: str


class Mesh(Shown):
    """The mesh of an origin."""

    origin: str
    epoch: int | None
    version: int | None
    last_push: PushOutcome | None


class Pool(Shown):
    """Nodes of one type; capacity of all of them."""

    node_type: str
    nodes: int
    usd_per_node_hour: float
    capacity: dict[str, float]


class Cluster(ClusterRow):
    """A cluster in full."""

    format_version: int
    gateway_rps: Number
    pools: list[Pool]
    backends: list[Backend]
    meshes: list[Mesh]
    if_lost: LossRow | None


class FleetShown(Shown):
    """What there is."""

    format_version: int
    clusters: list[ClusterRow]
    origins: list[str]
    services: int
    flows: int
    backends: int
    reload_error: str


class Paging(Said):
    """Which part of a list."""

    limit: Annotated[int, Field(ge=1, le=500, description="Most items.")] = 100
    cursor: Annotated[str, Field(max_length=64, description="`next` of the part before.")] = ""


class ServicesShown(Shown):
    """A part of all services, by name; `next` is None at the end."""

    items: list[ServiceRow]
    next: str | None


class Edge(Shown):
    """Requests of one service to another, from a mesh to a cluster."""

    caller: str
    called: str
    origin: str
    cluster: str
    rps: float
    error_ratio: float
    network_ms: float
    """Round trip from the mesh to the cluster."""
    backend_ms: float
    """Measured time in the backend."""
    crosses: bool


class GraphAsked(Said):
    """How much of it."""

    limit: Annotated[int, Field(ge=1, le=2_000, description="Most edges, the largest first.")] = 200


class Graph(Shown):
    """Who calls whom."""

    format_version: int
    services: list[str]
    edges: list[Edge]
    left_out: int
    rps: float
    crossing_rps: float


class FleetApi:
    """Reads the board and what is observed."""

    def __init__(self, board: Board, observed: Observed) -> None:
        self.board, self.observed = board, observed

    def routes(self) -> list[Route]:
        """What it answers."""
        viewer = Role.VIEWER
        return [
            Route("GET", "/api/v1/fleet", viewer, TAG, "What there is", self.fleet, answers={200: FleetShown},
                  large=True),
            Route("GET", "/api/v1/clusters/{cluster}", viewer, TAG, "A cluster with its pools, backends and mesh",
                  self.cluster, answers={200: Cluster}, large=True),
            Route("GET", "/api/v1/services", viewer, TAG, "All services in short", self.services, query=Paging,
                  answers={200: ServicesShown}),
            Route("GET", "/api/v1/services/{service}", viewer, TAG,
                  "A service with its shares as desired, pushed and observed", self.service, answers={200: Service},
                  large=True),
            Route("GET", "/api/v1/graph", viewer, TAG, "Who calls whom across clusters, with traffic and errors",
                  self.graph, query=GraphAsked, answers={200: Graph}, large=True),
        ]  # fmt: skip

    def now(self) -> tuple[State, Turn]:
        """The newest state and turn; raises Failure before there are any."""
        found = standing(self.board)
        if found is None:
            raise Failure(503, NOT_YET, "No plan yet")
        return found

    async def fleet(self, _: Call) -> Answer:
        """Clusters in short."""
        state, turn = self.now()
        fleet = state.fleet
        rows = await asyncio.to_thread(cluster_rows, state, turn)
        body: Json = {
            "format_version": 1,
            "clusters": rows,
            "origins": [str(origin) for origin in fleet.origins.ids],
            "services": len(fleet.services),
            "flows": len(fleet.flows),
            "backends": len(fleet.backends),
            "reload_error": self.board.reload_error,
        }
        return Answer(body)

    async def cluster(self, call: Call) -> Answer:
        """One of them."""
        self.now()
        body = await asyncio.to_thread(cluster_body, self.board, call.path["cluster"])
        if body is None:
            raise Failure(404, f"no cluster {call.path['cluster']!r}; GET /api/v1/fleet has them")
        return Answer(body)

    async def services(self, call: Call) -> Answer:
        """A part of all."""
        state, turn = self.now()
        asked = call.asked(Paging)
        rows = await asyncio.to_thread(service_rows, state, turn)
        rest = [row for row in rows if row["service"] > asked.cursor]
        more = len(rest) > asked.limit
        return Answer({"items": rest[: asked.limit], "next": rest[asked.limit - 1]["service"] if more else None})

    async def service(self, call: Call) -> Answer:
        """One of them."""
        self.now()
        name = call.path["service"]
        body = await asyncio.to_thread(service_body, self.board, self.observed, name, time.monotonic())
        if body is None:
            raise Failure(404, f"no service {name!r}; GET /api/v1/services has them")
        return Answer(body)

    async def graph(self, call: Call) -> Answer:
        """The largest edges."""
        return Answer(await asyncio.to_thread(graph_body, *self.now(), call.asked(GraphAsked).limit))
