"""The form of a what-if: its fields are those that the schema of an event has, and nothing is said twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scheduler.api.problem import Failure
from scheduler.jobs import EventKind
from scheduler.state import State

ALL = "*"
OWN = "event."
"""Before the name of every field of the event, so that it is never taken for one of the form's own."""
WORDS = {"at": "begins after", "for": "lasts", "ms": "milliseconds", "to": "to", "from": "from"}
PREFILLED = {"at": "1m", "for": "3m"}
VALUE_MAX = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """One field of an event."""

    key: str
    words: str
    about: str
    required: bool
    value: str
    """What it begins with."""
    options: tuple[str, ...] = ()
    """What may be chosen; none: it is written."""
    bounds: Mapping[str, Any] | None = None
    """Of a number."""


def names_of(state: State) -> dict[str, tuple[str, ...]]:
    """What can be named, by the key of an event that names it."""
    fleet = state.fleet
    clusters = tuple(str(name) for name in fleet.clusters.ids)
    origins = tuple(str(name) for name in fleet.origins.ids)
    return {
        "cluster": clusters,
        "origin": origins,
        "service": tuple(str(name) for name in fleet.services.ids),
        "region": tuple(sorted(set(fleet.clusters.region))),
        "provider": tuple(sorted(set(fleet.clusters.provider))),
        "from": tuple(dict.fromkeys((*origins, *clusters))),
        "to": clusters,
    }


def fields_of(kind: EventKind, names: Mapping[str, Sequence[str]], query: Mapping[str, str]) -> list[Asked]:
    """The fields of an event, those that it needs first; `query` prefills them."""
    found = [_field(key, said, names, query) for key, said in kind.schema.items()]
    return sorted(found, key=lambda field: (not field.required, field.key in PREFILLED))


def _field(key: str, said: Mapping[str, Any], names: Mapping[str, Sequence[str]], query: Mapping[str, str]) -> Asked:
    pattern, default = str(said.get("pattern", "")), said.get("default")
    options: tuple[str, ...] = ()
    if key in names:
        also = [word for word in (ALL, "controller") if word in pattern.replace("\\*", ALL)]
        options = (*also, *names[key])
    elif "enum" in said:
        options = tuple(said["enum"])
    elif said.get("type") == "boolean":
        options = ("true", "false")
    first = (
        PREFILLED.get(key, "") if default is None else str(default).lower() if options == ("true", "false") else default
    )
    number = said.get("type") == "number"
    bounds = {end: said[name] for end, name in (("min", "minimum"), ("max", "maximum")) if name in said}
    return Asked(
        key, WORDS.get(key, spoken(key)), str(said.get("description", "")), bool(said["required"]),
        str(query.get(key, first)), options, bounds if number else None,
    )  # fmt: skip


def spoken(key: str) -> str:
    """`errorRatio` as `error ratio`."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in key)


def event_of(fault: str, given: Mapping[str, str], kinds: Sequence[EventKind]) -> str:
    """In the words of `equipoise simulate --event`; raises Failure for what its schema does not have."""
    kind = next((kind for kind in kinds if kind.name == fault), None)
    if kind is None:
        raise Failure(422, f"no event {fault!r}; there are {', '.join(kind.name for kind in kinds) or 'none here'}")
    pairs = []
    for name, value in given.items():
        key = name.removeprefix(OWN)
        if not name.startswith(OWN) or key not in kind.schema:
            raise Failure(422, f"{fault} has no {key!r}; it has {', '.join(kind.schema)}")
        if len(value) > VALUE_MAX or any(letter.isspace() for letter in value):
            raise Failure(422, f"{spoken(key)}: a name, a number or a time such as 3m")
        pairs.append(f"{key}={value}")
    missing = [key for key, said in kind.schema.items() if said["required"] and f"{OWN}{key}" not in given]
    if missing:
        raise Failure(422, f"say which {spoken(missing[0])}")
    return " ".join((fault, *pairs))
