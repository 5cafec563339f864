"""The protocol of one stream, without a network."""

import pytest

from connectors.xds.resources import CDS, EDS, LDS, PUSH_ORDER, RDS, Resource, Resources, version_of
from connectors.xds.stream import Request, Response, Standing, Stream, due, heard, refusals, standing


def resources(**contents: str) -> Resources:
    """Upstreams and their assignments: name=content, as many of one as of the other; no listeners."""
    return {
        CDS: {name: thing(name, "upstream", refers=name) for name in contents},
        EDS: {name: thing(name, text) for name, text in contents.items()},
        LDS: {},
        RDS: {},
    }


def thing(name: str, text: str, refers: str = "", listed: bool = True) -> Resource:
    """A resource whose body is its content."""
    return Resource(name, text.encode(), text, frozenset({refers} - {""}), listed)


def eds(*names: str, version: str = "", nonce: str = "", error: str | None = None) -> Request:
    """A request for assignments."""
    return Request(EDS, frozenset(names), version, nonce, error)


def exchange(stream: Stream, request: Request, served: Resources) -> tuple[Stream, tuple[Response, ...]]:
    """Hear and send."""
    return due(heard(stream, request, served), served)


def sent_once(served: Resources, *names: str) -> tuple[Stream, Response]:
    """A stream on which assignments have been sent, and the response."""
    stream, (response,) = exchange(Stream(), eds(*names), served)
    return stream, response


def test_first_request_is_answered_with_what_it_names() -> None:
    _, response = sent_once(resources(a="1", b="2", c="3"), "a", "c")

    assert response.bodies == (b"1", b"3")
    assert response.nonce


def test_nothing_is_sent_for_a_type_nobody_asked_for() -> None:
    assert due(Stream(), resources(a="1"))[1] == ()


def test_consent_is_not_answered() -> None:
    served = resources(a="1")
    stream, response = sent_once(served, "a")

    stream, responses = exchange(stream, eds("a", version=response.version, nonce=response.nonce), served)

    assert responses == ()
    assert standing(stream, served) is Standing.ACCEPTED


def test_consent_and_refusal_are_told_apart_by_error_detail_and_not_by_version() -> None:
    served = resources(a="1")
    stream, response = sent_once(served, "a")

    refused = heard(stream, eds("a", version=response.version, nonce=response.nonce, error="no such luck"), served)

    assert standing(refused, served) is Standing.REFUSED
    assert refusals(refused, served) == ("EDS: no such luck",)


def test_refusal_without_words_is_still_one() -> None:
    served = resources(a="1")
    stream, response = sent_once(served, "a")

    refused = heard(stream, eds("a", nonce=response.nonce, error=""), served)

    assert refusals(refused, served) == ("EDS: no reason given",)


def test_refused_content_is_not_sent_again_but_other_content_is() -> None:
    bad, good = resources(a="bad", b="2"), resources(a="1", b="2")
    stream, response = sent_once(bad, "a", "b")

    stream, again = exchange(stream, eds("a", "b", nonce=response.nonce, error="bad"), bad)
    stream, restored = due(stream, good)

    assert again == ()
    assert restored[0].bodies == (b"1", b"2"), "nobody knows which part of a refused response took effect"
    assert standing(stream, good) is Standing.PENDING


def test_request_with_an_old_nonce_answers_nothing_but_subscribes() -> None:
    served = resources(a="1", b="2")
    stream, first = sent_once(served, "a")

    stream, responses = exchange(stream, eds("a", "b", nonce="old"), served)

    assert responses == ()
    assert standing(stream, served) is Standing.PENDING
    stream, (second,) = exchange(stream, eds("a", "b", version=first.version, nonce=first.nonce), served)
    assert second.bodies == (b"2",)


def test_only_changed_assignments_are_sent() -> None:
    stream, response = sent_once(resources(a="1", b="2"), "a", "b")
    changed = resources(a="1", b="3")
    stream = heard(stream, eds("a", "b", version=response.version, nonce=response.nonce), changed)

    _, responses = due(stream, changed)

    assert [r.bodies for r in responses] == [(b"3",)]


def test_changes_while_an_answer_is_open_go_out_as_one_response() -> None:
    stream, response = sent_once(resources(a="1"), "a")
    for text in "234":
        stream, responses = due(stream, resources(a=text))
        assert responses == ()

    _, responses = exchange(stream, eds("a", version=response.version, nonce=response.nonce), resources(a="4"))

    assert [r.bodies for r in responses] == [(b"4",)]


def test_whole_state_is_sent_when_any_upstream_changes_or_goes() -> None:
    stream, (response,) = exchange(Stream(), Request(CDS), resources(a="1", b="2"))
    assert response.bodies == (b"upstream", b"upstream")

    fewer = resources(b="2")
    _, (second,) = exchange(stream, Request(CDS, version=response.version, nonce=response.nonce), fewer)

    assert second.bodies == (b"upstream",)


def test_empty_state_is_answered_once_so_that_a_proxy_knows() -> None:
    nothing = resources()

    stream, (response,) = exchange(Stream(), Request(CDS), nothing)
    stream, again = exchange(stream, Request(CDS, version=response.version, nonce=response.nonce), nothing)

    assert response.bodies == ()
    assert again == ()
    assert standing(stream, nothing) is Standing.IDLE


def test_proxy_that_comes_back_with_the_same_version_and_names_is_not_answered() -> None:
    served = resources(a="1", b="2")
    version = version_of(served[EDS])

    stream, responses = exchange(Stream(), eds("a", "b", version=version), served)

    assert responses == ()
    assert standing(stream, served) is Standing.ACCEPTED


@pytest.mark.parametrize("request_", [eds("a"), eds("a", version="other"), eds("a", "b", version="other")])
def test_proxy_that_comes_back_with_another_version_or_none_is_answered(request_: Request) -> None:
    _, responses = exchange(Stream(), request_, resources(a="1", b="2"))

    assert len(responses) == 1


def test_version_depends_on_names_and_content_alone() -> None:
    served = resources(a="1", b="2")
    turned = dict(reversed(served[EDS].items()))

    assert version_of(served[EDS]) == version_of(turned)
    assert version_of(served[EDS]) != version_of(resources(a="2", b="1")[EDS])


def test_changed_upstream_gets_its_endpoints_again_because_envoy_waits_for_them() -> None:
    before = resources(a="1", b="2")
    stream, (upstreams,) = exchange(Stream(), Request(CDS), before)
    stream = heard(stream, Request(CDS, version=upstreams.version, nonce=upstreams.nonce), before)
    stream, (endpoints,) = exchange(stream, eds("a", "b"), before)
    stream = heard(stream, eds("a", "b", version=endpoints.version, nonce=endpoints.nonce), before)
    after = {**before, CDS: {**before[CDS], "a": thing("a", "another upstream", refers="a")}}

    _, responses = due(stream, after)

    assert [(r.kind, r.bodies) for r in responses] == [(CDS, (b"another upstream", b"upstream")), (EDS, (b"1",))]


def test_responses_of_one_push_are_in_make_before_break_order() -> None:
    served = {kind: {"x": thing("x", kind)} for kind in reversed(PUSH_ORDER)}
    stream = Stream()
    for kind in (RDS, LDS, EDS, CDS):
        stream = heard(stream, Request(kind, frozenset({"x"})), served)

    _, responses = due(stream, served)

    assert [r.kind for r in responses] == [CDS, EDS, LDS, RDS]


def test_unlisted_listener_is_only_for_those_who_name_it() -> None:
    served = {**resources(), LDS: {"out": thing("out", "out"), "shop": thing("shop", "shop", listed=False)}}

    _, (wildcard,) = exchange(Stream(), Request(LDS), served)
    _, (named,) = exchange(Stream(), Request(LDS, frozenset({"shop"})), served)

    assert (wildcard.bodies, named.bodies) == ((b"out",), (b"shop",))


def test_name_dropped_and_asked_for_again_is_sent_again() -> None:
    served = resources(a="1", b="2")
    stream, first = sent_once(served, "a", "b")
    stream, none = exchange(stream, eds("a", version=first.version, nonce=first.nonce), served)

    _, (again,) = exchange(stream, eds("a", "b", version=first.version, nonce=first.nonce), served)

    assert none == ()
    assert again.bodies == (b"2",)


def test_proxy_that_has_not_asked_for_the_endpoints_of_its_upstreams_is_still_taking_it_in() -> None:
    served = resources(a="1")
    stream, (response,) = exchange(Stream(), Request(CDS), served)

    stream = heard(stream, Request(CDS, version=response.version, nonce=response.nonce), served)

    assert standing(stream, served) is Standing.PENDING


def test_proxy_that_asks_only_for_what_there_is_not_is_idle() -> None:
    served = resources(a="1")

    stream, responses = exchange(Stream(), eds("nobody"), served)

    assert responses == ()
    assert standing(stream, served) is Standing.IDLE
