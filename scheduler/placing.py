"""Where workloads should run, for some documents: declared demand, whole replicas, and what more capacity is worth."""

from dataclasses import dataclass

import numpy as np

from config.configuration import Configuration as Documents
from config.workloads import workloads_of
from placement.assignment import AssignmentProblem
from placement.baseline import nearest
from placement.fleet import RESOURCES, Fleet
from placement.solve.place import Placed, place
from placement.workloads import PlacingPrices, Workloads, assignment_problem
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


def placement_of(documents: Documents, ray_address: str | None = None) -> Placement:
    """Whole replicas for declared demand; large fleets are priced on the Ray cluster at an address, where one is given.

    Raises Unsolved, and ValueError where the documents ask the impossible.
    """
    configuration = loop_configuration(documents)
    fleet, policy = configuration.fleet, configuration.policy
    snapshot = declared_snapshot(configuration, nearest(fleet))
    workloads = workloads_of(documents, fleet)
    prices = PlacingPrices(shed_multiple=policy.prices.shed_multiple)
    names = tuple(f"{cluster.name}/{pool.name}" for cluster in documents.clusters for pool in cluster.spec.pools)
    problem = assignment_problem(fleet, workloads, snapshot, prices)
    with pricing_mapper(problem, address=ray_address) as mapper:
        return Placement(fleet, workloads, names, place(problem, mapper), problem)


def placement_summary(found: Placement) -> Json:
    """Replicas before and after, the certificate, and shadow prices in $/h per unit."""
    fleet, answer = found.fleet, found.placed.assignment
    sites = fleet.sites
    return {
        "format_version": 1,
        "objective_usd_per_hour": round(answer.objective_usd_per_hour, 6),
        "bound_usd_per_hour": round(answer.lower_bound_usd_per_hour, 6),
        "bound_kind": found.placed.bound_kind,
        "certified_gap": finite(answer.gap),
        "sites": [
            {
                "service": fleet.services.ids[sites.service[h]],
                "pool": found.pool_names[sites.pool[h]],
                "before": int(found.workloads.standing[h]),
                "after": int(answer.replicas[h]),
                "usd_per_hour": round(float(answer.replicas[h] * sites.usd_per_replica_hour[h]), 6),
            }
            for h in range(len(sites.service))
        ],
        "shadow_prices": [
            {"pool": found.pool_names[p], "resource": RESOURCES[r], "usd_per_unit_hour": round(float(usd), 6)}
            for (p, r), usd in np.ndenumerate(answer.pool_usd)
            if usd > WORTH_USD
        ],
    }
