"""What may fail, and the problem that is left when it has.

Five kinds of single loss: a cluster with its mesh, all clusters of a region or of a provider, the gateway of a cluster
(it is then reachable only from inside), and one tier of an application: a service in one cluster or in one region. A
pair is two of them at once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from placement.columns import Bools, Ints, bools, floats, ints
from placement.demand import displaced, total_demand
from placement.fleet import Fleet
from placement.problem import DEMAND_FLOOR_RPS, Problem, refused_last
from placement.routes import inside, kept
from placement.routing import Routing
from placement.sitecost import Curve, Pieces

DOMAINS = ("cluster", "region", "provider")
"""The kinds that take whole clusters."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that may fail."""

    kind: str
    name: str
    clusters: Bools
    """(C,) what is gone with its mesh."""
    backends: Ints
    """Rows of the fleet's backends that answer nobody."""
    gateways: Ints
    """Clusters that are reachable only from inside."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def dead(self, fleet: Fleet) -> Bools:
        """(B,) the backends as a mask."""
        return _mask(self.backends, len(fleet.backends))


def losses(fleet: Fleet) -> tuple[Loss, ...]:
    """Every single loss: clusters, regions, providers, gateways, then tiers.

    A group of one cluster is that cluster, one of all clusters is the end of the fleet: both are left out.
    """
    return (*domains(fleet), *_gateways(fleet), *_tiers(fleet))


def domains(fleet: Fleet) -> tuple[Loss, ...]:
    """Every cluster, and every region and provider that is more than one cluster and not the whole fleet."""
    count = len(fleet.clusters)
    found = [of_clusters(fleet, "cluster", c, np.arange(count) == i) for i, c in enumerate(fleet.clusters.ids)]
    seen = {loss.clusters.tobytes() for loss in found}
    for kind, names in (("region", fleet.clusters.region), ("provider", fleet.clusters.provider)):
        for name, members in _groups(names):
            if len(members) < count and (mask := _mask(members, count)).tobytes() not in seen:
                seen.add(mask.tobytes())
                found.append(of_clusters(fleet, kind, name, mask))
    return tuple(found)


def of_clusters(fleet: Fleet, kind: str, name: str, clusters: Bools) -> Loss:
    """The loss of some clusters, (C,), with their meshes."""
    return Loss(kind, name, bools(clusters), ints(np.flatnonzero(clusters[fleet.backends.cluster])), ints([]))


def of_usable(fleet: Fleet, usable: Bools, cut: Bools | None = None) -> Loss:
    """The loss of all that is not `usable`, (B,); a cluster of which nothing is left is gone with its mesh.

    `cut` (C,) marks clusters whose gateway is lost, None for none.
    """
    gateways = ints([]) if cut is None else ints(np.flatnonzero(cut))
    return Loss("loss", "as judged", bools(lost_clusters(fleet, usable)), ints(np.flatnonzero(~usable)), gateways)


def pair(one: Loss, other: Loss) -> Loss:
    """Both at once."""
    return Loss(
        "pair",
        f"{one} + {other}",
        bools(one.clusters | other.clusters),
        ints(np.union1d(one.backends, other.backends)),
        ints(np.union1d(one.gateways, other.gateways)),
    )


def lost_clusters(fleet: Fleet, usable: Bools) -> Bools:
    """(C,) clusters that host something and of which nothing is usable."""
    hosted = np.bincount(fleet.backends.cluster, minlength=len(fleet.clusters))
    good = np.bincount(fleet.backends.cluster[usable], minlength=len(fleet.clusters))
    return np.asarray((hosted > 0) & (good == 0), dtype=np.bool_)


def after(problem: Problem, loss: Loss, *, displaces: bool = True) -> Problem:
    """The problem without what a loss takes: array masks only, for when there is no time to formulate anew.

    Clients of a lost mesh come in at the nearest one that is left, unless nobody `displaces` them: then the mesh lives
    and only what it sends to is gone. Readings, prices and the standing routing stay.
    """
    fleet, routes = problem.fleet, problem.routes
    dead = loss.dead(fleet)
    keep = ~dead[routes.backend]
    if len(loss.gateways):
        keep &= inside(fleet, routes, _mask(loss.gateways, len(fleet.clusters)))
    inner = problem.external_rps <= DEMAND_FLOOR_RPS
    external = np.where(inner, 0.0, problem.external_rps)
    external = displaced(fleet, external, loss.clusters) if displaces else external
    external = np.maximum(external, DEMAND_FLOOR_RPS)
    shed = problem.shed_usd / refused_last(fleet, bools(inner))
    shed = shed * refused_last(fleet, bools(external <= DEMAND_FLOOR_RPS))
    pieces, curve = problem.pieces, problem.curve
    return replace(
        problem,
        routes=kept(routes, keep),
        external_rps=floats(external),
        demand_rps=floats(total_demand(fleet, external, problem.standing)),
        capacity_rps=floats(np.where(dead, 0.0, problem.capacity_rps)),
        pieces=Pieces(floats(np.where(dead[:, None], 0.0, pieces.rps)), pieces.usd),
        curve=None if curve is None else Curve(floats(np.where(dead[:, None], 0.0, curve.rps)), curve.usd),
        shed_usd=floats(shed),
        lost=bools(problem.lost | loss.clusters),
    )


def reduced(
    problem: Problem, usable: Bools, standing: Routing, cut: Bools | None = None, *, displaces: bool = True
) -> Problem:
    """An earlier problem over another standing routing, without what is not usable any more or, (C,) `cut`, reached
    from outside; see `after`.
    """
    return after(replace(problem, standing=standing), of_usable(problem.fleet, usable, cut), displaces=displaces)


def _gateways(fleet: Fleet) -> Iterator[Loss]:
    """Clusters that others can reach now."""
    nothing = bools(np.zeros(len(fleet.clusters)))
    for c, name in enumerate(fleet.clusters.ids) if len(fleet.clusters) > 1 else ():
        yield Loss("gateway", name, nothing, ints([]), ints([c]))


def _tiers(fleet: Fleet) -> Iterator[Loss]:
    """Every backend, then every service in a region where it has several and not all of its backends."""
    nothing, cluster = bools(np.zeros(len(fleet.clusters))), fleet.backends.cluster
    for b in range(len(fleet.backends)):
        yield Loss("tier", fleet.backend_name(b), nothing, ints([b]), ints([]))
    first = np.searchsorted(fleet.backends.service, np.arange(len(fleet.services) + 1))
    for s, service in enumerate(fleet.services.ids):
        rows = np.arange(first[s], first[s + 1])
        for region, members in _groups([fleet.clusters.region[c] for c in cluster[rows].tolist()]):
            if len(members) < len(rows):
                yield Loss("tier", f"{service}/{region}", nothing, ints(rows[members]), ints([]))


def _groups(names: Iterable[str]) -> Iterator[tuple[str, Ints]]:
    """(name, rows) of each name that occurs more than once, by name."""
    column = np.array(list(names), dtype=object)
    for name in sorted(set(column.tolist())):
        rows = np.flatnonzero(column == name)
        if len(rows) > 1:
            yield name, rows


def _mask(rows: Ints, size: int) -> Bools:
    mask = np.zeros(size, dtype=bool)
    mask[rows] = True
    return mask
