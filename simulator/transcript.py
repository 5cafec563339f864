"""One aligned line per turn.

time   reason  out        failed   $/h   weights of each flow (percent)          guards and pushes
"""

from health.verdict import usable
from placement.fleet import Fleet
from placement.losses import lost_clusters
from placement.routing import RoutingView
from scheduler.turn import Turn
from simulator.world import Tally

SHOWN_SHARE = 0.005
"""Smaller shares would print as 0%."""


def line(fleet: Fleet, turn: Turn, tally: Tally) -> str:
    """What a person wants to know of a turn; `tally` is what happened to requests since the one before."""
    lost = lost_clusters(fleet, usable(turn.verdicts))
    out = ",".join(c for c, gone in zip(fleet.clusters.ids, lost, strict=True) if gone) or "-"
    view = RoutingView(fleet, turn.pushed)
    flows = "  ".join(f"{name}[{_shares(view[name])}]" for name in view if name.startswith("front"))
    calls = "  ".join(f"{name}[{_shares(view[name])}]" for name in view if name.startswith("back"))
    notes = [f"panic={turn.verdicts.panic}"] if turn.verdicts.panic else []
    notes += [g.split(":")[0] for g in turn.guards]
    notes += [f"{origin}!" for origin, outcome in turn.outcomes.items() if not outcome.landed]
    return (
        f"{turn.at_s:7.2f}s {turn.plan.reason:8} out={out:4} failed={tally.failed_ratio:6.2%} "
        f"{turn.pushed_cost.billed_usd_per_hour:6.3f}$/h  {flows}  {calls}  {' '.join(notes)}".rstrip()
    )


def _shares(row: dict[str, float]) -> str:
    return " ".join(f"{column}:{share:.0%}" for column, share in row.items() if share >= SHOWN_SHARE)
