"""Consul on Kubernetes: a ServiceSplitter over one virtual service for each cluster, and a ServiceResolver behind each.

A leg of a splitter names neither a datacenter nor a peer, so each cluster but the own has a service of its own name
that redirects there. Weights are hundredths of a percent and add up to 100 exactly; the condition `Synced` says whether
Consul took the entry. It carries no generation, so that a sync is believed only when it is younger than the write.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from connectors.connector import Fencing, MeshLimits, Refused
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.dialect import Naming, Wanted, Word, condition_of, conditions, said, weights_by
from connectors.kubernetes.resource import Resource, entries, text
from connectors.kubernetes.spec import KubernetesSpec, Ownership, Place
from connectors.kubernetes.split import Split

SPLITTER = Resource("consul.hashicorp.com", "v1alpha1", "servicesplitters", "ServiceSplitter")
RESOLVER = Resource("consul.hashicorp.com", "v1alpha1", "serviceresolvers", "ServiceResolver")
LIMITS = MeshLimits(
    unit=10_000, standby=False, shed=False, targets_max=1_000, dry_run=True, fencing=Fencing.ENFORCED
)  # fmt: skip


class Way(StrEnum):
    """How one Consul reaches another."""

    DATACENTER = "datacenter"
    """Federated over the WAN."""
    PEER = "peer"
    """By cluster peering."""


@dataclass(frozen=True, slots=True)
class Consul:
    """A Dialect: a splitter for each service, and a resolver for each of its clusters but the own."""

    way: Way = Way.PEER
    naming: Naming = field(default_factory=lambda: Naming("{service}-{cluster}", "{service}"))
    title: str = "Consul"

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return LIMITS

    @property
    def resources(self) -> tuple[Resource, ...]:
        """The resolvers first: a leg without one is refused."""
        return RESOLVER, SPLITTER

    @property
    def reads(self) -> tuple[Resource, ...]:
        """Nothing else."""
        return ()

    def namespace(self, place: Place) -> str:
        """The service's own."""
        return place.namespace

    def wanted(self, spec: KubernetesSpec, place: Place, split: Split) -> tuple[Wanted, ...]:
        """Resolvers of all clusters always, so that a change of weights changes one object."""
        if not split.weights:
            raise Refused(f"{spec.origin}: Consul cannot refuse all requests of {place.service}; its last weights stay")
        legs = [
            {"weight": weight / 100, "service": self.naming.name(spec, place, cluster)}
            for cluster, weight in split.weights.items()
        ]
        splitter = SPLITTER.blank(place.namespace, place.route_name, spec={"splits": legs})
        if spec.ownership is Ownership.PATCH:
            return ((SPLITTER, splitter),)
        resolvers = []
        for cluster, called in sorted(spec.clusters.items()):
            name = self.naming.name(spec, place, cluster)
            if name != place.name:
                redirect: dict[str, Any] = {"service": place.name, str(self.way): called}
                resolvers.append((RESOLVER, RESOLVER.blank(place.namespace, name, spec={"redirect": redirect})))
        return (*resolvers, (SPLITTER, splitter))

    def found(self, spec: KubernetesSpec, place: Place, live: Mapping[str, Any]) -> Split:
        """The weights in hundredths of a percent."""
        listed = entries(live, "spec", "splits")
        return Split(weights_by(listed, lambda leg: self.naming.cluster(spec, place, text(leg, "service")), 0, 100.0))

    def weighted(self, live: Mapping[str, Any]) -> str:
        """All splits."""
        return "/spec/splits"

    def word(self, place: Place, live: Mapping[str, Any], before: Mapping[str, Any] | None) -> Word:
        """Of `Synced`, where it is younger than the write."""
        synced = condition_of(conditions(live), "Synced")
        if synced.get("status") == "False":
            old = condition_of(conditions(before), "Synced") if before is not None else {}
            return Word(None, "waits for Consul") if before is not None and synced == old else Word(False, said(synced))
        stale = before is not None and _synced_at(before) == _synced_at(live)
        if synced.get("status") != "True" or (stale and before is not live):
            return Word(None, "waits for Consul")
        return Word(True)

    async def check(self, api: KubernetesApi, spec: KubernetesSpec) -> None:
        """Nothing overrides a splitter unseen."""


def _synced_at(live: Mapping[str, Any]) -> str:
    return text(live, "status", "lastSyncedTime")
