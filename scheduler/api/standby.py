"""What a controller answers while another one leads: that it is alive, that it stands by, and who leads."""

from aiohttp import web

from scheduler.access.role import Role
from scheduler.api.gate import Gate
from scheduler.api.metrics import CONTENT_TYPE, Metrics
from scheduler.api.problem import Failure, problem


class Standby:
    """The API of a controller without a term."""

    def __init__(self, metrics: Metrics, gate: Gate) -> None:
        self.metrics, self.gate, self.leader = metrics, gate, ""

    def waiting(self, leader: str) -> None:
        """Take note of who leads."""
        self.leader = leader

    def application(self) -> web.Application:
        """Health and metrics; every other path names the leader."""
        app = web.Application()
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", self.readyz)
        app.router.add_get("/metrics", self.scrape)
        app.router.add_route("*", "/{path:.*}", self.elsewhere)
        return app

    async def healthz(self, _: web.Request) -> web.Response:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def readyz(self, _: web.Request) -> web.Response:
        """Not ready to serve: traffic of a load balancer belongs to the leader."""
        return web.json_response({"status": "standby", "leader": self.leader}, status=503)

    async def scrape(self, request: web.Request) -> web.Response:
        """Prometheus exposition, for those who may see it of the leader."""
        try:
            self.gate.admit(await self.gate.principal(request), Role.VIEWER, request)
        except Failure as failure:
            return problem(failure.status, failure.title, failure.detail, failure.headers)
        return web.Response(body=self.metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def elsewhere(self, _: web.Request) -> web.Response:
        """Everything else."""
        leader = self.leader or "nobody yet"
        return problem(503, "Standing by", f"This controller is warm and waits; {leader} leads. Ask there.")
