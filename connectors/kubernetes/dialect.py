"""How one kind of mesh says weights: the objects it wants, the weights in them, and where it says that it took them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from connectors.connector import MeshLimits, Refused
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.resource import Manifest, Resource, entries, mapping, text, whole_number
from connectors.kubernetes.spec import KubernetesSpec, Place
from connectors.kubernetes.split import Split

Wanted = tuple[Resource, Manifest]
WEIGHT_MAX = 2**32
"""More than any mesh takes; larger numbers in an object of somebody else count as this."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a mesh says of one object; None where it has not looked yet."""

    accepted: bool | None
    why: str = ""
    programmed: bool | None = None
    """Whether proxies run with it, where somebody counts them."""


def together(counted: Iterable[bool | None]) -> bool | None:
    """Whether all are programmed: False where one is not, None where nobody knows of one."""
    found = list(counted)
    return False if False in found else True if found and all(found) else None


class Dialect(Protocol):
    """One kind of mesh. Pure but for `check`."""

    @property
    def title(self) -> str:
        """For messages and the support matrix."""

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""

    @property
    def resources(self) -> tuple[Resource, ...]:
        """What is read, in the order in which it is written; the last one holds the weights."""

    @property
    def reads(self) -> tuple[Resource, ...]:
        """What `check` looks at besides, in the namespaces of the services."""

    def namespace(self, place: Place) -> str:
        """Where the objects of a service are."""

    def wanted(self, spec: KubernetesSpec, place: Place, split: Split) -> tuple[Wanted, ...]:
        """The objects of one service, in that order. Raises Refused for a cluster without a name."""

    def found(self, spec: KubernetesSpec, place: Place, live: Mapping[str, Any]) -> Split:
        """The weights in the object that holds them."""

    def weighted(self, live: Mapping[str, Any]) -> str:
        """JSON Pointer to the one list of destinations in somebody else's object. Refused where there are more."""

    def word(self, place: Place, live: Mapping[str, Any], before: Mapping[str, Any] | None) -> Word:
        """What the mesh says of the object as it is now; `before` is how it was before a write of ours, if any."""

    async def check(self, api: KubernetesApi, spec: KubernetesSpec) -> None:
        """Refused where something in the cluster would silently keep our weights from working."""


@runtime_checkable
class Shadowing(Protocol):
    """The optional capability of a Dialect whose mesh shows what a table would change in a proxy, and changes none."""

    async def shadow(self, api: KubernetesApi, manifests: tuple[Manifest, ...]) -> str:
        """What would change, in words; empty where nobody is asked. Raises Unavailable and Refused."""


@runtime_checkable
class Telling(Protocol):
    """The optional capability of a Dialect that finds out besides whether a data plane takes anything at all."""

    @property
    def told_by(self) -> tuple[tuple[Resource, str], ...]:
        """What it looks at, and in which namespace; empty for those of the services."""

    async def told(self, api: KubernetesApi, spec: KubernetesSpec) -> str:
        """Why the data plane runs with nothing new; empty where nobody says so, which proves nothing."""


@dataclass(frozen=True, slots=True)
class Naming:
    """How the destination of a cluster is called. `{service}` and `{cluster}` stand for the mesh's own names."""

    pattern: str = "{service}-{cluster}"
    home: str = ""
    """The same in the cluster of the origin itself; empty for no difference."""

    def name(self, spec: KubernetesSpec, place: Place, cluster: str) -> str:
        """The name of a destination."""
        called = spec.named(place.service, cluster)
        pattern = self.home if self.home and cluster == spec.home else self.pattern
        return pattern.replace("{service}", place.name).replace("{cluster}", called)

    def cluster(self, spec: KubernetesSpec, place: Place, name: str) -> str:
        """The cluster of a destination; its own name, marked, where it is none of ours."""
        known = (str(cluster) for cluster in spec.clusters if self.name(spec, place, cluster) == name)
        return next(known, f"?{name}")


def weights_by(
    destinations: list[Mapping[str, Any]], cluster_of: Any, default: int = 1, scale: float = 1.0
) -> dict[str, int]:
    """Weights by cluster of the destinations of a route; one that has none, or no number, has the default."""
    found: dict[str, int] = {}
    for destination in destinations:
        said = destination.get("weight", default)
        number = said if isinstance(said, int | float) and not isinstance(said, bool) else default
        cluster = cluster_of(destination)
        found[cluster] = found.get(cluster, 0) + round(min(max(0, number), WEIGHT_MAX) * scale)
    return found


def only(listed: list[Mapping[str, Any]], what: str, live: Mapping[str, Any]) -> int:
    """0, the place of the one entry. Refused where there are none or several: which is meant is no guess of ours."""
    if len(listed) != 1:
        where = f"{text(live, 'metadata', 'namespace')}/{text(live, 'metadata', 'name')}"
        raise Refused(f"{text(live, 'kind')} {where} has {len(listed)} {what}; weights are patched where there is one")
    return 0


def current(condition: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether a condition speaks of the object as it is now."""
    seen, made = (
        whole_number(condition.get("observedGeneration")),
        whole_number(mapping(live, "metadata").get("generation")),
    )
    return seen is None or made is None or seen >= made


def condition_of(listed: list[Mapping[str, Any]], kind: str) -> Mapping[str, Any]:
    """The condition of a kind; empty where there is none."""
    return next((condition for condition in listed if condition.get("type") == kind), {})


def said(condition: Mapping[str, Any]) -> str:
    """`BackendNotFound: service "x" not found`."""
    return ": ".join(part for part in (text(condition, "reason"), text(condition, "message")) if part)


def conditions(live: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of an object whose status has one list of them."""
    return entries(live, "status", "conditions")
