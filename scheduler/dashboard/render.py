"""From values to pages: the templates, what every page shows, and the headers that keep it ours."""

import asyncio
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from aiohttp import web
from markupsafe import Markup

from scheduler.access.role import Role
from scheduler.api.gate import COOKIE
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call
from scheduler.dashboard.figures import bar, level
from scheduler.dashboard.words import FILTERS
from scheduler.front import Front
from scheduler.state import Mode

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PAGES = (
    ("Now", (("/", "Overview"), ("/map", "Map"), ("/decisions", "Decisions"))),
    ("Fleet", (("/services", "Services"), ("/clusters", "Clusters"), ("/graph", "Service graph"))),
    ("Resilience", (("/failover", "Failover readiness"), ("/drills", "Drills"))),
    ("Plan", (("/cost", "Cost"), ("/whatif", "What-if"))),
    ("Record", (("/audit", "Audit and overrides"),)),
)
DONE = {
    "frozen": "The optimizer is frozen. A confirmed loss is still evacuated.",
    "unfrozen": "The loop works by itself again.",
    "rollback": "The next tick goes back to those weights; the optimizer is frozen there.",
    "aborting": "The drill is being taken back; every request goes its regular way within a second or so.",
    "override": "It is in force from the next tick on.",
    "ended": "The override has ended.",
}


@cache
def environment() -> jinja2.Environment:
    """Templates with our filters; everything is escaped unless marked as SVG made here."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    made.filters.update(FILTERS)
    made.globals.update(bar=lambda part, kind="": Markup(bar(part, kind)), level=level)  # noqa: S704  SVG made here
    return made


class Pages:
    """Renders a template for who looks at it."""

    def __init__(self, front: Front) -> None:
        self.front = front

    async def show(self, call: Call, template: str, title: str, **values: Any) -> Answer:
        """A page, made off the event loop: a table of a thousand clusters takes a tenth of a second."""
        html = await asyncio.to_thread(self.text, call.request, call.principal.name, template, title, call, **values)
        return Answer(text=html, headers=HEADERS)

    def text(self, request: web.Request, who: str, template: str, title: str, call: Call | None, **values: Any) -> str:
        """Its HTML."""
        parts, gate = self.front.parts, self.front.gate
        turn = parts.board.turn
        may = call.principal.may if call is not None else (lambda _: False)
        frame = {
            "title": title,
            "path": request.path,
            "query": request.query,
            "pages": PAGES,
            "who": who,
            "open": gate.open,
            "signed_in": COOKIE in request.cookies,
            "operator": may(Role.OPERATOR),
            "admin": may(Role.ADMIN),
            "form_token": gate.sessions.form_token(request.cookies.get(COOKIE, "")),
            "turn": turn,
            "mode": str(turn.mode) if turn else "starting",
            "wanted": str(parts.desk.wanted),
            "frozen": parts.desk.wanted is not Mode.AUTO,
            "version": version("equipoise"),
            "done": DONE.get(request.query.get("done", ""), ""),
            "now_wall_s": time.time(),
        }
        return environment().get_template(template).render(frame | values)

    def error(self, request: web.Request, failure: Failure) -> web.StreamResponse:
        """A page that says what went wrong; whoever is not signed in is asked to."""
        if failure.status == 401:
            where = f"/login?next={quote(request.path_qs if request.method == 'GET' else '/')}"
            return web.Response(status=303, headers={"Location": where})
        html = self.text(request, "", "error.html", failure.title, None, failure=failure)
        headers = {**HEADERS, **failure.headers}
        return web.Response(text=html, status=failure.status, content_type="text/html", headers=headers)


HEADERS = {"Content-Security-Policy": POLICY}


def seen(where: str, done: str = "") -> Answer:
    """To another page, after something was done."""
    mark = ("&" if "?" in where else "?") + f"done={done}" if done else ""
    return Answer(status=303, headers={"Location": where + mark})
