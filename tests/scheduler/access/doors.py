"""A listener of the API as `serve` opens it, with a few routes: whom one is taken for, and what each role may do."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from config.access import Access
from config.policy import Server
from scheduler.access.role import Role
from scheduler.api.app import Served
from scheduler.api.gate import Gate
from scheduler.api.route import Answer, Call, Route, Said
from scheduler.serve import listen
from tests.scheduler.running import free_port


class Nothing(Said):
    """An empty body."""


@dataclass
class Doors:
    """What it answers to whoever asks; `access` and the clock can be changed meanwhile."""

    url: str
    access: Access
    now_s: float = 0.0
    noted: list[str] = field(default_factory=list)

    async def ask(self, method: str = "GET", path: str = "/who", **more: Any) -> tuple[int, dict[str, Any]]:
        """Status and body, from a connection of its own."""
        async with aiohttp.ClientSession() as session, session.request(method, self.url + path, **more) as answer:
            return answer.status, await answer.json(content_type=None)

    async def who(self, token: str) -> tuple[int, str]:
        """Status, and whom a token makes one."""
        status, body = await self.ask(headers={"Authorization": f"Bearer {token}"})
        return status, body.get("name", "")


async def _who(call: Call) -> Answer:
    return Answer({"name": call.principal.name, "role": call.principal.role, "how": call.principal.how})


@asynccontextmanager
async def opened(**server: Any) -> AsyncIterator[Doors]:
    """`server` as a policy writes it."""
    spec = Server.model_validate(server | {"api": f"127.0.0.1:{free_port()}"})
    doors = Doors(f"{'https' if spec.tls else 'http'}://{spec.api}", spec.access)

    async def note(call: Call, route: Route, status: int) -> None:
        doors.noted.append(f"{call.principal.name} {route.action} {status}")

    routes = [
        Route("GET", "/who", Role.VIEWER, "test", "Who", _who),
        Route("POST", "/change", Role.OPERATOR, "test", "Change", _who, body=Nothing, body_needed=False, audited=True),
        Route("POST", "/telemetry", Role.AGENT, "test", "Telemetry", _who, body=Nothing, body_needed=False),
        Route("GET", "/open", None, "test", "Anybody", _who),
    ]
    gate = Gate(lambda: doors.access, now_s=lambda: doors.now_s)
    async with AsyncExitStack() as stack:
        await listen(stack, Served(routes, gate, note).application(), spec)
        yield doors


def known(**roles: str) -> list[dict[str, str]]:
    """Tokens of a policy, by name and role; each is its name with `-token` behind."""
    return [
        {"name": name, "role": role, "sha256": hashlib.sha256(f"{name}-token".encode()).hexdigest()}
        for name, role in roles.items()
    ]
