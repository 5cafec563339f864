"""Where workloads should run, as it is shown: light to import, for the solver behind it is not."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from config.configuration import Configuration as Documents
from placement.assignment import CLOSED_USD, Assignment, AssignmentProblem
from placement.columns import Bools
from placement.fleet import RESOURCES, Fleet
from placement.refusals import Refusal, refusals
from placement.workloads import PlacingPrices, Workloads
from scheduler.summary import WORTH_USD, Json, finite


@dataclass(frozen=True, slots=True)
class Spread:
    """How to solve: in how many parts, and where those are."""

    shards: int = 1
    on_ray: bool | None = None
    """None: as `fan_out` chooses."""
    address: str | None = None
    """Of a Ray cluster."""


@dataclass(frozen=True, slots=True)
class Siting:
    """One answer of the slow cadence."""

    fleet: Fleet
    workloads: Workloads
    problem: AssignmentProblem
    assignment: Assignment
    how: str
    """exact | solve | tick | ready: by which way the answer was found; `ready` took over what was kept for a loss."""
    where: str
    """whole | threads | ray"""
    shards: int
    restarts: int
    """Shards that were lost and started again."""
    seconds: float
    lost: Bools
    """(C,) clusters taken as lost."""
    losses_ready: int
    """Regions and providers that a plan is ready for."""
    losses: int

    def worth(self) -> Iterator[tuple[int, str, float]]:
        """(pool, resource, $/h that one more unit of it is worth), where it is worth anything."""
        usd = self.assignment.pool_usd
        for pool, resource in zip(*usd.nonzero(), strict=True):
            if usd[pool, resource] < CLOSED_USD:
                yield int(pool), RESOURCES[resource], float(usd[pool, resource])

    def summary(self, names: tuple[str, ...], trouble: str = "") -> Json:
        """The shape of `equipoise place -o json`, and how the answer was found; `names` (P,) of pools."""
        lost = [self.fleet.clusters.ids[c] for c in self.lost.nonzero()[0].tolist()]
        shown = assignment_summary(self.fleet, self.workloads, names, self.problem, self.assignment, "relaxation")
        return shown | {
            "how": self.how,
            "where": self.where,
            "shards": self.shards,
            "restarts": self.restarts,
            "seconds": round(self.seconds, 4),
            "lost_clusters": lost,
            "losses_ready": self.losses_ready,
            "losses": self.losses,
            "trouble": trouble,
        }


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


def assignment_summary(
    fleet: Fleet,
    workloads: Workloads,
    names: tuple[str, ...],
    problem: AssignmentProblem,
    answer: Assignment,
    bound_kind: str,
) -> Json:
    """The same of any assignment; `after` has fractions where its replicas do."""
    sites, whole = fleet.sites, np.issubdtype(answer.replicas.dtype, np.integer)
    after = [int(n) if whole else round(float(n), 3) for n in answer.replicas]
    return {
        "format_version": 1,
        "objective_usd_per_hour": round(answer.objective_usd_per_hour, 6),
        "bound_usd_per_hour": round(answer.lower_bound_usd_per_hour, 6),
        "bound_kind": bound_kind,
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
