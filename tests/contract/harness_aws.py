"""Connectors to AWS in front of moto over real HTTP, and in front of a stand-in for what moto has not."""

import asyncio
import contextlib
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from moto.backends import get_backend
from moto.server import ThreadedMotoServer

from connectors.aws.alb import AlbRules
from connectors.aws.api import AwsAccess, AwsApi
from connectors.aws.groups import groups_connector
from connectors.aws.lattice import LatticeRules, RuleName
from connectors.aws.route53 import Route53Spec, route53_connector
from connectors.connector import Connector
from connectors.dns.spec import Names
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import WeightTable
from tests.contract.backends import free_port
from tests.contract.harness import CLUSTERS, ORIGIN, SERVICE, table
from tests.contract.harness_standin import StandInHarness
from tests.contract.standins.lattice import Lattice

ACCOUNT, REGION = "123456789012", "eu-west-1"
ZONE = "fleet.example."
BROKEN = "broken"
HOSTS = {cluster: f"192.0.2.{place}" for place, cluster in enumerate(CLUSTERS, start=1)}
KEYS = {"AWS_ACCESS_KEY_ID": "of-a-test", "AWS_SECRET_ACCESS_KEY": "of-a-test"}


@contextlib.contextmanager
def credentials() -> Iterator[None]:
    """Keys in the environment, where AWS's own chain looks first."""
    before = {key: os.environ.get(key) for key in KEYS}
    os.environ.update(KEYS)
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value


class MotoHarness:
    """moto behind a connector; its data plane is a draw by what moto has stored."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.server: ThreadedMotoServer | None = None
        self.connector: Connector
        self.draw = random.Random(7)

    def weights(self, service: str) -> dict[str, int]:
        """By cluster, as stored."""
        raise NotImplementedError

    async def send(self, service: str, requests: int) -> Counter[str]:
        """Drawn."""
        weights = self.weights(service)
        return Counter(self.draw.choices(list(weights), list(weights.values()), k=requests))

    async def kill(self, cluster: str) -> None:
        """Not in moto."""

    async def revive(self, cluster: str) -> None:
        """Not in moto."""

    def refusable(self, given: WeightTable) -> WeightTable:
        """All to a cluster that the API or the connector objects to; moto itself objects to little."""
        return table({BROKEN: given.unit}, fence=given.fence)

    async def cut(self) -> None:
        """The API is gone."""
        await asyncio.to_thread(self.server.stop)  # type: ignore[union-attr]

    async def mend(self) -> None:
        """It is back; moto keeps its state in this process."""
        self.server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        await asyncio.to_thread(self.server.start)


@contextlib.asynccontextmanager
async def moto(harness: MotoHarness) -> AsyncIterator[AwsAccess]:
    """A moto server without anything in it while the block lasts; its first answer takes it a while."""
    await harness.mend()
    get_backend("moto_api")["global"].reset()
    with credentials():
        try:
            yield AwsAccess(REGION, f"http://127.0.0.1:{harness.port}", timeout_s=60.0)
        finally:
            await harness.connector.close()  # type: ignore[attr-defined]
            await harness.cut()


class Route53Harness(MotoHarness):
    """A hosted zone."""

    zone_id = ""

    def zone(self) -> Any:
        """As moto keeps it."""
        return get_backend("route53")[ACCOUNT]["global"].zones[self.zone_id]

    def weights(self, service: str) -> dict[str, int]:
        """Of the weighted records."""
        found = [rrset for rrset in self.zone().rrsets if rrset.name == f"{service}.{ZONE}" and rrset.type == "A"]
        clusters = {host: cluster for cluster, host in HOSTS.items()}
        return {clusters[str(r.records[0])]: int(r.weight) for r in found if int(r.weight)}


@contextlib.asynccontextmanager
async def route53(_: Path, services: tuple[str, ...] = (SERVICE,)) -> AsyncIterator[Route53Harness]:
    """Weighted records."""
    harness = Route53Harness(free_port())
    async with moto(harness) as access:
        api = AwsApi("route53", access, "test")
        created = await api.call("CreateHostedZone", "zone", Name=ZONE, CallerReference="of a test")
        await api.close()
        harness.zone_id = created["HostedZone"]["Id"].rpartition("/")[2]
        book = {(ServiceId(s), ClusterId(c)): ((host, 80),) for s in services for c, host in HOSTS.items()}
        book[ServiceId(services[0]), ClusterId(BROKEN)] = (("999.0.0.1", 80),)
        names = Names(OriginId(ORIGIN), ZONE, book, ttl_s=1)
        harness.connector = route53_connector(Route53Spec(names, access, harness.zone_id))
        yield harness


class AlbHarness(MotoHarness):
    """A rule of a load balancer."""

    rules: dict[str, str]
    """The ARN of the rule of each service."""
    clusters: dict[str, str]

    def weights(self, service: str) -> dict[str, int]:
        """Of the rule's action."""
        rules = get_backend("elbv2")[ACCOUNT][REGION].describe_rules(None, [self.rules[service]])
        action = next(a for rule in rules for a in rule.actions if a.type == "forward")
        listed = action.data["ForwardConfig"]["TargetGroups"]
        return {self.clusters[each["TargetGroupArn"]]: int(each["Weight"]) for each in listed}


@contextlib.asynccontextmanager
async def alb(_: Path, services: tuple[str, ...] = (SERVICE,)) -> AsyncIterator[AlbHarness]:
    """Weighted target groups."""
    harness = AlbHarness(free_port())
    async with moto(harness) as access:
        api, network = AwsApi("elbv2", access, "test"), AwsApi("ec2", access, "test")
        groups = await _balancer(api, network, harness, services)
        await api.close()
        await network.close()
        harness.clusters = {arn: cluster for cluster, arn in groups.items()}
        book = {(ServiceId(s), ClusterId(c)): arn for s in services for c, arn in groups.items()}
        book[ServiceId(services[0]), ClusterId(BROKEN)] = f"{groups['east']}-which-is-none"
        rules = AlbRules(OriginId(ORIGIN), access, {ServiceId(s): arn for s, arn in harness.rules.items()})
        harness.connector = groups_connector(OriginId(ORIGIN), book, rules)
        yield harness


async def _balancer(api: AwsApi, network: AwsApi, harness: AlbHarness, services: tuple[str, ...]) -> dict[str, str]:
    """A load balancer with a listener, a rule for each service, a target group for each cluster; the groups' ARNs."""
    vpc = (await network.call("CreateVpc", "vpc", CidrBlock="10.0.0.0/16"))["Vpc"]["VpcId"]
    subnets = []
    for place in (1, 2):
        at: dict[str, Any] = {"CidrBlock": f"10.0.{place}.0/24", "AvailabilityZone": f"{REGION}{'ab'[place - 1]}"}
        subnets.append((await network.call("CreateSubnet", "subnet", VpcId=vpc, **at))["Subnet"]["SubnetId"])
    made = await api.call("CreateLoadBalancer", "balancer", Name="tests", Subnets=subnets)
    balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
    groups = {}
    for cluster in CLUSTERS:
        group = await api.call("CreateTargetGroup", "group", Name=cluster, Protocol="HTTP", Port=80, VpcId=vpc)
        groups[cluster] = group["TargetGroups"][0]["TargetGroupArn"]
    forward = [{"Type": "forward", "TargetGroupArn": groups["east"]}]
    listener = await api.call(
        "CreateListener", "listener", LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=forward
    )
    harness.rules = {}
    for priority, service in enumerate(services, start=1):
        host = [{"Field": "host-header", "Values": [f"{service}.example"]}]
        rule = await api.call(
            "CreateRule", "rule", ListenerArn=listener["Listeners"][0]["ListenerArn"], Priority=priority,
            Conditions=host, Actions=forward,
        )  # fmt: skip
        harness.rules[service] = rule["Rules"][0]["RuleArn"]
    return groups


@contextlib.asynccontextmanager
async def lattice(_: Path) -> AsyncIterator[StandInHarness]:
    """A rule of VPC Lattice."""
    groups = {f"tg-0123456789-{cluster}": cluster for cluster in CLUSTERS}
    standin = Lattice(groups)
    book = {(ServiceId(SERVICE), ClusterId(cluster)): group for group, cluster in groups.items()}
    book[ServiceId(SERVICE), ClusterId(BROKEN)] = "tg-0123456789-broken"
    await standin.start()
    access = AwsAccess(REGION, standin.url)
    rules = LatticeRules(
        OriginId(ORIGIN),
        access,
        {ServiceId(SERVICE): RuleName("svc-0123456789abcdef0", "listener-0123456789abcdef0", "rule-0123456789abcdef0")},
    )
    connector = groups_connector(OriginId(ORIGIN), book, rules)
    with credentials():
        try:
            yield StandInHarness(standin, connector)
        finally:
            await connector.close()
            await standin.stop()
