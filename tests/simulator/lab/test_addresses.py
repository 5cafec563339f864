"""Ports and links: everything different, and the long way taken between two places."""

import pytest

from simulator.lab.addresses import choose
from simulator.lab.places import PLACES, WORKLOADS, nearest_first, rtt_ms


def test_choose_gives_every_listener_its_own_port() -> None:
    found = choose()
    ports = [found.api, found.xds, found.prometheus, *found.gateway.values(), *found.admin.values(),
             *found.service.values(), *(link.port for link in found.link.values())]  # fmt: skip

    assert len(set(ports)) == len(ports)


def test_reach_between_two_places_goes_through_a_link_of_half_the_round_trip() -> None:
    found = choose()

    link = found.link["eu-west>us-east/backend"]

    assert found.reach("eu-west", "us-east", "backend") == link.port
    assert link.target_port == found.service["us-east", "backend"] == found.reach("us-east", "us-east", "backend")
    assert 2e3 * link.one_way_s == pytest.approx(70.5)


def test_destinations_name_what_every_port_of_a_gateway_leads_to() -> None:
    found = choose()

    meant = found.destinations("ap-southeast")

    assert sorted(meant.values()) == sorted((cluster, service) for cluster in PLACES for service in WORKLOADS)
    assert meant[found.reach("ap-southeast", "us-east", "frontend")] == ("us-east", "frontend")


def test_nearest_first_is_by_round_trip_and_starts_at_home() -> None:
    assert nearest_first("ap-southeast") == ["ap-southeast", "eu-west", "us-east"]
    assert rtt_ms("us-east", "eu-west") == rtt_ms("eu-west", "us-east")


def test_places_have_a_node_for_every_replica() -> None:
    for name, place in PLACES.items():
        assert place.nodes == sum(workload.replicas[name] for workload in WORKLOADS.values())
