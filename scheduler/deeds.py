"""What we did lately, as the ledger keeps it: a controller that starts anew is bound by what the last one did.

Without it a restart would hand out a fresh change budget, a fresh blast radius and two fresh evacuations, and a
controller that crashes in a loop would have none at all. Times are kept as seconds since 1970 and rows by name, so that
they outlive the process and a change of the documents.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from placement.columns import Floats, bools, floats, index_of, ints
from placement.emergency import EVACUATED_S, Evacuated
from placement.fleet import Fleet
from placement.pace import HOUR_S, MINUTE_S, Pace, PaceLimits, no_pace
from scheduler.conduct import Conduct, ConductLimits

Json = dict[str, Any]
ROWS_MAX = 20_000
"""Of backends and of services; of more than that the newest are kept."""


def same_deeds(one: Conduct, other: Conduct) -> bool:
    """Whether nothing was done between two conducts."""
    evacuated = [tuple((e.domain, e.at_s) for e in conduct.evacuated) for conduct in (one, other)]
    return one.pace is other.pace and evacuated[0] == evacuated[1] and one.rollbacks_at_s == other.rollbacks_at_s


def content_of(conduct: Conduct, fleet: Fleet, at_s: float, wall_s: float) -> Json:
    """What binds the next controller; `wall_s` is the time `at_s` in seconds since 1970."""
    since_s, pace = wall_s - at_s, conduct.pace
    newest = np.maximum(pace.turned_at_s, pace.reversed_at_s.max(axis=1, initial=-np.inf))
    changed = np.maximum(pace.pushed_at_s, pace.changed_at_s.max(axis=1, initial=-np.inf))
    names = [fleet.clusters.ids[c] for c in range(len(fleet.clusters))]
    return {
        "moved": [[at + since_s, ratio] for at, ratio in pace.moved],
        "backends": {
            fleet.backend_name(b): {
                "direction": int(pace.direction[b]),
                "turned_wall_s": float(pace.turned_at_s[b] + since_s),
                "reversed_wall_s": _finite(pace.reversed_at_s[b] + since_s),
            }
            for b in _newest(newest, at_s)
        },
        "services": {
            fleet.services.ids[s]: {
                "pushed_wall_s": float(pace.pushed_at_s[s] + since_s),
                "changed_wall_s": _finite(pace.changed_at_s[s] + since_s),
            }
            for s in _newest(changed, at_s)
        },
        "evacuated": [
            {
                "domain": e.domain,
                "clusters": [name for name, out in zip(names, e.clusters.tolist(), strict=True) if out],
                "wall_s": e.at_s + since_s,
            }
            for e in conduct.evacuated
        ],
        "rollbacks_wall_s": [at + since_s for at in conduct.rollbacks_at_s],
    }


def bound_by(
    conduct: Conduct, content: Json, fleet: Fleet, at_s: float, wall_s: float, limits: ConductLimits
) -> Conduct:
    """A first conduct with what an earlier controller did; what is too old to bind anybody is left out.

    A time in the future, after the clock was put back, counts as now: it binds longer, never shorter.
    """
    if not content:
        return conduct

    def ours(told_s: float) -> float:
        return at_s - max(wall_s - told_s, 0.0)

    evacuated = tuple(
        Evacuated(told["domain"], bools(np.isin(fleet.clusters.ids, told["clusters"])), ours(told["wall_s"]))
        for told in content["evacuated"]
        if at_s - ours(told["wall_s"]) < EVACUATED_S and set(told["clusters"]) <= set(fleet.clusters.ids)
    )
    rollbacks = tuple(ours(t) for t in content["rollbacks_wall_s"])
    recent = tuple(t for t in rollbacks if at_s - t < limits.trial.rollbacks_window_s)
    pace = _pace(content, fleet, ours, at_s, limits.pace)
    return replace(conduct, pace=pace, evacuated=evacuated, rollbacks_at_s=recent)


def _pace(content: Json, fleet: Fleet, ours: Callable[[float], float], at_s: float, limits: PaceLimits) -> Pace:
    fresh = no_pace(len(fleet.backends), len(fleet.services), limits)
    direction, turned = fresh.direction.copy(), fresh.turned_at_s.copy()
    ring, changes, pushed = fresh.reversed_at_s.copy(), fresh.changed_at_s.copy(), fresh.pushed_at_s.copy()
    row = index_of(tuple(fleet.backend_name(b) for b in range(len(fleet.backends))))
    for name, told in content["backends"].items():
        if name in row:
            direction[row[name]], turned[row[name]] = told["direction"], ours(told["turned_wall_s"])
            _put(ring[row[name]], [ours(t) for t in told["reversed_wall_s"]])
    row = index_of(fleet.services.ids)
    for name, told in content["services"].items():
        if name in row:
            pushed[row[name]] = ours(told["pushed_wall_s"])
            _put(changes[row[name]], [ours(t) for t in told["changed_wall_s"]])
    moved = tuple((ours(t), float(ratio)) for t, ratio in content["moved"] if at_s - ours(t) < MINUTE_S)
    return Pace(moved, ints(direction), floats(turned), floats(ring), floats(changes), floats(pushed))


def _put(ring: Floats, times_s: list[float]) -> None:
    """The newest of some times at the end of a row, which is as long as the limits of now have it."""
    kept = sorted(times_s)[-len(ring) :] if len(ring) else []
    ring[len(ring) - len(kept) :] = kept


def _newest(when_s: Floats, at_s: float) -> list[int]:
    """Rows of the last hour, no more than ROWS_MAX of them."""
    rows = np.flatnonzero(at_s - when_s < HOUR_S)
    return sorted(rows[np.argsort(-when_s[rows], kind="stable")][:ROWS_MAX].tolist())


def _finite(times_s: Floats) -> list[float]:
    return [float(t) for t in times_s[np.isfinite(times_s)]]
