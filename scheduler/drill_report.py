"""What drills have shown: coverage, what was foreseen against what was measured, recovery times."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from health.drill import ENDED, Phase
from scheduler.drill_book import PathBook, times
from scheduler.drill_paths import KINDS

Json = dict[str, Any]
COUNTED = (Phase.SUCCEEDED, Phase.FAILED, Phase.INTERRUPTED)
"""Outcomes of drills that began; one that found no room has moved nothing."""


def report(book: PathBook, drills: Sequence[Json], wall_s: float, kinds: Sequence[str] = KINDS) -> Json:
    """`GET /api/v1/drills/report`; `drills` are the bodies of those that ended, `kinds` the losses to be drilled."""
    moved = [d for d in drills if d["ratio_max"] and d["outcome"] in COUNTED]
    rto = times(d["rto_s"] for d in moved if d["rto_s"] is not None)
    revert = times(d["revert_s"] for d in moved if d["revert_s"] is not None)
    cut = [d for d in moved if d["outcome"] != Phase.SUCCEEDED]
    rehearsed, failed = (sum(d[name] for d in moved) for name in ("rehearsed_requests", "rehearsed_failed"))
    return {
        "format_version": 1,
        **book.summary(wall_s, kinds),
        "predicted_vs_measured": predicted_vs_measured(d for d in moved if d["outcome"] == Phase.SUCCEEDED),
        "rto_p50_s": rto[0],
        "rto_p99_s": rto[1],
        "abort_to_reverted_p50_s": revert[0],
        "abort_to_reverted_p99_s": revert[1],
        "drill_abort_rate": round(len(cut) / len(moved), 4) if moved else None,
        "drills": len(drills),
        "drills_by_outcome": {str(phase): sum(d["outcome"] == phase for d in drills) for phase in ENDED},
        "rehearsed_requests": rehearsed,
        "rehearsed_failed": failed,
        "rehearsed_failed_ratio": failed / rehearsed if rehearsed else None,
    }


def predicted_vs_measured(drills: Iterable[Json]) -> Json:
    """How far the utilization foreseen for receivers was from the one measured, over some drills; null without any."""
    pairs = [
        (r["predicted"], r["measured"], d["id"], r["backend"])
        for d in drills
        for r in d["receivers"]
        if r["predicted"] is not None and r["measured"] is not None
    ]
    off = [abs(predicted - measured) for predicted, measured, _, _ in pairs]
    worst = max(range(len(off)), key=off.__getitem__, default=-1)
    return {
        "receivers": len(pairs),
        "utilization_error_mean": round(math.fsum(off) / len(off), 4) if off else None,
        "utilization_error_max": round(off[worst], 4) if off else None,
        "worst": f"{pairs[worst][3]} in {pairs[worst][2]}" if off else "",
    }
