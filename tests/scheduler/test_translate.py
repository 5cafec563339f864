from pathlib import Path

from config.load import load
from config.policy import PolicySpec
from scheduler.policy import Policy
from scheduler.translate import haproxy_specs, host_port, loop_configuration, mesh_specs, policy_of, probe_targets

EXAMPLE = Path(__file__).parents[2] / "config" / "example"


def test_policy_of_a_document_without_keys_is_the_default_policy() -> None:
    assert policy_of(PolicySpec()) == Policy()


def test_mesh_specs_of_the_example_know_every_endpoint_and_what_it_speaks() -> None:
    specs = mesh_specs(load(EXAMPLE))

    spec = specs["eu-central"]
    assert spec.node == "eu-central"
    assert spec.protocol["assistant"] == "http2"
    assert spec.split["assistant"] == "weighted-clusters"
    assert spec.endpoints["storefront", "eu-central"] == (("192.0.2.10", 8080),)


def test_haproxy_specs_of_the_example_know_endpoints_and_round_trips() -> None:
    specs = haproxy_specs(load(EXAMPLE))

    assert specs.keys() == {"nordics"}
    spec = specs["nordics"]
    assert spec.endpoints["storefront", "eu-central"] == (("192.0.2.10", 8080),)
    assert 0 < spec.rtt_ms["eu-central"] < spec.rtt_ms["us-east"]


def test_probe_targets_of_the_example_cover_every_backend_with_an_endpoint() -> None:
    documents = load(EXAMPLE)
    fleet = loop_configuration(documents).fleet

    targets = list(probe_targets(documents, fleet))

    assert {probed.backend for probed in targets} == set(range(len(fleet.backends)))
    assert {probed.target.protocol for probed in targets} == {"grpc", "http", "tls"}
    assert [probed.target.host for probed in targets if probed.gateway] == ["198.51.100.200"]
    assert all(probed.target.expect_body == "ok" for probed in targets if probed.target.protocol == "http")


def test_ramp_of_the_example_is_that_of_the_service_where_it_has_one() -> None:
    configuration = loop_configuration(load(EXAMPLE))

    ramps = dict(zip(configuration.fleet.services.ids, configuration.policy.rules.service_ramp_s, strict=True))
    assert (ramps["storefront"], ramps["catalog"]) == (300.0, 60.0)


def test_host_port_of_a_bracketed_address_drops_the_brackets() -> None:
    assert host_port("[::1]:80") == ("::1", 80)
    assert host_port("10.0.0.1:8080") == ("10.0.0.1", 8080)
