"""One declaration for each thing that can be asked: routing, access, checks, documentation and tests are made of it."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from scheduler.access.role import Principal, Role
from scheduler.api.problem import Failure

KIB = 1024
Json = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)
NAME = r"[A-Za-z0-9._-]{1,63}"
"""What a name in a path may be."""


class Said(BaseModel):
    """The base of what is sent to us: other keys are a mistake, and said so."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Shown(BaseModel):
    """The base of what we answer: the document says every key."""

    model_config = ConfigDict(extra="forbid")


@dataclass(slots=True)
class Call:
    """One request, recognised, allowed and parsed."""

    request: web.Request
    principal: Principal
    path: Mapping[str, str]
    query: BaseModel | None = None
    body: BaseModel | None = None
    noted: Json = field(default_factory=dict)
    """What the handler adds to the audit."""

    def asked(self, model: type[Model]) -> Model:
        """The query, as declared."""
        assert isinstance(self.query, model)
        return self.query

    def sent(self, model: type[Model]) -> Model:
        """The body, as declared."""
        assert isinstance(self.body, model)
        return self.body

    def match(self, etag: str, *, needed: bool = False) -> None:
        """Raise 412 where the caller saw something else, and 428 where it has to say what it saw and does not."""
        seen = self.request.headers.get("If-Match")
        if seen is None and needed:
            raise Failure(428, "send If-Match with the ETag of what you saw, so that nobody's change is lost")
        if seen is not None and seen.strip() != "*" and etag not in [part.strip() for part in seen.split(",")]:
            raise Failure(412, f"it is {etag} by now; look again, then change it")


@dataclass(frozen=True, slots=True)
class Answer:
    """A success."""

    body: BaseModel | Json | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""
    text: str | None = None
    """Instead of a body, of the route's media type."""
    data: bytes | None = None
    """Instead of a body, encoded already."""


Handler = Callable[[Call], Awaitable[Answer | web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """What can be asked, by whom, and what comes back."""

    method: str
    path: str
    """As OpenAPI writes it."""
    role: Role | None
    """None: anybody, signed in or not. There is no default: a route without a role cannot be written."""
    tag: str
    summary: str
    handler: Handler
    about: str = ""
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_needed: bool = True
    body_max_bytes: int = 64 * KIB
    form: bool = False
    """The body is a form of the dashboard."""
    answers: Mapping[int, type[BaseModel] | None] = field(default_factory=lambda: {200: None})
    problems: tuple[int, ...] = ()
    """Besides those that every route may answer."""
    media: str = "application/json"
    patterns: Mapping[str, str] = field(default_factory=dict)
    """Of the parts of the path; NAME unless said otherwise."""
    etag: bool = False
    if_match: bool = False
    audited: bool = False
    large: bool = False
    """Encoded off the event loop."""
    agents: bool = False
    """Also served where agents and vantages report."""
    malformed: Callable[[web.Request], None] | None = None
    """Told of a body that could not be read."""
    page: bool = False
    """For browsers: left out of the OpenAPI document, and its errors are pages."""

    @property
    def parts(self) -> dict[str, str]:
        """Name and pattern of each part of the path that varies."""
        return {name: self.patterns.get(name, NAME) for name in re.findall(r"\{(\w+)\}", self.path)}

    @property
    def pattern(self) -> str:
        """As aiohttp writes the path."""
        path = self.path
        for name, pattern in self.parts.items():
            path = path.replace(f"{{{name}}}", f"{{{name}:{pattern}}}")
        return path

    @property
    def action(self) -> str:
        """For the audit."""
        return f"{self.method} {self.path}"

    def every_problem(self) -> tuple[int, ...]:
        """All that it may answer besides its successes."""
        found = {400, 403, 429, 500, 503, *self.problems}
        found |= {401} if self.role is not None else set()
        found |= {422} if self.query is not None or self.body is not None else set()
        found |= {413, 415} if self.body is not None else set()
        found |= {404} if self.parts else set()
        found |= {412} if self.if_match else set()
        return tuple(sorted(found))


def html(method: str, path: str, role: Role | None, summary: str, handler: Handler, **more: Any) -> Route:
    """A page of the dashboard."""
    return Route(method, path, role, "dashboard", summary, handler, media="text/html", page=True, **more)
