"""Do the parts of a mesh name what is declared, all of it, and what no other origin has?"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from config.cluster import Cluster
from config.declared import Declarations, Declared, Fact, Location
from config.origin import Mesh, Origin
from config.problem import Problem, quoted
from config.reasons import nearest
from config.service import Service

Path = tuple[str, ...]
BY_CLUSTER: Mapping[str, tuple[Path, ...]] = {
    "consul": (("clusters",),), "kuma": (("zones",),), "route53": (("health_checks",),),
}  # fmt: skip
"""Fields whose keys are clusters."""
_ZONE = (("zone", "names"),)
_RULES = (("rules",), ("target_groups",))
BY_SERVICE: Mapping[str, tuple[Path, ...]] = {
    "consul": (("names",),), "power_dns": _ZONE, "dns_update": _ZONE, "route53": _ZONE, "avi": _ZONE, "alb": _RULES,
    "lattice": _RULES,
}  # fmt: skip
"""Fields whose keys are services."""
CLAIMS: Mapping[str, tuple[Path, ...]] = {
    "nginx": (("file",),), "envoy_files": (("folder",),), "nginx_plus": (("api", "url"),),
    "haproxy_data_plane": (("api", "url"), ("map",)), "consul": (("api", "url"),),
    "power_dns": (("api", "url"), ("zone", "name")), "dns_update": (("server",), ("zone", "name")),
    "route53": (("zone_id",),), "avi": (("api", "url"), ("tenant",)),
}  # fmt: skip
"""What one origin alone may write to: two would take each other's weights for drift."""


def check_meshes(declared: Declarations, origin: Declared[Origin]) -> Iterator[Problem]:
    """Names of clusters and services that dangle, and clusters of services that are left out."""
    mesh = origin.model.spec.mesh
    if mesh is None or mesh.kind not in {*BY_CLUSTER, *BY_SERVICE}:
        return
    part, where = getattr(mesh, mesh.kind), ("spec", "mesh", _alias(mesh, mesh.kind))
    for path in BY_CLUSTER.get(mesh.kind, ()):
        keys, place = _at(part, path)
        yield from _dangling(declared, origin, Cluster, keys, (*where, *place))
    for path in BY_SERVICE.get(mesh.kind, ()):
        keys, place = _at(part, path)
        yield from _dangling(declared, origin, Service, keys, (*where, *place))
    yield from _incomplete(declared, origin, mesh.kind, part, where)


def claims(origin: Declared[Origin]) -> Iterator[Fact]:
    """What an origin has for itself."""
    mesh = origin.model.spec.mesh
    paths = CLAIMS.get(mesh.kind, ()) if mesh else ()
    if mesh is not None and paths:
        found = [_at(getattr(mesh, mesh.kind), path) for path in paths]
        shown = ", ".join(f"{'.'.join(place)} {quoted(str(value))}" for value, place in found)
        yield f"the {_alias(mesh, mesh.kind)} of {shown}", origin, ("spec", "mesh", _alias(mesh, mesh.kind))


def _at(part: Any, path: Path) -> tuple[Any, Path]:
    """The value at a path, and the path as documents spell it."""
    place: list[str] = []
    for field in path:
        place.append(_alias(part, field))
        part = getattr(part, field)
    return part, tuple(place)


def _dangling(
    declared: Declarations, origin: Declared[Origin], kind: type[Any], keys: Iterable[str], where: Location
) -> Iterator[Problem]:
    known = declared.names[kind.__name__]
    for name in keys:
        if name not in known:
            reason = f"no {kind.__name__} is called {quoted(name)}{nearest(name, known)}"
            yield origin.problem(reason, *where, name, on_key=True)


def _incomplete(
    declared: Declarations, origin: Declared[Origin], kind: str, part: Any, where: Location
) -> Iterator[Problem]:
    """A table may name any cluster that a service has replicas in, so the mesh must know all of them."""
    for name, service in sorted(declared.by_name(Service).items()):
        for cluster in service.spec.replicas:
            field = _lacking(kind, part, name, cluster)
            if field:
                reason = f"service {quoted(name)} has replicas in cluster {quoted(cluster)}, which is not named here"
                yield origin.problem(reason, *where, _alias(part, field), on_key=True)


def _lacking(kind: str, part: Any, service: str, cluster: str) -> str:
    """The field that should name a cluster and does not; empty where none is."""
    if kind in {"alb", "lattice"}:
        return "target_groups" if service in part.rules and cluster not in part.target_groups.get(service, {}) else ""
    field = {"consul": "clusters", "kuma": "zones"}.get(kind, "")
    return field if field and cluster not in getattr(part, field) else ""


def _alias(shape: Mesh | Any, field: str) -> str:
    """A field as documents spell it."""
    return str(type(shape).model_fields[field].alias or field)
