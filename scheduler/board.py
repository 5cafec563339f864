"""The newest turn and what led to it, for those who look: the API, the metrics, the logs. Decides nothing."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from health.verdict import usable
from placement.fleet import Fleet
from scheduler.state import State
from scheduler.summary import Json, backend_rows, cost_summary, finite, flow_rows, turn_summary, vars_of_change
from scheduler.turn import Turn

HISTORY = 200
DECISIONS = 20
"""Decisions of which the problem is kept, so that they can be explained later."""
SMALL = ("tier",)
"""Losses of which there are too many for every look at the plan."""


@dataclass(slots=True)
class Board:
    """What is shown. Written by the loop's task only, between its awaits."""

    changes: deque[Json] = field(default_factory=lambda: deque(maxlen=HISTORY))
    pushes: deque[Json] = field(default_factory=lambda: deque(maxlen=HISTORY))
    state: State | None = None
    turn: Turn | None = None
    reload_error: str = ""
    """Why the newest documents are not in force, empty when they are."""
    ledger_error: str = ""
    leader: str = ""
    """Who leads, as standbys name it; empty where nobody else could."""
    source_failures: dict[str, str] = field(default_factory=dict)
    """Telemetry sources that are unavailable now, with their last words."""
    started_at_s: float = field(default_factory=time.monotonic)
    summaries: deque[Json] = field(default_factory=lambda: deque(maxlen=HISTORY))
    """The newest turns as the ledger has them."""
    decisions: deque[tuple[State, Turn]] = field(default_factory=lambda: deque(maxlen=DECISIONS))
    """The newest turns that pushed something."""
    listeners: list[Callable[[Json], None]] = field(default_factory=list)
    """Who wants to hear of every turn; they must not wait."""

    def show(self, state: State, turn: Turn, known: Json | None = None) -> None:
        """Take the result of a tick; `known` is its summary, where the ledger has made one."""
        self.state, self.turn = state, turn
        summary = known or turn_summary(turn)
        self.summaries.append(summary)
        if turn.outcomes:
            self.decisions.append((state, turn))
        for hear in tuple(self.listeners):
            hear(summary)
        for c in turn.changes:
            self.changes.append(vars_of_change(c.at_s, c.backend, c.before, c.after))
        for origin, outcome in turn.outcomes.items():
            receipt = outcome.receipt
            self.pushes.append(
                {
                    "origin": origin,
                    "version": outcome.table.version,
                    "at_s": outcome.sent_at_s,
                    "reason": str(turn.plan.reason),
                    "stored": outcome.landed,
                    "accepted": receipt.accepted if receipt else None,
                    "detail": outcome.detail or (receipt.detail if receipt else ""),
                }
            )

    def plan(self, flows: Callable[[Iterator[Json]], Iterable[Json]] = list) -> Json | None:
        """`GET /api/v1/plan`; None before the first tick. `flows` may leave rows to be made one after the other."""
        if self.state is None or self.turn is None or self.state.problem is None:
            return None
        turn, fleet, problem = self.turn, self.state.fleet, self.state.problem
        return {
            "format_version": 1,
            "turn": turn.number,
            "epoch": turn.epoch,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(turn.wall_s)),
            "at_s": turn.at_s,
            "mode": str(turn.mode),
            "reason": str(turn.plan.reason),
            "detail": turn.plan.detail,
            "fraction": turn.fraction,
            "guards": list(turn.guards),
            "safe": list(turn.safe),
            "overrides": list(turn.overrides),
            "certified_gap": finite(turn.plan.gap),
            "readings_age_s": finite(round(turn.snapshot.age_s(), 3)),
            "panic": turn.verdicts.panic,
            "cost_before_usd_per_hour": cost_summary(turn.standing_cost),
            "cost_usd_per_hour": cost_summary(turn.pushed_cost),
            "flows": flows(flow_rows(fleet, problem, turn.pushed, self.state.tables)),
            "flows_before": flows(flow_rows(fleet, problem, turn.snapshot.routing, {})),
            "backends": backend_rows(fleet, problem, turn),
            "gateways_lost": [
                c for c, here in zip(fleet.clusters.ids, usable(self.state.gateways).tolist(), strict=True) if not here
            ],
            "failover": self.failover(fleet),
            "verdict_changes": list(self.changes),
            "pushes": list(self.pushes),
            "reload_error": self.reload_error,
            "source_failures": dict(self.source_failures),
            "rejections": [str(r) for r in turn.rejections.rows],
        }

    def failover(self, fleet: Fleet) -> list[Json]:
        """What each loss larger than a tier would do, from the rows that are ready; `readiness` has all of them."""
        table = self.state.failover if self.state else None
        if table is None or len(table.standing) != len(fleet.flows):
            return []
        return [
            {
                "loss": str(row.loss),
                "worst_backend": row.worst_backend,
                "worst_utilization": finite(row.worst_utilization),
                "shed_rps": round(row.shed_rps, 3),
                "p95_ms": finite(row.p95_ms),
                "objective_usd_per_hour": round(row.objective_usd_per_hour, 6),
                "solved": row.solved,
                "made_at_s": row.made_at_s,
            }
            for row in table.rows
            if row.loss.kind not in SMALL
        ]
