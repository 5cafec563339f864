"""`/api/v1/deployments`: a pipeline says what it rolls out, so that no drill gets in its way."""

import time
from typing import Annotated

from pydantic import Field

from scheduler.access.role import Role
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Route, Said, Shown
from scheduler.deployments import EVERYWHERE, Deployment, Deployments
from scheduler.ports import LedgerDown

PATH = "/api/v1/deployments"
TAG = "drills"
LONGEST_S = 86_400.0


class Declared(Said):
    """What is rolled out."""

    service: Annotated[str, Field(min_length=1, max_length=253)]
    cluster: Annotated[str, Field(max_length=253)] = ""
    """All clusters where it is left out."""
    seconds: Annotated[float, Field(gt=0, le=LONGEST_S)] = 900.0
    """It ends by itself after this."""
    reason: Annotated[str, Field(max_length=300)] = ""


class Which(Said):
    """One that is under way."""

    service: Annotated[str, Field(min_length=1, max_length=253)]
    cluster: Annotated[str, Field(max_length=253)] = ""


class UnderWay(Shown):
    """A rollout; `cluster` is None for all clusters."""

    service: str
    cluster: str | None
    until_wall_s: float
    seconds_left: float
    reason: str


class Begun(UnderWay):
    """It is declared."""

    format_version: int


class AllUnderWay(Shown):
    """Those under way."""

    format_version: int
    deployments: list[UnderWay]


class Ended(Shown):
    """It is taken back."""

    service: str
    ended: bool


class DeploymentRoutes:
    """Over what was declared."""

    def __init__(self, deployments: Deployments) -> None:
        self.deployments = deployments

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("GET", PATH, Role.VIEWER, TAG, "Rollouts under way", self.listed, answers={200: AllUnderWay}),
            Route("POST", PATH, Role.OPERATOR, TAG, "Declare or prolong a rollout", self.begin, body=Declared,
                  answers={201: Begun}, audited=True),
            Route("DELETE", PATH, Role.OPERATOR, TAG, "Take one back", self.end, query=Which, answers={200: Ended},
                  problems=(404,), audited=True),
        ]  # fmt: skip

    async def listed(self, _: Call) -> Answer:
        """Those under way."""
        return Answer({"format_version": 1, "deployments": [shown(d) for d in self.deployments.under_way()]})

    async def begin(self, call: Call) -> Answer:
        """In force at once."""
        body = call.sent(Declared)
        call.noted = body.model_dump()
        made = Deployment(body.service, body.cluster or EVERYWHERE, time.time() + body.seconds, body.reason)
        try:
            await self.deployments.begin(made)
        except LedgerDown as down:
            raise Failure(503, f"{down}; it is in force until a restart", "The ledger cannot be written") from None
        return Answer({"format_version": 1, **shown(made)}, 201)

    async def end(self, call: Call) -> Answer:
        """404 where there is none."""
        wanted = call.asked(Which)
        call.noted = wanted.model_dump()
        if not await self.deployments.end(wanted.service, wanted.cluster or EVERYWHERE):
            words = f"none of {wanted.service!r} is under way; see GET {PATH}"
            raise Failure(404, words, "No such deployment")
        return Answer(Ended(service=wanted.service, ended=True))


def shown(deployment: Deployment) -> dict[str, object]:
    """One as JSON."""
    return {
        "service": deployment.service,
        "cluster": None if deployment.cluster == EVERYWHERE else deployment.cluster,
        "until_wall_s": deployment.until_wall_s,
        "seconds_left": round(deployment.until_wall_s - time.time(), 1),
        "reason": deployment.reason,
    }
