"""An exported App Mesh configuration: what `aws appmesh describe-*` printed while there was one.

A file is one JSON object with lists (`virtualServices`, `virtualRouters`, `virtualNodes`, `routes`), or a list of
answers of `describe-virtual-service`, `describe-route` and so on, in any order.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

KINDS = ("virtualService", "virtualRouter", "virtualNode", "route", "virtualGateway", "gatewayRoute", "mesh")


class BadExport(Exception):  # noqa: N818  a state of a file
    """The file is no export of App Mesh, or an incomplete one. Says what and where."""


class Part(BaseModel):
    """A part of an export: what we migrate by exact names; the rest is kept to be named."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Target(Part):
    """A destination of a route."""

    virtualNode: str  # noqa: N815  as App Mesh spells it
    weight: int = Field(ge=0, le=100)
    port: int | None = None


class Action(Part):
    """Where a route leads."""

    weightedTargets: list[Target] = Field(min_length=1, max_length=10)  # noqa: N815


class Match(Part):
    """What a route takes."""

    prefix: str | None = None
    path: dict[str, str] | None = None
    method: str | None = None
    headers: list[dict[str, Any]] = Field(default_factory=list)
    serviceName: str | None = None  # noqa: N815
    methodName: str | None = None  # noqa: N815


class Rule(Part):
    """An HTTP, HTTP/2, gRPC or TCP route."""

    action: Action
    match: Match = Match()
    retryPolicy: dict[str, Any] | None = None  # noqa: N815
    timeout: dict[str, Any] | None = None


class RouteSpec(Part):
    """One of these."""

    priority: int | None = None
    httpRoute: Rule | None = None  # noqa: N815
    http2Route: Rule | None = None  # noqa: N815
    grpcRoute: Rule | None = None  # noqa: N815
    tcpRoute: Rule | None = None  # noqa: N815


class Route(Part):
    """A route of a virtual router."""

    routeName: str  # noqa: N815
    virtualRouterName: str  # noqa: N815
    spec: RouteSpec

    @property
    def rule(self) -> tuple[str, Rule]:
        """(http, http2, grpc or tcp; the rule)."""
        for kind in ("http", "http2", "grpc", "tcp"):
            found: Rule | None = getattr(self.spec, f"{kind}Route")
            if found is not None:
                return kind, found
        raise BadExport(f"route {self.routeName} is neither http, http2, grpc nor tcp")


class RouterProvider(Part):
    """A virtual router."""

    virtualRouterName: str  # noqa: N815


class NodeProvider(Part):
    """A virtual node."""

    virtualNodeName: str  # noqa: N815


class Provider(Part):
    """What provides a service."""

    virtualRouter: RouterProvider | None = None  # noqa: N815
    virtualNode: NodeProvider | None = None  # noqa: N815


class ServiceSpec(Part):
    """Of a virtual service."""

    provider: Provider | None = None


class Service(Part):
    """A virtual service and what provides it."""

    virtualServiceName: str  # noqa: N815
    spec: ServiceSpec

    @property
    def router(self) -> str:
        """Its virtual router; empty where a node provides it."""
        found = self.spec.provider.virtualRouter if self.spec.provider else None
        return found.virtualRouterName if found else ""

    @property
    def node(self) -> str:
        """Its virtual node; empty where a router provides it."""
        found = self.spec.provider.virtualNode if self.spec.provider else None
        return found.virtualNodeName if found else ""


class PortMapping(Part):
    """A port."""

    port: int = 80


class Listener(Part):
    """Where a node listens."""

    portMapping: PortMapping = PortMapping()  # noqa: N815


class Dns(Part):
    """A host name."""

    hostname: str


class CloudMap(Part):
    """A service of Cloud Map."""

    serviceName: str  # noqa: N815
    namespaceName: str  # noqa: N815


class Discovery(Part):
    """How a node is found."""

    dns: Dns | None = None
    awsCloudMap: CloudMap | None = None  # noqa: N815


class NodeSpec(Part):
    """Of a virtual node."""

    listeners: list[Listener] = Field(default_factory=list)
    serviceDiscovery: Discovery = Discovery()  # noqa: N815


class Node(Part):
    """A virtual node: where it listens, and how it is found."""

    virtualNodeName: str  # noqa: N815
    spec: NodeSpec

    @property
    def port(self) -> int:
        """The port of its first listener; 80 where it has none."""
        return self.spec.listeners[0].portMapping.port if self.spec.listeners else 80

    @property
    def host(self) -> str:
        """Its DNS name, or `<service>.<namespace>` of Cloud Map; its own name where neither is given."""
        found = self.spec.serviceDiscovery
        if found.dns:
            return found.dns.hostname
        cloud = found.awsCloudMap
        return f"{cloud.serviceName}.{cloud.namespaceName}" if cloud else self.virtualNodeName


class Export(Part):
    """All of it that is migrated."""

    services: dict[str, Service]
    routes: dict[str, list[Route]]
    """By virtual router, in the order in which they are tried."""
    nodes: dict[str, Node]
    lost: list[str]
    """What has no place in any target, in words."""

    def rules(self, service: Service) -> list[tuple[str, Route | None, Rule]]:
        """(kind, route, rule) of a service; one that takes everything where a node provides it."""
        if service.node:
            whole = Rule(action=Action(weightedTargets=[Target(virtualNode=service.node, weight=1)]))
            return [("http", None, whole)]
        return [(*_flat(route), route.rule[1]) for route in self.routes.get(service.router, [])]


def _flat(route: Route) -> tuple[str, Route]:
    return route.rule[0], route


def export_of(data: Any, name: str) -> Export:
    """A parsed file. Raises BadExport with the name of the file and the place in it."""
    try:
        found = {kind: list(_of_kind(data, kind)) for kind in KINDS}
        services = {s.virtualServiceName: s for s in map(Service.model_validate, found["virtualService"])}
        nodes = {n.virtualNodeName: n for n in map(Node.model_validate, found["virtualNode"])}
        routes: dict[str, list[Route]] = {}
        for route in map(Route.model_validate, found["route"]):
            routes.setdefault(route.virtualRouterName, []).append(route)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadExport(f"{name}: {error.title}: {place}: {first['msg']}") from None
    for listed in routes.values():
        listed.sort(key=lambda route: (route.spec.priority is None, route.spec.priority or 0, route.routeName))
    if not services:
        raise BadExport(f"{name}: there is no virtual service in it; export all with `aws appmesh describe-*`")
    _check(services, routes, nodes, name)
    return Export(services=services, routes=routes, nodes=nodes, lost=list(_lost(found, routes)))


def _of_kind(data: Any, kind: str) -> Iterator[Any]:
    """The objects of a kind, wrapped or not, wherever the file has them."""
    if isinstance(data, list):
        for item in data:
            yield from _of_kind(item, kind)
    elif isinstance(data, dict):
        listed = data.get(f"{kind}es" if kind == "mesh" else f"{kind}s")
        for each in listed if isinstance(listed, list) else []:
            yield each.get(kind, each) if isinstance(each, dict) else each
        if isinstance(data.get(kind), dict):
            yield data[kind]


def _check(services: dict[str, Service], routes: dict[str, list[Route]], nodes: dict[str, Node], name: str) -> None:
    wanted = {t.virtualNode for listed in routes.values() for r in listed for t in r.rule[1].action.weightedTargets}
    wanted |= {service.node for service in services.values() if service.node}
    for missing in sorted(wanted - nodes.keys()):
        raise BadExport(f"{name}: virtual node {missing!r} is a target and not in the file; export it as well")
    for service in services.values():
        if service.router and service.router not in routes:
            raise BadExport(f"{name}: virtual router {service.router!r} of {service.virtualServiceName} has no route")


def _lost(found: dict[str, list[Any]], routes: dict[str, list[Route]]) -> Iterator[str]:
    for kind in ("virtualGateway", "gatewayRoute"):
        for each in found[kind]:
            name = each.get(f"{kind}Name", "") if isinstance(each, dict) else each
            yield f"{kind} {name}: entrances are set up anew"
    for node in map(Node.model_validate, found["virtualNode"]):
        for part in ("backendDefaults", "logging"):
            if (node.spec.model_extra or {}).get(part):
                yield f"virtualNode {node.virtualNodeName}: {part}"
    for listed in routes.values():
        for route in listed:
            if route.rule[1].retryPolicy:
                yield f"route {route.routeName}: retryPolicy"
