"""What pages change: forms of ours, checked for the browser that they were made for, each with its audit entry."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import ConfigDict, Field

from scheduler.access.role import Principal, Role
from scheduler.api.gate import COOKIE
from scheduler.api.problem import Failure
from scheduler.api.rollback import RollbackAsked
from scheduler.api.route import Answer, Call, Route, Said, html
from scheduler.dashboard.questions import event_of
from scheduler.dashboard.render import HERE, Pages, seen
from scheduler.jobs import Question
from scheduler.overriding import Refused
from scheduler.state import Mode

Name = Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z0-9._-]*$")]
Reason = Annotated[str, Field(min_length=1, max_length=300)]
STATIC = {"app.css": "text/css", "app.js": "text/javascript"}


class Reasoned(Said):
    """A reason."""

    reason: Reason


class DrillForm(Said):
    """A drill."""

    level: str
    loss: Annotated[str, Field(min_length=1, max_length=300)]


class OverrideForm(Said):
    """An override; the capacity left in percent, its time in minutes."""

    kind: Literal["limit", "hold"]
    cluster: Name = ""
    service: Name = ""
    percent: Annotated[float, Field(ge=0, le=100)] = 0.0
    minutes: Annotated[float, Field(ge=1, le=7 * 24 * 60)]
    reason: Reason


class WhatIfForm(Said):
    """One event and for how long to play; the fields of the event are those of its schema."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, str] = Field(init=False)
    fault: Annotated[str, Field(pattern=r"^[a-z-]{1,40}$")]
    minutes: Annotated[float, Field(gt=0, le=24 * 60)] = 10.0
    against: Annotated[str, Field(pattern=r"^[a-z_-]{0,40}$")] = ""


class LoginForm(Said):
    """A token, and where to go."""

    token: Annotated[str, Field(min_length=1, max_length=16_384)]
    next: Annotated[str, Field(max_length=500)] = "/"


class Nothing(Said):
    """An empty form."""


class Actions:
    """Over the same objects as the API."""

    def __init__(self, pages: Pages) -> None:
        self.pages, self.front = pages, pages.front

    def routes(self) -> list[Route]:
        """Forms by path."""
        forms = (
            ("/do/freeze", Reasoned, "Freeze the optimizer", self.freeze),
            ("/do/unfreeze", Nothing, "Back to automatic", self.unfreeze),
            ("/do/rollback", RollbackAsked, "Go back to known good weights", self.rollback),
            ("/do/drill", DrillForm, "Begin a drill", self.drill),
            ("/do/drills/{id}/abort", Nothing, "Take a drill back", self.abort),
            ("/do/override", OverrideForm, "Order something for a while", self.override),
            ("/do/overrides/{id}/end", Nothing, "End an override", self.end),
            ("/do/whatif", WhatIfForm, "Play a what-if", self.whatif),
        )
        done = [
            html("POST", path, Role.OPERATOR, words, handler, body=form, form=True, audited=True)
            for path, form, words, handler in forms
        ]
        return [
            *done,
            html("GET", "/login", None, "Sign in", self.login),
            html("POST", "/login", None, "Sign in", self.signed_in, body=LoginForm, form=True),
            html("POST", "/logout", None, "Sign out", self.signed_out, body=Nothing, form=True),
            *(html("GET", f"/static/{name}", None, "A file", self.static) for name in STATIC),
        ]

    async def freeze(self, call: Call) -> Answer:
        """The optimizer rests."""
        call.noted = {"scope": "frozen", "reason": call.sent(Reasoned).reason}
        await self.front.parts.switches.set_mode(Mode.FROZEN, call.sent(Reasoned).reason)
        return seen("/", "frozen")

    async def unfreeze(self, call: Call) -> Answer:
        """It works again."""
        del call
        await self.front.parts.switches.set_mode(Mode.AUTO, "")
        return seen("/", "unfrozen")

    async def rollback(self, call: Call) -> Answer:
        """Ordered of the loop."""
        await self.front.rollback.go_back(call.sent(RollbackAsked), call)
        return seen("/decisions", "rollback")

    async def drill(self, call: Call) -> Answer:
        """Begun, and shown live."""
        asked = call.sent(DrillForm)
        begun = await self.front.drills.begin(asked.level, asked.loss, call.principal.name)
        call.noted = {"level": asked.level, "loss": asked.loss, "drill": begun.get("id")}
        return seen(f"/drills/{begun['id']}" if "id" in begun else f"/drills?checked={begun['outcome']}")

    async def abort(self, call: Call) -> Answer:
        """Taken back."""
        call.noted = {"drill": call.path["id"]}
        self.front.drills.take_back(call.path["id"], f"ended by {call.principal.name}")
        return seen(f"/drills/{call.path['id']}", "aborting")

    async def override(self, call: Call) -> Answer:
        """In force at the next tick."""
        form = call.sent(OverrideForm)
        call.noted = form.model_dump()
        try:
            made = await self.front.parts.overrides.make(
                form.kind, form.cluster if form.kind == "limit" else "", form.service, "", form.percent / 100,
                60 * form.minutes, form.reason, call.principal.name,
            )  # fmt: skip
        except Refused as refused:
            raise Failure(409, str(refused)) from None
        call.noted["override"] = made.id
        return seen("/audit", "override")

    async def end(self, call: Call) -> Answer:
        """The optimizer decides again."""
        overrides = self.front.parts.overrides
        found = next((o for o in overrides.in_force() if o.id == call.path["id"]), None)
        if found is None:
            raise Failure(404, f"no override {call.path['id']!r} is in force")
        call.noted = {"override": found.id, "what": found.what}
        await overrides.end(found)
        return seen("/audit", "ended")

    async def whatif(self, call: Call) -> Answer:
        """A job, shown with its progress."""
        form = call.sent(WhatIfForm)
        policies = ("equipoise", form.against) if form.against else ("equipoise",)
        event = event_of(form.fault, form.model_extra or {}, self.front.parts.jobs.events)
        question = Question((event,), form.minutes, policies)
        call.noted = {"events": list(question.events), "minutes": form.minutes}
        job = self.front.simulations.begin(question, call.principal.name)
        return seen(f"/whatif/{job.id}")

    async def login(self, call: Call) -> Answer:
        """Where a token is shown once."""
        return await self.pages.show(call, "login.html", "Sign in", wanted=call.request.query.get("next", "/"))

    async def signed_in(self, call: Call) -> Answer:
        """The token goes no farther than here; the browser gets a cookie."""
        form = call.sent(LoginForm)
        principal: Principal | None = await self.front.gate.recognised(form.token.strip())
        if principal is None or principal.role is None:
            raise Failure(403, "no such token, or one that may do nothing", "Not signed in")
        cookie = self.front.gate.begin(principal, form.token.strip())
        target = urlsplit(form.next)
        inside = form.next.startswith("/") and not form.next.startswith("//") and not target.netloc
        flags = "; HttpOnly; SameSite=Strict; Path=/" + ("; Secure" if call.request.secure else "")
        where = form.next if inside and "\\" not in form.next else "/"
        return Answer(status=303, headers={"Location": where, "Set-Cookie": f"{COOKIE}={cookie}{flags}"})

    async def signed_out(self, call: Call) -> Answer:
        """The cookie is worth nothing any more."""
        self.front.gate.sessions.end(call.request.cookies.get(COOKIE, ""))
        gone = f"{COOKIE}=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/"
        return Answer(status=303, headers={"Location": "/login", "Set-Cookie": gone})

    async def static(self, call: Call) -> web.StreamResponse:
        """Styles and the one script."""
        name = call.request.path.rpartition("/")[2]
        headers = {"Content-Type": f"{STATIC[name]}; charset=utf-8", "Cache-Control": "max-age=300"}
        return web.Response(body=FILES[name], headers=headers)


FILES = {name: (HERE / "static" / name).read_bytes() for name in STATIC}
