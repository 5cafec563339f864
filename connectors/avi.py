"""Avi (NSX Advanced Load Balancer) GSLB by the API of its leader site.

A service is a GslbService that exists already: we own its groups, its TTL and its description, which holds what was
asked for. Weighted clusters are members of one group, each standby is a group of a lower priority. A PUT carries the
`_last_modified` that was read, and Avi answers 412 where somebody else was faster.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import Field

from connectors.answers import Shape, Whole, side_by_side
from connectors.connector import Fencing, MeshLimits, Refused, Unavailable
from connectors.dns.spec import Names
from connectors.fenced import Changes, FencedConnector, Look, Row, Rows, Verdict, fitted
from connectors.http import Access, Answer, Edge, Headers
from connectors.record import joined, line_of, parts, table_of_line
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import Target, WeightTable

LIMITS = MeshLimits(
    unit=20, weight_max=20, zero_allowed=False, standby=True, standbys_max=90, shed=False, targets_max=64,
    fencing=Fencing.ATOMIC, ttl_min_s=1.0,
)  # fmt: skip
"""Ratios of 1..20. How long old answers live on is `settle_s`, the TTL of each origin."""
WEIGHTED_PRIORITY = 100
MARK = "equipoise "
"""How a description of ours begins."""


class _Ip(Shape):
    addr: str


class _Member(Shape):
    ip: _Ip | None = None
    ratio: Whole = 1
    enabled: bool = True


class _Group(Shape):
    name: str = ""
    priority: Whole = 10
    members: list[_Member] = Field(default_factory=list)


class _Service(Shape):
    uuid: str
    name: str
    description: str | None = None
    groups: list[_Group] | None = None


class _Page(Shape):
    results: list[_Service]
    next: str | None = None


class _Raw(Shape):
    results: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class AviSpec:
    """One Avi GSLB leader."""

    names: Names
    access: Access
    username: str
    password: Callable[[], str] = field(repr=False)
    """Gives the password. OSError or ValueError where it is not there."""
    api_version: str = "22.1.3"
    tenant: str = "admin"


Objects = Mapping[ServiceId, dict[str, Any]]


@dataclass(slots=True)
class AviDialect:
    """How one leader is spoken to."""

    spec: AviSpec
    _edge: Edge = field(init=False)
    _session: Headers = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._edge = Edge(self.spec.access, f"{self.origin}: {self.where}")

    @property
    def origin(self) -> OriginId:
        """Whose names these are."""
        return self.spec.names.origin

    @property
    def where(self) -> str:
        """For messages."""
        return f"Avi at {self.spec.access.shown}"

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return replace(LIMITS, settle_s=float(self.spec.names.ttl_s))

    async def close(self) -> None:
        """Give up the connections."""
        await self._edge.close()

    async def look(self) -> Look[Objects]:
        """All GslbServices; ours are told by their names."""
        owner = {self.spec.names.own.get(s, str(s)): s for s in self.spec.names.services}
        objects: dict[ServiceId, dict[str, Any]] = {}
        rows: dict[ServiceId, Row | None] = {}
        tables = []
        for found, raw in await self._services():
            if found.name not in owner:
                continue
            service = owner[found.name]
            objects[service], rows[service] = raw, self._row_of(service, found)
            if (found.description or "").startswith(MARK):
                line, what = (found.description or "").removeprefix(MARK), self._named(f"description of {service}")
                tables.append(table_of_line(self.origin, service, line, what))
        return Look(joined(tables), {s: row for s, row in rows.items() if row is not None}, objects)

    def row(self, service: ServiceId, targets: tuple[Target, ...], shed: int, unit: int) -> Row:
        """Ratios of 1..20, a group for every standby."""
        return fitted(LIMITS, self.spec.names.clusters(service), (targets, shed, unit), self._named(service))

    async def put(self, seen: Look[Objects], record: WeightTable | None, changes: Changes) -> None:
        """Whole objects, each compared with what was read."""
        lines = {service: line_of(part) for service, part in parts(record).items()} if record is not None else {}
        missing = [service for service in {**lines, **changes} if service not in seen.state]
        if missing:
            raise Refused(f"{self._named(missing[0])}: there is no GslbService of that name; create it")
        concerned = sorted({*lines, *changes})
        await side_by_side(
            self._put(service, seen.state[service], lines.get(service, ""), changes.get(service))
            for service in concerned
        )

    async def verdict(self, now: Look[Objects], table: WeightTable, rows: Rows) -> Verdict:
        """The leader has checked and stored them; its followers and their DNS are not asked."""
        return Verdict(accepted=True)

    async def _put(self, service: ServiceId, raw: dict[str, Any], line: str, row: Row | None) -> None:
        wanted = {**raw, "description": f"{MARK}{line}" if line else "", "ttl": self.spec.names.ttl_s}
        if row is not None:
            wanted |= {"groups": self._groups(service, row), "pool_algorithm": "GSLB_SERVICE_ALGORITHM_PRIORITY"}
        path, what = f"/api/gslbservice/{raw['uuid']}", f"GslbService {service}"
        await self._ask("PUT", path, what, body=json.dumps(wanted).encode())

    def _groups(self, service: ServiceId, row: Row) -> list[dict[str, Any]]:
        weighted = [m for c, weight in sorted(row.weights.items()) for m in self._members(service, c, weight)]
        ladder = [("equipoise", WEIGHTED_PRIORITY, weighted)]
        for rank, cluster in enumerate(row.standbys, start=1):
            ladder.append((f"equipoise-{rank}", WEIGHTED_PRIORITY - rank, self._members(service, cluster, 1)))
        return [
            {"name": name, "priority": priority, "algorithm": "GSLB_ALGORITHM_ROUND_ROBIN", "members": members}
            for name, priority, members in ladder
        ]

    def _members(self, service: ServiceId, cluster: ClusterId, ratio: int) -> list[dict[str, Any]]:
        hosts = dict.fromkeys(host for host, _ in self.spec.names.endpoints[service, cluster])
        kinds = {host: "V6" if ":" in host else "V4" for host in hosts}
        return [{"ip": {"addr": h, "type": kind}, "ratio": ratio, "enabled": True} for h, kind in kinds.items()]

    def _row_of(self, service: ServiceId, found: _Service) -> Row | None:
        clusters = {
            host: c for (owner, c), at in self.spec.names.endpoints.items() if owner == service for host, _ in at
        }
        ladder = sorted(found.groups or [], key=lambda group: -group.priority)
        members = [[m for m in group.members if m.enabled] for group in ladder if group.priority]
        if not members or any(m.ip is None or m.ip.addr not in clusters for group in members for m in group):
            return None
        weights = {clusters[m.ip.addr]: m.ratio for m in members[0] if m.ip}
        standbys = dict.fromkeys(clusters[m.ip.addr] for group in members[1:] for m in group if m.ip)
        row = Row(weights, tuple(standbys))
        shown = [(g.name, g.priority, sorted((m.ip.addr, m.ratio) for m in g.members if m.ip)) for g in ladder]
        wanted = [
            (g["name"], g["priority"], sorted((m["ip"]["addr"], m["ratio"]) for m in g["members"]))
            for g in self._groups(service, row)
        ]
        return row if shown == wanted else None

    async def _services(self) -> list[tuple[_Service, dict[str, Any]]]:
        found: list[tuple[_Service, dict[str, Any]]] = []
        page = 1
        while True:
            params = {"page_size": "200", "page": str(page)}
            answer = await self._ask("GET", "/api/gslbservice", "GslbServices", params=params)
            shown = answer.understood(_Page)
            found += zip(shown.results, answer.understood(_Raw).results, strict=True)
            if not shown.next or not shown.results:
                return found
            page += 1

    async def _ask(
        self, method: str, path: str, what: str, params: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """A request within a session. A 401 says that it has ended, and that nothing was done: so it is made anew."""
        if not self._session:
            await self._log_in()
        expected = frozenset({401})
        answer = await self._edge.ask(
            method, path, what, params=params or {}, body=body, headers=self._headers(), expected=expected
        )
        if answer.status != 401:
            return answer
        await self._log_in()
        return await self._edge.ask(method, path, what, params=params or {}, body=body, headers=self._headers())

    async def _log_in(self) -> None:
        try:
            body = json.dumps({"username": self.spec.username, "password": self.spec.password()}).encode()
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self._named('login')}: the password cannot be read: {error}") from None
        answer = await self._edge.ask("POST", "/login", "login", body=body, headers=self._version())
        cookies = _cookies(answer)
        if "csrftoken" not in cookies:
            raise Refused(f"{answer.what}: the answer sets no cookie `csrftoken`; is this an Avi controller?")
        shown = "; ".join(f"{name}={value}" for name, value in cookies.items())
        self._session = {"cookie": shown, "x-csrftoken": cookies["csrftoken"], "referer": self.spec.access.shown}

    def _headers(self) -> Headers:
        return {**self._version(), **self._session}

    def _version(self) -> Headers:
        return {"x-avi-version": self.spec.api_version, "x-avi-tenant": self.spec.tenant}

    def _named(self, what: str) -> str:
        return f"{self.origin}: {self.where}, {what}"


def _cookies(answer: Answer) -> dict[str, str]:
    """Names and values out of one joined header; the attributes that follow them are of no interest here."""
    found = {}
    for part in answer.headers.get("set-cookie", "").replace(",", ";").split(";"):
        name, _, value = part.strip().partition("=")
        if name in {"csrftoken", "sessionid", "avi-sessionid"}:
            found[name] = value
    return found


def avi_connector(spec: AviSpec) -> FencedConnector[Objects]:
    """The connector of one leader."""
    return FencedConnector(AviDialect(spec))
