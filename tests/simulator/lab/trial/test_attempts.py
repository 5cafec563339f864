"""Lines of real logs of Envoy 1.40 and HAProxy 2.6."""

import pytest

from simulator.lab.trial.attempts import (
    Attempt,
    envoy_attempt,
    envoy_ejection_s,
    haproxy_attempt,
    haproxy_down_s,
)

CLUSTERS = {21_001: "us-east", 21_002: "eu-west"}
NOON = "2026-11-21T12:00:00.250000+00:00"
NOON_S = 1_795_262_400.25


def test_envoy_attempt_has_its_moment_and_cluster_and_is_none_without_an_address() -> None:
    found = envoy_attempt("1795262400.250000 127.0.0.1:21001 shop 0 UF", -1e9, CLUSTERS)

    assert found == Attempt(pytest.approx(NOON_S - 1e9), frozenset({"us-east"}))
    assert envoy_attempt("1795262400.250000 - shop 503 UH", 0.0, CLUSTERS) is None


def test_haproxy_attempt_begins_when_its_request_came() -> None:
    found = haproxy_attempt(f"<6>{NOON} 250 eu-west.1 0 200", 0.0, {})

    assert found == Attempt(pytest.approx(NOON_S - 0.25), frozenset({"eu-west"}))


@pytest.mark.parametrize("retries", ["+1", "1", "3"])
def test_haproxy_attempt_that_was_handed_on_or_tried_again_was_at_the_faulty_cluster_too(retries: str) -> None:
    found = haproxy_attempt(f"<6>{NOON} 3 standby:1 {retries} 200", 0.0, {"standby:1": "eu-west"})

    assert found is not None
    assert found.clusters == {"us-east", "eu-west"}


def test_haproxy_line_without_a_server_or_about_something_else_is_no_attempt() -> None:
    assert haproxy_attempt(f"<6>{NOON} 0 <NOSRV> 0 503", 0.0, {}) is None
    assert haproxy_attempt("[NOTICE]   (1) : haproxy version is 2.6.12", 0.0, {}) is None


def test_haproxy_check_that_gives_up_the_faulty_cluster_is_a_detection_and_others_are_not() -> None:
    assert haproxy_down_s(f"<1>{NOON} Server shop/us-east.1 is DOWN, reason: Layer4", 0.0) == pytest.approx(NOON_S)
    assert haproxy_down_s(f"<1>{NOON} Server shop/eu-west.1 is DOWN, reason: Layer4", 0.0) is None
    assert haproxy_down_s(f"<5>{NOON} Server shop/us-east.1 is UP, reason: Layer7", 0.0) is None


def test_envoy_ejection_of_the_faulty_cluster_is_a_detection_and_its_return_is_not() -> None:
    event = '{{"timestamp":"2026-11-21T12:00:00.250Z","action":"{}","upstream_url":"127.0.0.1:{}"}}'

    assert envoy_ejection_s(event.format("EJECT", 21_001), 0.0, CLUSTERS) == pytest.approx(NOON_S)
    assert envoy_ejection_s(event.format("EJECT", 21_002), 0.0, CLUSTERS) is None
    assert envoy_ejection_s(event.format("UNEJECT", 21_001), 0.0, CLUSTERS) is None
