"""Where workloads should run, for some documents: declared demand, whole replicas, and what more capacity is worth."""

from dataclasses import dataclass

import numpy as np

from config.configuration import Configuration as Documents
from config.workloads import workloads_of
from placement.assignment import AssignmentProblem
from placement.baseline import nearest
from placement.fleet import RESOURCES, Fleet
from placement.refusals import Refusal, refusals
from placement.solve.place import Placed, place
from placement.solve.prices import CLOSED_USD
from placement.workloads import PlacingPrices, Workloads, assignment_problem
from scheduler.fanout import solve_assignment
from scheduler.preview import declared_snapshot
from scheduler.pricing_fanout import pricing_mapper
from scheduler.summary import WORTH_USD, Json, finite
from scheduler.translate import loop_configuration


@dataclass(frozen=True, slots=True)
class Placement:
    """An answer and what it was asked for."""

    fleet: Fleet
    workloads: Workloads
    pool_names: tuple[str, ...]
    """(P,) `cluster/pool`."""
    placed: Placed
    problem: AssignmentProblem


def placement_of(
    documents: Documents, ray_address: str | None = None, relaxed: bool = False, shards: int = 1
) -> Placement:
    """Whole replicas for declared demand; large fleets are priced on the Ray cluster at an address, where one is given.

    `relaxed`: fractional replicas, which are solved in so many shards where the fleet is large, and take seconds where
    whole ones take minutes. Raises Unsolved, Lost, and ValueError where the documents ask the impossible.
    """
    configuration = loop_configuration(documents)
    fleet = configuration.fleet
    snapshot = declared_snapshot(configuration, nearest(fleet))
    workloads = workloads_of(documents, fleet)
    names = pool_names(documents)
    problem = assignment_problem(fleet, workloads, snapshot, placing_prices(documents))
    if relaxed:
        answer = solve_assignment(problem, shards, address=ray_address)
        return Placement(fleet, workloads, names, Placed(answer, "relaxation"), problem)
    with pricing_mapper(problem, address=ray_address) as mapper:
        return Placement(fleet, workloads, names, place(problem, mapper), problem)


def placing_prices(documents: Documents) -> PlacingPrices:
    """What the policy fixes for the slow cadence."""
    prices, placement = documents.policy.prices, documents.policy.placement
    return PlacingPrices(
        shed_multiple=prices.shed_multiple,
        short_multiple=placement.short_multiple,
        migration_ratio=placement.migration_ratio,
    )


def pool_names(documents: Documents) -> tuple[str, ...]:
    """(P,) `cluster/pool`."""
    return tuple(f"{cluster.name}/{pool.name}" for cluster in documents.clusters for pool in cluster.spec.pools)


def placement_summary(found: Placement) -> Json:
    """Replicas before and after, the certificate, and shadow prices in $/h per unit."""
    return assignment_summary(found.fleet, found.workloads, found.pool_names, found.problem, found.placed)


def assignment_summary(
    fleet: Fleet, workloads: Workloads, names: tuple[str, ...], problem: AssignmentProblem, placed: Placed
) -> Json:
    """The same of any assignment; `after` has fractions where its replicas do."""
    answer = placed.assignment
    sites, whole = fleet.sites, np.issubdtype(answer.replicas.dtype, np.integer)
    after = [int(n) if whole else round(float(n), 3) for n in answer.replicas]
    return {
        "format_version": 1,
        "objective_usd_per_hour": round(answer.objective_usd_per_hour, 6),
        "bound_usd_per_hour": round(answer.lower_bound_usd_per_hour, 6),
        "bound_kind": placed.bound_kind,
        "certified_gap": finite(answer.gap) if answer.lower_bound_usd_per_hour > 0 else 0.0,
        "sites": [
            {
                "service": fleet.services.ids[sites.service[h]],
                "pool": names[sites.pool[h]],
                "before": int(workloads.standing[h]),
                "after": after[h],
                "usd_per_hour": round(float(answer.replicas[h] * sites.usd_per_replica_hour[h]), 6),
            }
            for h in range(len(sites.service))
        ],
        "shadow_prices": [
            {"pool": names[p], "resource": RESOURCES[r], "usd_per_unit_hour": round(float(usd), 6)}
            for (p, r), usd in np.ndenumerate(answer.pool_usd)
            if CLOSED_USD > usd > WORTH_USD
        ],
        "refused": [
            {
                "service": fleet.services.ids[each.service],
                "rps": round(each.rps, 3),
                "of_rps": round(each.of_rps, 3),
                "why": "; ".join(reasons(each, names)),
            }
            for each in refusals(problem, answer)
        ],
    }


def reasons(refusal: Refusal, names: tuple[str, ...]) -> list[str]:
    """Why requests of a service are refused, in words; `names` (P,) of pools."""
    said = [f"{names[pool]} has no {RESOURCES[resource]} left for another replica" for pool, resource in refusal.full]
    if refusal.homeless:
        said.insert(0, "from some of its origins no site is allowed, near enough and of a type that it runs on")
    if refusal.capped:
        said.append("it has as many replicas as placing.replicasMax or the size of a pool allows")
    return said or ["serving costs more than refusing is priced at (prices.shedMultiple of the policy)"]
