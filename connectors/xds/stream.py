"""One proxy's discovery stream as a value: what it asked for, was sent and answered, and what to send next.

State of the world, after the xDS transport protocol: a request that carries the nonce of the last response answers
it, with `error_detail` as a refusal and without as consent; any other request only changes the subscription. Of each
type at most one response is unanswered: what changes meanwhile goes out after the answer, as one response, so that a
slow proxy costs no memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType

from connectors.xds.resources import (
    CDS,
    EDS,
    PUSH_ORDER,
    REFERS_TO,
    RTDS,
    SHORT,
    WHOLE_STATE,
    Named,
    Resources,
    version_of,
)


@dataclass(frozen=True, slots=True)
class Request:
    """What a proxy says: a subscription, and perhaps an answer."""

    kind: str
    names: frozenset[str] = frozenset()
    version: str = ""
    nonce: str = ""
    error: str | None = None
    """The proxy's own words where it refuses the response with this nonce."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a proxy is sent."""

    kind: str
    version: str
    nonce: str
    bodies: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One type on one stream."""

    names: frozenset[str] = frozenset()
    wildcard: bool = False
    held: Mapping[str, str] = field(default_factory=dict)
    """Name -> digest of what the proxy was sent, or said that it has."""
    version: str = ""
    """Of the last response."""
    nonce: str = ""
    unanswered: frozenset[str] | None = None
    """The names in a response without an answer yet; None when nothing is open."""
    told: bool = False
    """Whether the proxy has had a response, or said that it has the present version."""
    refused_version: str = ""
    refused_words: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """All types on one stream."""

    subscriptions: Mapping[str, Subscription] = field(default_factory=dict)
    responses: int = 0
    """How many were sent; numbers the nonces."""


class Standing(Enum):
    """How a proxy stands to the resources it should have."""

    IDLE = "has asked for nothing that there is"
    PENDING = "has not answered everything yet"
    ACCEPTED = "has all of it"
    REFUSED = "refused some of it"


def selected(kind: str, subscription: Subscription, resources: Resources) -> Named:
    """The resources of one type that the proxy wants and there are."""
    every = resources[kind]
    if subscription.wildcard:
        return {n: r for n, r in every.items() if r.listed or n in subscription.names}
    return {n: every[n] for n in subscription.names if n in every}


def heard(stream: Stream, request: Request, resources: Resources) -> Stream:
    """The stream after a request."""
    known = stream.subscriptions.get(request.kind)
    if known is None:
        return _with(stream, request.kind, _first(request, resources))
    if request.nonce == known.nonce and known.unanswered is not None:
        known = _answered(known, request.error)
    return _with(stream, request.kind, _resubscribed(known, request))


def due(stream: Stream, resources: Resources) -> tuple[Stream, tuple[Response, ...]]:
    """The stream after sending, and the responses to send now, in order; none when nothing has changed."""
    responses = []
    for kind in PUSH_ORDER:
        stream, response = _respond(stream, kind, resources)
        if response:
            responses.append(response)
    return stream, tuple(responses)


def standing(stream: Stream, resources: Resources) -> Standing:
    """Where the proxy stands once everything that is due has been sent."""
    found = {kind: selected(kind, s, resources) for kind, s in stream.subscriptions.items()}
    if refusals(stream, resources):
        return Standing.REFUSED
    if any(s.unanswered is not None for s in stream.subscriptions.values()):
        return Standing.PENDING
    if any(_changed(stream.subscriptions[kind], found[kind]) for kind in found):
        return Standing.PENDING
    if not any(some for kind, some in found.items() if kind != RTDS):  # an Envoy asks for that one before all others
        return Standing.IDLE
    return Standing.ACCEPTED if _asked_for_all(found, resources) else Standing.PENDING


def refusals(stream: Stream, resources: Resources) -> tuple[str, ...]:
    """What the proxy says against the resources, each with its type."""
    return tuple(
        f"{SHORT[kind]}: {s.refused_words}"
        for kind, s in stream.subscriptions.items()
        if s.refused_words and s.refused_version == version_of(selected(kind, s, resources))
    )


def _with(stream: Stream, kind: str, subscription: Subscription) -> Stream:
    return replace(stream, subscriptions=MappingProxyType({**stream.subscriptions, kind: subscription}))


def _first(request: Request, resources: Resources) -> Subscription:
    """A proxy that comes back with the present version of all it asks for has nothing to be told."""
    wildcard = "*" in request.names or (not request.names and request.kind in WHOLE_STATE)
    fresh = Subscription(names=request.names - {"*"}, wildcard=wildcard)
    found = selected(request.kind, fresh, resources)
    if not request.version or request.version != version_of(found):
        return fresh
    return replace(fresh, held={n: r.digest for n, r in found.items()}, version=request.version, told=True)


def _answered(known: Subscription, error: str | None) -> Subscription:
    """After a refusal nobody knows which of the resources took effect, so all of them count as not held."""
    if error is None:
        return replace(known, unanswered=None, refused_version="", refused_words="")
    held = {n: digest for n, digest in known.held.items() if n not in (known.unanswered or ())}
    return replace(
        known, unanswered=None, held=held, refused_version=known.version, refused_words=error or "no reason given"
    )


def _resubscribed(known: Subscription, request: Request) -> Subscription:
    names = request.names - {"*"}
    wildcard = "*" in request.names or (known.wildcard and not names)
    if (names, wildcard) == (known.names, known.wildcard):
        return known
    held = known.held if wildcard else {n: digest for n, digest in known.held.items() if n in names}
    return replace(known, names=names, wildcard=wildcard, held=held)


def _respond(stream: Stream, kind: str, resources: Resources) -> tuple[Stream, Response | None]:
    known = stream.subscriptions.get(kind)
    if known is None or known.unanswered is not None:
        return stream, None
    found = selected(kind, known, resources)
    changed = _changed(known, found)
    first_of_state = kind in WHOLE_STATE and not known.told  # an empty answer says that there is nothing
    if not changed and not first_of_state:
        return stream, None
    version = version_of(found)
    if version == known.refused_version:
        return stream, None
    sent = sorted(found if kind in WHOLE_STATE else changed & found.keys())
    held = {n: r.digest for n, r in found.items()}
    if not sent and kind not in WHOLE_STATE:  # a deletion that the proxy learns from the type before this one
        return _with(stream, kind, replace(known, held=held)), None
    number = stream.responses + 1
    after = replace(known, held=held, version=version, nonce=str(number), unanswered=frozenset(sent), told=True)
    stream = replace(_with(stream, kind, after), responses=number)
    if kind == CDS:
        stream = _forget_endpoints(stream, changed)
    return stream, Response(kind, version, str(number), tuple(found[n].body for n in sent))


def _changed(known: Subscription, found: Named) -> set[str]:
    """Names whose resource is new, different or gone."""
    new = {n for n, r in found.items() if known.held.get(n) != r.digest}
    return new | (known.held.keys() - found.keys())


def _forget_endpoints(stream: Stream, upstreams: set[str]) -> Stream:
    """Envoy warms a changed upstream until it gets its endpoints again, even when they are the same."""
    known = stream.subscriptions.get(EDS)
    if known is None:
        return stream
    return _with(stream, EDS, replace(known, held={n: d for n, d in known.held.items() if n not in upstreams}))


def _asked_for_all(found: Mapping[str, Named], resources: Resources) -> bool:
    """Whether the proxy has followed every reference of what it has; until it has, it is still taking it in."""
    for kind, next_kind in REFERS_TO.items():
        wanted = frozenset[str]().union(*(r.refers for r in found.get(kind, {}).values()))
        if not (wanted & resources[next_kind].keys()) <= found.get(next_kind, {}).keys():
            return False
    return True
