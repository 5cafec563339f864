"""What an API server answers, judged before anything is believed: a status, a size, JSON, an object."""

import json
import re
from typing import Any

from connectors.connector import Refused, Unavailable
from connectors.kubernetes.resource import entries, text

CAUSE_MAX = 400
NO_GROUP = b"404 page not found"
UNTYPED = "failed to create typed patch object"
MANAGER = re.compile(r'conflicts? with "([^"]+)"')


class Missing(Refused):
    """There is no such object, or no such kind."""


class Conflicted(Refused):
    """Somebody else owns a field, or the object changed in between. `managers` are those who own."""

    def __init__(self, words: str, managers: tuple[str, ...] = ()) -> None:
        super().__init__(words)
        self.managers = managers


class Forbidden(Refused):
    """We may not do that."""


class Invalid(Refused):
    """The server, its schemas or its admission say no."""


class Expired(Unavailable):
    """The server no longer knows what happened since then (410): list again."""


def judged(what: str, status: int, headers: Any, body: bytes) -> dict[str, Any]:
    """The object in an answer. Raises Unavailable, or the kind of Refused that it is, naming `what`."""
    if 300 <= status < 400:
        where = str(headers.get("location", "somewhere"))[:CAUSE_MAX]
        raise Unavailable(f"{what}: redirected to {where}; name the API server itself")
    answer = _object(body)
    if status >= 400:
        raise _no(what, status, answer, body, headers)
    if answer is None:
        kind = str(headers.get("content-type", "no content type"))[:80]
        raise Unavailable(f"{what}: the answer is no JSON object ({kind}): {shown(body)}")
    return answer


def shown(body: bytes) -> str:
    """The beginning of a body, on one line."""
    return " ".join(body[:CAUSE_MAX].decode(errors="replace").split())[:120]


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _no(what: str, status: int, answer: dict[str, Any] | None, body: bytes, headers: Any) -> Exception:
    # Of a group of which it serves nothing an API server says no more than this; the header tells that it was one.
    if status == 404 and body.strip() == NO_GROUP and headers.get("audit-id"):
        return Missing(f"{what}: the server serves nothing of this API group; are its CRDs installed?")
    # A server in front of the API server answers with pages of its own: those say nothing about the object.
    if answer is None or answer.get("kind") != "Status":
        return Unavailable(f"{what}: {status} and no Status of an API server: {shown(body)}")
    words = f"{what}: {text(answer, 'message')[:CAUSE_MAX] or text(answer, 'reason') or status}"
    if status == 409:
        return Conflicted(words, tuple(dict.fromkeys(_managers(answer))))
    if status == 401:
        return Forbidden(f"{words}; the token is not, or no longer, good")
    if status == 403 and "denied the request" not in words and "denied request" not in words:
        return Forbidden(f"{words}; `equipoise rbac` prints the rights that are needed")
    if status == 500 and UNTYPED in words:  # server-side apply of what the schema has no place for is no accident
        return Invalid(words)
    known = {404: Missing, 410: Expired, 429: Unavailable}
    return known.get(status, Invalid if status < 500 else Unavailable)(words)


def _managers(answer: dict[str, Any]) -> list[str]:
    causes = [text(cause, "message") for cause in entries(answer, "details", "causes")]
    return [found for cause in [*causes, text(answer, "message")] for found in MANAGER.findall(cause)]
