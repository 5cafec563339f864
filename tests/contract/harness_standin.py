"""Connectors in front of stand-ins, under the contract suite: what is checked is the protocol, not the product."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from connectors.avi import AviSpec, avi_connector
from connectors.connector import Connector
from connectors.consul.connector import consul_connector
from connectors.consul.spec import ConsulSpec, Place
from connectors.dns.spec import Names
from connectors.http import Access
from connectors.kuma.connector import kuma_connector
from connectors.kuma.spec import KumaSpec
from connectors.nginx.plus import PlusSpec, plus_connector
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import WeightTable
from tests.contract.harness import CLUSTERS, ORIGIN, SERVICE, table
from tests.contract.standins.avi import Avi
from tests.contract.standins.consul import Consul
from tests.contract.standins.kuma import Kuma
from tests.contract.standins.plus import Plus
from tests.contract.standins.standin import StandIn

BROKEN = "broken"
"""A cluster in the address book that every stand-in objects to, for the reason that the real one would have."""
HOSTS = {cluster: f"10.0.0.{place}" for place, cluster in enumerate((*CLUSTERS, BROKEN), start=1)}
BOOK = {ServiceId(SERVICE): frozenset(map(ClusterId, (*CLUSTERS, BROKEN)))}


class StandInHarness:
    """A connector and what it speaks to."""

    def __init__(self, standin: StandIn, connector: Connector) -> None:
        self.standin, self.connector = standin, connector

    async def send(self, service: str, requests: int) -> Counter[str]:
        """Drawn by what the stand-in has stored."""
        return self.standin.spread(service, requests)

    async def kill(self, cluster: str) -> None:
        """Its endpoints do not answer."""
        self.standin.alive.discard(cluster)

    async def revive(self, cluster: str) -> None:
        """They do again."""
        self.standin.alive.add(cluster)

    def refusable(self, given: WeightTable) -> WeightTable:
        """All to the cluster that it objects to."""
        return table({BROKEN: given.unit}, fence=given.fence)

    async def cut(self) -> None:
        """The API is gone."""
        await self.standin.stop()

    async def mend(self) -> None:
        """It is back."""
        await self.standin.start()


@contextlib.asynccontextmanager
async def standing_in(
    standin: StandIn, make: Callable[[Access], Connector], access: Access | None = None
) -> AsyncIterator[StandInHarness]:
    """A stand-in and a connector to it while the block lasts."""
    await standin.start()
    connector = make(access or Access(standin.url))
    try:
        yield StandInHarness(standin, connector)
    finally:
        await connector.close()  # type: ignore[attr-defined]
        await standin.stop()


def consul(_: Path) -> contextlib.AbstractAsyncContextManager[StandInHarness]:
    """Consul: two clusters in other datacenters, one at a peer."""
    standin = Consul()
    protocol = {"Kind": "service-defaults", "Name": f"{SERVICE}-{BROKEN}", "Protocol": "tcp", "ModifyIndex": 1}
    standin.entries["service-defaults", f"{SERVICE}-{BROKEN}"] = protocol
    return standing_in(standin, lambda access: consul_connector(consul_spec(access)))


def consul_spec(access: Access) -> ConsulSpec:
    """SERVICE everywhere."""
    places = {"east": Place(datacenter="dc-east"), "north": Place(), "west": Place(peer="west"), BROKEN: Place("dc-x")}
    return ConsulSpec(OriginId(ORIGIN), access, BOOK, {ClusterId(c): place for c, place in places.items()})


def kuma(_: Path) -> contextlib.AbstractAsyncContextManager[StandInHarness]:
    """Kuma: a zone per cluster."""
    return standing_in(Kuma(), lambda access: kuma_connector(kuma_spec(access)))


def kuma_spec(access: Access) -> KumaSpec:
    """SERVICE in every zone, and in one whose name is none."""
    zones = {ClusterId(c): f"zone-{c}" for c in CLUSTERS} | {ClusterId(BROKEN): "no zone!"}
    return KumaSpec(OriginId(ORIGIN), access, "default", zones, BOOK, own_zone="home")


def nginx_plus(_: Path) -> contextlib.AbstractAsyncContextManager[StandInHarness]:
    """NGINX Plus with a server for each cluster, and none for the broken one."""
    return standing_in(Plus(), lambda access: plus_connector(plus_spec(access)))


def plus_spec(access: Access) -> PlusSpec:
    """SERVICE at an address for each cluster."""
    book = {(ServiceId(SERVICE), ClusterId(c)): ((host, 80),) for c, host in HOSTS.items()}
    return PlusSpec(OriginId(ORIGIN), access, book)


def avi(_: Path) -> contextlib.AbstractAsyncContextManager[StandInHarness]:
    """An Avi GSLB leader."""
    clusters = {host: cluster for cluster, host in HOSTS.items() if cluster != BROKEN}
    return standing_in(Avi(clusters), lambda access: avi_connector(avi_spec(access)))


def avi_spec(access: Access) -> AviSpec:
    """SERVICE at an address for each cluster."""
    book = {(ServiceId(SERVICE), ClusterId(c)): ((host, 80),) for c, host in HOSTS.items()}
    return AviSpec(Names(OriginId(ORIGIN), "fleet.example.", book, ttl_s=1), access, "tests", lambda: "of-a-test")
