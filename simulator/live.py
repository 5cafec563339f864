"""What if, from what stands now: the documents of a running controller, the weights in its ledger, and some events."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from config.problem import Invalid, Problem, quoted
from placement.fleet import OriginId
from placement.weights import WeightTable
from scheduler.history import NothingYet
from scheduler.ports import LedgerDown
from scheduler.preview import standing_tables, tables_that_stood
from simulator.scenario.faults import Event, Fault
from simulator.scenario.load import Loaded, checked, words_of
from simulator.scenario.model import Scenario

NAME = "live"
EXAMPLE = "cluster-outage cluster=eu-west at=1m for=3m"
AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
T = TypeVar("T")


async def from_ledger(
    documents: Sequence[Path], events: Sequence[str], duration_s: float, at: str = ""
) -> tuple[Loaded, Mapping[OriginId, WeightTable], str]:
    """A scenario of the documents' fleet and expected demand, the weights that stand, and where those come from.

    An event is `fault key=value ...`, such as `cluster-outage cluster=eu-west at=1m for=3m`; without `at` it begins
    after a minute. `at` is a time that has passed, see `moment`: the weights are those that stood then, the demand is
    what the documents expect, for a ledger does not keep what was measured. Raises Invalid.
    """
    spec: dict[str, Any] = {
        "about": "from what stands now",
        "duration": duration_s,
        "fleet": {"documents": [path.resolve().as_posix() for path in documents]},
        "events": [_event(text) for text in events],
    }
    envelope = {"apiVersion": "equipoise.dev/v1alpha1", "kind": "Scenario", "metadata": {"name": NAME}}
    scenario = _validated(lambda: Scenario.model_validate({**envelope, "spec": spec}))
    loaded = checked(scenario, Path("--event"))
    url = loaded.configuration.policy.server.ledger
    if not at:
        return loaded, *await standing_tables(url)
    try:
        return loaded, *await tables_that_stood(url, moment(at, time.time()))
    except (LedgerDown, NothingYet, ValueError) as error:
        raise Invalid((Problem("--at", 0, 0, "", str(error)),)) from None


def moment(text: str, now_s: float) -> float:
    """Seconds since 1970 of a time as people write it: `2026-07-30T18:00` (UTC unless it says otherwise), seconds since
    1970, or how long ago: `90m`, `2h`. Raises ValueError.
    """
    ago = AGO.fullmatch(text)
    if ago:
        return now_s - float(ago[1]) * {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}[ago[2]]
    try:
        return float(text)
    except ValueError:
        pass
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: write 2026-07-30T18:00, or how long ago, such as 90m") from None
    return (said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp()


def events_of(texts: Sequence[str]) -> tuple[Event, ...]:
    """Events from their words. Raises Invalid."""
    several: TypeAdapter[tuple[Any, ...]] = TypeAdapter(tuple[Fault, ...])
    return _validated(lambda: several.validate_python(tuple(_event(text) for text in texts)))


def _validated(made: Callable[[], T]) -> T:
    try:
        return made()
    except ValidationError as invalid:
        words = {words_of(_of_scenario(error)) for error in invalid.errors(include_url=False)}
        raise Invalid(tuple(Problem("--event", 0, 0, "", text) for text in sorted(words))) from None


def _of_scenario(error: ErrorDetails) -> ErrorDetails:
    """An error as it is in a scenario, also where events were validated alone."""
    where = error["loc"]
    return error if where[:1] == ("spec",) else error | {"loc": ("spec", "events", *where)}


def _event(text: str) -> dict[str, Any]:
    """`fault key=value ...` as a mapping; numbers and true/false are what they look like. Raises Invalid."""
    fault, *pairs = text.split() or [""]
    found: dict[str, Any] = {"fault": fault, "at": "1m"}
    for pair in pairs:
        key, is_, value = pair.partition("=")
        if not (key and is_ and value):
            why = f"{quoted(pair)} is no key=value; write such as {quoted(EXAMPLE)}"
            raise Invalid((Problem("--event", 0, 0, "", why),))
        found[key] = _value(value)
    if not fault:
        raise Invalid((Problem("--event", 0, 0, "", f"says no fault; write such as {quoted(EXAMPLE)}"),))
    return found


def _value(text: str) -> Any:
    if text in {"true", "false"}:
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text
