"""`/api/v1/deployments`: a pipeline says what it rolls out, so that no drill gets in its way."""

import time
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scheduler.api.app import problem
from scheduler.deployments import EVERYWHERE, Deployment, Deployments
from scheduler.ports import LedgerDown

PATH = "/api/v1/deployments"
LONGEST_S = 86_400.0


class Declared(BaseModel):
    """Body of `POST /api/v1/deployments`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    service: Annotated[str, Field(min_length=1, max_length=253)]
    cluster: Annotated[str, Field(max_length=253)] = ""
    """All clusters where it is left out."""
    seconds: Annotated[float, Field(gt=0, le=LONGEST_S)] = 900.0
    """It ends by itself after this."""
    reason: Annotated[str, Field(max_length=300)] = ""


class DeploymentRoutes:
    """Handlers over what was declared."""

    def __init__(self, deployments: Deployments) -> None:
        self.deployments = deployments

    def add(self, app: web.Application) -> None:
        """Put the routes into an application."""
        app.router.add_get(PATH, self.listed)
        app.router.add_post(PATH, self.begin)
        app.router.add_delete(PATH, self.end)

    async def listed(self, _: web.Request) -> web.Response:
        """Those under way."""
        return web.json_response({"format_version": 1, "deployments": [shown(d) for d in self.deployments.under_way()]})

    async def begin(self, request: web.Request) -> web.Response:
        """Declare or prolong one: 201."""
        try:
            body = Declared.model_validate_json(await request.read() or b"{}")
        except ValidationError as error:
            return problem(422, "Bad request body", "; ".join(f"{e['loc']}: {e['msg']}" for e in error.errors()))
        made = Deployment(body.service, body.cluster or EVERYWHERE, time.time() + body.seconds, body.reason)
        try:
            await self.deployments.begin(made)
        except LedgerDown as down:
            return problem(503, "The ledger cannot be written", f"{down}; it is in force until a restart")
        return web.json_response({"format_version": 1, **shown(made)}, status=201)

    async def end(self, request: web.Request) -> web.Response:
        """`?service=&cluster=`: take one back: 200; 404 where there is none."""
        service, cluster = request.query.get("service", ""), request.query.get("cluster", "") or EVERYWHERE
        try:
            known = await self.deployments.end(service, cluster)
        except LedgerDown as down:
            return problem(503, "The ledger cannot be written", str(down))
        if not known:
            return problem(404, "No such deployment", f"none of {service!r} is under way; see GET {PATH}")
        return web.json_response({"service": service, "ended": True})


def shown(deployment: Deployment) -> dict[str, object]:
    """One as JSON."""
    return {
        "service": deployment.service,
        "cluster": None if deployment.cluster == EVERYWHERE else deployment.cluster,
        "until_wall_s": deployment.until_wall_s,
        "seconds_left": round(deployment.until_wall_s - time.time(), 1),
        "reason": deployment.reason,
    }
