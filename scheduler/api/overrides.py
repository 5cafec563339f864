"""What people order the loop for a while: each with a reason and an end, and recorded."""

from typing import Annotated, Literal

from pydantic import Field

from scheduler.access.role import Role
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Json, Route, Said, Shown
from scheduler.orders import LASTS_MAX_S, LASTS_MIN_S, Override
from scheduler.overriding import Overrides, Refused

TAG = "overrides"
ABOUT = (
    "`limit`: the cluster, or one service there, is planned with a part of its capacity; 0 drains it, at the pace of "
    "the guards. `hold`: the flows of a service stay where they are. Neither loses a request that there is room for, "
    "and an evacuation heeds none of them."
)
OptionalName = Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z0-9._-]*$")]
Lasting = Annotated[float, Field(ge=LASTS_MIN_S, le=LASTS_MAX_S, description="Seconds until it ends by itself.")]
Why = Annotated[str, Field(min_length=1, max_length=300, description="For those who find it.")]


class OverrideAsked(Said):
    """A new override."""

    kind: Literal["limit", "hold"]
    cluster: OptionalName = ""
    service: OptionalName = ""
    origin: OptionalName = ""
    ratio: Annotated[float, Field(ge=0, le=1, description="Of a limit: part of the capacity.")] = 0.0
    lasts_s: Lasting
    reason: Why


class OverrideChanged(Said):
    """What may be changed of one."""

    ratio: Annotated[float, Field(ge=0, le=1)] | None = None
    lasts_s: Lasting
    reason: Why


class OverrideShown(Shown):
    """An override."""

    id: str
    kind: str
    what: str
    service: str
    origin: str
    cluster: str
    ratio: float
    reason: str
    by: str
    made_wall_s: float
    expires_wall_s: float
    revision: int
    in_force: bool


class OverridesShown(Shown):
    """All in force, and with `ended` the newest that are not any more."""

    items: list[OverrideShown]


class EndedToo(Said):
    """Which ones."""

    ended: Annotated[bool, Field(description="Those that ended, too.")] = False


class OverridesApi:
    """Over the overrides of one controller."""

    def __init__(self, overrides: Overrides) -> None:
        self.overrides = overrides

    def routes(self) -> list[Route]:
        """What it answers."""
        one, viewer, operator = "/api/v1/overrides/{id}", Role.VIEWER, Role.OPERATOR
        return [
            Route("GET", "/api/v1/overrides", viewer, TAG, "What people ordered", self.listed, query=EndedToo,
                  answers={200: OverridesShown}),
            Route("POST", "/api/v1/overrides", operator, TAG, "Order something for a while", self.made, about=ABOUT,
                  body=OverrideAsked, answers={201: OverrideShown}, problems=(409,), audited=True),
            Route("GET", one, viewer, TAG, "One override", self.shown, answers={200: OverrideShown}, etag=True),
            Route("PUT", one, operator, TAG, "Change how much, how long and why", self.changed, body=OverrideChanged,
                  answers={200: OverrideShown}, problems=(409, 428), if_match=True, audited=True),
            Route("DELETE", one, operator, TAG, "End it now", self.ended, answers={200: OverrideShown},
                  if_match=True, audited=True),
        ]  # fmt: skip

    async def listed(self, call: Call) -> Answer:
        """Those in force first."""
        found = await self.overrides.newest() if call.asked(EndedToo).ended else self.overrides.in_force()
        return Answer({"items": [self._body(o) for o in found]})

    async def made(self, call: Call) -> Answer:
        """In force at the next tick, which comes at once."""
        asked = call.sent(OverrideAsked)
        call.noted = asked.model_dump()
        try:
            override = await self.overrides.make(**asked.model_dump(), by=call.principal.name)
        except Refused as refused:
            raise Failure(409, str(refused)) from None
        call.noted["override"] = override.id
        where = {"Location": f"/api/v1/overrides/{override.id}"}
        return Answer(self._body(override), 201, where, etag=etag(override))

    async def shown(self, call: Call) -> Answer:
        """With the ETag to send when it is changed."""
        override = self._one(call)
        return Answer(self._body(override), etag=etag(override))

    async def changed(self, call: Call) -> Answer:
        """From now on."""
        override, asked = self._one(call), call.sent(OverrideChanged)
        call.match(etag(override), needed=True)
        call.noted = {"override": override.id} | asked.model_dump()
        try:
            now = await self.overrides.change(override, **asked.model_dump())
        except Refused as refused:
            raise Failure(409, str(refused)) from None
        return Answer(self._body(now), etag=etag(now))

    async def ended(self, call: Call) -> Answer:
        """The optimizer decides again."""
        override = self._one(call)
        call.match(etag(override))
        call.noted = {"override": override.id, "what": override.what}
        return Answer(self._body(await self.overrides.end(override)))

    def _one(self, call: Call) -> Override:
        found = next((o for o in self.overrides.in_force() if o.id == call.path["id"]), None)
        if found is None:
            raise Failure(404, f"no override {call.path['id']!r} is in force; GET /api/v1/overrides has them")
        return found

    def _body(self, override: Override) -> Json:
        return override_body(override, self.overrides.wall_s())


def override_body(override: Override, wall_s: float) -> Json:
    """As it is shown."""
    names = OverrideShown.model_fields.keys() - {"in_force", "kind"}
    fields = {name: getattr(override, name) for name in names}
    in_force = override.made_wall_s <= wall_s < override.expires_wall_s
    return fields | {"kind": str(override.kind), "in_force": in_force}


def etag(override: Override) -> str:
    """Changes with every change."""
    return f'"{override.id}.{override.revision}"'
