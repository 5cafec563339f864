"""Meshes of many services whose control plane is a stand-in on this machine: moto for AWS, ours for the others.

What is timed is our connector and its protocol together with the stand-in, which shares this process and is slower or
faster than the product; a product's own time is not in it.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from moto.route53.models import ChangeList

from benchmarks.push_tables import LOCAL, Open, endpoints, services
from connectors.avi import avi_connector
from connectors.aws.api import AwsAccess
from connectors.aws.groups import groups_connector
from connectors.aws.lattice import LatticeRules, RuleName
from connectors.connector import Connector
from connectors.consul.connector import consul_connector
from connectors.consul.spec import ConsulSpec
from connectors.dns.spec import Names
from connectors.http import Access
from connectors.kuma.connector import kuma_connector
from connectors.kuma.spec import KumaSpec
from connectors.nginx.plus import PlusSpec, plus_connector
from placement.fleet import ClusterId, OriginId, ServiceId
from tests import real
from tests.contract.harness import CLUSTERS, ORIGIN
from tests.contract.harness_aws import REGION, alb, credentials, route53
from tests.contract.harness_haproxy import haproxy_dataplane
from tests.contract.harness_kubernetes import FLAVOURS, kubernetes
from tests.contract.harness_simulated import simulated
from tests.contract.harness_standin import HOSTS, avi_spec, consul_spec, kuma_spec, standing_in
from tests.contract.standins import kuma as kuma_standin
from tests.contract.standins.avi import Avi
from tests.contract.standins.consul import Consul
from tests.contract.standins.kuma import Kuma
from tests.contract.standins.lattice import Lattice
from tests.contract.standins.plus import Plus
from tests.contract.standins.standin import StandIn

JOURNAL_MOST = 2_000
IN_CLUSTERS = {cluster: HOSTS[cluster] for cluster in CLUSTERS}


Spec = TypeVar("Spec", ConsulSpec, KumaSpec)


def _booked(
    make: Callable[[], StandIn], spec: Callable[[Access], Spec], connector: Callable[[Spec], Connector]
) -> Open:
    """A mesh that knows services by the clusters they are in."""

    @contextlib.asynccontextmanager
    async def opened(_: Path, count: int) -> AsyncIterator[Connector]:
        book = {ServiceId(s): frozenset(map(ClusterId, CLUSTERS)) for s in services(count)}
        async with standing_in(make(), lambda access: connector(replace(spec(access), clusters=book))) as mesh:
            yield mesh.connector

    return opened


def _kuma() -> Kuma:
    kuma_standin.PAGE = 1_000
    return Kuma()


@contextlib.asynccontextmanager
async def _avi(_: Path, count: int) -> AsyncIterator[Connector]:
    names = Names(OriginId(ORIGIN), "fleet.example.", endpoints(count, IN_CLUSTERS), ttl_s=1)
    standin = Avi({host: cluster for cluster, host in IN_CLUSTERS.items()}, services(count))
    async with standing_in(standin, lambda access: avi_connector(replace(avi_spec(access), names=names))) as mesh:
        yield mesh.connector


@contextlib.asynccontextmanager
async def _plus(_: Path, count: int) -> AsyncIterator[Connector]:
    def connector(access: Access) -> Connector:
        return plus_connector(PlusSpec(OriginId(ORIGIN), access, endpoints(count, IN_CLUSTERS)))

    async with standing_in(Plus(services(count)), connector) as mesh:
        yield mesh.connector


@contextlib.asynccontextmanager
async def _lattice(_: Path, count: int) -> AsyncIterator[Connector]:
    groups = {f"tg-0123456789-{cluster}": cluster for cluster in CLUSTERS}
    rules = {ServiceId(service): f"rule-{number:017x}" for number, service in enumerate(services(count))}
    book = {(service, ClusterId(cluster)): group for service in rules for group, cluster in groups.items()}
    names = {
        service: RuleName("svc-0123456789abcdef0", "listener-0123456789abcdef0", rule)
        for service, rule in rules.items()
    }

    def connector(access: Access) -> Connector:
        api = LatticeRules(OriginId(ORIGIN), AwsAccess(REGION, access.url), names)
        return groups_connector(OriginId(ORIGIN), book, api)

    with credentials():
        async with standing_in(Lattice(groups, tuple(rules.values())), connector) as mesh:
            yield mesh.connector


@contextlib.asynccontextmanager
async def _alb(folder: Path, count: int) -> AsyncIterator[Connector]:
    async with alb(folder, services(count)) as mesh:
        yield mesh.connector


class Journal(ChangeList):
    """Of the changes of a zone. moto's own keeps all there ever were, and goes through them at each one."""

    def append(self, item: Any) -> None:
        """The newest so many, which are several tables."""
        super().append(item)
        del self[:-JOURNAL_MOST]


@contextlib.asynccontextmanager
async def _route53(folder: Path, count: int) -> AsyncIterator[Connector]:
    async with route53(folder, services(count)) as mesh:
        mesh.zone().rr_changes = Journal(mesh.zone().rr_changes)
        yield mesh.connector


@contextlib.asynccontextmanager
async def _dataplane(folder: Path, count: int) -> AsyncIterator[Connector]:
    async with haproxy_dataplane(folder, endpoints=endpoints(count, LOCAL)) as mesh:
        yield mesh.connector


@contextlib.asynccontextmanager
async def _simulated(folder: Path, _: int) -> AsyncIterator[Connector]:
    async with simulated(folder) as mesh:
        yield mesh.connector


def _kubernetes(flavour: str) -> Open:
    @contextlib.asynccontextmanager
    async def opened(_: Path, count: int) -> AsyncIterator[Connector]:
        async with kubernetes(flavour, services(count), patience_s=60.0) as mesh:
            yield mesh.connector

    return opened


STAND_INS: dict[str, Open] = {
    "alb": _alb, "avi": _avi, "consul": _booked(Consul, consul_spec, consul_connector),
    "kuma": _booked(_kuma, kuma_spec, kuma_connector), "lattice": _lattice, "nginx-plus": _plus,
    "route53": _route53, "simulated": _simulated, **{flavour: _kubernetes(flavour) for flavour in FLAVOURS},
    **({"haproxy-dataplane": _dataplane} if real.haproxy_path() else {}),
}  # fmt: skip
