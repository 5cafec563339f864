"""The connector: one origin's weights, published to its Envoys and gRPC clients, with their consent or their words."""

import asyncio
import time
from dataclasses import replace

from connectors.connector import Consent, Fencing, MeshLimits, Receipt, Refused
from connectors.rehearsal import Tally
from connectors.xds.load import LoadReports
from connectors.xds.overlay import Overlay
from connectors.xds.publication import Answer, Edition, Publication
from connectors.xds.server import Tenant, XdsServer
from connectors.xds.spec import MeshSpec
from connectors.xds.translation import translate
from placement.fleet import OriginId
from placement.weights import WeightTable

LIMITS = MeshLimits(
    unit=10_000,
    zero_allowed=True,
    standby=True,
    shed=True,
    targets_max=128,
    read_at_once=True,
    achieved=True,
    fencing=Fencing.ATOMIC,
)
"""Envoy allows 128 priorities; a standby stands at weight 0 in a priority of its own."""


class XdsConnector:
    """A connectors.connector.Connector, and connectors.rehearsal.Rehearsing, for the proxies of one origin.

    A cancelled write leaves its table published: proxies that answer later make it the good one, or bring the last
    good one back.
    """

    def __init__(self, spec: MeshSpec, server: XdsServer, reports: LoadReports | None = None) -> None:
        self._spec = spec
        self._reports = reports
        self._publication = Publication()
        self._fence = (0, 0)
        self._overlay: Overlay | None = None
        self._given_up: tuple[Edition, float] | None = None
        """What was published when somebody stopped waiting for the proxies, and since when, in seconds since 1970."""
        server.admit(spec.origin, Tenant(self._owns, self._trusts, self._publication, reports))
        self._server = server

    @property
    def origin(self) -> OriginId:
        """Whose mesh this is."""
        return self._spec.origin

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return LIMITS

    @property
    def proxies(self) -> tuple[str, ...]:
        """Node ids of the connected proxies."""
        return tuple(sorted(session.node_id for session in self._publication.sessions))

    async def read(self) -> WeightTable | None:
        """The last table that the proxies accepted; where none is connected that has any, the one that waits."""
        known = self._publication.known
        return known.table if known else None

    def prime(self, table: WeightTable) -> None:
        """Serve a table that was accepted before a restart. Proxies that have it hear nothing of it.

        Raises Refused when the address book no longer has an endpoint of the table.
        """
        self._publication.establish(Edition(table, translate(table, self._spec)))
        self._fence = table.fence

    async def write(self, table: WeightTable) -> Receipt:
        """Publish, and wait until every connected proxy has answered; `accepted` is None where none is connected.

        Raises Refused, with the last good table in force again, for a lower fence, an unknown endpoint, or a proxy
        that says no.
        """
        if table.fence < self._fence:
            raise Refused(
                f"{self.origin}: (epoch, version) {table.fence} is lower than {self._fence}, which it has already; "
                "another controller leads"
            )
        current = self._publication.current
        if current is not None and current.table.digest() == table.digest():
            self._fence = table.fence
            self._publication.refence(table)
            answer = self._publication.answer_now(current.resources)
            return _receipt(table, answer or Answer(None, f"waiting for {', '.join(self._publication.waiting_for())}"))
        edition = Edition(table, translate(table, self._spec, self._overlay))
        self._fence = table.fence
        return await self._put(edition)

    def belated(self) -> tuple[int, tuple[Consent, ...]]:
        """See connectors.connector.Belated. A table that another one replaced meanwhile has nothing to say."""
        if self._given_up is None:
            return 0, ()
        edition, begun_s = self._given_up
        answer = self._publication.answer_now(edition.resources)
        if answer is None:
            return 0, ()
        self._given_up = None
        return edition.table.version, self._publication.consents(begun_s) if answer.accepted else ()

    async def arm(self, table: WeightTable) -> Receipt:
        """Let the proxies take failover weights beside the regular ones, for no request yet. Refused as by `write`."""
        before = self._overlay
        try:
            return await self._rehearse(Overlay(table))
        except Refused:
            self._overlay = before
            raise

    async def drain(self, ratio: float, lease_s: float) -> Receipt:
        """Route a part of the requests by them, until the lease runs out in each proxy by itself."""
        if self._overlay is None:
            if ratio:
                raise Refused(f"{self.origin}: no failover is armed")
            return await self._rehearse(None)
        if ratio and (words := self.unfit()):
            raise Refused(f"{self.origin}: {words}")
        beat = self._overlay.beat + 1
        return await self._rehearse(replace(self._overlay, ratio=ratio, lease_s=lease_s, beat=beat))

    async def disarm(self) -> Receipt:
        """Take the routes back, and then the upstreams that nobody refers to any more."""
        if self._overlay is not None:
            await self._rehearse(replace(self._overlay, ratio=0.0, routed=False))
        return await self._rehearse(None)

    def unfit(self) -> str:
        """Whether a proxy is missing, or one is there that would not let go of a drill by itself."""
        if not self.proxies:
            return "no proxy connected"
        unleased = ", ".join(self._publication.unleased())
        return f"{unleased} take no runtime layer and could not let go by themselves" if unleased else ""

    def tally(self) -> Tally:
        """Requests of the armed services so far; nothing where load reports are not wanted."""
        if self._reports is None or self._overlay is None:
            return Tally()
        return self._reports.tally(self._overlay.table.services)

    async def _rehearse(self, overlay: Overlay | None) -> Receipt:
        current = self._publication.current
        if current is None:
            raise Refused(f"{self.origin}: there are no weights yet to rehearse a failover from")
        resources = translate(current.table, self._spec, overlay)
        self._overlay = overlay
        return await self._put(Edition(current.table, resources))

    async def replace_spec(self, spec: MeshSpec) -> Receipt | None:
        """Take another address book, and publish the current table with it; None where there is no table yet.

        Raises Refused as `write` does; the old address book then stays, and the certificates that it takes do not. The
        origin must be the same. Another node name holds for the proxies that connect from now on.
        """
        assert spec.origin == self.origin, f"an address book of {spec.origin} is given to {self.origin}"
        current = self._publication.current
        self._spec = replace(self._spec, subjects=spec.subjects)  # who is trusted follows whatever comes of the rest
        self._server.review()
        resources = translate(current.table, spec, self._overlay) if current else None
        before, self._spec = self._spec, spec
        if self._reports:
            self._reports.replace_spec(spec)
        if current is None or resources is None:
            return None
        try:
            return await self._put(Edition(current.table, resources))
        except Refused:
            self._spec = before
            if self._reports:
                self._reports.replace_spec(before)
            raise

    def _owns(self, node_id: str) -> bool:
        return self._spec.owns(node_id)

    def _trusts(self, shown: frozenset[str]) -> bool:
        return self._spec.trusts(shown)

    async def _put(self, edition: Edition) -> Receipt:
        begun_s = time.time()
        self._publication.publish(edition)
        self._given_up = None
        try:
            answer = await self._publication.answer(edition.resources)
        except asyncio.CancelledError:
            self._given_up = edition, begun_s
            raise
        if answer.accepted is False:
            raise Refused(f"{self.origin}: {answer.detail}")
        return replace(_receipt(edition.table, answer), consents=self._publication.consents(begun_s))


def _receipt(table: WeightTable, answer: Answer) -> Receipt:
    return Receipt(
        table.origin, table.epoch, table.version, stored=True, accepted=answer.accepted, detail=answer.detail
    )
