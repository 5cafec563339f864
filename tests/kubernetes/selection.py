"""Label selectors as the API reads them: `a=b`, `a==b`, `a!=b`, `a`, `!a`, `a in (b,c)`, `a notin (b,c)`."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.kubernetes.answers import ApiError

Selector = Callable[[Mapping[str, Any]], bool]
PART = re.compile(r"\s*(!)?([\w./-]+)\s*(?:(==|=|!=)\s*([\w.-]*)|(in|notin)\s*\(([^)]*)\))?\s*(?:,|$)")


def selected(words: str) -> Selector:
    """Whether an object's labels are selected. ApiError 400 for a selector that is none."""
    tests, at = [], 0
    while at < len(words):
        part = PART.match(words, at)
        if part is None or part.end() == at:
            raise ApiError(400, "BadRequest", f"unable to parse requirement: {words}")
        tests.append(_test(*part.groups()))
        at = part.end()
    return lambda thing: all(test(thing["metadata"].get("labels") or {}) for test in tests)


def _test(
    absent: str | None, key: str, sign: str | None, value: str | None, set_: str | None, listed: str | None
) -> Callable[[Mapping[str, str]], bool]:
    if set_:
        values = {part.strip() for part in (listed or "").split(",")}
        return lambda labels: (labels.get(key) in values) == (set_ == "in")
    if sign:
        return lambda labels: (labels.get(key) == value) == (sign != "!=")
    return lambda labels: (key in labels) != bool(absent)
