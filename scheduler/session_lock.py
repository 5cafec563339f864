"""A leader's session lock in PostgreSQL: free the moment its process is gone, so that nobody waits out its term.

The row of the lease decides; this says sooner that nobody will renew it. A session that ends is not proof: a database
that restarts ends all of them. So a standby goes by it only where it has seen this very term's lock held, sees it free,
and no renewal follows that was due. A host that vanishes keeps its lock until TCP gives up, and its term runs out.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session

CLASS = 0x6571
"""Of advisory locks of ours; the second key is the epoch."""
HELD = (
    "SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = :kind "
    "AND objid = :epoch AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def hold(session: Session, epoch: int) -> None:
    """Hold the lock of a term for as long as the connection lives. Once is enough; nobody waits."""
    keys = {"kind": CLASS, "epoch": epoch}
    if not session.execute(text(f"SELECT EXISTS ({HELD} AND pid = pg_backend_pid())"), keys).scalar_one():
        session.execute(text("SELECT pg_try_advisory_lock(:kind, :epoch)"), keys)


@dataclass(slots=True)
class Absence:
    """What a standby has seen of the leader's session."""

    silent_s: float
    """How long there must be no renewal after it ended."""
    epoch: int = 0
    """The term whose lock was seen held."""
    free: tuple[float, float] | None = None
    """Since when it is free, and until when the term went then; by the clock of the database."""

    def gone(self, session: Session, epoch: int, expires_at_s: float, at_s: float) -> bool:
        """Whether the leader of a term is gone, as far as the looks so far tell."""
        held = session.execute(text(f"SELECT EXISTS ({HELD})"), {"kind": CLASS, "epoch": epoch}).scalar_one()
        if held:
            self.epoch, self.free = epoch, None
            return False
        if self.epoch != epoch:
            return False
        if self.free is None or self.free[1] != expires_at_s:
            self.free = at_s, expires_at_s
        return at_s - self.free[0] >= self.silent_s
