"""Every mesh that passes the contract suite, by name."""

from tests.contract.harness import OpenHarness
from tests.contract.harness_aws import alb, lattice, route53
from tests.contract.harness_consul import consul_agent
from tests.contract.harness_dns import dns_update, powerdns
from tests.contract.harness_haproxy import haproxy, haproxy_dataplane
from tests.contract.harness_kubernetes import HARNESSES as KUBERNETES
from tests.contract.harness_nginx import nginx
from tests.contract.harness_simulated import simulated
from tests.contract.harness_standin import avi, consul, kuma, nginx_plus
from tests.contract.harness_xds import envoy_files, xds_envoy, xds_grpc

HARNESSES: dict[str, OpenHarness] = {
    "alb": alb,
    "avi": avi,
    "consul": consul,
    "dns-update": dns_update,
    "envoy-files": envoy_files,
    "haproxy": haproxy,
    "haproxy-dataplane": haproxy_dataplane,
    "kuma": kuma,
    "lattice": lattice,
    "nginx": nginx,
    "nginx-plus": nginx_plus,
    "powerdns": powerdns,
    "route53": route53,
    "simulated": simulated,
    "xds-envoy": xds_envoy,
    "xds-grpc": xds_grpc,
    **KUBERNETES,
}
REAL: dict[str, OpenHarness] = {"consul-agent": consul_agent}
"""The real ones of which HARNESSES has a stand-in; skipped where the program is not there."""
