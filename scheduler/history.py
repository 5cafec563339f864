"""What stood in the meshes at a time that has passed, by the ledger: intents but those that a mesh turned away."""

from sqlmodel import Session, col, select

from placement.fleet import OriginId
from placement.weights import WeightTable, table_from_content
from scheduler.tables import IntentRow, TurnRow


class NothingYet(Exception):  # noqa: N818  a state of the ledger
    """The ledger begins later."""


def tables_at(session: Session, wall_s: float) -> tuple[dict[OriginId, WeightTable], float]:
    """The table of every origin after the last turn that had ended at `wall_s`, and when that was, in s since 1970.

    Raises NothingYet.
    """
    last = session.exec(
        select(TurnRow).where(col(TurnRow.wall_s) <= wall_s).order_by(col(TurnRow.id).desc()).limit(1)
    ).first()
    if last is None:
        first = session.exec(select(TurnRow.wall_s).order_by(col(TurnRow.id))).first()
        raise NothingYet(
            "the ledger has no turns" if first is None else f"the ledger begins {first - wall_s:.0f} s later"
        )
    before = (col(IntentRow.epoch) < last.epoch) | (
        (col(IntentRow.epoch) == last.epoch) & (col(IntentRow.turn) <= last.number)
    )
    found: dict[OriginId, WeightTable] = {}
    for origin in session.exec(select(IntentRow.origin).where(before).distinct()).all():
        mine = select(IntentRow).where(before, col(IntentRow.origin) == origin).order_by(col(IntentRow.id).desc())
        stood = next((row for row in session.exec(mine) if not _turned_away(session, row)), None)
        if stood is not None:
            found[OriginId(origin)] = table_from_content(stood.content, (stood.epoch, stood.version))
    return found, last.wall_s


def _turned_away(session: Session, intent: IntentRow) -> bool:
    """Whether the turn of an intent says that the mesh did not store it; one that was never finished says nothing."""
    query = select(TurnRow).where(col(TurnRow.number) == intent.turn, col(TurnRow.epoch) == intent.epoch)
    turn = session.exec(query).first()
    pushes = turn.body.get("pushes") if turn is not None else None
    push = pushes.get(intent.origin) if isinstance(pushes, dict) else None
    return isinstance(push, dict) and push.get("stored") is False
