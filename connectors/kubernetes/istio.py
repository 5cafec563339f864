"""Istio and its distributions (OpenShift Service Mesh, Aspen, Tanzu): weighted subsets, or weighted localities.

Subsets: a VirtualService splits by weight over the subsets of a DestinationRule, one for each cluster, told apart by
the label `topology.istio.io/cluster` that istiod puts on endpoints. Exact, and not health-aware: a subset without
endpoints answers 503, which is what our own failover is for. Localities: the `distribute` of a DestinationRule, whole
percent, at least 1, exactly 100 together; health-aware within what is listed, and blind to what is not.

Older releases refuse a VirtualService whose weights do not add up to 100, newer ones only a sum of 0: the unit is 100
unless the documents say that the cluster takes finer ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.connector import Fencing, MeshLimits, Refused
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.dialect import Wanted, Word, condition_of, only, said, weights_by
from connectors.kubernetes.resource import Resource, entries, mapping, text, whole_number
from connectors.kubernetes.spec import KubernetesSpec, Ownership, Place
from connectors.kubernetes.split import Split

GROUP = "networking.istio.io"
VIRTUAL_SERVICE = Resource(GROUP, "v1", "virtualservices", "VirtualService")
DESTINATION_RULE = Resource(GROUP, "v1", "destinationrules", "DestinationRule")
CLUSTER_LABEL = "topology.istio.io/cluster"
FINE = 10_000
TRACKED = "if tracked"
"""By istiod, which counts the proxies that have an object where distribution tracking is on."""
EJECTION = {"consecutive5xxErrors": 5, "interval": "5s", "baseEjectionTime": "30s", "maxEjectionPercent": 100}
"""Without outlier detection Istio does not look at the health of a locality."""


@dataclass(frozen=True, slots=True)
class IstioSubsets:
    """A Dialect: VirtualService and DestinationRule for each service."""

    unit: int = 100
    gateways: tuple[str, ...] = ()
    """Empty for the sidecars of the mesh."""
    title: str = "Istio subsets"

    @property
    def limits(self) -> MeshLimits:
        """What it can express. It says no by its webhook; a refused share is a fault injection that aborts with 503."""
        return MeshLimits(
            unit=self.unit, standby=False, shed=True, targets_max=128, dry_run=True, fencing=Fencing.ENFORCED,
            programmed_partly=TRACKED,
        )  # fmt: skip

    @property
    def resources(self) -> tuple[Resource, ...]:
        """The subsets first: a route to a subset that is not there yet loses requests."""
        return DESTINATION_RULE, VIRTUAL_SERVICE

    @property
    def reads(self) -> tuple[Resource, ...]:
        """Nothing else."""
        return ()

    def namespace(self, place: Place) -> str:
        """The service's own."""
        return place.namespace

    def wanted(self, spec: KubernetesSpec, place: Place, split: Split) -> tuple[Wanted, ...]:
        """All clusters are subsets always, so that a change of weights changes one object."""
        for cluster in split.weights:
            spec.named(place.service, cluster)
        subsets = [
            {"name": subset(c), "labels": {CLUSTER_LABEL: called}} for c, called in sorted(spec.clusters.items())
        ]
        rule = DESTINATION_RULE.blank(place.namespace, place.route_name, spec={"host": place.host, "subsets": subsets})
        route: dict[str, Any] = {"route": [self._leg(place, c, w) for c, w in split.weights.items()]}
        if not split.weights:
            route = {"route": [self._leg(place, min(spec.clusters), self.unit)]}
        if split.refused_ratio:
            percent = round(100 * split.refused_ratio, 4)
            route["fault"] = {"abort": {"percentage": {"value": percent}, "httpStatus": 503}}
        body: dict[str, Any] = {"hosts": [place.host], "http": [route]}
        body |= {"gateways": list(self.gateways)} if self.gateways else {}
        routes = VIRTUAL_SERVICE.blank(place.namespace, place.route_name, spec=body)
        if spec.ownership is Ownership.PATCH:
            return ((VIRTUAL_SERVICE, routes),)
        return (DESTINATION_RULE, rule), (VIRTUAL_SERVICE, routes)

    @staticmethod
    def _leg(place: Place, cluster: str, weight: int) -> dict[str, Any]:
        to: dict[str, Any] = {"host": place.host, "subset": subset(cluster)}
        return {"destination": to | ({"port": {"number": place.port}} if place.port else {}), "weight": weight}

    def found(self, spec: KubernetesSpec, place: Place, live: Mapping[str, Any]) -> Split:
        """The weights and the abort of the first route."""
        routes = entries(live, "spec", "http")
        first = routes[0] if routes else {}
        legs = entries(first, "route")
        subsets = {subset(cluster): str(cluster) for cluster in spec.clusters}

        def cluster_of(leg: Mapping[str, Any]) -> str:
            name = text(leg, "destination", "subset")
            return subsets.get(name, f"?{name or text(leg, 'destination', 'host')}")

        percent = mapping(first, "fault", "abort", "percentage").get("value", 0)
        refused = float(percent) / 100 if isinstance(percent, int | float) else 0.0
        weights = weights_by(legs, cluster_of, default=0)
        if len(legs) == 1 and not sum(weights.values()):
            weights = {cluster_of(legs[0]): 100}  # a single leg takes all, whatever its weight
        return Split(weights, min(max(refused, 0.0), 1.0)) if refused < 1 else Split({}, 1.0)

    def weighted(self, live: Mapping[str, Any]) -> str:
        """The destinations of the one route."""
        return f"/spec/http/{only(entries(live, 'spec', 'http'), 'http routes', live)}/route"

    def word(self, place: Place, live: Mapping[str, Any], before: Mapping[str, Any] | None) -> Word:
        """The webhook has said yes, or it would not be stored; the status is believed only where it says no."""
        return _doubted(live) or _distributed(live)

    async def check(self, api: KubernetesApi, spec: KubernetesSpec) -> None:
        """Two objects for one host: which of them counts is not defined."""
        if spec.ownership is Ownership.OWN:
            await _alone(api, spec, VIRTUAL_SERVICE, lambda live: mapping(live, "spec").get("hosts", []))
            await _alone(api, spec, DESTINATION_RULE, lambda live: [text(live, "spec", "host")])


@dataclass(frozen=True, slots=True)
class IstioLocality:
    """A Dialect: one DestinationRule with `distribute` for each service. Clusters must be in regions of their own."""

    home_region: str = ""
    """Where the clients are; empty for anywhere."""
    title: str = "Istio localities"

    @property
    def limits(self) -> MeshLimits:
        """Whole percent, at least 1."""
        return MeshLimits(
            unit=100, zero_allowed=False, standby=False, shed=False, targets_max=100, dry_run=True,
            fencing=Fencing.ENFORCED, programmed_partly=TRACKED,
        )  # fmt: skip

    @property
    def resources(self) -> tuple[Resource, ...]:
        """One kind."""
        return (DESTINATION_RULE,)

    @property
    def reads(self) -> tuple[Resource, ...]:
        """Nothing else."""
        return ()

    def namespace(self, place: Place) -> str:
        """The service's own."""
        return place.namespace

    def wanted(self, spec: KubernetesSpec, place: Place, split: Split) -> tuple[Wanted, ...]:
        """The rule. Refused where two clusters share a region, for Istio could not tell them apart."""
        if not split.weights:
            raise Refused(
                f"{spec.origin}: localities refuse nothing: all of {place.service} cannot be; its weights stay"
            )
        shares: dict[str, int] = {}
        for cluster, weight in split.weights.items():
            where = self._locality(spec, place, cluster)
            if where in shares:
                raise Refused(
                    f"{spec.origin}: two clusters of {place.service} are in {where}, which Istio weights as one; "
                    "use istio.form: subsets"
                )
            shares[where] = weight
        spread = [{"from": f"{self.home_region}/*" if self.home_region else "*", "to": shares}]
        policy = {
            "loadBalancer": {"localityLbSetting": {"enabled": True, "distribute": spread}}, "outlierDetection": EJECTION
        }  # fmt: skip
        body = {"host": place.host, "trafficPolicy": policy}
        return ((DESTINATION_RULE, DESTINATION_RULE.blank(place.namespace, place.route_name, spec=body)),)

    @staticmethod
    def _locality(spec: KubernetesSpec, place: Place, cluster: str) -> str:
        spec.named(place.service, cluster)
        region = next((region for known, region in spec.regions.items() if known == cluster), "")
        if not region:
            raise Refused(f"{spec.origin}: the region of cluster {cluster} is not known")
        return f"{region}/*"

    def found(self, spec: KubernetesSpec, place: Place, live: Mapping[str, Any]) -> Split:
        """The shares of the first `from`."""
        listed = entries(mapping(live, "spec", "trafficPolicy", "loadBalancer", "localityLbSetting"), "distribute")
        shares = mapping(listed[0], "to") if listed else {}
        clusters = {f"{region}/*": str(cluster) for cluster, region in spec.regions.items()}
        return Split({clusters.get(where, f"?{where}"): whole_number(share) or 0 for where, share in shares.items()})

    def weighted(self, live: Mapping[str, Any]) -> str:
        """Refused: shares are a mapping here, which JSON Patch in somebody else's object cannot take apart safely."""
        raise Refused("localities of somebody else's DestinationRule are not patched; let the connector own one")

    def word(self, place: Place, live: Mapping[str, Any], before: Mapping[str, Any] | None) -> Word:
        """As for subsets."""
        return _doubted(live) or _distributed(live)

    async def check(self, api: KubernetesApi, spec: KubernetesSpec) -> None:
        """As for subsets."""
        await _alone(api, spec, DESTINATION_RULE, lambda live: [text(live, "spec", "host")])


def subset(cluster: str) -> str:
    """The subset of a cluster: a DNS label."""
    return cluster.replace(".", "-").replace("_", "-").lower()


def _doubted(live: Mapping[str, Any]) -> Word | None:
    for message in entries(live, "status", "validationMessages"):
        if message.get("level") == "ERROR":
            return Word(False, f"{text(message, 'type', 'code')} {text(message, 'documentationUrl')}".strip())
    return None


def _distributed(live: Mapping[str, Any]) -> Word:
    """Where istiod tracks distribution, `Reconciled` says how many proxies have it: `1/2 proxies up to date.`

    It is believed of this generation alone, and where it does not say of which one it is, as a no alone.
    """
    reconciled = condition_of(entries(live, "status", "conditions"), "Reconciled")
    if not reconciled:
        return Word(True)
    seen = whole_number(reconciled.get("observedGeneration") or mapping(live, "status").get("observedGeneration"))
    made = whole_number(mapping(live, "metadata").get("generation"))
    if seen is not None and made is not None and seen < made:
        return Word(True, "istiod has not counted the proxies that have it yet", programmed=False)
    if reconciled.get("status") != "True":
        return Word(True, said(reconciled), programmed=False)
    return Word(True, programmed=None if seen is None else True)


async def _alone(api: KubernetesApi, spec: KubernetesSpec, resource: Resource, hosts_of: Any) -> None:
    """Refused where an object that is not ours speaks for one of our hosts."""
    for namespace in sorted({place.namespace for place in spec.places.values()}):
        ours = {place.route_name for place in spec.places.values() if place.namespace == namespace}
        hosts = {name: p.host for p in spec.places.values() if p.namespace == namespace for name in (p.host, p.name)}
        for live in (await api.listed(resource, namespace))[0]:
            clash = next((hosts[host] for host in hosts_of(live) if isinstance(host, str) and host in hosts), "")
            if clash and text(live, "metadata", "name") not in ours:
                raise Refused(
                    f"{spec.origin}: {resource.kind} {namespace}/{text(live, 'metadata', 'name')} speaks for {clash} "
                    "already, and Istio does not say which of two counts; delete it, or patch it (ownership: patch)"
                )
