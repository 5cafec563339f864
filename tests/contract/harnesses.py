"""Every mesh that passes the contract suite, by name."""

from tests.contract.harness import OpenHarness
from tests.contract.harness_dns import dns_update, powerdns
from tests.contract.harness_haproxy import haproxy
from tests.contract.harness_kubernetes import HARNESSES as KUBERNETES
from tests.contract.harness_nginx import nginx
from tests.contract.harness_simulated import simulated
from tests.contract.harness_standin import consul, kuma
from tests.contract.harness_xds import xds_envoy, xds_grpc

HARNESSES: dict[str, OpenHarness] = {
    "consul": consul,
    "dns-update": dns_update,
    "haproxy": haproxy,
    "kuma": kuma,
    "nginx": nginx,
    "powerdns": powerdns,
    "simulated": simulated,
    "xds-envoy": xds_envoy,
    "xds-grpc": xds_grpc,
    **KUBERNETES,
}
