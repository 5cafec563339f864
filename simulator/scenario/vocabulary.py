"""All that can happen in a scenario, as the schema of its events says it: for forms and programs that ask what if."""

from scheduler.jobs import EventKind
from simulator.scenario.faults import FAULTS, Event


def vocabulary() -> tuple[EventKind, ...]:
    """Every kind of event, in the order in which they are declared."""
    return tuple(_kind(fault) for fault in FAULTS)


def _kind(fault: type[Event]) -> EventKind:
    schema = fault.model_json_schema(by_alias=True)
    keys = dict(schema["properties"])
    name = str(keys.pop("fault")["const"])
    keys.pop("note")
    needed = set(schema["required"]) - {"at"}
    about = " ".join((fault.__doc__ or "").split())
    return EventKind(name, about, {key: said | {"required": key in needed} for key, said in keys.items()})
