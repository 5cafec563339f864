"""Who changed what, whether the ledger is whole, and who has access."""

from typing import Annotated

from pydantic import Field

from scheduler.access.role import Role
from scheduler.access.tokens import sha256_of
from scheduler.api.app import Audit
from scheduler.api.gate import Gate
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Json, Route, Said, Shown
from scheduler.audit import AuditLedger
from scheduler.ledger import Ledger

TAG = "audit"
REVOKED = "revoked:"
"""Before the hash of the hash of a token, in the ledger: what documents have of it stands nowhere else."""


class AuditShown(Shown):
    """One change; `detail` is what was asked, with its reason."""

    id: int
    wall_s: float
    who: str
    how: str
    role: str
    action: str
    target: str
    status: int
    detail: Json


class AuditAsked(Said):
    """Which part of it."""

    limit: Annotated[int, Field(ge=1, le=500, description="Most entries.")] = 100
    cursor: Annotated[str, Field(pattern=r"^[0-9]{0,18}$", description="`next` of the part before.")] = ""


class AuditPage(Shown):
    """Newest first; `next` is None at the end."""

    items: list[AuditShown]
    next: str | None


class Whole(Shown):
    """No row was changed or taken out: lengths of the chains."""

    turns: int
    audit: int


class Known(Shown):
    """Somebody who has access. No hash and no token."""

    name: str
    role: str
    how: str
    expires: str | None
    revoked: bool


class Revoking(Said):
    """Why."""

    reason: Annotated[str, Field(min_length=1, max_length=300)]


class AccessShown(Shown):
    """Who may do what."""

    open: bool
    known: list[Known]
    issuer: str | None


class AuditApi:
    """Over the ledger."""

    def __init__(self, ledger: Ledger, audit: AuditLedger, gate: Gate) -> None:
        self.ledger, self.audit, self.gate = ledger, audit, gate

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("GET", "/api/v1/audit", Role.OPERATOR, TAG, "Who changed what and why", self.listed,
                  query=AuditAsked, answers={200: AuditPage}),
            Route("POST", "/api/v1/audit/verify", Role.ADMIN, TAG, "Walk the chains of the ledger", self.verify,
                  about="503 names the first row that does not fit.", answers={200: Whole}),
            Route("GET", "/api/v1/access", Role.ADMIN, TAG, "Who has access", self.access,
                  answers={200: AccessShown}),
            Route("POST", "/api/v1/access/{name}/revoke", Role.ADMIN, TAG, "Make a token worth nothing, for good",
                  self.revoke, about="At once, for browsers that signed in with it too, and by the ledger after a "
                  "restart. Its entry in the documents can go later.", body=Revoking, answers={200: AccessShown},
                  audited=True),
        ]  # fmt: skip

    async def listed(self, call: Call) -> Answer:
        """A part of it."""
        asked = call.asked(AuditAsked)
        return Answer(await self.page(asked.limit, int(asked.cursor) if asked.cursor else None))

    async def page(self, limit: int, before: int | None) -> Json:
        """A part of it; raises LedgerDown."""
        found = await self.audit.newest(limit + 1, before)
        more = len(found) > limit
        names = ("how", "role", "target", "status", "detail")
        items = [
            {"id": e.id, "wall_s": e.wall_s, "who": e.who, "action": e.action} | {n: e.body[n] for n in names}
            for e in found[:limit]
        ]
        return {"items": items, "next": str(found[limit - 1].id) if more else None}

    async def verify(self, _: Call) -> Answer:
        """Raises LedgerDown where a chain breaks."""
        return Answer(Whole(turns=await self.ledger.verify(), audit=await self.audit.verify()))

    async def access(self, _: Call) -> Answer:
        """As the documents say now."""
        access = self.gate.access()
        tokens = [
            Known(name=t.name, role=t.role, how="token", expires=t.expires.isoformat() if t.expires else None,
                  revoked=sha256_of(t.sha256) in self.gate.revoked)
            for t in access.tokens
        ]  # fmt: skip
        shown = [
            Known(name=c.name, role=c.role, how="certificate", expires=None, revoked=False) for c in access.certificates
        ]
        issuer = access.oidc.issuer if access.oidc else None
        return Answer(AccessShown(open=self.gate.open, known=[*tokens, *shown], issuer=issuer))

    async def revoke(self, call: Call) -> Answer:
        """Written down before it holds."""
        name, reason = call.path["name"], call.sent(Revoking).reason
        seats = self.gate.roster.seats if self.gate.roster is not None else ()
        known = {seat.name: seat.token_sha256 for seat in seats} | {t.name: t.sha256 for t in self.gate.access().tokens}
        if name not in known:
            raise Failure(404, f"no token is called {name!r}; GET /api/v1/access says which there are")
        call.noted = {"revoked": name, "reason": reason}
        await self.ledger.set_switch(f"{REVOKED}{sha256_of(known[name])}", name, reason)
        self.gate.revoked.add(sha256_of(known[name]))
        return await self.access(call)


async def revoked_in(ledger: Ledger) -> set[str]:
    """What Gate.revoked begins with. Raises LedgerDown."""
    return {name.removeprefix(REVOKED) for name in await ledger.switches(REVOKED)}


def auditing(audit: AuditLedger) -> Audit:
    """Writes down what was done."""

    async def note(call: Call, route: Route, status: int) -> None:
        who = call.principal
        body: Json = {
            "how": who.how,
            "role": str(who.role or ""),
            "target": call.request.path,
            "status": status,
            "detail": call.noted,
        }
        await audit.note(who.name, route.action, body)

    return note
