"""What nodes cost under commitments that were made, hour by hour.

A reserved commitment is for nodes of one type in one region; a savings plan is for dollars an hour, whatever runs. What
runs is covered by reservations first, then by savings plans where they save most, and the rest is paid on demand. A
commitment is billed whether it is used or not: what is not used is a cost of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placement.columns import Floats, Ints, floats


@dataclass(frozen=True, slots=True)
class Reserved:
    """Nodes of one kind at a discount."""

    name: str
    kind: int
    """Row of the node kinds."""
    nodes: float
    discount_ratio: float


@dataclass(frozen=True, slots=True)
class SavingsPlan:
    """Dollars an hour for nodes of some kinds at a discount."""

    name: str
    kinds: Ints
    usd_per_hour: float
    discount_ratio: float


@dataclass(frozen=True, slots=True)
class NodeBill:
    """$/h of an hour."""

    kind_usd: Floats
    """(K,) what the nodes that run cost, by kind."""
    list_usd: Floats
    """(K,) what they would cost on demand."""
    unused: tuple[tuple[str, float], ...]
    """What is paid for nothing, by commitment."""

    @property
    def usd(self) -> float:
        """All of it."""
        return float(self.kind_usd.sum()) + sum(usd for _, usd in self.unused)


def node_bill(
    nodes: Floats, usd_per_hour: Floats, reserved: Sequence[Reserved], plans: Sequence[SavingsPlan]
) -> NodeBill:
    """What (K,) nodes on demand cost at (K,) list prices under some commitments."""
    left, paid = np.array(nodes, dtype=np.float64), np.zeros(len(nodes))
    unused: list[tuple[str, float]] = []
    for made in sorted(reserved, key=lambda r: (-r.discount_ratio, r.name)):
        rate = usd_per_hour[made.kind] * (1 - made.discount_ratio)
        used = min(left[made.kind], made.nodes)
        left[made.kind] -= used
        paid[made.kind] += used * rate
        unused.append((made.name, (made.nodes - used) * rate))
    for plan in sorted(plans, key=lambda p: (-p.discount_ratio, p.name)):
        budget = plan.usd_per_hour
        for kind in sorted(plan.kinds.tolist(), key=lambda k: -usd_per_hour[k]):
            rate = usd_per_hour[kind] * (1 - plan.discount_ratio)
            used = min(left[kind], budget / rate) if rate > 0 else 0.0
            left[kind] -= used
            paid[kind] += used * rate
            budget = max(0.0, budget - used * rate)
        unused.append((plan.name, budget))
    kept = tuple((name, usd) for name, usd in unused if usd > 1e-12)
    return NodeBill(floats(paid + left * usd_per_hour), floats(nodes * usd_per_hour), kept)
