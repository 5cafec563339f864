"""`/api/v1/floors`: least replicas as they are, as they should be and what is done about it; and giving them back."""

from typing import Annotated

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pydantic import Field

from placement.fleet import ClusterId, Fleet, ServiceId
from scheduler.access.role import Role
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Json, Route, Said, Shown
from scheduler.floor_reach import FloorReach, floor_reaches
from scheduler.floors import Floors, Look
from scheduler.ports import LedgerDown

PATH, TAG = "/api/v1/floors", "plan"
ABOUT = (
    "Every object becomes as it was before the first step, without our marks, and no more steps are made until "
    "`POST /api/v1/floors/resume`, over restarts too."
)


class Why(Said):
    """For those who find it so."""

    reason: Annotated[str, Field(min_length=1, max_length=300)]


class FloorShown(Shown):
    """Least replicas of a service in a cluster; a number is None while it is not known."""

    service: str
    cluster: str
    kept_by: str
    now: int | None
    assigned: int | None
    """By the assignment."""
    serving: int | None
    """What the load of now takes, with the spare."""
    next: int | None
    """After the step of the newest round."""
    words: str


class FloorsShown(Shown):
    """The newest round."""

    format_version: int
    apply: str
    held: str
    """Why nothing is done; empty where it is."""
    at_wall_s: float | None
    floors: list[FloorShown]


class GivenBack(Shown):
    """What became of each object."""

    objects: dict[str, str]


class TakenUp(Shown):
    """Steps are made again."""

    resumed: bool


class FloorRoutes(Collector):
    """Over the floors of one controller; the same as metrics."""

    def __init__(self, floors: Floors, registry: CollectorRegistry) -> None:
        self.floors = floors
        registry.register(self)

    def routes(self) -> list[Route]:
        """What it answers."""
        operator, back = Role.OPERATOR, "Give least replicas back as they were before"
        return [
            Route("GET", PATH, Role.VIEWER, TAG, "Least replicas, and the step that is made", self.show,
                  answers={200: FloorsShown}),
            Route("POST", f"{PATH}/restore", operator, TAG, back, self.restore, about=ABOUT, body=Why,
                  answers={200: GivenBack}, problems=(409,), audited=True),
            Route("POST", f"{PATH}/resume", operator, TAG, "Let least replicas follow again", self.resume, body=Why,
                  answers={200: TakenUp}, audited=True),
        ]  # fmt: skip

    async def show(self, _: Call) -> Answer:
        """Every object that the documents name."""
        documents, look = self.floors.documents, self.floors.look
        held = self.floors.held()
        return Answer({
            "format_version": 1,
            "apply": documents.policy.placement.floors.apply if documents else "never",
            "held": held,
            "at_wall_s": look.wall_s or None,
            "floors": [row for reach in self._reaches() for row in rows_of(reach, look)],
        })  # fmt: skip

    async def restore(self, call: Call) -> Answer:
        """409 where no object is named."""
        why = call.sent(Why)
        if not self._reaches():
            raise Failure(409, "the documents name nothing that keeps replicas: there is nothing to give back")
        try:
            said = await self.floors.give_back(why.reason)
        except LedgerDown as down:
            raise Failure(503, f"{down}; nothing was given back", "The ledger cannot be written") from None
        call.noted = {"reason": why.reason, "objects": said}
        return Answer({"objects": said})

    async def resume(self, call: Call) -> Answer:
        """From the next round on."""
        why = call.sent(Why)
        call.noted = {"reason": why.reason}
        try:
            await self.floors.resume(why.reason)
        except LedgerDown as down:
            raise Failure(503, str(down), "The ledger cannot be written") from None
        return Answer({"resumed": True})

    def collect(self) -> list[GaugeMetricFamily]:
        """The metrics."""
        labels = ["service", "cluster"]
        now = GaugeMetricFamily("equipoise_floor_replicas", "Least replicas as the object says.", labels=labels)
        wanted = GaugeMetricFamily("equipoise_floor_wanted_replicas", "Least replicas wanted.", labels=labels)
        held = GaugeMetricFamily("equipoise_floors_held", "1 while no step is made.")
        held.add_metric([], float(bool(self.floors.held())))
        for reach in self._reaches():
            for row in rows_of(reach, self.floors.look):
                if row["now"] is not None and row["assigned"] is not None:
                    now.add_metric([row["service"], row["cluster"]], row["now"])
                    wanted.add_metric([row["service"], row["cluster"]], max(row["assigned"], row["serving"]))
        return [now, wanted, held]

    def _reaches(self) -> list[FloorReach]:
        documents = self.floors.documents
        return list(floor_reaches(documents).values()) if documents else []


def rows_of(reach: FloorReach, look: Look) -> list[Json]:
    """The floors behind one API server."""
    found = []
    for service in sorted(reach.spec.kept):
        for cluster in sorted(reach.spec.names) or [reach.spec.home]:
            words = look.words.get((reach.spec.owner, service)) or look.words.get((reach.spec.owner, ""), "")
            numbers = _numbers(look, service, cluster)
            if numbers["now"] is None and look.wanted is not None and not words:
                words = "the object is not there, or says no number of replicas"
            about = {"service": service, "cluster": cluster, "kept_by": reach.shown(service)}
            found.append(about | numbers | {"words": words})
    return found


def _numbers(look: Look, service: ServiceId, cluster: ClusterId) -> dict[str, int | None]:
    row = _row(look.fleet, service, cluster) if look.fleet is not None else None
    if row is None or look.wanted is None:
        return dict.fromkeys(("now", "assigned", "serving", "next"))
    known = bool(look.now[row] >= 0)
    return {
        "now": int(look.now[row]) if known else None,
        "assigned": int(look.wanted.assigned[row]),
        "serving": int(look.wanted.serving[row]),
        "next": int(look.next[row]) if known else None,
    }


def _row(fleet: Fleet, service: ServiceId, cluster: ClusterId) -> int | None:
    if service not in fleet.services.ids or cluster not in fleet.clusters.ids:
        return None
    pair = fleet.services.ids.index(service), fleet.clusters.ids.index(cluster)
    here = (fleet.backends.service == pair[0]) & (fleet.backends.cluster == pair[1])
    return int(here.argmax()) if here.any() else None
