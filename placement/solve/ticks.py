"""Between full solves: certify what stands against new readings, and solve again only what moved too far.

1. update   the shards are told what changed, and only that; standing plans follow their demand in proportion.
2. certify  the bound at the standing prices holds for today's problem too (see `prices`); it takes milliseconds.
3. improve  where the gap is above its target, services that lose most, or take too much, are solved again within the
            room that the others leave.
4. detect   the gap of the result says whether prices still hold. Where they do not, they follow what moved by a few
            gentle iterations, and all services with them. After a capacity shock that is not enough: take over the
            plan kept ready for that loss, climb from its prices, or from nothing.
"""

from placement.assignment import AssignmentProblem
from placement.solve.ascent import PACE, SETTLE
from placement.solve.sharded import TARGET, Fanout, Partition, Standing, improve, insist, solve_once, solve_sharded
from placement.solve.standby import FEW, Foreseen, resume

STALE = 0.01
"""Certified gap above which prices no longer hold."""


def tick(
    before: AssignmentProblem,
    now: AssignmentProblem,
    layout: Partition,
    fanout: Fanout,
    standing: Standing,
    ready: Foreseen | None = None,
    target: float = TARGET,
) -> Standing:
    """What stands after a change of demands, survival, standing replicas or capacity. Raises Unsolved, Lost."""
    fanout.update(layout.deltas(before, now))
    lost = ready.after(before, now) if ready is not None else None
    if lost is not None:
        after = resume(now, layout, fanout, lost, STALE)
        return after if after.gap <= STALE else solve_sharded(now, layout, fanout, SETTLE, STALE, lost.prices)
    accounts = insist(fanout, "certify", [standing.price] * layout.shards)
    after = improve(now, layout, fanout, standing.price, accounts, target, (FEW,))
    if after.gap > STALE:
        after = solve_once(now, layout, fanout, SETTLE, target, after)
    return after if after.gap <= STALE else solve_sharded(now, layout, fanout, PACE, target)
