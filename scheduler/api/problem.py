"""Errors as RFC 9457 problem documents, whatever went wrong."""

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

PROBLEM_TYPE = "application/problem+json"
SHOWN = 5
TITLES = {
    400: "Not HTTP",
    401: "Who are you?",
    403: "Not allowed",
    404: "Not found",
    405: "Not done here",
    409: "Not now",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Not JSON",
    422: "Bad request",
    428: "Say what you saw",
    429: "Too many requests",
    500: "A fault of ours",
    503: "Not available",
}


class Problem(BaseModel):
    """What went wrong, and what to do about it."""

    model_config = ConfigDict(extra="forbid")
    type: str
    title: str
    status: int
    detail: str


class Failure(Exception):  # noqa: N818  an answer, not an error
    """An answer that is no success; `detail` says the remedy."""

    def __init__(self, status: int, detail: str, title: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}
        self.title = title or TITLES.get(status, str(status))


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    """The response."""
    body = Problem(type="about:blank", title=title, status=status, detail=detail)
    return web.Response(text=body.model_dump_json(), status=status, content_type=PROBLEM_TYPE, headers=headers)


def faults(invalid: ValidationError) -> str:
    """`reason: Field required; ...`, without what was sent: it may be a secret."""
    errors = invalid.errors(include_url=False, include_input=False)
    said = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}".removeprefix(": ") for e in errors[:SHOWN]]
    return "; ".join(said) + (f"; and {len(errors) - SHOWN} more" if len(errors) > SHOWN else "")
