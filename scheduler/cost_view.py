"""What the turns of the ledger cost, by component, over time."""

from collections.abc import Sequence

import numpy as np

from placement.cost import COMPONENTS
from scheduler.summary import Json

HELD_MAX_S = 120.0
"""A turn counts until the next one, but no longer than this: a controller that was away paid nobody knows what."""


def cost_body(turns: Sequence[Json], until_s: float) -> Json:
    """$/h now and on average, and $ of the time, by component; turns are bodies of the ledger, oldest first."""
    times = np.array([float(turn["wall_s"]) for turn in turns])
    held = np.clip(np.diff(np.append(times, until_s)), 0.0, _held_max_s(times)) if len(times) else times
    hours = held / 3600
    names = (*COMPONENTS, "billed", "total")
    rates = {n: np.array([float(t["cost_usd_per_hour"].get(n, 0.0)) for t in turns]) for n in names}
    covered = float(hours.sum())
    return {
        "format_version": 1,
        "from_wall_s": float(times[0]) if len(times) else None,
        "until_wall_s": until_s,
        "covered_hours": round(covered, 6),
        "usd": {n: round(float(rate @ hours), 6) for n, rate in rates.items()},
        "usd_per_hour_mean": {
            n: round(float(rate @ hours) / covered, 6) if covered else 0.0 for n, rate in rates.items()
        },
        "usd_per_hour_now": {n: round(float(rate[-1]), 6) if len(rate) else 0.0 for n, rate in rates.items()},
        "series": [
            {
                "wall_s": t["wall_s"],
                "billed": t["cost_usd_per_hour"]["billed"],
                "total": t["cost_usd_per_hour"]["total"],
            }
            | {n: t["cost_usd_per_hour"][n] for n in COMPONENTS}
            for t in turns
        ],
    }


def _held_max_s(times: np.ndarray) -> float:
    """Turns may be thinned out: what is usual between two of them is no gap."""
    usual = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return max(HELD_MAX_S, 3 * usual)
