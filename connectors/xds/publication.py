"""What the proxies of one origin are served, what they said to it, and the way back when one of them refuses."""

import asyncio
import time
from dataclasses import dataclass

from connectors.connector import Consent
from connectors.xds import stream as streams
from connectors.xds.overlay import QUIET
from connectors.xds.resources import RTDS, Resources
from connectors.xds.stream import Request, Response, Standing, Stream
from placement.weights import WeightTable


@dataclass(frozen=True, slots=True)
class Edition:
    """A table and what it became."""

    table: WeightTable
    resources: Resources


@dataclass(frozen=True, slots=True)
class Answer:
    """What the connected proxies, taken together, said to an edition."""

    accepted: bool | None
    """None: nobody has said anything that counts."""
    detail: str = ""


class Session:
    """One connected proxy. `wake` says that there may be something to send: a flag, not a queue."""

    def __init__(self, node_id: str) -> None:
        self.node_id = node_id
        self.stream = Stream()
        self.standing = Standing.IDLE
        self.took = False
        """Whether it has accepted something, and so has something to keep."""
        self.sent_s = self.answered_s = 0.0
        """When it was last sent something, and when it last had nothing left to answer; seconds since 1970."""
        self.wake = asyncio.Event()


class Publication:
    """The current edition of one origin, the last good one, and the proxies that get them.

    An edition is good once at least one proxy has accepted all of it and no connected proxy is still to answer. When
    a proxy refuses an edition that is not good yet, the last good one takes its place for all proxies. A proxy that
    refuses a good edition keeps what it has: what others run well is not taken back for it.
    """

    def __init__(self) -> None:
        self.current: Edition | None = None
        self.good: Edition | None = None
        self.sessions: set[Session] = set()
        self._refused: tuple[Resources, str] | None = None
        self._changed = asyncio.Event()

    @property
    def resources(self) -> Resources:
        """What proxies may have now."""
        return self.current.resources if self.current else QUIET

    @property
    def known(self) -> Edition | None:
        """What the proxies have: the last good edition; where none is connected that ever took one, the current one."""
        return (self.good if any(session.took for session in self.sessions) else None) or self.current

    def publish(self, edition: Edition) -> None:
        """Serve this from now on. It stands until another one follows or a proxy refuses it."""
        self.current = edition
        for session in self.sessions:
            session.standing = streams.standing(session.stream, edition.resources)
        self._judge()

    def establish(self, edition: Edition) -> None:
        """Serve this from now on as known to be good."""
        self.good = edition
        self.publish(edition)

    def refence(self, table: WeightTable) -> None:
        """The same content under a new fence: nothing for a proxy to know."""
        assert self.current is not None, "there is nothing yet whose fence could change"
        renewed = Edition(table, self.current.resources)
        if self.good is self.current:
            self.good = renewed
        self.current = renewed

    def join(self, session: Session) -> None:
        """A proxy has connected."""
        self.sessions.add(session)

    def leave(self, session: Session) -> None:
        """A proxy is gone; nobody waits for its answer any more."""
        self.sessions.discard(session)
        self._judge()

    def hear(self, session: Session, request: Request) -> None:
        """Take in what a proxy says."""
        session.stream = streams.heard(session.stream, request, self.resources)
        session.standing = streams.standing(session.stream, self.resources)
        if session.standing is not Standing.PENDING:
            session.answered_s = time.time()
        session.took = session.took or session.standing is Standing.ACCEPTED
        session.wake.set()
        self._judge()

    def take_due(self, session: Session) -> tuple[Response, ...]:
        """What to send a proxy now; it counts as sent."""
        session.stream, responses = streams.due(session.stream, self.resources)
        session.standing = streams.standing(session.stream, self.resources)
        if responses:
            session.sent_s = time.time()
        return responses

    def consents(self, since_s: float) -> tuple[Consent, ...]:
        """The proxies that have taken what they were sent since then (seconds since 1970)."""
        took = (s for s in self.sessions if s.standing is Standing.ACCEPTED and s.sent_s >= since_s)
        return tuple(Consent(s.node_id, s.sent_s, s.answered_s) for s in sorted(took, key=lambda s: s.node_id))

    async def answer(self, resources: Resources) -> Answer:
        """What the proxies say to these resources, once all that are connected have said it."""
        while (answer := self.answer_now(resources)) is None:
            await self._changed.wait()
        return answer

    def answer_now(self, resources: Resources) -> Answer | None:
        """The same without waiting; None while an answer is missing."""
        if self._refused and self._refused[0] is resources:
            return Answer(accepted=False, detail=self._refused[1])
        if self.resources is not resources:
            return Answer(accepted=None, detail="another table took its place before every proxy had answered")
        standings = {session.standing for session in self.sessions}
        if Standing.REFUSED in standings:
            return Answer(accepted=False, detail=self._words())
        if Standing.PENDING in standings:
            return None
        if Standing.ACCEPTED in standings:
            return Answer(accepted=True)
        return Answer(accepted=None, detail="no proxy connected")

    def unleased(self) -> tuple[str, ...]:
        """Node ids of the proxies that take no runtime layer, and so could not let go of one by themselves."""
        return tuple(sorted(s.node_id for s in self.sessions if RTDS not in s.stream.subscriptions))

    def waiting_for(self) -> tuple[str, ...]:
        """Node ids of the proxies that are still to answer."""
        return tuple(sorted(s.node_id for s in self.sessions if s.standing is Standing.PENDING))

    def _judge(self) -> None:
        if self.current is not None and self.current is not self.good:
            answer = self.answer_now(self.current.resources)
            if answer and answer.accepted:
                self.good = self.current
            elif answer and answer.accepted is False:
                self._restore(answer.detail)
        self._announce()

    def _restore(self, words: str) -> None:
        self._refused = self.resources, words
        self.current = self.good
        for session in self.sessions:
            session.standing = streams.standing(session.stream, self.resources)

    def _announce(self) -> None:
        for session in self.sessions:
            session.wake.set()
        self._changed.set()
        self._changed = asyncio.Event()

    def _words(self) -> str:
        return "; ".join(
            f"proxy {session.node_id} refused {words}"
            for session in sorted(self.sessions, key=lambda s: s.node_id)
            for words in streams.refusals(session.stream, self.resources)
        )
