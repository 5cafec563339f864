"""A drill under way: its state, what was ordered and answered, and what is kept of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from connectors.rehearsal import Tally
from health.drill import Drill, Phase
from health.drill_harm import Since
from placement.columns import Floats, Ints
from placement.fleet import OriginId
from placement.problem import Problem
from scheduler.drill_plan import Rehearsal, utilization

Json = dict[str, Any]
FLOWS_KEPT_MAX = 20_000
"""Names of covered flows that one record keeps; a larger fleet verifies them anew after a restart."""
SETTLE_S = 2.5
"""After a step: so long the counts of proxies, one report a second, still tell of the step before."""


@dataclass(slots=True)
class Live:
    """Written by one task only, between its awaits."""

    drill: Drill
    plan: Rehearsal
    without: Mapping[OriginId, str]
    """Origins that do not take part, and why: their paths are not verified."""
    problem: Problem
    asked_by: str
    began_wall_s: float
    fence: tuple[int, int]
    """(epoch, version) of the weights it began from."""
    receivers: Ints
    latency_before_ms: Floats
    tail_before_ms: Floats | None = None
    """(B,) p95 before it began; None where nobody measures it."""
    tail_ms: Floats | None = None
    """(B,) the same at the end of the farthest step."""
    aborted: str = ""
    """Why an operator ended it."""
    alarmed: bool = False
    refused: str = ""
    """The words of a mesh that said no."""
    answered: dict[OriginId, bool] = field(default_factory=dict)
    """Whether each mesh has what was last ordered."""
    ordered_at_s: float = 0.0
    silent: Since = field(default_factory=Since)
    slow: Since = field(default_factory=Since)
    lagging: Since = field(default_factory=Since)
    """Since when the p95 of a receiver is too high."""
    began: Tally = field(default_factory=Tally)
    now: Tally = field(default_factory=Tally)
    step_began: Tally = field(default_factory=Tally)
    mark: tuple[float, Tally] | None = None
    """When the counts of the farthest step began to tell of nothing else, and what they were."""
    rehearsed_ratio: float = float("nan")
    """Of the requests of the farthest step, the part that went the failover's way."""
    shifts_s: list[float] = field(default_factory=list)
    """From each order to a farther step, until every mesh had it."""
    revert_s: float | None = None
    """From the decision to take everything back, until every mesh had done so."""
    samples: list[Floats] = field(default_factory=list)
    """(R,) loads of the receivers during the farthest step, in requests/s."""
    latency_ms: Floats = field(default_factory=lambda: np.zeros(0))
    """(R,) of the receivers at the end of the farthest step."""

    @property
    def settled(self) -> bool:
        """Whether every mesh has what was last ordered."""
        return bool(self.answered) and all(self.answered.values())

    def silent_names(self) -> str:
        """Origins that have not answered."""
        return ", ".join(sorted(origin for origin, has in self.answered.items() if not has))

    def look(self, at_s: float, tally: Tally, receiver_rps: Floats | None) -> None:
        """Take in what is counted now; `receiver_rps` (R,) is None where it is not measured."""
        self.now = tally
        drill = self.drill
        at_peak = drill.phase is Phase.AWAY and drill.step == drill.peak
        if not at_peak or not self.settled or at_s - drill.since_s < SETTLE_S:
            return
        if self.mark is None:
            self.mark = (at_s, tally)
        since = tally - self.mark[1]
        if since.rehearsed + since.regular:
            self.rehearsed_ratio = since.rehearsed / (since.rehearsed + since.regular)
        if receiver_rps is not None:
            self.samples.append(receiver_rps)

    def filled(self) -> list[Json]:
        """Every receiver before, as foreseen for the farthest step, and as measured in it; the fullest first."""
        capacity = np.maximum(self.problem.capacity_rps[self.receivers], 1e-9)
        before = utilization(self.problem, self.plan.base)[self.receivers]
        foreseen = utilization(self.problem, self.plan.routing(self.drill.ratio_max))[self.receivers]
        measured = np.mean(self.samples, axis=0) / capacity if self.samples else np.full(len(capacity), np.nan)
        latency = self.latency_ms if len(self.latency_ms) else np.full(len(capacity), np.nan)
        unknown = np.full(len(self.problem.capacity_rps), np.nan)
        tails = [unknown if ms is None else ms for ms in (self.tail_before_ms, self.tail_ms)]
        rows = [
            {
                "backend": self.problem.fleet.backend_name(b),
                "before": _shown(before[i]),
                "predicted": _shown(foreseen[i]),
                "measured": _shown(measured[i]),
                "latency_before_ms": _shown(self.latency_before_ms[b]),
                "latency_ms": _shown(latency[i]),
                "p95_before_ms": _shown(tails[0][b]),
                "p95_ms": _shown(tails[1][b]),
            }
            for i, b in enumerate(self.receivers.tolist())
        ]
        return sorted(rows, key=lambda row: -(row["predicted"] or 0.0))

    def covered(self, flows: Ints) -> list[str]:
        """Names of the flows that the drill verified; none where they are too many to keep."""
        return [self.problem.fleet.flow_name(f) for f in flows.tolist()] if len(flows) <= FLOWS_KEPT_MAX else []

    def body(self, wall_s: float) -> Json:
        """What the ledger keeps and the API shows."""
        drill, total = self.drill, self.now - self.began
        return {
            "id": drill.id,
            "level": str(drill.level),
            "level_name": drill.level.name,
            "loss": drill.loss,
            "asked_by": self.asked_by,
            "phase": str(drill.phase),
            "outcome": str(drill.phase) if drill.ended else "",
            "reason": drill.reason,
            "step": drill.step,
            "ratio": drill.ratio,
            "ratio_max": drill.ratio_max,
            "began_wall_s": self.began_wall_s,
            "ended_wall_s": wall_s if drill.ended else None,
            "epoch": self.fence[0],
            "version": self.fence[1],
            "origins": sorted(self.plan.tables),
            "left_out": {str(origin): why for origin, why in self.without.items()},
            "rehearsed_requests": total.rehearsed,
            "rehearsed_failed": total.rehearsed_failed,
            "regular_requests": total.regular,
            "regular_failed": total.regular_failed,
            "rehearsed_ratio": _shown(self.rehearsed_ratio),
            "shifts_s": [round(s, 4) for s in self.shifts_s],
            "rto_s": round(max(self.shifts_s), 4) if self.shifts_s else None,
            "revert_s": None if self.revert_s is None else round(self.revert_s, 4),
            "receivers": self.filled() if drill.steps else [],
        }


def event(live: Live, wall_s: float, notes: Mapping[str, object] | None = None) -> Json:
    """One line of a timeline."""
    drill = live.drill
    line: Json = {"wall_s": wall_s, "phase": str(drill.phase), "step": drill.step, "ratio": drill.ratio}
    return line | ({"reason": drill.reason} if drill.reason else {}) | dict(notes or {})


def _shown(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
