"""Do the documents know each other? Every name that one document uses must be declared by another."""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from config.budget import Budget
from config.cluster import Cluster
from config.declared import Declarations, Declared, Location, repeated
from config.keepers import check_keepers
from config.kubernetes import KubernetesMesh
from config.latencymatrix import LatencyMatrix
from config.meshnames import check_meshes, claims
from config.origin import Origin
from config.policy import Policy
from config.problem import Problem, quoted
from config.reasons import nearest
from config.service import Service

_SOURCES = ("spec", "telemetry", "prometheus")
_KUBERNETES = ("spec", "mesh", "kubernetes")


def check_references(declared: Declarations) -> Iterator[Problem]:
    """Names that dangle, and things that may exist only once."""
    for cluster in declared.of(Cluster):
        yield from _repeated_pools(cluster)
    clusters, services = declared.by_name(Cluster), declared.by_name(Service)
    for service in declared.of(Service):
        yield from _service(declared, service, clusters)
    for origin in declared.of(Origin):
        yield from _origin(declared, origin, services)
    for matrix in declared.of(LatencyMatrix):
        yield from _matrix(declared, matrix)
    for cluster in declared.of(Cluster):
        yield from _links(declared, cluster)
    for budget in declared.of(Budget):
        yield from _budget(declared, budget)
    for policy in declared.of(Policy):
        sources = enumerate(policy.model.spec.telemetry.prometheus)
        names = ((f"source {quoted(s.name)}", policy, (*_SOURCES, row, "name")) for row, s in sources)
        yield from repeated(names)
    yield from repeated(("the policy of the fleet", policy, ("kind",)) for policy in declared.of(Policy))
    yield from _shared_by_origins(declared)
    yield from check_keepers(declared)
    yield from _cycles(declared)


def _service(declared: Declarations, service: Declared[Service], clusters: Mapping[str, Cluster]) -> Iterator[Problem]:
    spec = service.model.spec
    for cluster, replicas in spec.replicas.items():
        yield from _unknown(declared, service, Cluster, cluster, ("spec", "replicas", cluster))
        if cluster in clusters and isinstance(replicas, dict):
            pools = [pool.name for pool in clusters[cluster].spec.pools]
            for pool in sorted(replicas.keys() - set(pools)):
                reason = f"cluster {quoted(cluster)} has no pool {quoted(pool)}{nearest(pool, pools)}"
                yield service.problem(reason, "spec", "replicas", cluster, pool, on_key=True)
    for callee in spec.calls:
        yield from _unknown(declared, service, Service, callee, ("spec", "calls", callee))
    for cluster in spec.endpoints:
        where = ("spec", "endpoints", cluster)
        yield from _unknown(declared, service, Cluster, cluster, where)
        if cluster in clusters and cluster not in spec.replicas:
            yield service.problem(f"endpoints in cluster {quoted(cluster)}, where it has no replicas", *where)
    if declared.whole(Cluster):
        yield from _node_types_and_jurisdictions(clusters.values(), service)


def _node_types_and_jurisdictions(clusters: Iterable[Cluster], service: Declared[Service]) -> Iterator[Problem]:
    node_types = {pool.node_type for cluster in clusters for pool in cluster.spec.pools}
    for node_type in service.model.spec.throughput:
        if node_type not in node_types:
            reason = f"no pool has nodes of type {quoted(node_type)}{nearest(node_type, node_types)}"
            yield service.problem(reason, "spec", "throughput", node_type, on_key=True)
    jurisdictions = {cluster.spec.jurisdiction for cluster in clusters}
    for row, jurisdiction in enumerate(service.model.spec.jurisdictions or ()):
        if jurisdiction not in jurisdictions:
            reason = f"no cluster is in jurisdiction {quoted(jurisdiction)}{nearest(jurisdiction, jurisdictions)}"
            yield service.problem(reason, "spec", "jurisdictions", row)


def _origin(declared: Declarations, origin: Declared[Origin], services: Mapping[str, Service]) -> Iterator[Problem]:
    spec = origin.model.spec
    if spec.cluster is not None:
        yield from _unknown(declared, origin, Cluster, spec.cluster, ("spec", "cluster"), on_key=False)
    for service in spec.expected_rps:
        yield from _unknown(declared, origin, Service, service, ("spec", "expectedRps", service))
    for row, via in enumerate(spec.via):
        where = ("spec", "via", row)
        yield from _unknown(declared, origin, Cluster, via.cluster, (*where, "cluster"), on_key=False)
        yield from _unknown(declared, origin, Service, via.service, (*where, "service"), on_key=False)
        known = via.cluster in declared.names["Cluster"] and via.service in services
        if known and via.cluster not in services[via.service].spec.replicas:
            reason = f"service {quoted(via.service)} has no replicas in cluster {quoted(via.cluster)}"
            yield origin.problem(reason, *where, "address")
    if spec.mesh and spec.mesh.kubernetes:
        yield from _kubernetes(declared, origin, spec.mesh.kubernetes)
    yield from check_meshes(declared, origin)


def _kubernetes(declared: Declarations, origin: Declared[Origin], mesh: KubernetesMesh) -> Iterator[Problem]:
    """What a mesh behind an API server calls otherwise must be there, and be told apart."""
    for cluster in mesh.clusters:
        yield from _unknown(declared, origin, Cluster, cluster, (*_KUBERNETES, "clusters", cluster))
    for service in mesh.services:
        yield from _unknown(declared, origin, Service, service, (*_KUBERNETES, "services", service))
    if (mesh.linkerd or mesh.consul) and origin.model.spec.cluster is None:
        kind = "linkerd" if mesh.linkerd else "consul"
        reason = f"{kind} sends to the service itself in the cluster of the origin, so the origin needs spec.cluster"
        yield origin.problem(reason, *_KUBERNETES, kind, on_key=True)
    if mesh.istio and mesh.istio.form == "locality":
        first: dict[str, str] = {}
        for name, located in sorted(declared.by_name(Cluster).items()):
            other = first.setdefault(located.spec.region, name)
            if other != name:
                reason = (
                    f"clusters {quoted(other)} and {quoted(name)} are both in region {quoted(located.spec.region)}, "
                    "which Istio weights as one; use form: subsets"
                )
                yield origin.problem(reason, *_KUBERNETES, "istio", "form")


def _budget(declared: Declarations, budget: Declared[Budget]) -> Iterator[Problem]:
    """A budget is for somebody who spends."""
    spec = budget.model.spec
    if spec.service is not None:
        yield from _unknown(declared, budget, Service, spec.service, ("spec", "service"), on_key=False)
    teams = {s.model.metadata.labels.get("team", "") for s in declared.of(Service)} - {""}
    if spec.team is not None and spec.team not in teams and declared.whole(Service):
        yield budget.problem(f"no service has the team {quoted(spec.team)}{nearest(spec.team, teams)}", "spec", "team")


def _matrix(declared: Declarations, matrix: Declared[LatencyMatrix]) -> Iterator[Problem]:
    """A name in a matrix is an origin's, a cluster's or a region's."""
    if not declared.whole(Cluster, Origin):
        return
    known = _places(declared)
    for near, row in matrix.model.spec.rtt_ms.items():
        names: list[Location] = [("spec", "rttMs", near), *(("spec", "rttMs", near, far) for far in row)]
        for where in names:
            name = str(where[-1])
            if name not in known:
                reason = f"no origin, cluster or region is called {quoted(name)}{nearest(name, known)}"
                yield matrix.problem(reason, *where, on_key=True)


def _links(declared: Declarations, cluster: Declared[Cluster]) -> Iterator[Problem]:
    """So is the name of a link's other end."""
    if not declared.whole(Cluster, Origin):
        return
    known = _places(declared)
    for name in cluster.model.spec.link_mbps:
        if name not in known:
            reason = f"no origin, cluster or region is called {quoted(name)}{nearest(name, known)}"
            yield cluster.problem(reason, "spec", "linkMbps", name, on_key=True)


def _places(declared: Declarations) -> set[str]:
    known = set(declared.names["Cluster"]) | set(declared.names["Origin"])
    known |= {cluster.model.spec.region for cluster in declared.of(Cluster)}
    return known | {origin.model.spec.region for origin in declared.of(Origin) if origin.model.spec.region}


def _unknown(
    declared: Declarations,
    user: Declared[Service] | Declared[Origin] | Declared[Budget],
    kind: type[Cluster] | type[Service],
    name: str,
    where: Location,
    on_key: bool = True,
) -> Iterator[Problem]:
    known = declared.names[kind.__name__]
    if name not in known:
        reason = f"no {kind.__name__} is called {quoted(name)}{nearest(name, known)}"
        yield user.problem(reason, *where, on_key=on_key)


def _shared_by_origins(declared: Declarations) -> Iterator[Problem]:
    """A mesh, a proxy's identity and a runtime socket belong to one origin each."""
    origins = declared.of(Origin)
    meshes = ((o.model.spec.cluster, o) for o in origins if o.model.spec.cluster)
    yield from repeated((f"the mesh of cluster {quoted(name)}", o, ("spec", "cluster")) for name, o in meshes)
    meshed = ((o.model.spec.mesh, o) for o in origins if o.model.spec.mesh)
    nodes = ((mesh.xds.node, o) for mesh, o in meshed if mesh.xds)
    yield from repeated((f"xDS node {quoted(node)}", o, ("spec", "mesh", "xds", "node")) for node, o in nodes)
    steered = ((o.model.spec.mesh.haproxy, o) for o in origins if o.model.spec.mesh)
    sockets = ((haproxy.socket, o) for haproxy, o in steered if haproxy)
    ruled = ((o.model.spec.mesh.kubernetes, o) for o in origins if o.model.spec.mesh)
    where = ("spec", "mesh", "haproxy", "socket")
    yield from repeated((f"the HAProxy at {quoted(socket)}", o, where) for socket, o in sockets)
    where = (*_KUBERNETES, "namespace")
    yield from repeated((_behind(kubernetes), o, where) for kubernetes, o in ruled if kubernetes)
    yield from repeated(fact for o in origins for fact in claims(o))


def _behind(mesh: KubernetesMesh) -> str:
    server = mesh.kubeconfig or "our own pod"
    return f"namespace {quoted(mesh.namespace)} behind {server}{f' ({mesh.context})' if mesh.context else ''}"


def _repeated_pools(cluster: Declared[Cluster]) -> Iterator[Problem]:
    pools = enumerate(cluster.model.spec.pools)
    yield from repeated((f"pool {quoted(pool.name)}", cluster, ("spec", "pools", row, "name")) for row, pool in pools)


def _cycles(declared: Declarations) -> Iterator[Problem]:
    """Calls that come back to where they began would make demand feed itself."""
    services = {found.name: found for found in declared.of(Service)}
    graph = {name: [c for c in found.model.spec.calls if c in services] for name, found in services.items()}
    while graph:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            # The sorter was given callees as predecessors, so it names the callee before its caller.
            loop = list(reversed(error.args[1]))[1:]
            start = loop.index(min(loop))
            path = [*loop[start:], *loop[:start], loop[start]]
            where = ("spec", "calls", path[1])
            yield services[path[0]].problem(f"calls go in a circle: {' -> '.join(path)}", *where, on_key=True)
            graph = {name: [c for c in callees if c not in loop] for name, callees in graph.items() if name not in loop}
        else:
            return
