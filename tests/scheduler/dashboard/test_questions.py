"""The form of a what-if has every event of the scenario schema, and says it in words that the simulator understands."""

import pytest

from scheduler.api.problem import Failure
from scheduler.dashboard.questions import OWN, Asked, event_of, fields_of, spoken
from scheduler.jobs import EventKind
from simulator.live import events_of
from simulator.scenario.faults import FAULTS, kind_of
from simulator.scenario.vocabulary import vocabulary

KINDS = vocabulary()
NAMES = {
    "cluster": ("dublin", "oregon"), "origin": ("dublin", "europe"), "service": ("shop",), "region": ("eu-west-1",),
    "provider": ("aws",), "from": ("europe", "dublin"), "to": ("dublin", "oregon"),
}  # fmt: skip


def filled(field: Asked) -> str:
    """As somebody would who only fills in what is empty."""
    return field.value or (field.options[-1] if field.options else "0.5" if field.bounds is not None else "30s")


def test_every_event_of_the_schema_can_be_asked_about() -> None:
    assert len(KINDS) == len(FAULTS)
    assert all(kind.about for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_form_of_an_event_when_filled_in_is_that_event(kind: EventKind) -> None:
    fields = fields_of(kind, NAMES, {})
    given = {f"{OWN}{field.key}": filled(field) for field in fields}

    (event,) = events_of([event_of(kind.name, given, KINDS)])

    assert kind_of(event) == kind.name
    assert event.lasts == 180.0
    assert [field.required for field in fields] == sorted((field.required for field in fields), reverse=True)


@pytest.mark.parametrize(("fault", "given", "words"), [
    ("rain", {}, "no event 'rain'"), ("cluster-outage", {}, "say which cluster"),
    ("cluster-outage", {"event.cluster": "dublin", "event.colour": "red"}, "no 'colour'"),
    ("cluster-outage", {"event.cluster": "dublin for=9d"}, "a name, a number or a time"),
    ("cluster-outage", {"cluster": "dublin"}, "no 'cluster'"),
])  # fmt: skip
def test_what_no_schema_has_is_refused_by_name(fault: str, given: dict[str, str], words: str) -> None:
    with pytest.raises(Failure) as refused:
        event_of(fault, given, KINDS)
    assert words in refused.value.detail


def test_address_prefills_and_choices_are_the_names_of_the_fleet() -> None:
    gray = next(kind for kind in KINDS if kind.name == "gray")
    fields = {field.key: field for field in fields_of(gray, NAMES, {"cluster": "oregon", "errorRatio": "0.3"})}

    assert fields["cluster"].value == "oregon"
    assert fields["cluster"].options == ("*", "dublin", "oregon")
    assert (fields["errorRatio"].value, fields["errorRatio"].words) == ("0.3", "error ratio")
    assert fields["probed"].options == ("true", "false")
    assert fields["probed"].value == "true"
    assert spoken("notANumber") == "not a number"
