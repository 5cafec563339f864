"""What keeps replicas in Kubernetes, and where each kind says how many there must be at least.

Deployment        `spec.replicas` where no autoscaler targets it, in one step with its fence, which the subresource
                  `scale` could not be given
autoscaler        HorizontalPodAutoscaler `spec.minReplicas`; its maximum is its owner's
ScaledObject      KEDA's `spec.minReplicaCount`: KEDA owns the autoscaler behind it
PropagationPolicy Karmada's static weights, one for each cluster, and the replicas of the template as their sum
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from connectors.connector import Refused
from connectors.kubernetes.marks import EPOCH, FLOOR, VERSION, annotation
from connectors.kubernetes.resource import Manifest, Resource, entries, mapping, named, text, whole_number
from placement.fleet import ClusterId, ServiceId

DEPLOYMENT = Resource("apps", "v1", "deployments", "Deployment")
AUTOSCALER = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
SCALED_OBJECT = Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")
PROPAGATION = Resource("policy.karmada.io", "v1alpha1", "propagationpolicies", "PropagationPolicy")


class Keeper(StrEnum):
    """What keeps the replicas of a service."""

    DEPLOYMENT = "deployment"
    AUTOSCALER = "autoscaler"
    KEDA = "keda"
    KARMADA = "karmada"

    @property
    def resource(self) -> Resource:
        """The kind of object that holds the floor."""
        return RESOURCES[self]

    @property
    def wakes(self) -> bool:
        """Whether it starts replicas by itself where there are none."""
        return self is Keeper.KEDA


RESOURCES = {
    Keeper.DEPLOYMENT: DEPLOYMENT,
    Keeper.AUTOSCALER: AUTOSCALER,
    Keeper.KEDA: SCALED_OBJECT,
    Keeper.KARMADA: PROPAGATION,
}
FIELDS = {
    Keeper.DEPLOYMENT: "replicas", Keeper.AUTOSCALER: "minReplicas", Keeper.KEDA: "minReplicaCount",
    Keeper.KARMADA: "placement",
}  # fmt: skip
"""The one field of `spec` that is ours while we keep the floor."""
MOST = {Keeper.AUTOSCALER: "maxReplicas", Keeper.KEDA: "maxReplicaCount"}


@dataclass(frozen=True, slots=True)
class Kept:
    """One service and what keeps its replicas."""

    service: ServiceId
    namespace: str
    name: str
    """Of the object."""
    keeper: Keeper
    workload: str = ""
    """The Deployment behind it; empty for one of the same name."""

    @property
    def deployment(self) -> str:
        """The Deployment whose replicas they are."""
        return self.workload or self.name


def floors_in(
    kept: Kept, live: Mapping[str, Any], home: ClusterId, names: Mapping[ClusterId, str]
) -> dict[ClusterId, int]:
    """The floor that an object has now, by cluster."""
    spec = mapping(live, "spec")
    if kept.keeper is Keeper.KARMADA:
        known = {called: cluster for cluster, called in names.items()}
        found: dict[ClusterId, int] = {}
        for part in entries(mapping(spec, "placement", "replicaScheduling", "weightPreference"), "staticWeightList"):
            listed = mapping(part, "targetCluster").get("clusterNames")
            for name in listed if isinstance(listed, list) else []:
                if isinstance(name, str) and name in known:
                    found[known[name]] = max(0, whole_number(part.get("weight")) or 0)
        return found
    least = whole_number(spec.get(FIELDS[kept.keeper]))
    return {home: (0 if kept.keeper is Keeper.KEDA else 1) if least is None else max(0, least)}


def operations(
    kept: Kept,
    live: Mapping[str, Any],
    floors: Mapping[ClusterId, int],
    home: ClusterId,
    names: Mapping[ClusterId, str],
) -> list[Mapping[str, Any]]:
    """A JSON Patch to these floors, which tests the version that was read. Refused for a floor that cannot be."""
    if kept.keeper is Keeper.KARMADA:
        return [_as_read(live), *_karmada(kept, live, floors, names)]
    least, spec, key = floors.get(home, 0), mapping(live, "spec"), FIELDS[kept.keeper]
    most = whole_number(spec.get(MOST[kept.keeper])) if kept.keeper in MOST else None
    if most is not None and least > most:
        raise Refused(
            f"{kept.keeper.resource.kind} {kept.namespace}/{kept.name} takes {most} replicas at most, not {least}"
        )
    least = max(least, 1) if kept.keeper is Keeper.AUTOSCALER else least
    return [_as_read(live), {"op": "add", "path": f"/spec/{key}", "value": least}]


def before_us(kept: Kept, live: Manifest) -> str:
    """What an object says of its replicas, to be kept in an annotation: JSON of its field, null where it has none."""
    return json.dumps(mapping(live, "spec").get(FIELDS[kept.keeper]), sort_keys=True)


def back_operations(kept: Kept, live: Manifest, before: str) -> list[Mapping[str, Any]]:
    """A JSON Patch to what `before_us` kept, without the marks. Refused where that cannot be read."""
    try:
        value = json.loads(before)
    except (ValueError, RecursionError):
        raise Refused(f"{named(live)}: its annotation {FLOOR} is no JSON; set the floor by hand") from None
    field = FIELDS[kept.keeper]
    path, has = f"/spec/{field}", field in mapping(live, "spec")
    change: list[Mapping[str, Any]] = [{"op": "add", "path": path, "value": value}]
    if value is None:
        change = [{"op": "remove", "path": path}] if has else []
    there = mapping(live, "metadata", "annotations")
    marks = [{"op": "remove", "path": annotation(key)} for key in (EPOCH, VERSION, FLOOR) if key in there]
    return [_as_read(live), *change, *marks]


def _as_read(live: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"op": "test", "path": "/metadata/resourceVersion", "value": text(live, "metadata", "resourceVersion")}


def _karmada(
    kept: Kept, live: Mapping[str, Any], floors: Mapping[ClusterId, int], names: Mapping[ClusterId, str]
) -> list[Mapping[str, Any]]:
    """Static weights are whole numbers above 0: a cluster with a floor of 0 is left out."""
    used = {cluster: least for cluster, least in floors.items() if least > 0}
    if not used:
        raise Refused(f"PropagationPolicy {kept.namespace}/{kept.name}: Karmada needs a replica somewhere")
    nameless = sorted(cluster for cluster in used if cluster not in names)
    if nameless:
        raise Refused(f"PropagationPolicy {kept.namespace}/{kept.name}: cluster {nameless[0]} has no name in Karmada")
    preference = mapping(live, "spec", "placement", "replicaScheduling", "weightPreference")
    if preference.get("dynamicWeight"):
        raise Refused(
            f"PropagationPolicy {kept.namespace}/{kept.name} has dynamicWeight, which makes static weights ignored"
        )
    weights = [
        {"targetCluster": {"clusterNames": [names[cluster]]}, "weight": least}
        for cluster, least in sorted(used.items())
    ]
    scheduling = {
        "replicaSchedulingType": "Divided",
        "replicaDivisionPreference": "Weighted",
        "weightPreference": {"staticWeightList": weights},
    }
    affinity = {"clusterNames": [names[cluster] for cluster in sorted(used)]}
    placement = dict(mapping(live, "spec", "placement")) | {
        "replicaScheduling": scheduling,
        "clusterAffinity": affinity,
    }
    return [{"op": "add", "path": "/spec/placement", "value": placement}]


def availability(live: Manifest) -> tuple[bool, int, int]:
    """(whether its controller has seen the newest Deployment, replicas it wants, replicas that are available)."""
    status, spec = mapping(live, "status"), mapping(live, "spec")
    seen = whole_number(status.get("observedGeneration")) or 0
    made = whole_number(mapping(live, "metadata").get("generation")) or 0
    wanted = whole_number(spec.get("replicas"))
    return seen >= made, 1 if wanted is None else wanted, whole_number(status.get("availableReplicas")) or 0
