"""What a table becomes, read back from the bytes that are sent."""

from typing import Any

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from google.protobuf import any_pb2

from connectors.connector import Refused
from connectors.xds.names import OUTBOUND
from connectors.xds.resources import CDS, EDS, LDS, PUSH_ORDER, RDS, Resources, version_of
from connectors.xds.translation import translate
from tests.connectors.xds.specs import SHOP, spec, table

TYPES = {
    CDS: cluster_pb2.Cluster,
    EDS: endpoint_pb2.ClusterLoadAssignment,
    LDS: listener_pb2.Listener,
    RDS: route_pb2.RouteConfiguration,
}


def read(resources: Resources, kind: str, name: str) -> Any:
    """A resource as its message."""
    message = TYPES[kind]()
    assert any_pb2.Any.FromString(resources[kind][name].body).Unpack(message)
    return message


def localities(assignment: Any) -> list[tuple[int, str, int]]:
    """(priority, cluster, weight) of each locality."""
    return [(e.priority, e.locality.sub_zone, e.load_balancing_weight.value) for e in assignment.endpoints]


def test_clusters_are_localities_with_their_weights_and_standbys_are_priorities_behind() -> None:
    found = translate(table(east=(70, 0), north=(30, 0), west=(0, 1)), spec())

    assignment = read(found, EDS, "shop")
    assert localities(assignment) == [(0, "east", 70), (0, "north", 30), (1, "west", 1)]
    assert assignment.policy.overprovisioning_factor.value == 100
    assert assignment.endpoints[0].locality.region == "r1"
    address = assignment.endpoints[1].lb_endpoints[0].endpoint.address.socket_address
    assert (address.address, address.port_value) == ("10.0.0.2", 8080)


def test_priorities_have_no_gap_even_where_the_table_has() -> None:
    found = translate(table(east=(100, 0), north=(0, 2), west=(0, 7)), spec())

    assert localities(read(found, EDS, "shop")) == [(0, "east", 100), (1, "north", 1), (2, "west", 1)]


def test_shed_weight_is_a_drop_in_millionths() -> None:
    found = translate(table(east=(60, 0), north=(5, 0)), spec())

    (drop,) = read(found, EDS, "shop").policy.drop_overloads
    assert drop.drop_percentage.numerator == 350_000
    assert not read(found, EDS, "cart").policy.drop_overloads


def test_weighted_clusters_put_the_weights_in_the_route_and_the_standbys_behind_each() -> None:
    asked = spec(split={SHOP: "weighted-clusters"})
    found = translate(table(east=(60, 0), north=(30, 0), west=(0, 1)), asked)

    route = read(found, RDS, "shop").virtual_hosts[0].routes[-1].route
    weights = {part.name: part.weight.value for part in route.weighted_clusters.clusters}
    assert weights == {"shop|east": 60, "shop|north": 30}
    assert set(found[CDS]) == {"shop|east", "shop|north", "shop|west", "cart"}
    assert [p[:2] for p in localities(read(found, EDS, "shop|east"))] == [(0, "east"), (1, "west")]
    assert read(found, EDS, "shop|east").policy.drop_overloads[0].drop_percentage.numerator == 100_000


def test_weighted_clusters_keep_every_upstream_so_that_no_route_loses_its_own() -> None:
    asked = spec(split={SHOP: "weighted-clusters"})

    before = translate(table(east=(100, 0)), asked)
    after = translate(table(west=(100, 0)), asked)

    assert version_of(before[CDS]) == version_of(after[CDS])


def test_weighted_clusters_that_shed_all_still_have_a_route_and_a_new_locality_weight() -> None:
    asked = spec(split={SHOP: "weighted-clusters"})

    some, none = translate(table(east=(50, 0)), asked), translate(table(), asked)

    assert read(none, RDS, "shop").virtual_hosts[0].routes[-1].route.weighted_clusters.clusters
    assert localities(read(some, EDS, "shop|east")) != localities(read(none, EDS, "shop|east"))


def test_new_weights_change_nothing_but_assignments() -> None:
    before = translate(table(east=(70, 0), north=(30, 0)), spec())
    after = translate(table(east=(10, 0), north=(90, 0)), spec())

    assert [k for k in PUSH_ORDER if version_of(before[k]) != version_of(after[k])] == [EDS]


def test_translation_is_the_same_bytes_each_time() -> None:
    first, second = (translate(table(east=(70, 0), north=(30, 0)), spec()) for _ in range(2))

    assert first == second


def test_every_reference_leads_somewhere() -> None:
    found = translate(table(east=(70, 0), north=(30, 0)), spec(split={SHOP: "weighted-clusters"}))

    for kind, after in ((LDS, RDS), (RDS, CDS), (CDS, EDS)):
        for resource in found[kind].values():
            assert resource.refers
            assert resource.refers <= found[after].keys()


def test_target_without_an_endpoint_is_refused_by_name() -> None:
    known = {place: at for place, at in spec().endpoints.items() if place != ("shop", "west")}

    with pytest.raises(Refused, match=r"home: no endpoint of shop in west"):
        translate(table(east=(70, 0), west=(30, 0)), spec(endpoints=known))


def test_envoy_gets_one_listener_and_clients_one_by_the_name_of_each_service() -> None:
    found = translate(table(east=(100, 0)), spec(upstream_log_path="/tmp/attempts"))  # noqa: S108  never opened

    assert [name for name, r in found[LDS].items() if r.listed] == [OUTBOUND]
    assert read(found, LDS, "shop").api_listener.ByteSize()
    assert read(found, LDS, OUTBOUND).address.socket_address.port_value == 10_000
    assert b"/tmp/attempts" in found[LDS][OUTBOUND].body
    assert b"/tmp/attempts" not in found[LDS]["shop"].body
    hosts = read(found, RDS, OUTBOUND).virtual_hosts
    assert {h.name: list(h.domains) for h in hosts} == {"shop": ["shop", "shop:*"], "cart": ["cart", "cart:*"]}


def test_origin_without_a_listener_serves_proxyless_clients_only() -> None:
    found = translate(table(east=(100, 0)), spec(listener=None))

    assert set(found[LDS]) == set(found[RDS]) == {"shop", "cart"}


def test_only_methods_that_may_be_repeated_are_retried_after_a_reset() -> None:
    repeatable, rest = read(translate(table(east=(100, 0)), spec()), RDS, "shop").virtual_hosts[0].routes

    assert repeatable.match.headers[0].string_match.safe_regex.regex == "GET|HEAD|OPTIONS"
    assert "reset" in repeatable.route.retry_policy.retry_on.split(",")
    assert "reset" not in rest.route.retry_policy.retry_on.split(",")


def test_no_retries_means_no_policy() -> None:
    found = read(translate(table(east=(100, 0)), spec(retries=0)), RDS, "shop")

    assert not any(r.route.HasField("retry_policy") for r in found.virtual_hosts[0].routes)


def test_outlier_detection_is_there_when_asked_for() -> None:
    plain, asked = (read(translate(table(east=(100, 0)), spec(outlier_detection=on)), CDS, "shop") for on in (0, 1))

    assert not plain.HasField("outlier_detection")
    assert asked.outlier_detection.max_ejection_percent.value == 100
