"""What the controller did and why, turn by turn, kept small: for tables, reports and traces."""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from placement.columns import Floats
from placement.fleet import Fleet
from placement.plan import Reason
from scheduler.turn import Turn

SHOWN = 5
"""Largest changes of a move that are kept."""
MOVED_RPS = 0.01


@dataclass(frozen=True, slots=True)
class Change:
    """One share of one flow."""

    flow: str
    cluster: str
    before: float
    after: float
    rps: float
    """That change cluster."""


@dataclass(frozen=True, slots=True)
class Move:
    """A turn that wrote weights."""

    at_s: float
    reason: str
    why: str
    """In words: the loss, or what it saves."""
    rps: float
    """Requests/s that change cluster, of all flows."""
    part: float
    """The same in parts of all requests/s."""
    usd_before: float
    """$/h of everything, had nothing moved."""
    usd_after: float
    changes: tuple[Change, ...]
    """The largest."""
    guards: tuple[str, ...]
    failed: tuple[str, ...]
    """Origins that did not take it, with their words."""


@dataclass(slots=True)
class Diary:
    """Filled turn by turn."""

    fleet: Fleet
    moves: list[Move] = field(default_factory=list)
    verdicts: list[tuple[float, str]] = field(default_factory=list)
    """(time, `backend: UP -> DOWN`)."""
    reasons: list[tuple[float, str, bool]] = field(default_factory=list)
    """(time, reason, panic) of every turn."""
    rejected: dict[str, int] = field(default_factory=dict)
    """Measurements refused, by reason."""
    trace: str = ""

    def write(self, turn: Turn) -> None:
        """Note a turn."""
        words = f"{self.trace}|{turn.at_s!r}|{turn.plan.reason}|{turn.fraction!r}"
        digest = hashlib.sha256(words.encode())
        for origin, outcome in turn.outcomes.items():
            table = outcome.table
            digest.update(f"{origin}:{table.fence}:{outcome.landed}".encode())
            for column in (table.row_start, table.column, table.weight, table.priority, table.shed_weight):
                digest.update(column.tobytes())
        self.trace = digest.hexdigest()
        self.reasons.append((turn.at_s, str(turn.plan.reason), turn.verdicts.panic))
        self.verdicts += [(c.at_s, f"{c.backend}: {c.before} -> {c.after}") for c in turn.changes]
        for row in turn.rejections.rows:
            self.rejected[str(row.reason)] = self.rejected.get(str(row.reason), 0) + row.count
        if turn.outcomes:
            move = self._move(turn)
            if move.rps > MOVED_RPS or any(out.landed for out in turn.outcomes.values()):
                self.moves.append(move)

    def _move(self, turn: Turn) -> Move:
        fleet, demand = self.fleet, turn.snapshot.readings.demand_rps
        before, after = turn.snapshot.routing.dense(), turn.pushed.dense()
        moved = after - before
        rps = moved * demand[:, None]
        gains = np.maximum(rps, 0.0)
        order = np.argsort(-gains, axis=None, kind="stable")[:SHOWN].tolist()
        picked = [divmod(i, moved.shape[1]) for i in order if gains.flat[i] > 0]
        all_rps = float(gains.sum())
        failed = tuple(f"{o}: {out.detail}" for o, out in turn.outcomes.items() if not out.landed)
        return Move(
            at_s=turn.at_s,
            reason=str(turn.plan.reason),
            why=_why(turn),
            rps=all_rps,
            part=all_rps / max(float(demand.sum()), 1e-12),
            usd_before=turn.standing_cost.objective_usd_per_hour,
            usd_after=turn.pushed_cost.objective_usd_per_hour,
            changes=tuple(_change(fleet, before, after, f, c, float(rps[f, c])) for f, c in picked),
            guards=turn.guards,
            failed=failed,
        )


def _change(fleet: Fleet, before: Floats, after: Floats, flow: int, column: int, rps: float) -> Change:
    was, will_be = float(before[flow, column]), float(after[flow, column])
    return Change(fleet.flow_name(flow), fleet.column_name(column), was, will_be, rps)


def _why(turn: Turn) -> str:
    """The change of verdicts if there was one, else the part of the cost that falls most."""
    if turn.plan.reason is Reason.FAILOVER:
        return turn.plan.detail
    said = [f"{c.backend} is {c.after}" for c in turn.changes]
    if said:
        more = f" and {len(said) - 2} more" if len(said) > 2 else ""
        return "; ".join(said[:2]) + more
    names = ("compute", "egress", "latency", "quality", "headroom", "shed", "overload")
    saved = {n: getattr(turn.standing_cost, n) - getattr(turn.pushed_cost, n) for n in names}
    best = max(saved, key=lambda n: saved[n])
    if saved[best] <= 1e-6:
        return turn.plan.detail or "as measured"
    usd = saved[best]
    return f"saves {usd:,.0f} $/h of {best}" if usd >= 100 else f"saves {usd:.3g} $/h of {best}"
