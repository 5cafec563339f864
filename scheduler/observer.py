"""The ledger as the loop sees it, with the board and the metrics beside it."""

from collections.abc import Callable, Mapping

import structlog

from placement.fleet import OriginId
from placement.plan import Reason
from placement.weights import WeightTable
from scheduler.api.metrics import Metrics
from scheduler.board import Board
from scheduler.ledger import Ledger
from scheduler.ports import LedgerDown
from scheduler.state import State
from scheduler.summary import Json
from scheduler.turn import Turn

NAMED_MAX = 50
"""Meshes that the log names for one turn."""

log = structlog.get_logger()


class Observer:
    """Writes to the ledger, remembers whether it could, and shows every turn."""

    def __init__(
        self, ledger: Ledger, board: Board, metrics: Metrics, meter: Callable[[State, Turn], None] = lambda _, __: None
    ) -> None:
        self.ledger, self.board, self.metrics, self.meter = ledger, board, metrics, meter
        self._written: tuple[Turn, Json] | None = None

    async def intend(self, turn: int, tables: Mapping[OriginId, WeightTable]) -> None:
        """Durable before any of them is written to a mesh. Raises LedgerDown."""
        try:
            await self.ledger.intend(turn, tables)
        except LedgerDown as down:
            self._failed(str(down))
            raise
        self._failed("")

    async def record(self, turn: Turn) -> None:
        """The finished turn. Raises LedgerDown."""
        try:
            self._written = turn, await self.ledger.record(turn)
        except LedgerDown as down:
            self._failed(str(down))
            raise
        self._failed("")

    def show(self, state: State, turn: Turn) -> None:
        """Put a turn on the board, into the metrics and, where something happened, into the log."""
        known = self._written[1] if self._written is not None and self._written[0] is turn else None
        self.board.show(state, turn, known)
        self.metrics.show(state, turn)
        self.meter(state, turn)
        self.metrics.reload_failed.set(bool(self.board.reload_error))
        self.metrics.source_failed.clear()
        for source in self.board.source_failures:
            self.metrics.source_failed.labels(source).set(1)
        for change in turn.changes:
            log.warning("verdict", turn=turn.number, backend=change.backend, before=change.before, after=change.after)
        if turn.outcomes or turn.plan.reason is Reason.FAILOVER:
            log.info(
                "pushed",
                turn=turn.number,
                reason=str(turn.plan.reason),
                detail=turn.plan.detail,
                origins=_became(turn),
                guards=list(turn.guards),
                duration_s=round(turn.duration_s, 4),
            )

    def _failed(self, error: str) -> None:
        if error and not self.board.ledger_error:
            log.error("ledger down", error=error)
        self.board.ledger_error = error
        self.metrics.ledger_failed.set(bool(error))


def _became(turn: Turn) -> dict[str, str] | str:
    """What became of each write; of many only those that something is to be said of."""
    said = {str(origin): outcome.detail or "stored" for origin, outcome in turn.outcomes.items()}
    if len(said) <= NAMED_MAX:
        return said
    failed = {o: words for o, words in said.items() if words != "stored"}
    first = "; ".join(f"{o}: {words}" for o, words in list(failed.items())[:NAMED_MAX])
    return f"{len(said) - len(failed)} stored" + (f", {len(failed)} not: {first}" if failed else "")
