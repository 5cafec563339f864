"""One decision for people: the weights that it changed, before and after."""

from collections.abc import Mapping

from placement.fleet import OriginId
from placement.weights import WeightTable
from scheduler.summary import SHOWN_SHARE, Json

CHANGES_MAX = 5_000


def weight_changes(before: Mapping[OriginId, WeightTable], after: Mapping[OriginId, WeightTable]) -> list[Json]:
    """Every share that differs, the largest first; SHED is what is refused. No more than CHANGES_MAX."""
    found: list[Json] = []
    for origin, table in after.items():
        was = shares_by_service(before[origin]) if origin in before else {}
        for service, shares in shares_by_service(table).items():
            then = was.get(service, {})
            for cluster in sorted(shares.keys() | then.keys()):
                old, new = then.get(cluster, 0.0), shares.get(cluster, 0.0)
                if abs(new - old) >= SHOWN_SHARE:
                    flow = f"{service}@{origin}"
                    found.append(
                        {
                            "flow": flow, "cluster": cluster, "before": round(old, 6), "after": round(new, 6),
                            "delta": round(new - old, 6),
                        }
                    )  # fmt: skip
    return sorted(found, key=lambda c: (-abs(c["delta"]), c["flow"], c["cluster"]))[:CHANGES_MAX]


def shares_by_service(table: WeightTable) -> dict[str, dict[str, float]]:
    """Service -> cluster -> weight over unit."""
    found = {}
    for service, targets, shed in table.items():
        shares = {str(t.cluster): t.weight / table.unit for t in targets if t.weight}
        found[str(service)] = shares | ({"SHED": shed / table.unit} if shed else {})
    return found
