"""One scenario, changed in one place: seeds, single values of its document, other events. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from pydantic import ValidationError

from simulator.scenario.build import build
from simulator.scenario.faults import Event
from simulator.scenario.load import Loaded
from simulator.scenario.model import Scenario


class NoSuchKey(Exception):  # noqa: N818  a word of the user
    """A parameter names no key of the document, or gives it a value that it cannot have."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A scenario to play, and what it is called."""

    words: str
    loaded: Loaded


def with_values(loaded: Loaded, values: Mapping[str, Any]) -> Loaded:
    """The scenario with keys of its `spec` set, such as `world.clients.retries`. Raises NoSuchKey."""
    document = loaded.scenario.model_dump(mode="json", by_alias=True, exclude_unset=True)
    for path, value in values.items():
        *outer, last = path.split(".")
        part: Any = document["spec"]
        for key in outer:
            part = part.setdefault(key, {}) if isinstance(part, dict) else part[int(key)]
        if isinstance(part, list):
            part[int(last)] = value
        else:
            part[last] = value
    try:
        scenario = Scenario.model_validate(document)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False)[0]
        where = ".".join(map(str, error["loc"]))
        raise NoSuchKey(f"{where}: {error['msg']}") from None
    return Loaded(scenario, loaded.file, build(scenario, loaded.file.parent))


def grid(loaded: Loaded, values: Mapping[str, Iterable[Any]]) -> list[Variant]:
    """Every combination of some values of some keys. Raises NoSuchKey."""
    keys = list(values)
    found = []
    for combination in product(*values.values()):
        chosen = dict(zip(keys, combination, strict=True))
        words = ", ".join(f"{key}={value}" for key, value in chosen.items()) or "as it is"
        found.append(Variant(words, with_values(loaded, chosen)))
    return found


def with_events(loaded: Loaded, events: tuple[Event, ...], duration_s: float) -> Loaded:
    """The same fleet and demand through other events, for another time, expecting nothing."""
    spec = loaded.scenario.spec
    changed = spec.model_copy(update={"events": events, "duration": duration_s, "expect": (), "thresholds": {}})
    return replace(loaded, scenario=loaded.scenario.model_copy(update={"spec": changed}))
