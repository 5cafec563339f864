"""Rows as Consul's config entries, and back.

A leg of a splitter can name neither a datacenter nor a peer. So each leg is a virtual service whose resolver redirects;
the standbys are the failover targets in the resolver of the service itself, which every redirect ends at. Where all of
them are named by their datacenter they are `Datacenters`, which every Consul knows; `Targets` came with 1.14.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from connectors.answers import Shape, Share, Whole
from connectors.consul.spec import ConsulSpec, Place
from connectors.fenced import Row
from placement.fleet import ClusterId, ServiceId

UNIT = 10_000
"""Consul rounds weights to 0.01 and wants a sum of exactly 100."""
Entry = dict[str, Any]


class Split(Shape):
    """A leg of a splitter."""

    weight: Share = Field(alias="Weight", default=0.0)
    service: str = Field(alias="Service", default="")


class Splitter(Shape):
    """The weights of a service."""

    name: str = Field(alias="Name")
    splits: list[Split] | None = Field(alias="Splits", default=None)
    index: Whole = Field(alias="ModifyIndex")


class Target(Shape):
    """Where a redirect or a failover leads."""

    service: str = Field(alias="Service", default="")
    datacenter: str = Field(alias="Datacenter", default="")
    peer: str = Field(alias="Peer", default="")


class Failover(Shape):
    """Where requests go when a service is gone: datacenters with the same service in it, or targets."""

    datacenters: list[str] | None = Field(alias="Datacenters", default=None)
    targets: list[Target] | None = Field(alias="Targets", default=None)

    @property
    def ordered(self) -> list[Target]:
        """As targets, in their order."""
        return [Target(Datacenter=datacenter) for datacenter in self.datacenters or ()] + (self.targets or [])


class Resolver(Shape):
    """What a name leads to."""

    name: str = Field(alias="Name")
    redirect: Target | None = Field(alias="Redirect", default=None)
    failover: dict[str, Failover] | None = Field(alias="Failover", default=None)
    index: Whole = Field(alias="ModifyIndex")


class Defaults(Shape):
    """The protocol of a service."""

    name: str = Field(alias="Name")
    protocol: str = Field(alias="Protocol", default="")


def splitter(spec: ConsulSpec, service: ServiceId, row: Row) -> Entry:
    """The weights of a row."""
    legs = [{"Weight": weight / 100, "Service": spec.leg(service, c)} for c, weight in sorted(row.weights.items())]
    return {"Kind": "service-splitter", "Name": spec.name(service), "Splits": legs, "Meta": {"managed-by": "equipoise"}}


def redirect(spec: ConsulSpec, service: ServiceId, cluster: ClusterId) -> Entry:
    """The resolver of a leg."""
    to = _target(spec, service, cluster)
    return {"Kind": "service-resolver", "Name": spec.leg(service, cluster), "Redirect": to}


def failover(spec: ConsulSpec, service: ServiceId, row: Row) -> Entry:
    """The resolver of a service itself, with its standbys in their order."""
    found: Entry = {"Kind": "service-resolver", "Name": spec.name(service), "Meta": {"managed-by": "equipoise"}}
    places = [spec.places[cluster] for cluster in row.standbys]
    if not places:
        return found
    if all(place.datacenter and not place.peer for place in places):
        return {**found, "Failover": {"*": {"Datacenters": [place.datacenter for place in places]}}}
    return {**found, "Failover": {"*": {"Targets": [_target(spec, service, cluster) for cluster in row.standbys]}}}


def defaults(name: str, protocol: str) -> Entry:
    """The protocol of a name, without which Consul splits nothing."""
    return {"Kind": "service-defaults", "Name": name, "Protocol": protocol}


def _target(spec: ConsulSpec, service: ServiceId, cluster: ClusterId) -> dict[str, str]:
    place = spec.places[cluster]
    found = {"Service": spec.name(service), "Datacenter": place.datacenter, "Peer": place.peer}
    return {key: value for key, value in found.items() if value}


def leads_there(spec: ConsulSpec, service: ServiceId, cluster: ClusterId, resolver: Resolver | None) -> bool:
    """Whether the resolver of a leg is as `redirect` makes it."""
    return resolver is not None and resolver.redirect is not None and _place(spec, service, resolver.redirect) == (
        spec.places[cluster]
    )  # fmt: skip


def _place(spec: ConsulSpec, service: ServiceId, target: Target) -> Place | None:
    """Where a target is; None where it is another service. No name means the same service."""
    same = target.service in {"", spec.name(service)}
    return Place(target.datacenter, target.peer) if same else None


def row_of(
    spec: ConsulSpec, service: ServiceId, found: Splitter | None, resolvers: Mapping[str, Resolver]
) -> Row | None:
    """The row that some entries say; None where one of them is missing or none of ours."""
    clusters = {spec.leg(service, cluster): cluster for cluster in spec.clusters[service]}
    splits = (found.splits or []) if found else []
    if not splits or any(split.service not in clusters for split in splits):
        return None
    weights = {clusters[split.service]: round(split.weight * 100) for split in splits}
    whole = all(leads_there(spec, service, c, resolvers.get(spec.leg(service, c))) for c in weights)
    return Row({c: w for c, w in weights.items() if w}, _standbys(spec, service, resolvers)) if whole else None


def _standbys(spec: ConsulSpec, service: ServiceId, resolvers: Mapping[str, Resolver]) -> tuple[ClusterId, ...]:
    own = resolvers.get(spec.name(service))
    every = (own.failover or {}).get("*") if own else None
    places = {place: cluster for cluster, place in spec.places.items() if cluster in spec.clusters[service]}
    targets = [_place(spec, service, target) for target in every.ordered] if every else []
    return tuple(places[place] for place in targets if place in places)
