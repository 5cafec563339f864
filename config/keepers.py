"""Is what keeps the replicas of a service declared once, for services that there are, and by somebody who can?"""

from collections.abc import Iterator, Mapping

from config.cluster import Cluster
from config.declared import Declarations, Declared, Fact, Location, repeated
from config.floors import Karmada, Workloads
from config.policy import Policy
from config.problem import Problem, quoted
from config.reasons import nearest
from config.service import Service

_WORKLOADS = ("spec", "workloads")
_FLOORS = ("spec", "placement", "floors")
_KARMADA = (*_FLOORS, "karmada")


def check_keepers(declared: Declarations) -> Iterator[Problem]:
    """Names that dangle, objects that two names share, and services that two keepers have."""
    services = declared.by_name(Service)
    kept = [(cluster, cluster.model.spec.workloads) for cluster in declared.of(Cluster) if cluster.model.spec.workloads]
    for cluster, workloads in kept:
        if workloads:
            yield from _workloads(declared, cluster, workloads, services)
    for policy in declared.of(Policy):
        floors = policy.model.spec.placement.floors
        if floors.karmada:
            yield from _karmada(declared, policy, floors.karmada)
        if floors.apply != "never" and not kept and not floors.karmada and declared.whole(Cluster):
            reason = "nothing names what keeps replicas: give clusters spec.workloads, or floors a karmada"
            yield policy.problem(reason, *_FLOORS, "apply")
    yield from repeated(fact for cluster, workloads in kept if workloads for fact in _objects(cluster, workloads))


def _workloads(
    declared: Declarations, cluster: Declared[Cluster], workloads: Workloads, services: Mapping[str, Service]
) -> Iterator[Problem]:
    for name, kept in workloads.services.items():
        where: Location = (*_WORKLOADS, "services", name)
        yield from _unknown(declared, cluster, Service, name, where)
        if name in services and cluster.name not in services[name].spec.replicas:
            reason = f"service {quoted(name)} has no replicas in this cluster; give it some there, be it 0"
            yield cluster.problem(reason, *where, on_key=True)
        if name in services and services[name].spec.autoscaler and kept.keeper == "deployment":
            reason = f"replicas of service {quoted(name)} follow load (its autoscaler), which would undo a Deployment's"
            yield cluster.problem(f"{reason}; name the autoscaler", *where, "keeper")


def _karmada(declared: Declarations, policy: Declared[Policy], karmada: Karmada) -> Iterator[Problem]:
    for name in karmada.clusters:
        yield from _unknown(declared, policy, Cluster, name, (*_KARMADA, "clusters", name))
    elsewhere = {
        service: cluster.name
        for cluster in declared.of(Cluster)
        if cluster.model.spec.workloads
        for service in cluster.model.spec.workloads.services
    }
    for name in karmada.services:
        where: Location = (*_KARMADA, "services", name)
        yield from _unknown(declared, policy, Service, name, where)
        if name in elsewhere:
            reason = f"cluster {quoted(elsewhere[name])} keeps the replicas of {quoted(name)} too; leave one of the two"
            yield policy.problem(reason, *where, on_key=True)


def _objects(cluster: Declared[Cluster], workloads: Workloads) -> Iterator[Fact]:
    server = f"{workloads.kubeconfig or 'our own pod'}{f' ({workloads.context})' if workloads.context else ''}"
    for service, kept in workloads.services.items():
        there = f"{kept.namespace or workloads.namespace}/{kept.name or service}"
        yield f"the {kept.keeper} {there} behind {server}", cluster, (*_WORKLOADS, "services", service)


def _unknown(
    declared: Declarations,
    user: Declared[Cluster] | Declared[Policy],
    kind: type[Cluster] | type[Service],
    name: str,
    where: Location,
) -> Iterator[Problem]:
    known = declared.names[kind.__name__]
    if name not in known:
        yield user.problem(f"no {kind.__name__} is called {quoted(name)}{nearest(name, known)}", *where, on_key=True)
